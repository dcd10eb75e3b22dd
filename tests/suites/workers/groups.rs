//! Groups: what the groups worker stores of what is wanted, and what it writes down of it, whatever is asked again, at once, or of a worker
//! that dies.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

mod between;
mod ended;
mod killed;
mod links;
mod many;
mod paced;
mod repeated;

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use dunlin_nats::{Groups, Reads, Records};
use dunlin_schema::{
    Content, Entry, GroupName, Log, MessageId, Millis, Peer, Sender, Seq,
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest, GroupRole, GroupSettingsChange, WhoMay},
    read::{ReadFrom, ReadRequest, Source},
    record::{Follows, GroupRecord, MemberRecord},
    subject,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use dunlin_workers::{Boot, Config, Readiness, deliver, groups};

use super::bench::{Bench, Node, SHARD, name};

const WITHIN: Millis = Millis(7_000);

fn group() -> GroupName {
    "team".parse().unwrap()
}

fn sender(user: &str) -> Sender {
    Sender { user: name(user), region: "local".parse().unwrap() }
}

fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
}

fn fresh_id() -> MessageId {
    MessageId::from_parts(now(), rand::random())
}

fn message(text: &str) -> GroupCommand {
    GroupCommand::Say(Content::Message {
        text: Some(text.to_owned()),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    })
}

fn creation(users: &[&str]) -> GroupCommand {
    let users = users.iter().map(|user| name(user)).collect();
    GroupCommand::Create { title: Some("The team".parse().unwrap()), settings: GroupSettingsChange::default(), users }
}

fn add(users: &[&str]) -> GroupCommand {
    GroupCommand::Add(users.iter().map(|user| name(user)).collect())
}

fn remove(user: &str) -> GroupCommand {
    GroupCommand::Remove(vec![name(user)])
}

fn role(user: &str, role: GroupRole) -> GroupCommand {
    GroupCommand::Role { user: name(user), role }
}

fn request(by: &str, id: MessageId, what: GroupCommand) -> GroupRequest {
    GroupRequest { group: group(), by: sender(by), id, at: now(), what }
}

/// A region with a groups worker, and what its one group has.
struct Team {
    bench: Bench,
    groups: Groups,
    reads: Reads,
    log: Log,
}

impl Team {
    async fn new() -> Team {
        let bench = Bench::new(ServerOptions::default()).await;
        let groups = Groups::new(&bench.connection);
        let reads = Reads::open(&bench.options(), &bench.settings).await.unwrap();
        let log = Log { region: bench.settings.region.clone(), shard: SHARD, owner: Peer::Group(group()) };
        Team { bench, groups, reads, log }
    }

    async fn worker(&self) -> Node {
        let roles = vec![deliver::ROLE, groups::ROLE];
        self.bench.worker_with(Config { roles, boot: Boot::Given("boot".to_owned()), ..Config::default() }).await
    }

    async fn working(&self) -> Node {
        let mut node = self.worker().await;
        node.wait("a working worker", Readiness::is_all_working).await;
        node
    }

    /// The answer to a request; where there is none, or one that says nothing, to the same one again.
    async fn asks(&self, request: &GroupRequest) -> GroupAnswer {
        until("an answer of the groups worker", async || {
            let answer = self.groups.ask(SHARD, request, WITHIN).await.ok()?;
            let says_nothing = matches!(answer, GroupAnswer::Unknown | GroupAnswer::Refused(GroupRefusal::Busy));
            (!says_nothing).then_some(answer)
        })
        .await
    }

    async fn ask(&self, by: &str, what: GroupCommand) -> GroupAnswer {
        self.asks(&request(by, fresh_id(), what)).await
    }

    /// The order at which it is stored.
    async fn stored(&self, by: &str, what: GroupCommand) -> Seq {
        match self.ask(by, what.clone()).await {
            GroupAnswer::Stored { order, .. } => order,
            answer @ (GroupAnswer::Refused(_) | GroupAnswer::Unknown) => panic!("{by}: {what:?}: {answer:?}"),
        }
    }

