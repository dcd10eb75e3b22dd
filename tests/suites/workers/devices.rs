//! Devices that are removed: what the receipts worker keeps of them, whatever is still on its way.

use dunlin_nats::{DeviceError, Devices, Receipts, Records};
use dunlin_schema::{
    Cursor, Epoch, Millis, Peer, Position, Seq, StreamTime,
    device::{NameDevice, RemoveDevice},
    limits,
    record::{DeviceRecord, Receipt},
    stream::receipts_stream,
    subject,
};
use dunlin_tests::{server::ServerOptions, wait::until};
use futures_util::future::join_all;

use super::bench::{Bench, SHARD, device_name, name};

const WITHIN: Millis = Millis(5_000);

fn cursor(seq: u64) -> Cursor {
    let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
    Cursor { position, at: Millis(seq), began: Seq(0) }
}

/// What a connection of bob's, opened at this time, has of a log.
fn said(device: &str, log: &Peer, opened: u64, seq: u64) -> Receipt {
    Receipt::Delivered {
        device: device_name(device),
        log: log.clone(),
        cursor: cursor(seq),
        opened: Millis(opened),
        senders: None,
    }
}

fn removal(device: &str, at: u64) -> RemoveDevice {
    RemoveDevice { user: name("bob"), device: device_name(device), at: Millis(at) }
}

async fn record(bench: &Bench, device: &str, log: &Peer) -> Option<DeviceRecord> {
    let subject = subject::device_record(&bench.settings.region, SHARD, &name("bob"), &device_name(device), log);
    let record = Records::new(&bench.connection).load(SHARD, &subject).await.expect("the record's stream")?;
    Some(DeviceRecord::decode(&record.bytes).expect("a device's record"))
}

