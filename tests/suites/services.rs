//! What a gateway does beside its sockets: none of it dies unseen, and one full shard is its writers' trouble alone.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use dunlin_gateway::{Error, Server};
use dunlin_schema::stream::log_stream;
use dunlin_tests::{
    device::Device,
    process::Processes,
    region::{Region, RegionOptions},
    tokens::Key,
    wait::until,
};
use nix::sys::signal::Signal;
use tokio::{net::TcpStream, sync::oneshot};

/// A gateway's services, as its operators see them.
const SERVICES: [&str; 18] = [
    "live entries of local",
    "fan-out in local",
    "news of devices in local",
    "signals of local",
    "revocations of local",
    "settings of local",
    "groups of people in local",
    "comparison of heads in local",
    "reports of local",
    "news of presence in local",
    "last seen in local",
    "watches in local",
    "missed news in local",
    "comparison of marks in local",
    "timer",
    "keys",
    "limiter",
    "connections",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_each_service_ends_the_gateway_with_an_error_and_its_devices_are_told() {
    let region = Region::start(0).await;
    for (number, name) in SERVICES.into_iter().enumerate() {
        let server = Server::bind(region.gateway_config(region.nats.url())).await.expect("a gateway");
        let (gateway, services) = (server.local_addr(), server.services());
        assert_eq!(services.len(), SERVICES.len(), "{services:?}");
        let (_never, stop) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async { drop(stop.await) }));
        let mut device = region.caught_up_at(gateway, &format!("user-{number}"), "phone").await;
        let (_, service) = services.iter().find(|(found, _)| found == name).expect(name);
        service.abort();
        let ended = tokio::time::timeout(Duration::from_secs(30), running).await.expect("an end").expect("no panic");
        let Err(Error::Service(ended)) = ended else { panic!("{name}: {ended:?}") };
        assert_eq!(ended.service, name);
        assert_eq!(device.end().await.code(), Some("draining"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_service_shows_that_it_moves() {
    let region = Region::start(1).await;
    let began = Instant::now();
    let metrics = format!("http://{}/metrics", region.gateway(0));
    for name in SERVICES {
        let line = format!("dunlin_gateway_service_idle_seconds{{service=\"{name}\"}} ");
        // One that gave a sign only as it began has been idle for as long as this test runs.
        let moves = async || {
            let text = reqwest::get(&metrics).await.ok()?.text().await.ok()?;
            let idle = text.lines().find_map(|found| found.strip_prefix(&line)?.parse::<u64>().ok())?;
            (idle + 3 < began.elapsed().as_secs()).then_some(())
        };
        until(name, moves).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_full_shard_is_told_to_its_senders_and_the_operator_and_the_gateway_stays_ready() {
    let region = Region::start(1).await;
    let full = region.mailbox("bob");
    let elsewhere = |from: &[&'static str]| {
        *from.iter().find(|user| region.mailbox(user).shard != full.shard).expect("a user of the other shard")
    };
    region.ready().await;
    let mut sender = region.caught_up(0, elsewhere(&["alice", "carol", "dave", "erin", "frank"]), "phone").await;
    let jetstream = region.jetstream().await;
    let stream = jetstream.get_stream(log_stream(&full.region, full.shard)).await.expect("a stream");
    let mut config = stream.cached_info().config.clone();
    config.max_bytes = 4_096;
    jetstream.update_stream(config).await.expect("a smaller stream");
    let rejected = until("a refusal", async || {
        let id = sender.send("bob", &"x".repeat(1_000)).await;
        sender.answer(&id).await.err()
    })
    .await;
    assert_eq!(rejected["code"], "unavailable", "{rejected}");
    let page = async |path: &str| {
        let answer = reqwest::get(format!("http://{}{path}", region.gateway(0))).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let failed = format!("dunlin_gateway_failed_appends_total{{shard=\"{}\",why=\"full\"}}", full.shard);
    let (_, metrics) = page("/metrics").await;
    let told = "dunlin_gateway_rejected_sends_total{code=\"unavailable\"} 1\n";
    assert!(metrics.contains(&failed) && metrics.contains(told), "{metrics}");
    for queue in [
        "answers to late appends",
        "answers to questions",
        "answers to reads",
        "appends",
        "late appends to one log",
        "long reads of late appends",
    ] {
        let refused = format!("dunlin_gateway_queue_refusals_total{{queue=\"{queue}\"}} 0\n");
        assert!(metrics.contains(&refused), "{refused}{metrics}");
    }
    assert_eq!(page("/readyz").await, (200, "ready\n".to_owned()));
    sender.send_accepted(elsewhere(&["grace", "heidi", "ivan", "judy", "mallory"]), "the other shard stores").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_told_to_reads_its_key_set_again() {
    let region = Region::start(0).await;
    let mut config = region.gateway_config(region.nats.url());
    config.tokens.refresh = dunlin_schema::Millis(600_000);
    let server = Server::bind(config).await.expect("a gateway");
    let (gateway, refresh) = (server.local_addr(), server.refresh());
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { drop(stopped.await) }));
    let old = region.token("bob");
    region.caught_up_at(gateway, "bob", "phone").await;
    region.keys.write(&[&Key::new("two")]);
    let let_in = async || Device::try_hello(gateway, &old, "phone", None).await.is_ok();
    assert!(let_in().await, "nobody has looked since");
    refresh();
    until("the key that is gone to be refused", async || (!let_in().await).then_some(())).await;
    drop(stop);
    running.await.expect("no panic").expect("an orderly end");
}

/// A counter of the gateway whose pages are here.
async fn counted(pages: SocketAddr, name: &str) -> Option<u64> {
    let text = reqwest::get(format!("http://{pages}/metrics")).await.ok()?.text().await.ok()?;
    let line = format!("dunlin_gateway_{name}_total ");
    text.lines().find_map(|found| found.strip_prefix(&line)?.parse().ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_a_full_gateway_turns_away_are_counted_where_operators_look() {
    let region = Region::start(0).await;
    let mut config = region.gateway_config(region.nats.url());
    config.limits.connections = 1;
    config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    let server = Server::bind(config).await.expect("a gateway");
    let (gateway, pages) = (server.local_addr(), server.internal_addr().expect("an address"));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { drop(stopped.await) }));
    let mut silent = vec![];
    until("one to be turned away", async || {
        // Together, and more than the room beside the limit: one that says nothing is let go of after some seconds.
        for _ in 0..128 {
            silent.push(TcpStream::connect(gateway).await.ok()?);
        }
        counted(pages, "turned_away").await.filter(|count| *count > 0)
    })
    .await;
    drop(silent);
    drop(stop);
    running.await.expect("no panic").expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_been_lost_on_the_way_is_counted() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    region.caught_up(0, "bob", "phone").await;
    let lost = async || counted(region.gateway(0), "live_losses").await;
    assert_eq!(lost().await, Some(0));
    region.link().cut().await;
    region.link().heal();
    until("a loss", async || lost().await.filter(|count| *count > 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sighup_has_a_gateway_read_its_key_set_again_and_ends_nothing() {
    let region = Processes::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let (new, token) = (Key::new("two"), region.token("carol"));
    region.rotate(&[&new]);
    region.signal_gateway(0, Signal::SIGHUP);
    let gateway = region.gateways()[0];
    let let_in = async || Device::try_hello(gateway, &token, "phone", None).await.is_ok();
    until("the key that is gone to be refused", async || (!let_in().await).then_some(())).await;
    alice.send_accepted("bob", "still here").await;
    assert_eq!(bob.expect("entry").await["content"]["message"]["text"], "still here");
}
