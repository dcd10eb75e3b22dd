//! A follower that hangs, and then goes on with a log that is behind: it may be asked for any read.

use std::net::SocketAddr;

use dunlin_schema::{Shard, stream::state_stream};
use dunlin_tests::{
    cluster,
    device::{Device, text},
    history::Application,
    region::Region,
    wait::until,
};
use futures_util::future::join_all;

use super::stream;

/// Devices that come back at once.
const RESUMES: usize = 12;
/// Messages that the follower does not see.
const MISSED: usize = 100;

pub(super) async fn a_follower_hangs_and_lags(region: &mut Region) {
    // Gateway and worker are beside the leader: what hangs is not their own connection.
    let jetstream = region.jetstream().await;
    let beside = region.nats.name().to_owned();
    for led in [stream(region), state_stream(&region.settings().region, Shard(0))] {
        cluster::lead(&jetstream, &led, &beside).await;
    }
    region.workers.remove(0).stop().await;
    region.workers.push(region.new_worker_through(region.nats.url(), "first").await);
    let (_gateway, address) = region.new_gateway(region.nats.url()).await;

    let mut alice = region.caught_up_at(address, "alice", "phone").await;
    let mut bob = region.caught_up_at(address, "bob", "phone").await;
    let mut application = Application::default();
    let before = alice.send_accepted("bob", "before").await["id"].clone();
    application.take(&bob.next().await.expect("an open socket"));
    let behind = application.cursor.clone().expect("a cursor");
    let mut sent = vec![before.as_str().expect("an id").to_owned()];

    let follower = cluster::followers(&jetstream, &stream(region)).await.remove(0);
    assert_ne!(follower, beside);
    region.server(&follower).freeze();
    let mut missed = vec![];
    for number in 0..MISSED {
        missed.push(number.to_string());
        let accepted = alice.send_accepted("bob", &missed[number]).await;
        sent.push(accepted["id"].as_str().expect("an id").to_owned());
    }
    while application.ids.len() < sent.len() {
        application.take(&bob.next().await.expect("an open socket"));
    }
    let at_the_end = application.cursor.clone().expect("a cursor");
    let token = region.token("bob");
    everybody_gets(&missed, address, &token, &behind).await;
    everybody_gets(&[], address, &token, &at_the_end).await;

    region.server(&follower).thaw();
    // Until it has caught up it answers from a log without what was missed.
    let mut rounds = 0;
    until("the follower to catch up", async || {
        everybody_gets(&missed, address, &token, &behind).await;
        everybody_gets(&[], address, &token, &at_the_end).await;
        rounds += 1;
        let info = jetstream.get_stream(stream(region)).await.ok()?;
        let replicas = &info.cached_info().cluster.as_ref()?.replicas;
        (rounds >= 5 && replicas.iter().all(|replica| replica.current)).then_some(())
    })
    .await;
    assert_eq!((&application.ids, application.gaps.len()), (&sent, 0), "once, in order");
    // The worker that stays knows every server again.
    region.workers.remove(0).stop().await;
    region.workers.push(region.new_worker("first").await);
}

/// Many devices go on from a cursor at the same time. Panics where one is told of a gap, or given anything else than these texts.
async fn everybody_gets(texts: &[String], gateway: SocketAddr, token: &str, cursor: &str) {
    let resumes = (0..RESUMES).map(async |number| {
        let device = format!("late-{number}");
        let (entries, _) = Device::hello(gateway, token, &device, Some(cursor)).await.catch_up().await;
        assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), texts);
    });
    join_all(resumes).await;
}
