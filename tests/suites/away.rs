//! A gateway and a worker that start while NATS is away wait for it.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::Duration,
};

use dunlin_tests::{
    process::{Processes, dunlin},
    server::NatsServer,
    wait::PATIENCE,
    wait::until,
};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_while_nats_is_away_waits_for_it_and_says_so() {
    let mut region = Processes::start(1).await;
    region.replace_everything_without_nats();
    until("both to answer", async || (region.pages("/livez").await == [Some(200), Some(200)]).then_some(())).await;
    assert_eq!(region.pages("/readyz").await, [Some(503), Some(503)]);
    assert_eq!(region.pages("/v1/connect").await, [Some(503), Some(503)]);
    region.nats.restart();
    region.ready().await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("alice", "all is well").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_nats_ends_when_told_to() {
    let mut region = Processes::start(1).await;
    region.replace_everything_without_nats();
    until("both to wait", async || (region.pages("/livez").await == [Some(200), Some(200)]).then_some(())).await;
    for (code, took) in [region.terminate_gateway(0), region.terminate_worker(0)] {
        assert_eq!(code, Some(0));
        assert!(took < Duration::from_secs(5), "the end took {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_to_make_the_streams_does_not_wait_for_them() {
    let (nats, folder) = (NatsServer::start(), tempfile::tempdir().expect("a temporary folder"));
    let config = folder.path().join("worker.toml");
    let text = format!("folder = {:?}\n[nats]\nservers = [{:?}]\n", folder.path().join("projections"), nats.url());
    std::fs::write(&config, text).expect("writing a configuration");
    let mut command = Command::new(dunlin());
    command.args(["worker", "--provision", "--config"]).arg(&config).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut worker = command.spawn().expect("starting the dunlin command that was built with these suites");
    let mut said = BufReader::new(worker.stdout.take().expect("its output"));
    let first = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        said.read_line(&mut line).map(|_| line)
    });
    let first = timeout(PATIENCE, first).await;
    worker.kill().and_then(|()| worker.wait()).expect("ending our own child");
    assert_eq!(first.expect("in time").expect("no panic").expect("its output"), "ready\n");
}