    async fn refused(&self, by: &str, what: GroupCommand) -> GroupRefusal {
        match self.ask(by, what.clone()).await {
            GroupAnswer::Refused(refusal) => refusal,
            answer @ (GroupAnswer::Stored { .. } | GroupAnswer::Unknown) => panic!("{by}: {what:?}: {answer:?}"),
        }
    }

    /// What the log has, each entry with its order.
    async fn entries(&self) -> Vec<(Seq, Entry)> {
        let (mut entries, mut from) = (Vec::new(), Seq(1));
        loop {
            let request = ReadRequest { from: ReadFrom::Seq(from), source: Source::Leader };
            let answer = self.reads.read(&self.log, request).await.unwrap();
            for stored in answer.entries {
                from = stored.seq.next();
                entries.push((stored.seq, Entry::decode(&stored.payload).unwrap()));
            }
            if !answer.more {
                return entries;
            }
        }
    }

    async fn record(&self, subject: String) -> Option<bytes::Bytes> {
        Some(Records::new(&self.bench.connection).load(SHARD, &subject).await.unwrap()?.bytes)
    }

    async fn group(&self) -> Option<GroupRecord> {
        let bytes = self.record(subject::group_record(&self.bench.settings.region, SHARD, &group())).await?;
        Some(GroupRecord::decode(&bytes).unwrap())
    }

    async fn member(&self, user: &str) -> Option<MemberRecord> {
        let subject = subject::member_record(&self.bench.settings.region, SHARD, &group(), &name(user));
        Some(MemberRecord::decode(&self.record(subject).await?).unwrap())
    }

    async fn follows(&self, user: &str) -> Option<Follows> {
        let subject = subject::follows(&self.bench.settings.region, SHARD, &name(user), &group());
        Some(Follows::decode(&self.record(subject).await?).unwrap())
    }

    /// The group's record once it takes account of this order.
    async fn applied(&self, order: Seq) -> GroupRecord {
        until("the records to be written", async || self.group().await.filter(|record| record.applied.seq >= order))
            .await
    }

    /// The same once the records take account of this order.
    async fn roles_at(&self, order: Seq) -> BTreeMap<String, GroupRole> {
        self.applied(order).await;
        self.roles().await
    }

    /// What everybody is by the records.
    async fn roles(&self) -> BTreeMap<String, GroupRole> {
        let pattern = subject::member_records(&self.bench.settings.region, SHARD, &group());
        let (mut roles, mut after) = (BTreeMap::new(), Seq(0));
        loop {
            let page = Records::new(&self.bench.connection).above(&self.reads, SHARD, &pattern, after).await.unwrap();
            for (subject, record) in page.records {
                let user = subject::parse_member_record(&subject).unwrap().to_string();
                if let Some(role) = MemberRecord::decode(&record.bytes).unwrap().role {
                    roles.insert(user, role);
                }
            }
            match page.next {
                Some(next) => after = next.previous(),
                None => return roles,
            }
        }
    }
}

