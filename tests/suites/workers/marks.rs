//! Marks: what the receipts worker makes of what is acknowledged and read, whatever dies or stands still meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

mod blocked;
mod killed;

use std::time::{Duration, Instant};

use async_nats::jetstream::{self, stream::Stream};
use dunlin_nats::{Marks, Reads, Receipts, Records};
use dunlin_schema::{
    Address, Content, Cursor, Entry, Epoch, Log, MessageId, Millis, Peer, Position, Sender, Seq, StreamTime, UserName,
    entry::Body,
    envelope::seal,
    limits,
    live::{self, Mark, UserMessage},
    record::{DeviceRecord, MarkKind, ReadMark, Receipt, Senders, SentMarks},
    stream::{receipts_stream, state_stream},
    subject,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use futures_util::{FutureExt, StreamExt, future::join_all};

use super::bench::{Bench, SHARD, device_name, name};

const WITHIN: Millis = Millis(5_000);

fn sender(user: &str) -> Sender {
    Sender { user: name(user), region: "local".parse().unwrap() }
}

fn at(user: &str) -> Address {
    Address { peer: Peer::User(name(user)), region: Some("local".parse().unwrap()) }
}

/// Whoever looks at the region from outside.
struct Outside {
    jetstream: jetstream::Context,
    client: async_nats::Client,
}

impl Outside {
    async fn of(bench: &Bench) -> Outside {
        let client = async_nats::connect(bench.nats.url()).await.expect("a server");
        Outside { jetstream: jetstream::with_domain(client.clone(), "local"), client }
    }

    async fn stream(&self, name: String) -> Stream {
        self.jetstream.get_stream(name).await.expect("a stream")
    }

    /// What waits in the queue.
    async fn waiting(&self, bench: &Bench) -> u64 {
        self.stream(receipts_stream(&bench.settings.region, SHARD)).await.cached_info().state.messages
    }

    /// Waits until the queue has nothing more.
    async fn done(&self, bench: &Bench) {
        let begun = Instant::now();
        while self.waiting(bench).await > 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "the queue is never empty");
        }
    }

    /// What is told on `user.<user>` from now on.
    async fn listen(&self, user: &str) -> Told {
        let subscriber = self.client.subscribe(subject::live(&Peer::User(name(user)))).await.expect("a subscription");
        self.client.flush().await.expect("a server");
        Told(subscriber)
    }
}

struct Told(async_nats::Subscriber);

impl Told {
    /// What has come by now, but for entries.
    fn now(&mut self) -> Vec<UserMessage> {
        let mut told = Vec::new();
        while let Some(Some(message)) = self.0.next().now_or_never() {
            told.push(UserMessage::decode(&message.payload).expect("a message of this release"));
        }
        told.retain(|message| !matches!(message, UserMessage::Entry(_)));
        told
    }

    async fn next(&mut self) -> UserMessage {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(20), self.0.next()).await.expect("something told");
            match UserMessage::decode(&message.expect("a subscription").payload) {
                Ok(UserMessage::Entry(_)) => {}
                told => return told.expect("a message of this release"),
            }
        }
    }

    /// The next receipt: up to where it was delivered and read, and its revision.
    async fn receipt(&mut self) -> (Option<u64>, Option<u64>, Seq) {
        match self.next().await {
            UserMessage::Receipt(live::Receipt::Person { by, to, delivered, read, revision, time, epoch, .. }) => {
                assert_eq!((by, to), (sender("bob"), at("bob")));
                assert!(time > Millis(1_600_000_000_000) && epoch > Epoch(0), "{time:?} {epoch:?}");
                (delivered.map(|seq| seq.0), read.map(|seq| seq.0), revision)
            }
            other => panic!("{other:?}"),
        }
    }

    /// The next read mark.
    async fn mark(&mut self) -> (Address, u64, Seq) {
        match self.next().await {
            UserMessage::Mark(Mark { with, read, revision }) => (with, read.0, revision),
            other => panic!("{other:?}"),
        }
    }
}

/// Stores entries of these senders in bob's mailbox, in this order.
async fn sent(bench: &Bench, outside: &Outside, senders: &[&str]) {
    let log = Log::mailbox(&bench.settings.region, 1, &name("bob"));
    for (number, from) in senders.iter().enumerate() {
        let entry = Entry {
            id: MessageId::from_parts(Millis(1), number as u128),
            from: sender(from),
            to: if *from == "bob" { at("alice") } else { at("bob") },
            order: None,
            time: Millis(1),
            body: Body::Content(Content::Message {
                text: Some("hi".to_owned()),
                data: None,
                attachments: Vec::new(),
                reply_to: None,
                mentions: vec![],
            }),
        };
        outside.jetstream.publish(log.subject(), entry.encode()).await.unwrap().await.expect("stored");
    }
}

