//! A follower that hangs, or is cut off from the others and not from its clients: its log is behind, and it is asked all the same.

use std::net::SocketAddr;

use async_nats::jetstream::Context;
use dunlin_nats::{ConnectOptions, Reads};
use dunlin_schema::{
    CursorText, Shard,
    read::{ReadFrom, ReadRequest, Source},
    stream::state_stream,
};
use dunlin_tests::{
    cluster,
    device::{Device, text},
    history::Application,
    link::Link,
    region::Region,
    wait::until,
};
use futures_util::future::join_all;

use super::stream;

/// Devices that come back at once.
const RESUMES: usize = 4;
/// Messages that it misses each time.
const MISSED: usize = 50;

pub(super) async fn a_follower_hangs_and_lags(region: &mut Region) {
    let jetstream = region.jetstream().await;
    lead(region, &jetstream).await;
    region.workers.remove(0).stop().await;
    region.workers.push(region.new_worker_through(region.nats.url(), "first").await);
    let (_leader, asks_leader) = region.new_gateway(region.nats.url()).await;
    // A server answers from its own replica where it has one.
    let (_follower, asks_follower) = region.new_gateway(region.peers[1].url()).await;

    let mut alice = region.caught_up_at(asks_leader, "alice", "phone").await;
    let mut bob = region.caught_up_at(asks_leader, "bob", "phone").await;
    // Live entries wait in front of the follower's server, for this device and for those that come back there.
    let mut tablet = region.caught_up_at(asks_follower, "bob", "tablet").await;
    let (mut application, mut at_follower) = (Application::default(), Application::default());
    let before = alice.send_accepted("bob", "before").await["id"].clone();
    application.take(&bob.next().await.expect("an open socket"));
    let early = application.cursor.clone().expect("a cursor");
    let mut sent = vec![before.as_str().expect("an id").to_owned()];

    let token = region.token("bob");
    let mut texts = vec![];
    for fault in [Fault::Stopped, Fault::CutOff, Fault::CutOff] {
        // A follower that was away for long may have had itself elected since.
        lead(region, &jetstream).await;
        fault.begin(region);
        for _ in 0..MISSED {
            texts.push(texts.len().to_string());
            sent.push(alice.send_until_accepted("bob", &texts[texts.len() - 1]).await);
        }
        while application.ids.len() < sent.len() {
            application.take(&bob.next().await.expect("an open socket"));
        }
        let late = application.cursor.clone().expect("a cursor");
        everybody_gets(&texts, asks_leader, &token, &early).await;
        everybody_gets(&[], asks_leader, &token, &late).await;
        if let Fault::CutOff = fault {
            lacks(region, &late).await;
        }
        let going_on = async {
            everybody_gets(&[], asks_leader, &token, &late).await;
            fault.end(region);
        };
        let behind = everybody_gets(&[], asks_follower, &token, &late);
        tokio::join!(behind, everybody_gets(&texts, asks_follower, &token, &early), going_on);
        while at_follower.ids.len() < sent.len() {
            at_follower.take(&tablet.next().await.expect("an open socket"));
        }
        until("the follower to catch up", async || {
            let info = jetstream.get_stream(stream(region)).await.ok()?;
            let replicas = &info.cached_info().cluster.as_ref()?.replicas;
            replicas.iter().all(|replica| replica.current).then_some(())
        })
        .await;
    }
    for application in [application, at_follower] {
        assert_eq!((&application.ids, application.gaps.len()), (&sent, 0), "once, in order");
    }
    // The worker that stays knows every server again.
    region.workers.remove(0).stop().await;
    region.workers.push(region.new_worker("first").await);
}

/// Has the first server lead the shard's streams.
async fn lead(region: &Region, jetstream: &Context) {
    for led in [stream(region), state_stream(&region.settings().region, Shard(0))] {
        cluster::lead(jetstream, &led, region.nats.name()).await;
    }
}

/// Sees that the follower answers from a log that lacks even the cursor's own entry, and that its answer is no evidence.
async fn lacks(region: &Region, cursor: &str) {
    let options = ConnectOptions { servers: vec![region.peers[1].url()], ..ConnectOptions::default() };
    let reads = Reads::open(&options, region.settings()).await.expect("a connection");
    let (cursor, log): (CursorText, _) = (cursor.parse().expect("a cursor"), region.mailbox("bob"));
    let own = cursor.open(&log).expect("bob's cursor").position.seq;
    let request = ReadRequest { from: ReadFrom::Seq(own), source: Source::Any };
    let answer = until("the follower's answer", async || reads.read(&log, request).await.ok()).await;
    assert!(answer.entries.is_empty() && answer.evidence.is_none(), "{answer:?}");
}

/// What happens to the last server.
enum Fault {
    /// Its process stands still.
    Stopped,
    /// The others don't hear it, nor it them; its own clients do.
    CutOff,
}

impl Fault {
    fn begin(&self, region: &Region) {
        match self {
            Fault::Stopped => region.peers[1].freeze(),
            Fault::CutOff => region.routes.iter().for_each(Link::freeze),
        }
    }

    fn end(&self, region: &Region) {
        match self {
            Fault::Stopped => region.peers[1].thaw(),
            Fault::CutOff => region.routes.iter().for_each(Link::heal),
        }
    }
}

/// Many devices go on from a cursor at the same time. Panics where one is told of a gap, or given anything else than these texts.
async fn everybody_gets(texts: &[String], gateway: SocketAddr, token: &str, cursor: &str) {
    let resumes = (0..RESUMES).map(async |number| {
        let device = format!("{gateway}-{}-{number}", texts.len()).replace('.', "_").replace(':', "_");
        let (entries, _) = Device::hello(gateway, token, &device, Some(cursor)).await.catch_up().await;
        assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), texts);
    });
    join_all(resumes).await;
}