fn texts(entries: &[(Seq, Entry)]) -> Vec<String> {
    let texts = entries.iter().filter_map(|(_, entry)| match &entry.body {
        Body::Content(Content::Message { text, .. }) => text.clone(),
        _ => None,
    });
    texts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_in_a_group_is_stored_in_its_order_and_written_down() {
    use GroupRole::{Admin, Owner};
    let team = Team::new().await;
    let _worker = team.working().await;
    let created = team.stored("alice", creation(&["bob", "carol"])).await;
    let added = team.stored("alice", add(&["dave", "bob"])).await;
    let said = team.stored("bob", message("hello")).await;
    let removed = team.stored("alice", remove("carol")).await;
    let left = team.stored("dave", GroupCommand::Leave).await;
    team.stored("alice", role("bob", Admin)).await;
    let settings = GroupSettingsChange { who_may_write: Some(WhoMay::Admins), ..GroupSettingsChange::default() };
    let set = team.stored("bob", GroupCommand::Set { title: None, settings }).await;
    assert!([created, added, said, removed, left, set].is_sorted());
    assert_eq!(team.refused("carol", message("still here")).await, GroupRefusal::NotAMember);
    assert_eq!(team.stored("alice", add(&["bob"])).await, Seq(0), "it is so already");
    assert_eq!(team.refused("eve", creation(&[])).await, GroupRefusal::Exists);
    let entries = team.entries().await;
    assert_eq!(entries.len(), 7);
    assert_eq!(texts(&entries), ["hello"]);
    let record = team.applied(set).await;
    assert_eq!((record.members, record.owners, record.deleted), (2, 1, false));
    assert_eq!(record.title.map(|title| title.as_str().to_owned()).as_deref(), Some("The team"));
    assert_eq!(record.settings.who_may_write, WhoMay::Admins);
    assert_eq!(team.roles().await, BTreeMap::from([("alice".to_owned(), Owner), ("bob".to_owned(), Admin)]));
    for (user, from, until) in
        [("alice", created, None), ("carol", created, Some(removed)), ("dave", added, Some(left))]
    {
        let windows = team.member(user).await.unwrap().windows;
        assert_eq!((windows.first(), windows.last()), (Some(from), until), "{user}");
        assert_eq!(team.follows(user).await.unwrap().is_member, until.is_none(), "{user}");
    }
    assert_eq!(team.member("eve").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owner_leaves_a_group_to_somebody() {
    let team = Team::new().await;
    let _worker = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    let left = team.stored("alice", GroupCommand::Leave).await;
    assert_eq!(team.applied(left).await.owners, 1);
    assert_eq!(team.roles().await, BTreeMap::from([("bob".to_owned(), GroupRole::Owner)]));
    assert_eq!(team.refused("bob", GroupCommand::Leave).await, GroupRefusal::NobodyLeft);
    assert_eq!(team.entries().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_group_is_nobodys_and_never_made_again() {
    let team = Team::new().await;
    let mut worker = team.working().await;
    team.stored("alice", creation(&["bob", "carol"])).await;
    assert_eq!(team.refused("bob", GroupCommand::Delete).await, GroupRefusal::NotAllowed);
    let deleted = team.stored("alice", GroupCommand::Delete).await;
    let record = team.applied(deleted).await;
    assert_eq!((record.deleted, record.members, record.owners), (true, 0, 0));
    for user in ["alice", "bob", "carol"] {
        assert_eq!(team.member(user).await.unwrap().windows.last(), Some(deleted), "{user}");
        assert!(!team.follows(user).await.unwrap().is_member, "{user}");
    }
    for _ in 0..2 {
        assert_eq!(team.refused("alice", message("hello?")).await, GroupRefusal::NotAMember);
        assert_eq!(team.refused("alice", creation(&[])).await, GroupRefusal::Exists);
        worker.stop().await;
        worker = team.working().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_a_message_finds_it_however_old() {
    let team = Team::new().await;
    let mut worker = team.working().await;
    team.stored("alice", creation(&["bob", "carol"])).await;
    // It waited with its sender for an hour.
    let old = MessageId::from_parts(now().minus(Millis(3_600_000)), 1);
    let bobs = request("bob", old, message("hello"));
    assert!(matches!(team.asks(&bobs).await, GroupAnswer::Stored { .. }));
    let edit = |target| GroupCommand::Say(Content::Edit { target, text: Some("else".to_owned()), data: None });
    let react = |target| GroupCommand::Say(Content::React { target, emoji: "\u{1f44d}".to_owned(), on: true });
    let delete = |target| GroupCommand::Say(Content::Delete { target });
    for _ in 0..2 {
        team.stored("carol", react(old)).await;
        team.stored("bob", edit(old)).await;
        assert_eq!(team.refused("carol", edit(old)).await, GroupRefusal::NotYours);
        assert_eq!(team.refused("carol", delete(old)).await, GroupRefusal::NotYours);
        assert_eq!(team.refused("carol", react(fresh_id())).await, GroupRefusal::NotFound);
        worker.stop().await;
        worker = team.working().await;
    }
    team.stored("alice", delete(old)).await;
}
