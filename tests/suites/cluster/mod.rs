//! Regions of three replicas on three nats-servers: what is promised holds while one of them dies, hangs or lags, and when all of them are
//! started again. A cluster takes seconds until it stores anything, so the faults of a test come one after the other.

mod groups;
mod hangs;
mod kills;
mod people;
mod repeats;
mod takeover;

use dunlin_schema::{Shard, stream::log_stream};
use dunlin_tests::{
    cluster,
    region::{Region, RegionOptions},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_repeats_a_hanging_follower_and_dying_readers_lose_and_double_nothing() {
    let mut region = started(0).await;
    repeats::race_through_every_server(&region).await;
    hangs::a_follower_hangs_and_lags(&mut region).await;
    takeover::readers_die(&mut region).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_are_killed_under_load_lose_and_double_nothing() {
    let mut region = started(2).await;
    kills::under_load(&mut region).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_decided_and_an_erasure_hold_though_the_servers_that_lead_are_killed_in_the_midst() {
    let mut region = started(2).await;
    people::decide_under_load(&mut region).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_are_given_one_order_though_the_servers_that_lead_are_killed() {
    let mut region = started(2).await;
    groups::talk(&mut region).await;
}

/// A region of one shard, three replicas and three servers, all of which its gateways know.
async fn started(gateways: usize) -> Region {
    Region::start_with(RegionOptions { replicas: 3, servers: 3, shards: 1, gateways, ..RegionOptions::default() }).await
}

/// The stream of the only shard.
fn stream(region: &Region) -> String {
    log_stream(&region.settings().region, Shard(0))
}

/// Kills the server that leads the shard's log as `kill -9` does, and says which one it was.
async fn kill_leader(region: &mut Region) -> String {
    let leader = cluster::leader(&region.jetstream().await, &stream(region)).await;
    region.server(&leader).kill();
    leader
}