/// A position that is younger than all that is stored.
fn cursor(epoch: u64, seq: u64) -> Cursor {
    let position = Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(u64::MAX) };
    Cursor { position, at: Millis(seq), began: Seq(0) }
}

fn delivered(device: &str, cursor: Cursor, senders: Option<Senders>) -> Receipt {
    let (device, log, opened) = (device_name(device), Peer::User(name("bob")), Millis(1));
    Receipt::Delivered { device, log, cursor, opened, senders }
}

fn read(with: &str, upto: u64) -> Receipt {
    Receipt::Read { with: at(with), upto: Seq(upto), epoch: Epoch(1) }
}

async fn says(bench: &Bench, receipt: Receipt) {
    Receipts::new(&bench.connection).publish(SHARD, &name("bob"), &receipt).await.expect("stored");
}

fn sent_record(bench: &Bench, from: &str) -> String {
    let region = &bench.settings.region;
    subject::sent_marks(region, SHARD, &name(from), &Peer::User(name("bob")), region)
}

fn read_record(bench: &Bench, with: &str) -> String {
    let region = &bench.settings.region;
    subject::read_mark(region, SHARD, &name("bob"), &Peer::User(name(with)), region)
}

async fn sent_marks(bench: &Bench, from: &str) -> Option<SentMarks> {
    let record = Records::new(&bench.connection).load(SHARD, &sent_record(bench, from)).await.expect("STATE")?;
    Some(SentMarks::decode(&record.bytes).expect("marks"))
}

