//! Receipts: senders are told how far what they sent came, and a reader's devices what was read.

mod asked;
mod missing;
mod repeated;

use dunlin_nats::{ConnectOptions, Connection, Records};
use dunlin_schema::{
    Epoch, Millis, Peer, Seq,
    record::{MarkChange, MarkKind, SentMarks},
    subject,
};
use dunlin_tests::{
    device::Device,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

/// What the device is told next of marks; entries and answers are passed over.
async fn told(device: &mut Device) -> Value {
    loop {
        let frame = device.next().await.expect("an open socket");
        if frame["receipt"].is_object() || frame["marked"].is_object() {
            return frame;
        }
    }
}

/// Waits until bob's marks are so high for one who sent to him; until then none is lower than the one before, or beyond these.
async fn until_receipt(device: &mut Device, delivered: Option<u64>, read: Option<u64>) {
    let mut before = (None, None);
    while before != (delivered, read) {
        let receipt = device.expect("receipt").await;
        assert_eq!((&receipt["by"], &receipt["to"], &receipt["order"]), (&json!("bob"), &json!("bob"), &Value::Null));
        assert!(receipt["time"].as_u64().expect("a time") > 1_600_000_000_000, "{receipt}");
        let now = (receipt["delivered"].as_u64(), receipt["read"].as_u64());
        assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
        assert!(now.0 <= delivered && now.1 <= read, "{now:?} is more than was said");
        before = now;
    }
}

/// The next thing that a device is told of marks is that.
async fn is_marked(device: &mut Device, with: &str, read: u64) {
    assert_eq!(told(device).await, json!({ "marked": { "with": with, "read": read } }));
}

/// Sees that a device was told nothing of marks: what it asks next is answered first.
async fn is_told_nothing(device: &mut Device) {
    device.say(json!({ "ask": { "ref": 7, "what": { "devices": {} } } })).await;
    loop {
        let frame = device.next().await.expect("an open socket");
        assert!(!frame["receipt"].is_object() && !frame["marked"].is_object(), "{frame}");
        if frame["answer"].is_object() {
            return;
        }
    }
}

async fn acknowledge(device: &mut Device, upto: u64) {
    device.say(json!({ "ack": { "log": "mailbox", "delivered": upto } })).await;
}

async fn read(device: &mut Device, with: &str, upto: u64) {
    device.say(json!({ "read": { "with": with, "upto": upto } })).await;
}

/// Sends, and gives the order.
async fn sent(device: &mut Device, to: &str) -> u64 {
    device.send_accepted(to, "hello").await["order"].as_u64().expect("an order")
}

/// Takes entries until the one with this sequence.
async fn takes(device: &mut Device, seq: u64) {
    while device.expect("entry").await["seq"] != seq {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_devices_of_the_sender_are_told_what_was_delivered_and_read_and_the_readers_too() {
    let region = Region::start(2).await;
    let mut phone = region.caught_up(0, "alice", "phone").await;
    let mut laptop = region.caught_up(1, "alice", "laptop").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut bobs_other = region.caught_up(1, "bob", "laptop").await;
    let first = sent(&mut phone, "bob").await;
    let of_carol = sent(&mut carol, "bob").await;
    takes(&mut bob, of_carol).await;
    acknowledge(&mut bob, first).await;
    for device in [&mut phone, &mut laptop] {
        until_receipt(device, Some(first), None).await;
    }
    is_told_nothing(&mut carol).await;
    read(&mut bob, "alice", first).await;
    for device in [&mut bob, &mut bobs_other] {
        is_marked(device, "alice", first).await;
    }
    for device in [&mut phone, &mut laptop] {
        until_receipt(device, Some(first), Some(first)).await;
    }
    // Reading one conversation says nothing of another.
    is_told_nothing(&mut carol).await;
    read(&mut bob, "carol", of_carol).await;
    is_marked(&mut bob, "carol", of_carol).await;
    is_marked(&mut bobs_other, "carol", of_carol).await;
    is_told_nothing(&mut phone).await;
}

/// A copy on another device of the sender's is no receipt: the other side has nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ones_own_other_devices_have_was_delivered_to_nobody() {
    let region = Region::start(2).await;
    let mut phone = region.caught_up(0, "alice", "phone").await;
    let mut laptop = region.caught_up(1, "alice", "laptop").await;
    let order = sent(&mut phone, "bob").await;
    let copy = laptop.expect("entry").await["seq"].as_u64().expect("a sequence");
    acknowledge(&mut laptop, copy).await;
    // Nor is it read: that says what the other side sent.
    read(&mut laptop, "bob", order).await;
    for device in [&mut phone, &mut laptop] {
        is_marked(device, "bob", 0).await;
        is_told_nothing(device).await;
    }
    let mut bob = region.connect(0, "bob", "phone", None).await;
    takes(&mut bob, order).await;
    acknowledge(&mut bob, order).await;
    for device in [&mut phone, &mut laptop] {
        until_receipt(device, Some(order), None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mark_is_never_beyond_what_was_sent_and_none_is_made_where_nothing_was() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let of_alice = sent(&mut alice, "bob").await;
    let of_carol = sent(&mut carol, "bob").await;
    takes(&mut bob, of_carol).await;
    // What carol sent later is beyond the last thing of alice's, and so is the highest number that there is.
    for upto in [of_carol, (1 << 53) - 1] {
        read(&mut bob, "alice", upto).await;
        is_marked(&mut bob, "alice", of_alice).await;
    }
    // One that says less lowers nothing.
    read(&mut bob, "alice", 0).await;
    is_marked(&mut bob, "alice", of_alice).await;
    for with in ["dave", "nobody"] {
        read(&mut bob, with, 5).await;
        is_marked(&mut bob, with, 0).await;
    }
    let mut again = region.connect(0, "bob", "tablet", None).await;
    is_marked(&mut again, "alice", of_alice).await;
    is_told_nothing(&mut again).await;
    is_told_nothing(&mut carol).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_is_none_is_refused_and_the_connection_lives() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    for (with, code) in [
        ("", "bad_address"),
        ("b.b", "bad_address"),
        ("#team", "unknown_log"),
        ("#team@eu", "unsupported"),
        ("alice@eu", "unsupported"),
        ("bob", "unsupported"),
    ] {
        read(&mut bob, with, 1).await;
        let refused = bob.expect("refused").await;
        assert_eq!((&refused["code"], &refused["ref"]), (&json!(code), &Value::Null), "{with}");
    }
    let order = sent(&mut alice, "bob").await;
    read(&mut bob, "alice", order).await;
    is_marked(&mut bob, "alice", order).await;
    for _ in 0..300 {
        read(&mut bob, "alice", order).await;
    }
    let refused = bob.expect("refused").await;
    assert_eq!(refused["code"], "rate_limited");
    sent(&mut bob, "alice").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_absence_the_marks_come_from_what_is_stored() {
    let mut region = Region::start(2).await;
    let mut alice = region.caught_up(1, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let first = sent(&mut alice, "bob").await;
    let last = sent(&mut alice, "bob").await;
    takes(&mut bob, last).await;
    // Killed: nothing that is told now reaches her.
    region.take_gateway(1).kill();
    drop(alice);
    acknowledge(&mut bob, last).await;
    read(&mut bob, "alice", first).await;
    is_marked(&mut bob, "alice", first).await;
    let mut alice = region.connect(0, "alice", "phone", None).await;
    until_receipt(&mut alice, Some(last), Some(first)).await;
    let mut tablet = region.connect(0, "bob", "tablet", None).await;
    is_marked(&mut tablet, "alice", first).await;
    // Nobody has to be there for it, and everything may have been down.
    drop((alice, bob, tablet));
    region.restart_all().await;
    region.caught_up_when_ready(0, "alice", "laptop").await;
    let mut alice = region.connect(0, "alice", "phone", None).await;
    until_receipt(&mut alice, Some(last), Some(first)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_that_was_lost_on_its_way_is_found_by_the_next_round() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up_at(apart, "bob", "phone").await;
    let order = sent(&mut alice, "bob").await;
    takes(&mut bob, order).await;
    region.link().lose("user.alice");
    acknowledge(&mut bob, order).await;
    until("the receipt to be lost", async || region.link().has_lost_all().then_some(())).await;
    until_receipt(&mut alice, Some(order), None).await;
    // What is told while her gateway is cut off is as lost, and a session that lives on is told.
    region.link().cut().await;
    read(&mut bob, "alice", order).await;
    is_marked(&mut bob, "alice", order).await;
    region.link().heal();
    until_receipt(&mut alice, Some(order), Some(order)).await;
}

/// The subject of alice's marks about bob, and what writes them by hand.
async fn hers(region: &Region) -> (String, Records) {
    let (log, user) = (region.mailbox("alice"), "alice".parse().expect("a name"));
    let bob = Peer::User("bob".parse().expect("a name"));
    let options = ConnectOptions { servers: vec![region.url()], ..ConnectOptions::default() };
    let records = Records::new(&Connection::open(&options, &log.region).await.expect("a connection"));
    (subject::sent_marks(&log.region, log.shard, &user, &bob, &log.region), records)
}

/// No worker tells of a record that was written by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_that_nobody_tells_of_are_found_by_the_comparison() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let (subject, records) = hers(&region).await;
    let mut revision = Seq(0);
    for order in [3, 4] {
        let time = Millis(dunlin_tests::tokens::now() * 1_000);
        let changes = vec![MarkChange { time, kind: MarkKind::Delivered, order: Seq(order) }];
        let delivered = Some(Seq(order));
        let marks = SentMarks { epoch: Epoch(5_000_000), delivered, changes, ..SentMarks::default() };
        revision = records.save(&subject, marks.encode(), revision).await.expect("a record");
        let receipt = alice.expect("receipt").await;
        assert_eq!((&receipt["delivered"], &receipt["read"]), (&json!(order), &Value::Null));
        assert_eq!(receipt["since"], 5, "{receipt}");
    }
    is_told_nothing(&mut carol).await;
    is_told_nothing(&mut alice).await;
}
