//! A live message that is lost between worker and gateway is found again.

use dunlin_tests::{
    device::text,
    region::{Region, RegionOptions},
    wait::until,
};

async fn region() -> Region {
    Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await
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
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up_at(apart, "alice", "phone").await;
    region.link().cut();
    alice.send_accepted("bob", "while it was cut").await;
    region.link().heal();
    assert_eq!(text(&bob.expect("entry").await), "while it was cut");
}