/// How far what somebody sent to bob was delivered and read.
async fn pair(bench: &Bench, from: &str) -> (Option<u64>, Option<u64>) {
    let marks = sent_marks(bench, from).await.unwrap_or_default();
    (marks.delivered.map(|seq| seq.0), marks.read.map(|seq| seq.0))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledgement_raises_the_marks_of_everybody_who_sent_what_it_covers() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let _workers = (bench.working("boot").await, bench.worker("boot").await);
    let mut alice = outside.listen("alice").await;
    sent(&bench, &outside, &["alice", "carol", "bob", "alice", "dave"]).await;
    says(&bench, delivered("phone", cursor(1, 4), None)).await;
    let (told, none, first) = alice.receipt().await;
    assert_eq!((told, none), (Some(4), None));
    outside.done(&bench).await;
    for (from, expected) in [("alice", Some(4)), ("carol", Some(2)), ("dave", None), ("bob", None)] {
        assert_eq!(pair(&bench, from).await, (expected, None), "{from}");
    }
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(1, 4)));
    // Late, again, of another device that is behind: nothing is lower, and nothing is told.
    for (device, seq) in [("phone", 4), ("phone", 2), ("web", 3), ("web", 4)] {
        says(&bench, delivered(device, cursor(1, seq), None)).await;
    }
    outside.done(&bench).await;
    assert_eq!(pair(&bench, "alice").await, (Some(4), None));
    // The hint is believed: it names one of whom the mailbox says nothing.
    sent(&bench, &outside, &["alice"]).await;
    let senders = Senders { from: Seq(4), highest: vec![(sender("alice"), Seq(6)), (sender("erin"), Seq(5))] };
    says(&bench, delivered("phone", cursor(1, 6), Some(senders))).await;
    let (told, none, second) = alice.receipt().await;
    assert_eq!((told, none), (Some(6), None));
    assert!(second > first);
    outside.done(&bench).await;
    for (from, expected) in [("alice", Some(6)), ("erin", Some(5)), ("dave", None)] {
        assert_eq!(pair(&bench, from).await, (expected, None), "{from}");
    }
    // One that begins above what is known is filled up from the mailbox.
    let senders = Senders { from: Seq(5), highest: vec![(sender("alice"), Seq(6))] };
    says(&bench, delivered("tablet", cursor(1, 6), Some(senders))).await;
    outside.done(&bench).await;
    assert_eq!(pair(&bench, "dave").await, (Some(5), None));
    assert_eq!(alice.now(), [], "nobody is told twice");
    let state = outside.stream(state_stream(&bench.settings.region, SHARD)).await;
    let stored = state.get_last_raw_message_by_subject(&sent_record(&bench, "alice")).await.expect("a record");
    assert_eq!(stored.headers.get("Nats-TTL").map(|kept| kept.as_str()), Some("7776000"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_after_the_log_went_back_was_not_acknowledged() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let _worker = bench.working("boot").await;
    sent(&bench, &outside, &["alice", "carol"]).await;
    let log = outside.stream(dunlin_schema::stream::log_stream(&bench.settings.region, SHARD)).await;
    let first = log.get_raw_message(1).await.expect("an entry").time.unix_timestamp_nanos();
    // It was of the life before: its second entry is another one, older than carol's.
    let position = Position { seq: Seq(2), epoch: Epoch(1), time: StreamTime(u64::try_from(first).unwrap()) };
    says(&bench, delivered("phone", Cursor { position, ..cursor(1, 2) }, None)).await;
    outside.done(&bench).await;
    assert_eq!((pair(&bench, "alice").await.0, pair(&bench, "carol").await.0), (Some(1), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_mark_is_clamped_to_what_the_other_one_sent_and_told_to_both() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let worker = bench.working("boot").await;
    let (mut alice, mut bob) = (outside.listen("alice").await, outside.listen("bob").await);
    sent(&bench, &outside, &["alice", "carol", "alice", "carol", "bob"]).await;
    // What is said, and what is stored then.
    for (upto, expected) in [(2, 1), (1, 1), (3, 3), (Seq::MAX.0, 3), (3, 3), (0, 3)] {
        says(&bench, read("alice", upto)).await;
        let (with, read, revision) = bob.mark().await;
        let record =
            Records::new(&bench.connection).load(SHARD, &read_record(&bench, "alice")).await.unwrap().expect("a mark");
        assert_eq!((with, read, revision), (at("alice"), expected, record.revision), "up to {upto}");
        assert_eq!(ReadMark::decode(&record.bytes).unwrap().order, Seq(expected));
        assert_eq!(pair(&bench, "alice").await, (Some(expected), Some(expected)), "what was read was delivered");
    }
    assert_eq!(pair(&bench, "carol").await, (None, None), "reading one conversation says nothing of another");
    let told = [alice.receipt().await, alice.receipt().await].map(|(delivered, read, _)| (delivered, read));
    assert_eq!(told, [(Some(1), Some(1)), (Some(3), Some(3))]);
    let kinds: Vec<_> = sent_marks(&bench, "alice").await.unwrap().changes.iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [MarkKind::Delivered, MarkKind::Read, MarkKind::Delivered, MarkKind::Read]);
    // A conversation that does not exist, from the other side too: it is told, and nothing is stored.
    for with in ["nobody", "dave"] {
        says(&bench, read(with, 5)).await;
        assert_eq!(bob.mark().await, (at(with), 0, Seq(0)));
    }
    // What no gateway lets in is taken off the queue.
    for with in ["bob", "#team", "alice@other"] {
        let with = with.parse::<Address>().unwrap().said_in(&bench.settings.region);
        says(&bench, Receipt::Read { with, upto: Seq(3), epoch: Epoch(1) }).await;
    }
    outside.done(&bench).await;
    let marks = Records::new(&bench.connection).count(SHARD, &subject::marks(&bench.settings.region, SHARD)).await;
    assert_eq!(marks, Ok(2), "alice's, and bob's of her");
    assert_eq!((alice.now(), bob.now()), (vec![], vec![]));
    let metrics = worker.get("/metrics").await;
    for line in [
        r#"dunlin_receipts_marks_total{shard="0"} 2"#,
        r#"dunlin_receipts_read_marks_total{shard="0"} 2"#,
        r#"dunlin_receipts_poison_total{shard="0"} 3"#,
        r#"dunlin_receipts_nothing_read_total{shard="0"} 3"#,
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pair_s_mark_comes_first_and_without_it_the_device_s_own_is_not_written() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let records = Records::new(&bench.connection);
    sent(&bench, &outside, &["alice", "carol"]).await;
    // A worker died between the two: alice's mark is stored, the device's is not.
    let marks = SentMarks { epoch: Epoch(1), delivered: Some(Seq(1)), ..SentMarks::default() };
    records.save(&sent_record(&bench, "alice"), marks.encode(), Seq(0)).await.expect("stored");
    // Carol's can't be written by this release.
    let newer = seal(255, &"of a newer release");
    let carols = records.save(&sent_record(&bench, "carol"), newer, Seq(0)).await.expect("stored");
    says(&bench, delivered("phone", cursor(1, 2), None)).await;
    let worker = bench.working("boot").await;
    until("the failure to be counted", async || {
        worker.get("/metrics").await.contains(r#"dunlin_receipts_failed_total{shard="0"} 1"#).then_some(())
    })
    .await;
    assert_eq!((outside.waiting(&bench).await, bench.mark("bob", "phone").await), (1, None));
    // Another worker, another try.
    worker.kill();
    let state = outside.stream(state_stream(&bench.settings.region, SHARD)).await;
    assert!(state.delete_message(carols.0).await.unwrap());
    let _worker = bench.working("boot").await;
    outside.done(&bench).await;
    assert_eq!((pair(&bench, "alice").await.0, pair(&bench, "carol").await.0), (Some(1), Some(2)));
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(1, 2)));
    assert_eq!(sent_marks(&bench, "alice").await, Some(marks), "it was there already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_state_stands_still_items_stay_and_nothing_is_lost() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let worker = bench.working("boot").await;
    let mut bob = outside.listen("bob").await;
    sent(&bench, &outside, &["alice", "carol"]).await;
    let mut state = outside.stream(state_stream(&bench.settings.region, SHARD)).await;
    let config = state.info().await.unwrap().config.clone();
    let full = jetstream::stream::Config { max_bytes: 1, ..config.clone() };
    outside.jetstream.update_stream(full).await.expect("a stream that takes nothing");
    says(&bench, delivered("phone", cursor(1, 2), None)).await;
    says(&bench, read("carol", 2)).await;
    until("both to fail", async || {
        let page = worker.get("/metrics").await;
        let line = page.lines().find_map(|line| line.strip_prefix(r#"dunlin_receipts_failed_total{shard="0"} "#));
        (line?.parse::<u64>().ok()? >= 2).then_some(())
    })
    .await;
    assert_eq!((outside.waiting(&bench).await, bob.now()), (2, vec![]));
    outside.jetstream.update_stream(config).await.expect("a stream as it was");
    outside.done(&bench).await;
    assert_eq!((pair(&bench, "alice").await, pair(&bench, "carol").await), ((Some(1), None), (Some(2), Some(2))));
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(1, 2)));
    assert_eq!(bob.mark().await.1, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_worker_wrote_of_a_device_is_looked_at_before_nothing_is_new() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let _worker = bench.working("boot").await;
    says(&bench, delivered("phone", cursor(1, 4), None)).await;
    outside.done(&bench).await;
    // Another one removed the device, and it came back.
    let (records, region) = (Records::new(&bench.connection), &bench.settings.region);
    let subject = subject::device_record(region, SHARD, &name("bob"), &device_name("phone"), &Peer::User(name("bob")));
    let known = records.load(SHARD, &subject).await.unwrap().expect("a record");
    let removed = DeviceRecord { removed: Some(Millis(50)), ..DeviceRecord::default() };
    records.save(&subject, removed.encode(), known.revision).await.expect("stored");
    let Receipt::Delivered { device, log, senders, .. } = delivered("phone", cursor(1, 2), None) else { return };
    says(&bench, Receipt::Delivered { device, log, cursor: cursor(1, 2), opened: Millis(60), senders }).await;
    outside.done(&bench).await;
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(1, 2)));
}

/// What two workers make of the same items at once, one of which takes over an hour's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_and_one_that_is_behind_come_to_the_same_marks() {
    const ENTRIES: u64 = 60;
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let froms = ["alice", "carol", "dave"];
    let senders: Vec<_> = (0..ENTRIES as usize).map(|n| froms[n % 3]).collect();
    sent(&bench, &outside, &senders).await;
    // All of it waits before anybody works, out of order and some of it twice.
    let mut says_all = Vec::new();
    for n in 0..ENTRIES {
        let upto = 1 + n * 37 % ENTRIES;
        let hinted =
            Senders { from: Seq(upto - 1), highest: vec![(sender(froms[(upto as usize - 1) % 3]), Seq(upto))] };
        says_all.push(delivered(if n % 2 == 0 { "phone" } else { "web" }, cursor(1, upto), Some(hinted)));
        says_all.push(read(froms[n as usize % 3], upto));
        says_all.push(delivered("phone", cursor(1, upto), None));
    }
    join_all(says_all.into_iter().map(|receipt| says(&bench, receipt))).await;
    // What was stored since is higher.
    let later = SentMarks { epoch: Epoch(1), delivered: Some(Seq(900)), read: Some(Seq(800)), ..SentMarks::default() };
    Records::new(&bench.connection).save(&sent_record(&bench, "dave"), later.encode(), Seq(0)).await.expect("stored");
    let first = bench.worker("boot").await;
    let _second = bench.worker("boot").await;
    let _third = bench.worker("boot").await;
    until("somebody to begin", async || (outside.waiting(&bench).await < 3 * ENTRIES).then_some(())).await;
    first.kill();
    outside.done(&bench).await;
    assert_eq!(pair(&bench, "alice").await, (Some(58), Some(58)));
    assert_eq!(pair(&bench, "carol").await, (Some(59), Some(59)));
    assert_eq!(pair(&bench, "dave").await, (Some(900), Some(800)));
    for (device, upto) in [("phone", 60), ("web", 60)] {
        let seq = bench.mark("bob", device).await.map(|cursor| cursor.position.seq.0);
        assert!(seq.is_some_and(|seq| seq >= upto - 1), "{device}: {seq:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_acknowledgements_cost_their_sender_a_few_receipts() {
    const ACKS: u64 = 1_000;
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let worker = bench.working("boot").await;
    let mut alice = outside.listen("alice").await;
    let begun = Instant::now();
    let acks: Vec<_> = (1..=ACKS)
        .map(|seq| {
            let senders = Senders { from: Seq(seq - 1), highest: vec![(sender("alice"), Seq(seq))] };
            delivered("phone", cursor(1, seq), Some(senders))
        })
        .collect();
    for some in acks.chunks(50) {
        join_all(some.iter().map(|receipt| says(&bench, receipt.clone()))).await;
    }
    outside.done(&bench).await;
    let most = begun.elapsed().as_millis() as u64 / limits::MARKS_EVERY.0 + 2;
    let told = alice.now();
    let Some(UserMessage::Receipt(live::Receipt::Person { delivered, .. })) = told.last() else {
        panic!("{told:?}");
    };
    assert_eq!(*delivered, Some(Seq(ACKS)));
    assert!(told.len() as u64 <= most, "{} receipts, in {:?}", told.len(), begun.elapsed());
    let page = worker.get("/metrics").await;
    assert!(page.contains(r#"dunlin_receipts_mailbox_reads_total{shard="0"} 0"#), "the hints were enough: {page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_is_told_whose_marks_have_changed_by_every_worker() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let reads = Reads::open(&bench.options(), &bench.settings).await.unwrap();
    let marks = Marks::new(&bench.connection, &reads);
    let changed =
        async |after: u64| until("an answer", async || marks.changed(SHARD, Seq(after), WITHIN).await.ok()).await;
    let first = bench.working("boot").await;
    let nothing = changed(0).await;
    assert_eq!((nothing.floor, nothing.upto, nothing.changes), (Seq(0), Seq(0), vec![]));
    sent(&bench, &outside, &["alice", "carol"]).await;
    says(&bench, delivered("phone", cursor(1, 2), None)).await;
    says(&bench, read("alice", 2)).await;
    outside.done(&bench).await;
    let users = |changes: &[(UserName, Seq)]| changes.iter().map(|(user, _)| user.to_string()).collect::<Vec<_>>();
    let told = until("all of it to be told", async || {
        let answer = changed(0).await;
        (answer.changes.len() == 3).then_some(answer)
    })
    .await;
    let mut who = users(&told.changes);
    who.sort();
    assert_eq!(who, ["alice", "bob", "carol"]);
    assert_eq!(told.changes.last().map(|(_, revision)| *revision), Some(told.upto));
    assert_eq!(changed(told.changes[1].1.0).await.changes, told.changes[2..]);
    for (user, _) in &told.changes {
        assert!(!marks.of(SHARD, user, Seq(0)).await.unwrap().marks.is_empty(), "{user}");
    }
    // One that begins later knows the same.
    first.stop().await;
    let _second = bench.working("boot").await;
    let again = until("the next worker to know it", async || marks.changed(SHARD, Seq(0), WITHIN).await.ok()).await;
    assert_eq!((again.upto, again.changes), (told.upto, told.changes));
}
