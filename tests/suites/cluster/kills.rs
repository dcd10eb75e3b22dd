//! `kill -9` of the servers themselves while users send to each other without a pause.

use std::time::Duration;

use dunlin_tests::{
    cluster,
    load::Load,
    region::Region,
    wait::{PATIENCE, within},
};

use super::{kill_leader, stream};

/// Messages between two faults.
const BETWEEN: usize = 150;
/// How long servers that were all started again may take: one election after the other, each of seconds.
pub(super) const AFTER_ELECTIONS: Duration = Duration::from_secs(120);
/// Users of the load.
pub(super) const USERS: usize = 4;

pub(super) async fn under_load(region: &mut Region) {
    let gateways = vec![region.gateway(0), region.gateway(1)];
    let load = Load::start(USERS, |user| region.token(user), gateways.clone());
    accepted_more(&load, "before any fault").await;

    // A gateway may know one server alone: any of a cluster will do.
    let leader = cluster::leader(&region.jetstream().await, &stream(region)).await;
    let url = region.server(&leader).url();
    let (_sole, address) = region.new_gateway(url).await;
    let mut alice = region.caught_up_at(address, "alice", "phone").await;
    let killed = kill_leader(region).await;
    assert_eq!(killed, leader);
    accepted_more(&load, "with two servers").await;
    let sent = alice.send_until_accepted("alice", "beside the dead");
    tokio::time::timeout(PATIENCE, sent).await.expect("appends through the servers that are left");
    region.server(&killed).restart();
    accepted_more(&load, "with three servers again").await;

    for server in std::iter::once(&mut region.nats).chain(&mut region.peers) {
        server.kill();
    }
    for server in std::iter::once(&mut region.nats).chain(&mut region.peers) {
        server.restart();
    }
    accepted_more(&load, "after the start of all servers").await;

    let left = load.finish(AFTER_ELECTIONS).await;
    left.is_told(|user| region.token(user), &gateways).await;
    region.holds_each_once(USERS).await;
}

pub(super) async fn accepted_more(load: &Load, when: &str) {
    let enough = load.accepted() + BETWEEN;
    within(AFTER_ELECTIONS, when, async || (load.accepted() >= enough).then_some(())).await;
}
