//! A gateway that is told to end says goodbye, spread over its drain time, and exits with 0.

use std::time::{Duration, Instant};

use dunlin_schema::Millis;
use dunlin_tests::{
    process::Processes,
    region::{Region, RegionOptions},
    wait::until,
};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_ends_sends_its_devices_elsewhere() {
    let mut region = Processes::start(2).await;
    let mut devices = vec![];
    for user in 0..20 {
        devices.push(region.caught_up(0, &format!("user-{user}"), "phone").await);
    }
    let elsewhere = region.gateways()[1];
    let ending = tokio::task::spawn_blocking(move || (region.terminate_gateway(0), region));
    for device in devices {
        let mut device = device;
        let ended = device.end().await;
        let goodbye = ended.frames.iter().find(|frame| frame["goodbye"].is_object()).expect("a goodbye");
        assert_eq!(goodbye["goodbye"]["code"], "draining");
        assert!(goodbye["goodbye"]["retry_after"].is_u64(), "{goodbye}");
        assert_eq!(ended.close, Some(1012));
    }
    let ((code, took), region) = ending.await.expect("no panic");
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "the end took {took:?}");
    assert_eq!(region.gateways(), [elsewhere]);
    region.caught_up(0, "user-0", "phone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_are_told_to_go_a_few_at_a_time() {
    let region = Region::start(0).await;
    let (node, gateway) = region.new_gateway_of(region.nats.url(), |config| config.drain = Millis(20_000)).await;
    let mut ending = JoinSet::new();
    for user in 0..20 {
        let mut device = region.caught_up_at(gateway, &format!("user-{user}"), "phone").await;
        ending.spawn(async move { (device.end().await.code().map(str::to_owned), Instant::now()) });
    }
    let (ended, ()) = tokio::join!(ending.join_all(), node.stop());
    let mut times = vec![];
    for (code, at) in ended {
        assert_eq!(code.as_deref(), Some("draining"));
        times.push(at);
    }
    times.sort();
    let spread = times[19] - times[0];
    // A hundredth of the time passes between one and the next; a machine that stands still takes some of them together.
    assert!(spread > Duration::from_millis(200), "all are told within {spread:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gateway_has_begun_is_answered_before_it_goes() {
    let mut region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let mut idle = vec![];
    for user in 0..5 {
        idle.push(region.caught_up(0, &format!("user-{user}"), "phone").await);
    }
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let page = format!("http://{}/metrics", region.gateway(0));
    let heard = async || {
        let metrics = reqwest::get(&page).await.expect("an answer").text().await.expect("a text");
        let line = metrics.lines().find(|line| line.starts_with("dunlin_gateway_frames_in_total"));
        line.expect("a count of frames").to_owned()
    };
    let before = heard().await;
    region.link().freeze();
    let id = alice.send("bob", "hi").await;
    until("the gateway to have the send", async || (heard().await != before).then_some(())).await;
    let gateway = region.take_gateway(0);
    let ending = async {
        for mut device in idle {
            assert_eq!(device.end().await.code(), Some("draining"), "nothing keeps who waits for nothing");
        }
        region.link().heal();
        let accepted = alice.answer(&id).await;
        (accepted, alice.end().await)
    };
    let ((accepted, ended), ()) = tokio::join!(ending, gateway.stop());
    accepted.expect("accepted");
    assert_eq!(ended.code(), Some("draining"));
    assert_eq!(region.stored("bob").await.len(), 1);
}
