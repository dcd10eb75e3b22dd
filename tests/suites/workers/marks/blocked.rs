//! Marks of somebody whom the recipient has blocked.

use std::time::{Duration, Instant};

use dunlin_nats::Records;
use dunlin_schema::{
    Seq,
    record::{ReadMark, Settings},
    subject,
};
use dunlin_tests::server::ServerOptions;

use super::{Outside, cursor, delivered, pair, read, read_record, says, sender, sent};
use crate::workers::bench::{Bench, SHARD, name};

/// Stores one more entry of alice and one of carol, which bob acknowledges and reads. Gives alice's order.
async fn alice_is_read(bench: &Bench, outside: &Outside, round: u64) -> u64 {
    sent(bench, outside, &["alice", "carol"]).await;
    says(bench, delivered("phone", cursor(1, 2 * round), None)).await;
    says(bench, read("alice", 2 * round)).await;
    outside.done(bench).await;
    assert_eq!(bench.mark("bob", "phone").await, Some(cursor(1, 2 * round)), "his own goes on");
    assert_eq!(pair(bench, "carol").await.0, Some(2 * round), "and that of others");
    let mark =
        Records::new(&bench.connection).load(SHARD, &read_record(bench, "alice")).await.unwrap().expect("a mark");
    assert_eq!(ReadMark::decode(&mark.bytes).unwrap().order, Seq(2 * round - 1));
    2 * round - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_sees_no_receipts_until_that_is_over() {
    let bench = Bench::new(ServerOptions::default()).await;
    let outside = Outside::of(&bench).await;
    let _worker = bench.working("boot").await;
    let records = Records::new(&bench.connection);
    let settings = subject::settings(&bench.settings.region, SHARD, &name("bob"));
    let before = alice_is_read(&bench, &outside, 1).await;
    assert_eq!(pair(&bench, "alice").await, (Some(before), Some(before)));
    let blocked = Settings { blocked: [sender("alice")].into(), ..Settings::default() };
    let revision = records.save(&settings, blocked.encode(), Seq(0)).await.expect("stored");
    let began = Instant::now();
    let (mut round, mut last) = (1, (Some(before), Some(before)));
    while began.elapsed() < Duration::from_secs(3) {
        let is_in_force = began.elapsed() > Duration::from_secs(1);
        round += 1;
        alice_is_read(&bench, &outside, round).await;
        let now = pair(&bench, "alice").await;
        assert!(now == last || !is_in_force, "{now:?} rose after {:?}", began.elapsed());
        last = now;
    }
    assert!(last.0 < Some(2 * round - 1), "{last:?} is as high as ever");
    records.save(&settings, Settings::default().encode(), revision).await.expect("stored");
    let began = Instant::now();
    loop {
        round += 1;
        let order = alice_is_read(&bench, &outside, round).await;
        if pair(&bench, "alice").await == (Some(order), Some(order)) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "she sees none any more");
    }
}