/// Waits until the queue has nothing more.
async fn done(bench: &Bench) {
    let client = async_nats::connect(bench.nats.url()).await.expect("a server");
    let jetstream = async_nats::jetstream::with_domain(client, "local");
    until("an empty queue", async || {
        let stream = jetstream.get_stream(receipts_stream(&bench.settings.region, SHARD)).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_device_is_forgotten_and_what_was_on_its_way_does_not_bring_it_back() {
    let bench = Bench::new(ServerOptions::default()).await;
    let _workers = (bench.working("boot").await, bench.worker("boot").await);
    let (receipts, devices) = (Receipts::new(&bench.connection), Devices::new(&bench.connection));
    let (mailbox, team) = (Peer::User(name("bob")), Peer::Group("team".parse().unwrap()));
    let says = async |receipt: Receipt| receipts.publish(SHARD, &name("bob"), &receipt).await.expect("stored");
    for receipt in [said("phone", &mailbox, 10, 7), said("phone", &team, 10, 3), said("web", &mailbox, 10, 5)] {
        says(receipt).await;
    }
    done(&bench).await;
    devices.remove(SHARD, &removal("phone", 20), WITHIN).await.unwrap();
    let gone = DeviceRecord { removed: Some(Millis(20)), ..DeviceRecord::default() };
    for log in [&mailbox, &team] {
        assert_eq!(record(&bench, "phone", log).await.as_ref(), Some(&gone), "{log:?}");
    }
    // What the old connection said is still on its way.
    says(said("phone", &mailbox, 10, 9)).await;
    done(&bench).await;
    assert_eq!(record(&bench, "phone", &mailbox).await, Some(gone));
    // It came back, and begins anew.
    says(said("phone", &mailbox, 21, 2)).await;
    done(&bench).await;
    let back = DeviceRecord { cursor: Some(cursor(2)), removed: Some(Millis(20)), ..DeviceRecord::default() };
    says(said("phone", &mailbox, 10, 9)).await;
    done(&bench).await;
    assert_eq!(record(&bench, "phone", &mailbox).await, Some(back));
    let untouched = DeviceRecord { cursor: Some(cursor(5)), ..DeviceRecord::default() };
    assert_eq!(record(&bench, "web", &mailbox).await, Some(untouched), "another device");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_never_acknowledged_can_be_removed_and_twice() {
    let bench = Bench::new(ServerOptions::default()).await;
    let worker = bench.working("boot").await;
    let (receipts, devices) = (Receipts::new(&bench.connection), Devices::new(&bench.connection));
    let mailbox = Peer::User(name("bob"));
    until("the worker to listen", async || devices.remove(SHARD, &removal("phone", 20), WITHIN).await.ok()).await;
    for at in [20, 30] {
        devices.remove(SHARD, &removal("phone", at), WITHIN).await.unwrap();
    }
    // Its first acknowledgement was on its way.
    receipts.publish(SHARD, &name("bob"), &said("phone", &mailbox, 10, 7)).await.unwrap();
    done(&bench).await;
    let gone = DeviceRecord { removed: Some(Millis(30)), ..DeviceRecord::default() };
    assert_eq!(record(&bench, "phone", &mailbox).await, Some(gone));
    assert!(worker.get("/metrics").await.contains(r#"dunlin_receipts_removed_total{shard="0"} 3"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_it_is_told_at_once() {
    let bench = Bench::new(ServerOptions::default()).await;
    let told = Devices::new(&bench.connection).remove(SHARD, &removal("phone", 20), WITHIN).await;
    assert_eq!(told, Err(DeviceError::Unanswered(dunlin_nats::AskError::NoResponders)));
}

/// Publishes the records of bob's devices `from..to`, in this order.
async fn remembered(bench: &Bench, from: usize, to: usize) {
    let client = async_nats::connect(bench.nats.url()).await.expect("a server");
    let jetstream = async_nats::jetstream::with_domain(client, "local");
    let (bob, seen) = (name("bob"), DeviceRecord { cursor: Some(cursor(1)), ..DeviceRecord::default() });
    for number in from..to {
        let device = device_name(&format!("d{number}"));
        let subject = subject::device_record(&bench.settings.region, SHARD, &bob, &device, &Peer::User(bob.clone()));
        jetstream.publish(subject, seen.encode().into()).await.expect("a publish").await.expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_more_devices_than_are_kept_those_heard_from_longest_ago_are_forgotten() {
    let bench = Bench::new(ServerOptions::default()).await;
    let worker = bench.working("boot").await;
    let (receipts, devices) = (Receipts::new(&bench.connection), Devices::new(&bench.connection));
    let (mailbox, records) = (Peer::User(name("bob")), Records::new(&bench.connection));
    let all = subject::mailbox_records(&bench.settings.region, SHARD, &name("bob"));
    remembered(&bench, 0, limits::DEVICES_KEPT).await;
    // The oldest is heard from, and so is no longer the oldest.
    receipts.publish(SHARD, &name("bob"), &said("d0", &mailbox, 10, 7)).await.expect("stored");
    done(&bench).await;
    assert_eq!(records.count(SHARD, &all).await, Ok(limits::DEVICES_KEPT), "nobody new");
    for new in 0..20 {
        let receipt = said(&format!("new-{new}"), &mailbox, 10, 7);
        receipts.publish(SHARD, &name("bob"), &receipt).await.expect("stored");
    }
    done(&bench).await;
    devices.remove(SHARD, &removal("no-such-device", 20), WITHIN).await.unwrap();
    assert_eq!(records.count(SHARD, &all).await, Ok(limits::DEVICES_KEPT), "a removal is remembered as a device is");
    for (device, kept) in
        [("d0", true), ("d1", false), ("d21", false), ("d22", true), ("new-0", true), ("new-19", true)]
    {
        assert_eq!(record(&bench, device, &mailbox).await.is_some(), kept, "{device}");
    }
    assert!(worker.get("/metrics").await.contains(r#"dunlin_receipts_forgotten_total{shard="0"} 21"#));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_and_its_removal_are_forgotten_after_ninety_days() {
    let bench = Bench::new(ServerOptions::default()).await;
    let _worker = bench.working("boot").await;
    let (receipts, devices) = (Receipts::new(&bench.connection), Devices::new(&bench.connection));
    let mailbox = Peer::User(name("bob"));
    receipts.publish(SHARD, &name("bob"), &said("phone", &mailbox, 10, 7)).await.expect("stored");
    done(&bench).await;
    devices.remove(SHARD, &removal("web", 20), WITHIN).await.unwrap();
    let client = async_nats::connect(bench.nats.url()).await.expect("a server");
    let state =
        async_nats::jetstream::with_domain(client, "local").get_stream("STATE_local_0").await.expect("a stream");
    for device in ["phone", "web"] {
        let subject =
            subject::device_record(&bench.settings.region, SHARD, &name("bob"), &device_name(device), &mailbox);
        let stored = state.get_last_raw_message_by_subject(&subject).await.expect("a record");
        let kept = stored.headers.get("Nats-TTL").expect("a time to live").as_str();
        assert_eq!(kept, (90 * 24 * 3_600).to_string(), "{device}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_removals_of_one_device_at_once_are_all_stored_and_their_conflicts_are_counted() {
    let bench = Bench::new(ServerOptions::default()).await;
    let worker = bench.working("boot").await;
    let devices = Devices::new(&bench.connection);
    until("the worker to listen", async || devices.remove(SHARD, &removal("phone", 1), WITHIN).await.ok()).await;
    let at_once = (0..40).map(|at| {
        let (devices, removal) = (devices.clone(), removal("phone", 20 + at));
        async move { devices.remove(SHARD, &removal, WITHIN).await }
    });
    for removed in join_all(at_once).await {
        assert_eq!(removed, Ok(()));
    }
    let gone = DeviceRecord { removed: Some(Millis(59)), ..DeviceRecord::default() };
    assert_eq!(record(&bench, "phone", &Peer::User(name("bob"))).await, Some(gone));
    let page = worker.get("/metrics").await;
    assert!(page.contains(r#"dunlin_receipts_failed_total{shard="0"} 0"#), "{page}");
    let conflicts = page.lines().find(|line| line.starts_with("dunlin_receipts_conflicts_total"));
    assert!(conflicts.is_some_and(|line| !line.ends_with(" 0")), "{conflicts:?}");
}

fn naming(device: &str, title: &str, connected: bool) -> NameDevice {
    let (user, device, title) = (name("bob"), device_name(device), title.parse().ok());
    NameDevice { user, device, title, connected, at: Millis(20) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_devices_are_called_is_kept_as_long_as_they_are_whoever_of_two_workers_writes_it() {
    let bench = Bench::new(ServerOptions::default()).await;
    let (one, _other) = (bench.working("boot").await, bench.worker("boot").await);
    let (receipts, devices) = (Receipts::new(&bench.connection), Devices::new(&bench.connection));
    let (mailbox, records) = (Peer::User(name("bob")), Records::new(&bench.connection));
    remembered(&bench, 0, limits::DEVICES_KEPT).await;
    until("a worker to listen", async || devices.name(SHARD, &naming("d0", "TV", false), WITHIN).await.ok()).await;
    assert_eq!(devices.name(SHARD, &naming("nobody", "TV", false), WITHIN).await, Err(DeviceError::NotThere));
    // One worker knows the record from before it was called something, the other from after.
    for seq in [7, 9] {
        receipts.publish(SHARD, &name("bob"), &said("d0", &mailbox, 10, seq)).await.expect("stored");
        done(&bench).await;
        let title = format!("TV {seq}");
        devices.name(SHARD, &naming("d0", &title, false), WITHIN).await.expect("stored");
        let stored = record(&bench, "d0", &mailbox).await.expect("a record");
        assert_eq!((stored.cursor, stored.title), (Some(cursor(seq)), title.parse().ok()));
    }
    let subject = subject::device_record(&bench.settings.region, SHARD, &name("bob"), &device_name("d0"), &mailbox);
    let client = async_nats::connect(bench.nats.url()).await.expect("a server");
    let state =
        async_nats::jetstream::with_domain(client, "local").get_stream("STATE_local_0").await.expect("a stream");
    let stored = state.get_last_raw_message_by_subject(&subject).await.expect("a record");
    assert_eq!(stored.headers.get("Nats-TTL").expect("a time to live").as_str(), (90 * 24 * 3_600).to_string());
    // One more that is only connected makes room for itself.
    devices.name(SHARD, &naming("new", "Radio", true), WITHIN).await.expect("stored");
    let all = subject::mailbox_records(&bench.settings.region, SHARD, &name("bob"));
    until("room for it", async || (records.count(SHARD, &all).await == Ok(limits::DEVICES_KEPT)).then_some(())).await;
    assert_eq!(record(&bench, "d1", &mailbox).await, None);
    // Removed, it is called nothing, also by a gateway that saw it before.
    devices.remove(SHARD, &removal("d0", 30), WITHIN).await.expect("stored");
    assert_eq!(devices.name(SHARD, &naming("d0", "TV", true), WITHIN).await, Err(DeviceError::NotThere));
    let gone = DeviceRecord { removed: Some(Millis(30)), ..DeviceRecord::default() };
    assert_eq!(record(&bench, "d0", &mailbox).await, Some(gone));
    assert!(one.get("/metrics").await.contains(r#"dunlin_receipts_failed_total{shard="0"} 0"#));
}
