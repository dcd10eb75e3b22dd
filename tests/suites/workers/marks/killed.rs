//! Workers that die between two writes, and one that stands still while another one works on.

use dunlin_nats::Records;
use dunlin_schema::{
    Peer, Seq, live,
    live::UserMessage,
    record::{ReadMark, Receipt},
    subject,
};
use dunlin_tests::{link::Link, server::ServerOptions, wait::until};
use futures_util::future::join_all;

use super::{Outside, cursor, delivered, pair, read, read_record, says, sent, sent_record};
use crate::workers::bench::{Bench, SHARD, device_name, name};

/// Up to where the device acknowledged, what was delivered and read of alice's, and up to where bob has read her.
type Stored = (Option<u64>, (Option<u64>, Option<u64>), Option<u64>);

async fn stored(bench: &Bench) -> Stored {
    let device = bench.mark("bob", "phone").await.map(|cursor| cursor.position.seq.0);
    let own = Records::new(&bench.connection).load(SHARD, &read_record(bench, "alice")).await.unwrap();
    let own = own.map(|record| ReadMark::decode(&record.bytes).unwrap().order.0);
    (device, pair(bench, "alice").await, own)
}

/// Kills a worker in front of its write of that record, and has the next one do the rest.
async fn killed_in_front_of(record: impl Fn(&Bench) -> String, said: Receipt, half: Stored, whole: Stored) {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    sent(&bench, &outside, &["alice", "carol"]).await;
    let link = Link::to(bench.nats.port()).await;
    let subject = record(&bench);
    link.stop_at(&subject);
    let worker = bench.worker_through(link.url(), "boot").await;
    says(&bench, said).await;
    until("the worker to be about to write", async || link.has_stopped().then_some(())).await;
    worker.kill();
    link.cut().await;
    assert_eq!((stored(&bench).await, outside.waiting(&bench).await), (half, 1), "in front of {subject}");
    let _worker = bench.working("boot").await;
    outside.done(&bench).await;
    assert_eq!(stored(&bench).await, whole, "behind {subject}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_between_the_pair_s_mark_and_the_reader_s_own_loses_neither() {
    let device = |bench: &Bench| {
        let (region, bob) = (&bench.settings.region, name("bob"));
        subject::device_record(region, SHARD, &bob, &device_name("phone"), &Peer::User(bob.clone()))
    };
    let nothing = (None, (None, None), None);
    let (acked, of_acked) = (delivered("phone", cursor(1, 2), None), (Some(2), (Some(1), None), None));
    let (was_read, of_read) = (read("alice", 2), (None, (Some(1), Some(1)), Some(1)));
    tokio::join!(
        killed_in_front_of(|bench| sent_record(bench, "alice"), acked.clone(), nothing, of_acked),
        killed_in_front_of(device, acked, (None, (Some(1), None), None), of_acked),
        killed_in_front_of(|bench| read_record(bench, "alice"), was_read, (None, (Some(1), Some(1)), None), of_read),
    );
}

/// It remembers what it wrote before, and has taken items that another one has done since.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stood_still_goes_on_with_its_old_items_and_lowers_nothing() {
    const ENTRIES: u64 = 90;
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let mut alice = outside.listen("alice").await;
    sent(&bench, &outside, &["alice"; ENTRIES as usize]).await;
    let paused = bench.working("boot").await;
    let say = async |orders: std::ops::Range<u64>| {
        let acks = orders.clone().map(|upto| delivered("phone", cursor(1, upto), None));
        let said = acks.chain(orders.map(|upto| read("alice", upto - 1)));
        join_all(said.map(|receipt| says(&bench, receipt))).await;
    };
    say(2..10).await;
    outside.done(&bench).await;
    assert_eq!(stored(&bench).await, (Some(9), (Some(9), Some(8)), Some(8)));
    let thaw = paused.freeze();
    say(10..60).await;
    let mut other = bench.worker("boot").await;
    other.wait("the other one at work", |readiness| readiness.is_ready()).await;
    say(60..ENTRIES + 1).await;
    // What the first one has taken comes again, to the other.
    outside.done(&bench).await;
    let whole = (Some(ENTRIES), (Some(ENTRIES), Some(ENTRIES - 1)), Some(ENTRIES - 1));
    assert_eq!(stored(&bench).await, whole);
    drop(thaw);
    // It would write what it remembers.
    until("the first one to go on with what it has", async || {
        let page = paused.get("/metrics").await;
        let conflicts =
            page.lines().find_map(|line| line.strip_prefix(r#"dunlin_receipts_conflicts_total{shard="0"} "#));
        (conflicts?.parse::<u64>().ok()? >= 3).then_some(())
    })
    .await;
    say(ENTRIES..ENTRIES + 1).await;
    outside.done(&bench).await;
    assert_eq!(stored(&bench).await, whole);
    let mut told: Vec<(Seq, Option<Seq>, Option<Seq>)> = alice
        .now()
        .into_iter()
        .filter_map(|told| match told {
            UserMessage::Receipt(live::Receipt::Person { delivered, read, revision, .. }) => {
                Some((revision, delivered, read))
            }
            _ => None,
        })
        .collect();
    told.sort();
    assert!(told.is_sorted_by(|one, next| one.1 <= next.1 && one.2 <= next.2), "{told:?}");
}
