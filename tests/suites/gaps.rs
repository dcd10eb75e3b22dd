//! What is missing is told, to live sockets and to those who come back; and nothing is told where nothing is missing.

mod senders;

use std::time::Duration;

use dunlin_schema::{
    Address, Content, Cursor, CursorText, DeviceName, Entry, Epoch, MessageId, Millis, Position, Sender, Seq,
    StreamTime, UserName,
    entry::Body,
    stream::{log_stream, state_stream},
    subject,
};
use dunlin_tests::{
    device::{Device, text},
    history::texts,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

/// The first `gap`, and the entries up to `caught_up` with it.
async fn gap_and_entries(device: &mut Device) -> (Option<Value>, Vec<Value>) {
    let (mut gap, mut entries) = (None, vec![]);
    loop {
        let frame = device.next().await.expect("an open socket");
        if frame["gap"].is_object() {
            assert!(gap.is_none(), "one gap is enough: {frame}");
            gap = Some(frame["gap"].clone());
        } else if frame["entry"].is_object() {
            entries.push(frame["entry"].clone());
        } else if frame["caught_up"].is_object() {
            return (gap, entries);
        }
    }
}

fn entry_from(from: &str, to: &str, region: &Region, body: Body) -> Entry {
    let home = region.settings().region.clone();
    let time = Millis(now());
    Entry {
        id: MessageId::from_parts(time, rand::random()),
        from: Sender { user: UserName::new(from).expect("a name"), region: home.clone() },
        to: Address::local(UserName::new(to).expect("a name")).said_in(&home),
        order: None,
        time,
        body,
    }
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis() as u64
}

fn says(text: &str) -> Body {
    Body::Content(Content::Message {
        text: Some(text.into()),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    })
}

/// Puts this many entries into a mailbox, past the gateways.
pub(crate) async fn fill(region: &Region, user: &str, count: usize) {
    let jetstream = region.jetstream().await;
    let subject = region.mailbox(user).subject();
    for chunk in (0..count).collect::<Vec<_>>().chunks(250) {
        let mut acks = vec![];
        for number in chunk {
            let entry = entry_from("filler", user, region, says(&number.to_string()));
            acks.push(jetstream.publish(subject.clone(), entry.encode()).await.expect("a publish"));
        }
        for ack in acks {
            ack.await.expect("stored");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_older_than_the_mailbox_reaches_is_told_of_a_gap() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("bob", "the first").await;
    let (entries, _) = region.connect(0, "bob", "phone", None).await.catch_up().await;
    let cursor = entries[0]["cursor"].as_str().expect("a cursor");
    fill(&region, "bob", 10_050).await;
    let mut bob = region.connect(0, "bob", "phone", Some(cursor)).await;
    let (gap, entries) = gap_and_entries(&mut bob).await;
    let gap = gap.expect("a gap");
    assert_eq!(entries.len(), 10_000, "what is still there is given all the same");
    assert_eq!(text(&entries[9_999]), "10049");
    assert!(gap["from"].as_u64() <= gap["to"].as_u64(), "{gap}");
    let again = entries[9_999]["cursor"].as_str();
    let (gap, entries) = gap_and_entries(&mut region.connect(0, "bob", "phone", again).await).await;
    assert_eq!((gap, entries.len()), (None, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_acknowledged_an_empty_mailbox_is_told_what_was_evicted_before_it_came_back() {
    let region = Region::start(1).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    assert_eq!(bob.catch_up().await.1["seq"], 0);
    bob.say(json!({ "ack": { "log": "mailbox", "delivered": 0 } })).await;
    drop(bob);
    let (log, jetstream) = (region.mailbox("bob"), region.jetstream().await);
    let state = jetstream.get_stream(state_stream(&log.region, log.shard)).await.expect("the shard's state");
    let (user, device) = (UserName::new("bob").expect("a name"), DeviceName::new("phone").expect("a name"));
    let record = subject::device_record(&log.region, log.shard, &user, &device, &log.owner);
    until("the acknowledgement to be stored", async || state.get_last_raw_message_by_subject(&record).await.ok()).await;
    fill(&region, "bob", 10_050).await;
    let (gap, entries) = gap_and_entries(&mut region.connect(0, "bob", "phone", None).await).await;
    assert!(gap.is_some(), "50 entries are gone");
    assert_eq!((entries.len(), text(&entries[0])), (10_000, "50"));
    // Who never acknowledged anything is new: nothing of its is missing.
    let (gap, entries) = gap_and_entries(&mut region.connect(0, "bob", "laptop", None).await).await;
    assert_eq!((gap, entries.len()), (None, 10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_cursor_is_told_of_a_gap_or_refused_and_harms_nobody() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    for number in 0..5 {
        alice.send_accepted("bob", &number.to_string()).await;
    }
    let (entries, caught_up) = region.connect(0, "bob", "phone", None).await.catch_up().await;
    let log = region.mailbox("bob");
    let real: CursorText = caught_up["cursor"].as_str().expect("a cursor").parse().expect("a cursor");
    let real = real.open(&log).expect("bob's cursor");
    let forged = |change: &dyn Fn(&mut Cursor)| {
        let mut cursor = real;
        change(&mut cursor);
        cursor.seal(&log).to_string()
    };
    let mut watcher = region.caught_up(0, "bob", "watcher").await;
    for cursor in [
        forged(&|cursor| cursor.position.time = StreamTime(cursor.position.time.0 - 1)),
        forged(&|cursor| cursor.position.seq = Seq(1 << 50)),
        forged(&|cursor| cursor.position.seq = Seq(cursor.position.seq.0 + 1)),
        forged(&|cursor| cursor.position.epoch = Epoch(1)),
        forged(&|cursor| cursor.position.epoch = Epoch(u64::MAX)),
        forged(&|cursor| {
            cursor.position = Position { epoch: Epoch(u64::MAX), seq: Seq((1 << 53) - 1), time: StreamTime(u64::MAX) };
            cursor.at = Millis(u64::MAX);
        }),
    ] {
        let mut bob = region.try_connect(0, "bob", "phone", &cursor).await.expect("a welcome");
        let (gap, _) = gap_and_entries(&mut bob).await;
        assert!(gap.is_some(), "a forged cursor proves nothing");
        let sent = alice.send_accepted("bob", "after the forgery").await;
        assert_eq!(bob.expect("entry").await["id"], sent["id"], "the socket goes on");
        let frame = watcher.next().await.expect("an open socket");
        assert_eq!(frame["entry"]["id"], sent["id"], "another socket notices nothing of a forged cursor");
    }
    let beyond = forged(&|cursor| cursor.position.seq = Seq(u64::MAX));
    let hers = region.connect(0, "alice", "tablet", None).await.catch_up().await.1;
    let hers = hers["cursor"].as_str().expect("a cursor");
    let longer = format!("{}A", caught_up["cursor"].as_str().expect("a cursor"));
    let longest = "x".repeat(1_000);
    for cursor in ["", "x", "AAAA", "=?\u{e9}", &beyond, &longer, &longest, hers] {
        let mut bob = region.try_connect(0, "bob", "phone", cursor).await.expect("a welcome");
        assert_eq!(bob.expect("refused").await["code"], "bad_cursor", "{cursor}");
        bob.expect("caught_up").await;
    }
    assert_eq!(entries.len(), 5);
}

/// What a power loss leaves behind: everything after the snapshot is gone, and the machine has another boot. Where it has not (somebody put
/// an older folder back), only a reader that had read what is gone can tell: then `bob` waits for the last of it.
async fn lose_power(region: &mut Region, boot: Option<&str>, bob: &mut Device) {
    let snapshot = {
        region.nats.stop();
        let snapshot = region.nats.snapshot();
        region.nats.restart();
        snapshot
    };
    let mut alice = region.caught_up_when_ready(0, "alice", "phone").await;
    for number in 0..3 {
        alice.send_until_accepted("bob", &format!("lost {number}")).await;
    }
    if boot.is_some() {
        region.watch_for("bob", "lost 2").await;
    } else {
        while text(&bob.expect("entry").await) != "lost 2" {}
    }
    region.nats.kill();
    region.nats.put_back(&snapshot);
    if let Some(boot) = boot {
        for worker in region.workers.drain(..) {
            worker.kill();
        }
        region.nats.restart();
        let worker = region.new_worker(boot).await;
        region.workers.push(worker);
    } else {
        region.nats.restart();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_loss_is_told_to_live_sockets_and_to_those_who_come_back() {
    for boot in [Some("second"), None] {
        let mut region = Region::start(1).await;
        let mut alice = region.caught_up(0, "alice", "phone").await;
        alice.send_accepted("bob", "kept").await;
        let away = region.connect(0, "bob", "away", None).await.catch_up().await.1;
        let mut bob = region.caught_up(0, "bob", "phone").await;
        lose_power(&mut region, boot, &mut bob).await;
        println!("the power is back, boot {boot:?}");
        let gap = bob.expect("gap").await;
        assert!(gap["from"].as_u64() <= gap["to"].as_u64(), "{gap}");
        let mut alice = region.caught_up_when_ready(0, "alice", "laptop").await;
        let id = alice.send_until_accepted("bob", "after").await;
        loop {
            let entry = bob.expect("entry").await;
            if entry["id"] == id.as_str() {
                break;
            }
            assert_ne!(text(&entry), "kept", "never everything again");
        }
        let mut back = region.connect(0, "bob", "away", away["cursor"].as_str()).await;
        let (gap, entries) = gap_and_entries(&mut back).await;
        assert!(gap.is_some(), "a device that was away is told too, boot {boot:?}");
        assert_eq!(texts(&entries), ["after"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_lost_nothing_has_no_gap() {
    let region = Region::start_with(RegionOptions { shards: 1, ..RegionOptions::default() }).await;
    let jetstream = region.jetstream().await;
    let log = region.mailbox("bob");
    let name = log_stream(&log.region, log.shard);
    let mut alice = region.caught_up(0, "alice", "phone").await;

    // An empty one.
    let empty = region.connect(0, "carol", "phone", None).await.catch_up().await.1;
    alice.send_accepted("carol", "the first").await;
    let (entries, _) = region.connect(0, "carol", "phone", empty["cursor"].as_str()).await.catch_up().await;
    assert_eq!(texts(&entries), ["the first"]);

    // One with an erased entry: the tombstone is written first.
    for number in 0..3 {
        alice.send_accepted("bob", &number.to_string()).await;
    }
    let (entries, _) = region.connect(0, "bob", "phone", None).await.catch_up().await;
    let erased = entries[2].clone();
    let id: MessageId = erased["id"].as_str().expect("an id").parse().expect("an id");
    let sender = Sender { user: UserName::new("alice").expect("a name"), region: log.region.clone() };
    let tombstone = entry_from("alice", "bob", &region, Body::Tombstone { sender, id });
    let ack = jetstream.publish(log.subject(), tombstone.encode()).await.expect("a publish");
    ack.await.expect("stored");
    let stream = jetstream.get_stream(&name).await.expect("the shard");
    assert!(stream.delete_message(erased["seq"].as_u64().expect("a seq")).await.expect("erased"));
    let cursor = erased["cursor"].as_str();
    let (entries, caught_up) = region.connect(0, "bob", "phone", cursor).await.catch_up().await;
    assert_eq!(entries, Vec::<Value>::new(), "a tombstone is nobody's message");
    alice.send_accepted("bob", "after").await;
    let (entries, _) = region.connect(0, "bob", "phone", cursor).await.catch_up().await;
    assert_eq!(texts(&entries), ["after"]);
    let (entries, _) = region.connect(0, "bob", "phone", caught_up["cursor"].as_str()).await.catch_up().await;
    assert_eq!(texts(&entries), ["after"]);

    // An idle one whose old entries expired.
    let idle = region.connect(0, "bob", "phone", cursor).await.catch_up().await.1;
    let mut config = stream.cached_info().config.clone();
    config.max_age = Duration::from_millis(500);
    config.duplicate_window = Duration::from_millis(500);
    jetstream.update_stream(config.clone()).await.expect("a shorter retention");
    until("the entries to expire", async || region.stored("bob").await.is_empty().then_some(())).await;
    config.max_age = Duration::from_secs(3_600);
    jetstream.update_stream(config).await.expect("the old retention");
    let (entries, _) = region.connect(0, "bob", "phone", idle["cursor"].as_str()).await.catch_up().await;
    assert_eq!(entries, Vec::<Value>::new());
    alice.send_accepted("bob", "anew").await;
    let (entries, _) = region.connect(0, "bob", "phone", idle["cursor"].as_str()).await.catch_up().await;
    assert_eq!(texts(&entries), ["anew"]);
}
