//! A gateway beside a leaf node without JetStream: its users lose, repeat and reorder nothing, whatever happens to the leaf, its link or
//! its hub.

use std::{net::SocketAddr, time::Duration};

use dunlin_nats::{ConnectOptions, Connection, region_settings};
use dunlin_tests::{
    leaf::{HUB, Leaf},
    load::Load,
    region::{Node, Region, RegionOptions},
    server::ServerOptions,
    wait::within,
};

/// Messages between two faults.
const BETWEEN: usize = 100;
/// How long a server that is stopped stands still: long enough that its connections are given up.
const STANDS_STILL: Duration = Duration::from_secs(20);
/// How long the load may take to go on after a fault.
const GOES_ON: Duration = Duration::from_secs(120);
const USERS: usize = 6;
/// How often each sends: what came since a minute before an id that waited out the longest fault must be kept, or it is too old.
const PACE: Duration = Duration::from_millis(60);

/// A region with a gateway of its own and one at the edge.
struct Edge {
    region: Region,
    leaf: Leaf,
    _node: Node,
    gateway: SocketAddr,
}

impl Edge {
    async fn start(servers: usize) -> Edge {
        let server = ServerOptions { more: HUB.into(), ..ServerOptions::default() };
        let replicas = servers as u8;
        let region = Region::start_with(RegionOptions { servers, replicas, server, ..RegionOptions::default() }).await;
        let leaf = Leaf::of(region.servers()).await;
        let (_node, gateway) = region.new_gateway(leaf.server.url()).await;
        Edge { region, leaf, _node, gateway }
    }

    fn load(&self) -> Load {
        Load::paced(USERS, PACE, |user| self.region.token(user), vec![self.region.gateway(0), self.gateway])
    }

    /// Ends a load: all that was accepted arrived, once, and is stored once, and marks are right.
    async fn finish(&self, load: Load) {
        let left = load.finish(GOES_ON).await;
        left.is_told(|user| self.region.token(user), &[self.region.gateway(0), self.gateway]).await;
        self.region.holds_each_once(USERS).await;
    }

    /// Waits until somebody at the edge is told that a message of theirs is stored, and hears of one.
    async fn serves(&self, when: &str) {
        within(GOES_ON, when, async || {
            let (region, at) = (&self.region, self.gateway);
            let talk = async {
                let mut alice = region.caught_up_at(at, "alice", "phone").await;
                alice.send_until_accepted("alice", when).await;
            };
            tokio::time::timeout(Duration::from_secs(10), talk).await.ok()
        })
        .await;
    }
}

/// Whether a gateway says that it is ready; otherwise why not.
async fn readiness(gateway: SocketAddr) -> Result<(), String> {
    let page = reqwest::get(format!("http://{gateway}/readyz")).await.map_err(|error| error.to_string())?;
    if page.status().is_success() { Ok(()) } else { Err(page.text().await.unwrap_or_default()) }
}

async fn accepted_more(load: &Load, when: &str) {
    let enough = load.accepted() + BETWEEN;
    within(GOES_ON, when, async || (load.accepted() >= enough).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_pass_both_ways_through_a_leaf() {
    let edge = Edge::start(1).await;
    let mut alice = edge.region.caught_up(0, "alice", "phone").await;
    let mut bob = edge.region.caught_up_at(edge.gateway, "bob", "phone").await;
    alice.send_accepted("bob", "to the edge").await;
    assert_eq!(bob.expect("entry").await["content"]["message"]["text"], "to the edge");
    bob.send_accepted("alice", "from the edge").await;
    assert_eq!(alice.expect("entry").await["content"]["message"]["text"], "from the edge");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaf_that_stands_still_is_killed_and_cut_off_loses_and_doubles_nothing() {
    let mut edge = Edge::start(1).await;
    let load = edge.load();
    accepted_more(&load, "before any fault").await;

    edge.leaf.server.freeze();
    tokio::time::sleep(STANDS_STILL).await;
    edge.leaf.server.thaw();
    accepted_more(&load, "after the leaf stood still").await;
    edge.serves("after the leaf stood still").await;

    edge.leaf.server.kill();
    accepted_more(&load, "beside a dead leaf").await;
    edge.leaf.server.restart();
    edge.serves("after the leaf was killed").await;

    edge.leaf.links[0].cut().await;
    within(GOES_ON, "the leaf to notice", async || (edge.leaf.uplinks().await == 0).then_some(())).await;
    accepted_more(&load, "beside a leaf that is cut off").await;
    // Before it has asked twice in vain it may say that appends fail.
    let gone = "where it is a leaf node its link to the region is gone";
    let says_so = async || readiness(edge.gateway).await.err().filter(|why| why.contains(gone));
    within(GOES_ON, "the gateway to say so", says_so).await;
    let options = ConnectOptions { servers: vec![edge.leaf.server.url()], ..ConnectOptions::default() };
    let beside = Connection::open(&options, &edge.region.settings().region).await.expect("the leaf's server is there");
    let why = region_settings(&beside).await.expect_err("the region is not").to_string();
    assert!(why.contains("is a leaf node, is its link to the region up?"), "{why}");
    edge.leaf.links[0].heal();
    edge.serves("after the link was cut").await;
    within(GOES_ON, "the gateway to be ready again", async || readiness(edge.gateway).await.ok()).await;
    accepted_more(&load, "after the link was cut").await;
    edge.finish(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leaf_takes_another_hub_under_load() {
    let mut edge = Edge::start(3).await;
    let load = edge.load();
    accepted_more(&load, "before any fault").await;

    // The server dies that the leaf had joined; where it led a shard, another one does.
    let hub = edge.leaf.hub().await;
    let name = edge.region.servers().nth(hub).expect("a hub").name().to_owned();
    edge.region.server(&name).kill();
    edge.leaf.links[hub].cut().await;
    edge.serves("through another hub").await;
    assert_ne!(edge.leaf.hub().await, hub);
    accepted_more(&load, "through another hub").await;
    edge.region.server(&name).restart();
    accepted_more(&load, "with all servers again").await;
    edge.finish(load).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_joins_elsewhere_while_the_leaf_is_cut_off_replaces_the_one_at_the_edge() {
    let edge = Edge::start(1).await;
    let mut old = edge.region.caught_up_at(edge.gateway, "bob", "phone").await;
    within(GOES_ON, "the gateway to be ready", async || readiness(edge.gateway).await.ok()).await;
    edge.leaf.links[0].cut().await;
    let mut new = edge.region.caught_up(0, "bob", "phone").await;
    within(GOES_ON, "the gateway to notice", async || readiness(edge.gateway).await.err()).await;
    edge.leaf.links[0].heal();
    assert_eq!(old.end().await.code(), Some("replaced"));
    new.send_accepted("bob", "the newer one stays").await;
}
