//! A gateway that is told to end says goodbye, spread over its drain time, and exits with 0.

use std::time::Duration;

use dunlin_tests::process::Processes;

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
