//! What the client library says again: a `read` whose gateway was killed before anybody had stored it.

use dunlin_client::{Client, ClientOptions, Event, Events};
use dunlin_schema::{Peer, Seq, stream::receipts_stream};
use dunlin_tests::{
    link::Link,
    process::{Processes, Sections},
    server::NatsServer,
    wait::PATIENCE,
};
use tokio::time::timeout;

use super::{sent, until_receipt};

async fn next(events: &mut Events) -> Event {
    timeout(PATIENCE, events.next()).await.expect("an event in time").expect("a client that lives")
}

/// Waits until the client is connected through this gateway.
async fn connects(events: &mut Events, url: &str) {
    loop {
        if let Event::Connected(connected) = next(events).await {
            assert!(connected.url.starts_with(url), "{connected:?}");
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_whose_gateway_is_killed_before_it_is_stored_is_said_again_to_another() {
    let nats = NatsServer::start();
    let link = Link::to(nats.port()).await;
    let section = |url: String| format!("servers = [{url:?}]");
    let sections = Sections { gateway: section(link.url()), worker: section(nats.url()) };
    let mut region = Processes::start_at(nats, sections, 3).await;
    let mut alice = region.caught_up(2, "alice", "phone").await;
    let urls: Vec<_> = region.gateways()[..2].iter().map(|gateway| format!("ws://{gateway}")).collect();
    let token = region.token("bob");
    let options = ClientOptions::new(&urls[0], token).url(&urls[1]).device("phone".parse().expect("a name"));
    let (bob, mut events) = Client::start(options).await.expect("options that make sense");
    connects(&mut events, &urls[0]).await;
    let order = sent(&mut alice, "bob").await;
    while !matches!(next(&mut events).await, Event::Entry(_)) {}

    // Its gateway takes it, and can't store it: it says what comes behind it.
    link.freeze();
    bob.read("alice", Seq(order)).await.expect("a client that lives");
    bob.presence(vec!["alice".to_owned()]).await.expect("an answer");
    region.kill_gateway(0);
    link.cut().await;
    assert_eq!(waiting(&region).await, 0, "nothing is stored");
    link.heal();

    connects(&mut events, &urls[1]).await;
    loop {
        if let Event::Marked { with, read } = next(&mut events).await {
            let alice = Some(Peer::User("alice".parse().expect("a name")));
            assert_eq!((with.known().map(|with| with.peer.clone()), read), (alice, Seq(order)));
            break;
        }
    }
    until_receipt(&mut alice, Some(order), Some(order)).await;
}

/// Items in the queues of receipts.
async fn waiting(region: &Processes) -> u64 {
    let client = async_nats::connect(region.nats.url()).await.expect("a server");
    let jetstream = async_nats::jetstream::with_domain(client, "local");
    let mut items = 0;
    for shard in 0..2 {
        let name = receipts_stream(&"local".parse().expect("a name"), dunlin_schema::Shard(shard));
        let stream = jetstream.get_stream(name).await.expect("a stream");
        items += stream.cached_info().state.messages;
    }
    items
}
