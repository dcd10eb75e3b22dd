//! A group whose log and records a test writes itself, in the place of the groups worker: so that it chooses how far one is behind the
//! other.

use std::collections::BTreeMap;

use async_nats::jetstream;
use dunlin_nats::{ConnectOptions, Connection, Records};
use dunlin_schema::{
    Address, Content, Entry, Epoch, GroupAddress, Log, MessageId, Millis, Peer, Position, Sender, Seq, StreamTime,
    Turn, UserName,
    content::{Change, GroupChange, Membership, Settings},
    entry::Body,
    group::{GroupRole, GroupSettings},
    record::{Follows, GroupRecord, LEADER, MemberRecord, ReaderRecord},
    stream::log_stream,
    subject,
};

use crate::{device::new_id, region::Region, wait::until};

/// The group.
pub struct ByHand {
    log: Log,
    shards: u16,
    address: GroupAddress,
    settings: GroupSettings,
    records: Records,
    jetstream: jetstream::Context,
    /// What STATE is to say, and does up to `applied`.
    members: BTreeMap<UserName, MemberRecord>,
    last: Position,
}

impl ByHand {
    /// A group with these members, the first of whom owns it, in the log and in STATE.
    pub async fn create(region: &Region, name: &str, users: &[&str]) -> ByHand {
        let mut group = ByHand::begin(region, name, GroupSettings::default()).await;
        group.made_by(users).await;
        group.apply().await;
        group
    }

    /// A group of which nothing is written yet.
    pub async fn begin(region: &Region, name: &str, settings: GroupSettings) -> ByHand {
        let of = region.settings();
        let options = ConnectOptions { servers: vec![region.url()], ..ConnectOptions::default() };
        let connection = Connection::open(&options, &of.region).await.expect("a connection");
        let address = GroupAddress { group: name.parse().expect("a group's name"), region: Some(of.region.clone()) };
        let log = Log::of(&of.region, of.shards, Peer::Group(address.group.clone()));
        let (records, jetstream) = (Records::new(&connection), region.jetstream().await);
        let (members, last) = (BTreeMap::new(), Position::default());
        ByHand { log, shards: of.shards, address, settings, records, jetstream, members, last }
    }

    /// The entry that makes it.
    pub async fn made_by(&mut self, users: &[&str]) -> Seq {
        let [by, others @ ..] = users else { panic!("somebody makes it") };
        let others = others.iter().map(|user| self.user(user)).collect();
        let settings = Settings {
            group: self.address.clone(),
            change: GroupChange::Created.into(),
            title: None,
            settings: self.settings.clone(),
            users: others,
            by: self.user(by),
        };
        self.append(by, Content::Settings(Box::new(settings))).await
    }

    /// Something becomes of members.
    pub async fn change(&mut self, change: Change, users: &[&str]) -> Seq {
        let group = self.address.clone();
        let (users, by) = (users.iter().map(|user| self.user(user)).collect(), self.user("alice"));
        let membership = Membership { group, users, change: change.into(), by };
        self.append("alice", Content::Membership(Box::new(membership))).await
    }

    /// Somebody says something.
    pub async fn say(&mut self, by: &str, text: &str) -> Seq {
        let content = Content::Message {
            text: Some(text.into()),
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        };
        self.append(by, content).await
    }

    /// Somebody says this so many times.
    pub async fn say_often(&mut self, by: &str, text: &str, times: usize) {
        let content = Content::Message {
            text: Some(text.into()),
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        };
        for chunk in (1..times).collect::<Vec<_>>().chunks(250) {
            let mut published = Vec::new();
            for _ in chunk {
                let entry = self.entry(by, content.clone()).encode();
                published.push(self.jetstream.publish(self.log.subject(), entry).await.expect("a publish"));
            }
            for published in published {
                published.await.expect("an acknowledgement");
            }
        }
        self.append(by, content).await;
    }

    fn entry(&self, by: &str, content: Content) -> Entry {
        let id = new_id().parse::<MessageId>().expect("an id");
        let (from, to, body) = (self.sender(by), self.address.clone().into(), Body::Content(content));
        Entry { id, from, to, order: None, time: Millis(1), body }
    }

