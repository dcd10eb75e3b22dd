//! A user's devices, over all gateways.

use dunlin_tests::region::{Region, RegionOptions};

/// The same device connects anew at one of these gateways: its older connection at the first one ends, and no other.
async fn replaced_at(region: &Region, gateway: usize) {
    let mut old = region.caught_up(0, "bob", "phone").await;
    let mut other = region.caught_up(0, "bob", "laptop").await;
    let mut new = region.caught_up(gateway, "bob", "phone").await;
    let ended = old.end().await;
    assert_eq!((ended.code(), ended.close), (Some("replaced"), Some(4409)));
    let id = new.send("bob", "note").await;
    new.answer(&id).await.expect("accepted");
    assert_eq!(other.expect("entry").await["id"], id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_device_takes_its_older_connections_place() {
    replaced_at(&Region::start(1).await, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_device_at_two_gateways_the_older_one_is_replaced() {
    replaced_at(&Region::start(2).await, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_has_at_most_sixteen_devices_here() {
    let region = Region::start(1).await;
    let mut devices = vec![];
    for device in 0..16 {
        devices.push(region.connect(0, "bob", &format!("device-{device}"), None).await);
    }
    let Err(ended) = region.try_connect(0, "bob", "one-more", "beginning").await else { panic!("let in") };
    assert_eq!((ended.code(), ended.close), (Some("too_many_devices"), Some(4429)));
    assert!(ended.frames[0]["goodbye"]["retry_after"].is_u64());
    drop(devices.pop());
    dunlin_tests::wait::until("the place to be free", async || {
        region.try_connect(0, "bob", "one-more", "beginning").await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seventeen_devices_over_two_gateways_the_last_is_too_many_and_sixteen_live_on() {
    let region = Region::start(2).await;
    let mut devices = vec![];
    for device in 0..16 {
        devices.push(region.caught_up(device % 2, "bob", &format!("device-{device}")).await);
    }
    let mut last = region.connect(0, "bob", "one-more", None).await;
    let ended = last.end().await;
    assert_eq!((ended.code(), ended.close), (Some("too_many_devices"), Some(4429)));
    assert!(ended.frames.last().expect("a goodbye")["goodbye"]["retry_after"].is_u64());
    let id = devices[0].send_accepted("bob", "note").await["id"].clone();
    for device in &mut devices[1..] {
        assert_eq!(device.expect("entry").await["id"], id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_joined_elsewhere_while_a_gateway_was_cut_off_counts_when_it_is_back() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut old = region.caught_up(0, "bob", "phone").await;
    let mut kept = vec![];
    for device in 0..15 {
        kept.push(region.caught_up(0, "bob", &format!("device-{device}")).await);
    }
    region.link().cut().await;
    let mut new = region.caught_up_at(apart, "bob", "phone").await;
    let mut last = region.caught_up_at(apart, "bob", "one-more").await;
    region.link().heal();
    assert_eq!(old.end().await.code(), Some("replaced"));
    assert_eq!(last.end().await.code(), Some("too_many_devices"));
    let id = new.send_accepted("bob", "note").await["id"].clone();
    for device in &mut kept {
        assert_eq!(device.expect("entry").await["id"], id);
    }
}
