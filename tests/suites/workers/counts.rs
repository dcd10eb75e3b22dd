//! Counts of groups: what the receipts worker makes of what members acknowledge and read, whatever dies meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

mod killed;

use std::time::Instant;

use async_nats::jetstream;
use dunlin_nats::{Marks, Reads, Receipts, Records};
use dunlin_schema::{
    Address, Content, Cursor, Entry, Epoch, GroupName, Log, MessageId, Millis, Peer, Position, Sender, Seq, StreamTime,
    Windows,
    counts::{CountsAnswer, CountsRequest, GroupSentMarks},
    entry::Body,
    group::{GroupRole, GroupSettings},
    limits,
    live::{self, UserMessage},
    record::{GroupAck, GroupRead, GroupRecord, MemberRecord, Receipt},
    stream::receipts_stream,
    subject,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use futures_util::{FutureExt, StreamExt, future::join_all};

use super::bench::{Bench, SHARD, device_name, name};

/// `#team`, whose log and members this test writes; and whoever looks at the region from outside.
struct Team<'a> {
    bench: &'a Bench,
    jetstream: jetstream::Context,
    client: async_nats::Client,
}

fn group() -> GroupName {
    "team".parse().unwrap()
}

/// A position of the epoch that the worker begins.
fn cursor(epoch: Epoch, seq: u64) -> Cursor {
    Cursor::of_entry(Position { epoch, seq: Seq(seq), time: StreamTime(seq) })
}

