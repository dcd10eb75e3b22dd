//! A live message that is lost between worker and gateway is found again.

use std::time::{Duration, Instant};

use dunlin_tests::{
    device::text,
    region::{Region, RegionOptions},
    wait::until,
};

async fn region() -> Region {
    Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await
}

/// A gateway compares every 15 s, at the earliest this long after it was started.
const BEFORE_THE_NEXT_ROUND: Duration = Duration::from_secs(11);

/// Whether the gateway says that it is ready. Errors: why it is not.
async fn readiness(region: &Region) -> Result<(), String> {
    let page = format!("http://{}/readyz", region.gateway(0));
    let answer = reqwest::get(page).await.expect("an answer");
    if answer.status() == 200 { Ok(()) } else { Err(answer.text().await.expect("a text")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_message_tells_of_a_lost_one() {
    let region = region().await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    region.link().lose("user.bob");
    alice.send_accepted("bob", "lost").await;
    until("the message to be lost", async || region.link().has_lost_all().then_some(())).await;
    alice.send_accepted("bob", "next").await;
    assert_eq!(text(&bob.expect("entry").await), "lost");
    assert_eq!(text(&bob.expect("entry").await), "next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comparison_of_heads_finds_it_when_nothing_follows() {
    let region = region().await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    region.link().lose("user.bob");
    alice.send_accepted("bob", "lost").await;
    until("the message to be lost", async || region.link().has_lost_all().then_some(())).await;
    assert_eq!(text(&bob.expect("entry").await), "lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_whose_link_was_cut_compares_heads_when_it_is_back() {
    let region = region().await;
    let begun = Instant::now();
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up_at(apart, "alice", "phone").await;
    until("every shard to be compared", async || readiness(&region).await.is_ok().then_some(())).await;
    region.link().cut().await;
    alice.send_accepted("bob", "while it was cut").await;
    region.link().heal();
    assert_eq!(text(&bob.expect("entry").await), "while it was cut");
    assert!(
        begun.elapsed() < BEFORE_THE_NEXT_ROUND,
        "not for the loss, but with the next round: {:?}",
        begun.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_reader_devices_are_given_what_is_read_and_the_gateway_says_that_it_is_not_ready() {
    let mut region = region().await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    until("every shard to be compared", async || readiness(&region).await.is_ok().then_some(())).await;
    region.workers.remove(0).kill();
    alice.send_accepted("bob", "while nobody reads").await;
    // What may have been lost is asked for twice: the rounds that nobody answers.
    region.link().cut().await;
    region.link().heal();
    assert_eq!(text(&bob.expect("entry").await), "while nobody reads");
    let why = until("the gateway to notice", async || readiness(&region).await.err()).await;
    assert!(why.contains("no worker with the role `deliver` runs"), "{why}");
    let worker = region.new_worker("first").await;
    region.workers.push(worker);
    until("the gateway to be ready again", async || readiness(&region).await.ok()).await;
    alice.send_accepted("bob", "with a reader").await;
    assert_eq!(text(&bob.expect("entry").await), "with a reader");
}