    async fn append(&mut self, by: &str, content: Content) -> Seq {
        let entry = self.entry(by, content.clone());
        let published = self.jetstream.publish(self.log.subject(), entry.encode()).await.expect("a publish");
        let seq = Seq(published.await.expect("an acknowledgement").sequence);
        let stream = self.jetstream.get_stream(log_stream(&self.log.region, self.log.shard)).await.expect("the stream");
        let stored = stream.get_raw_message(seq.0).await.expect("the entry");
        let time = StreamTime(u64::try_from(stored.time.unix_timestamp_nanos()).expect("a time after 1970"));
        self.last = Position { epoch: self.epoch().await, seq, time };
        self.fold(&content);
        seq
    }

    fn fold(&mut self, content: &Content) {
        let named = match content {
            Content::Settings(settings) => settings.users.iter().chain([&settings.by]).collect(),
            Content::Membership(membership) => membership.users.iter().collect(),
            Content::Message { .. }
            | Content::Edit { .. }
            | Content::Delete { .. }
            | Content::React { .. }
            | Content::Failed(_) => vec![],
        };
        for user in named.into_iter().map(|address| match &address.peer {
            Peer::User(user) => user.clone(),
            Peer::Group(_) => panic!("a group is no member"),
        }) {
            let sender = Sender { user: user.clone(), region: self.log.region.clone() };
            let Some(turn) = Turn::of(content, &sender) else { continue };
            let member = self.members.entry(user).or_default();
            member.windows.turn(self.last.seq, turn, self.settings.history);
            member.role = (turn == Turn::Joins).then_some(GroupRole::Member);
            member.at = self.last;
        }
    }

    /// STATE takes account of all of the log: the members, what they follow, and the group itself.
    pub async fn apply(&self) {
        self.apply_members().await;
        self.apply_follows().await;
        let group = GroupRecord {
            applied: self.last,
            title: None,
            settings: self.settings.clone(),
            members: self.members.len() as u32,
            owners: 1,
            deleted: false,
        };
        let subject = subject::group_record(&self.log.region, self.log.shard, &self.address.group);
        self.write(self.log.shard, &subject, group.encode()).await;
    }

    /// The first of these three alone.
    pub async fn apply_members(&self) {
        for (user, member) in &self.members {
            let subject = subject::member_record(&self.log.region, self.log.shard, &self.address.group, user);
            self.write(self.log.shard, &subject, member.encode()).await;
        }
    }

    /// The second of them alone.
    pub async fn apply_follows(&self) {
        for (user, member) in &self.members {
            let shard = Log::mailbox(&self.log.region, self.shards, user).shard;
            let subject = subject::follows(&self.log.region, shard, user, &self.address.group);
            let follows = Follows { is_member: member.windows.are_open(), at: member.at };
            self.write(shard, &subject, follows.encode()).await;
        }
    }

    async fn write(&self, shard: dunlin_schema::Shard, subject: &str, bytes: Vec<u8>) {
        let before = self.records.load(shard, subject).await.expect("an answer");
        if before.as_ref().is_some_and(|before| before.bytes == bytes) {
            return;
        }
        let revision = before.map_or(Seq(0), |before| before.revision);
        self.records.save(subject, bytes, revision).await.expect("a record");
    }

    async fn epoch(&self) -> Epoch {
        let subject = subject::reader_record(&self.log.region, self.log.shard, LEADER);
        until("the deliver reader", async || {
            let record = self.records.load(self.log.shard, &subject).await.ok()??;
            Some(ReaderRecord::decode(&record.bytes).expect("a record").epoch(record.stamp))
        })
        .await
    }

    fn user(&self, user: &str) -> Address {
        Address::local(user.parse().expect("a user's name")).said_in(&self.log.region)
    }

    fn sender(&self, user: &str) -> Sender {
        Sender { user: user.parse().expect("a user's name"), region: self.log.region.clone() }
    }
}
