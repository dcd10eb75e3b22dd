//! A gateway and a worker that start while NATS is away wait for it.

use std::time::Duration;

use dunlin_tests::{process::Processes, wait::until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_while_nats_is_away_waits_for_it_and_says_so() {
    let mut region = Processes::start(1).await;
    region.replace_everything_without_nats();
    until("both to answer", async || (region.pages("/livez").await == [Some(200), Some(200)]).then_some(())).await;
    assert_eq!(region.pages("/readyz").await, [Some(503), Some(503)]);
    assert_eq!(region.pages("/v1/connect").await, [Some(503), Some(503)]);
    region.nats.restart();
    region.ready().await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("alice", "all is well").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_nats_ends_when_told_to() {
    let mut region = Processes::start(1).await;
    region.replace_everything_without_nats();
    until("both to wait", async || (region.pages("/livez").await == [Some(200), Some(200)]).then_some(())).await;
    for (code, took) in [region.terminate_gateway(0), region.terminate_worker(0)] {
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "the end took {took:?}");
    }
}