impl<'a> Team<'a> {
    /// With these members, from the first entry on.
    async fn of(bench: &'a Bench, members: &[String]) -> Team<'a> {
        let client = async_nats::connect(bench.nats.url()).await.unwrap();
        let team = Team { bench, jetstream: jetstream::with_domain(client.clone(), "local"), client };
        let records = Records::new(&bench.connection);
        let region = &bench.settings.region;
        for some in members.chunks(256) {
            join_all(some.iter().map(async |member| {
                let (role, windows) = (Some(GroupRole::Member), Windows::open_from(Seq(1)));
                let record = MemberRecord { role, windows, at: Position::default(), joined: Millis(1) };
                let subject = subject::member_record(region, SHARD, &group(), &name(member));
                records.save(&subject, record.encode(), Seq(0)).await.unwrap();
            }))
            .await;
        }
        team.applied(Seq(1_000)).await;
        team
    }

    /// The members' records take account of the log up to there.
    async fn applied(&self, seq: Seq) {
        let records = Records::new(&self.bench.connection);
        let subject = subject::group_record(&self.bench.settings.region, SHARD, &group());
        let applied = Position { epoch: Epoch(1), seq, time: StreamTime(seq.0) };
        let (title, settings, members) = (None, GroupSettings::default(), 1);
        let record = GroupRecord { applied, title, settings, members, owners: 1, deleted: false };
        let before = records.load(SHARD, &subject).await.unwrap().map_or(Seq(0), |record| record.revision);
        records.save(&subject, record.encode(), before).await.unwrap();
    }

    /// Somebody says something in it. Gives its order.
    async fn said(&self, by: &str, number: u128) -> u64 {
        let region = self.bench.settings.region.clone();
        let log = Log::of(&region, 1, Peer::Group(group()));
        let (id, from) = (MessageId::from_parts(Millis(1), number), Sender { user: name(by), region: region.clone() });
        let (text, to) = (Some("hi".to_owned()), Address { peer: Peer::Group(group()), region: Some(region) });
        let content =
            Content::Message { text, data: None, attachments: Vec::new(), reply_to: None, mentions: Vec::new() };
        let entry = Entry { id, from, to, order: None, time: Millis(1), body: Body::Content(content) };
        let published = self.jetstream.publish(log.subject(), entry.encode()).await.unwrap();
        published.await.unwrap().sequence
    }

    /// What a gateway says of these members.
    async fn says(&self, acks: Vec<GroupAck>, reads: Vec<GroupRead>) {
        let receipts = Receipts::new(&self.bench.connection);
        receipts.publish_group(SHARD, &group(), &Receipt::Group { acks, reads }).await.unwrap();
    }

    async fn waiting(&self) -> u64 {
        let stream = self.jetstream.get_stream(receipts_stream(&self.bench.settings.region, SHARD)).await.unwrap();
        stream.cached_info().state.messages
    }

    /// Waits until nothing waits for the worker any more.
    async fn done(&self) {
        until("the queue to be empty", async || (self.waiting().await == 0).then_some(())).await;
    }

    /// How far the messages of somebody have come, as STATE says: order, delivered, read, of.
    async fn stored(&self, sender: &str) -> Vec<(u64, u32, u32, u32)> {
        let region = &self.bench.settings.region;
        let subject = subject::sent_marks(region, SHARD, &name(sender), &Peer::Group(group()), region);
        let Some(record) = Records::new(&self.bench.connection).load(SHARD, &subject).await.unwrap() else {
            return Vec::new();
        };
        let marks = GroupSentMarks::decode(&record.bytes).unwrap();
        marks.messages.iter().map(|count| (count.order.0, count.delivered, count.read, count.of)).collect()
    }

    async fn listen(&self, user: &str) -> async_nats::Subscriber {
        let subscriber = self.client.subscribe(subject::live(&Peer::User(name(user)))).await.unwrap();
        self.client.flush().await.unwrap();
        subscriber
    }
}

fn ack(member: &str, cursor: Cursor) -> GroupAck {
    GroupAck { user: name(member), device: device_name("phone"), cursor, opened: Millis(1) }
}

fn read(member: &str, epoch: Epoch, upto: u64) -> GroupRead {
    GroupRead { user: name(member), epoch, upto: Seq(upto) }
}

fn names(count: usize) -> Vec<String> {
    ["alice".to_owned()].into_iter().chain((1..count).map(|number| format!("u{number}"))).collect()
}

/// What a sender was told by now: order, delivered, of.
fn told(subscriber: &mut async_nats::Subscriber) -> Vec<(u64, u32, u32)> {
    let mut told = Vec::new();
    while let Some(Some(message)) = subscriber.next().now_or_never() {
        if let UserMessage::Receipt(live::Receipt::Group { order, delivered, of, .. }) =
            UserMessage::decode(&message.payload).unwrap()
        {
            told.push((order.0, delivered, of));
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_who_acknowledge_together_are_a_few_updates_for_the_sender() {
    const MEMBERS: usize = 10_000;
    let bench = Bench::new(ServerOptions::default()).await;
    let members = names(MEMBERS);
    let team = Team::of(&bench, &members).await;
    let mut alice = team.listen("alice").await;
    let order = team.said("alice", 1).await;
    let _worker = bench.working("boot").await;
    let epoch = bench.epoch().await;
    let begun = Instant::now();
    // As ten gateways say it, each at once and once more a second later.
    for some in members[1..].chunks(limits::GROUP_ITEM) {
        team.says(vec![ack(&some[0], cursor(epoch, order))], Vec::new()).await;
    }
    until("the first of them to count", async || (!team.stored("alice").await.is_empty()).then_some(())).await;
    for some in members[1..].chunks(limits::GROUP_ITEM) {
        team.says(some.iter().map(|member| ack(member, cursor(epoch, order))).collect(), Vec::new()).await;
    }
    team.done().await;
    println!("{MEMBERS} members are counted after {:?}", begun.elapsed());
    let all = MEMBERS as u32 - 1;
    assert_eq!(team.stored("alice").await, [(order, all, 0, all)]);
    let mut updates = Vec::new();
    until("the last update", async || {
        updates.extend(told(&mut alice));
        (updates.last() == Some(&(order, all, all))).then_some(())
    })
    .await;
    println!("the sender is told {updates:?}");
    assert!(updates.len() <= 10 && updates.is_sorted(), "{updates:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workers_and_repeated_items_count_nobody_twice() {
    let bench = Bench::new(ServerOptions::default()).await;
    let members = names(40);
    let team = Team::of(&bench, &members).await;
    let orders = [team.said("alice", 1).await, team.said("u1", 2).await, team.said("alice", 3).await];
    let _workers = (bench.working("boot").await, bench.worker("boot").await);
    let epoch = bench.epoch().await;
    let mut alice = team.listen("alice").await;
    for round in 0..3 {
        for (number, member) in members.iter().enumerate().skip(1) {
            let upto = orders[(number + round) % 3];
            team.says(vec![ack(member, cursor(epoch, upto))], vec![read(member, epoch, upto.min(orders[1]))]).await;
        }
    }
    team.done().await;
    assert_eq!(team.stored("alice").await, [(orders[0], 39, 39, 39), (orders[2], 39, 0, 39)]);
    assert_eq!(team.stored("u1").await, [(orders[1], 38, 38, 39)], "alice has said nothing of hers");
    let mut highest = std::collections::BTreeMap::new();
    let mut told = told(&mut alice);
    told.sort();
    for (order, delivered, of) in told {
        assert!(delivered <= of && of == 39, "{delivered} of {of}");
        highest.insert(order, delivered);
    }
    assert_eq!(highest, [(orders[0], 39), (orders[2], 39)].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_as_a_member_yet_is_waited_for_and_a_stranger_is_not() {
    let bench = Bench::new(ServerOptions::default()).await;
    let team = Team::of(&bench, &names(2)).await;
    let order = team.said("alice", 1).await;
    let _worker = bench.working("boot").await;
    let epoch = bench.epoch().await;
    team.says(vec![ack("mallory", cursor(epoch, order))], vec![read("mallory", epoch, order)]).await;
    team.done().await;
    assert_eq!(team.stored("alice").await, []);
    let marks = Marks::new(&bench.connection, &Reads::open(&bench.options(), &bench.settings).await.unwrap());
    let request = CountsRequest { group: group(), sender: name("alice"), order: Seq(order), page: None };
    let asked = until("an answer", async || marks.counts(SHARD, &request, Millis(5_000)).await.ok()).await;
    assert_eq!(asked, CountsAnswer::Counted { delivered: 0, read: 0, of: 1 });
    // Somebody whose record is to come: the log has them, and STATE is behind.
    team.applied(Seq(0)).await;
    team.says(vec![ack("u1", cursor(epoch, order)), ack("newcomer", cursor(epoch, order))], Vec::new()).await;
    until("the others to count", async || (team.stored("alice").await == [(order, 1, 0, 1)]).then_some(())).await;
    assert_eq!(team.waiting().await, 1, "it comes again");
    let windows = Windows::open_from(Seq(1));
    let record = MemberRecord { role: Some(GroupRole::Member), windows, at: Position::default(), joined: Millis(1) };
    let subject = subject::member_record(&bench.settings.region, SHARD, &group(), &name("newcomer"));
    Records::new(&bench.connection).save(&subject, record.encode(), Seq(0)).await.unwrap();
    team.done().await;
    assert_eq!(team.stored("alice").await, [(order, 2, 0, 2)]);
}
