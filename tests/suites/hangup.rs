//! SIGHUP to a worker's process: it reads its credentials again, and nothing is lost on the way.

use dunlin_tests::{
    process::{Processes, Sections},
    server::{NatsServer, ServerOptions},
    wait::until,
};
use nix::sys::signal::Signal;

fn section(server: &str, user: &str, password: &str) -> String {
    format!(
        "servers = [{server:?}]\ncredentials = {{ user_password = {{ user = {user:?}, password = {password:?} }} }}\n"
    )
}

/// As whom the region's workers are connected.
async fn users(region: &Processes) -> Vec<String> {
    let page = region.nats.monitored("/connz?auth=true").await;
    let connections = page["connections"].as_array().expect("connections").iter();
    let users = connections.filter_map(|connection| connection["authorized_user"].as_str());
    let mut users: Vec<String> = users.filter(|user| *user != "edge").map(str::to_owned).collect();
    users.sort();
    users.dedup();
    users
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_reads_its_credentials_again_at_sighup_and_loses_nothing() {
    let more = "http: \"127.0.0.1:-1\"\nauthorization { users: [ { user: edge, password: s3cr3t-e }, \
                { user: before, password: s3cr3t-b }, { user: after, password: s3cr3t-a } ] }";
    let server = NatsServer::start_with(&ServerOptions { more: more.to_owned(), ..ServerOptions::default() });
    let url = server.url();
    let sections = Sections { gateway: section(&url, "edge", "s3cr3t-e"), worker: section(&url, "before", "s3cr3t-b") };
    let mut region = Processes::start_at(server, sections, 1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;

    // What can't be used changes nothing.
    let own = section(&url, "before", "s3cr3t-b");
    for (case, unusable) in
        [&*section(&url, "before", "s3cr3t-wrong"), "credentials = 7", "taken"].into_iter().enumerate()
    {
        match unusable {
            "taken" => region.rewrite_worker_at(0, region.gateways()[0], &own),
            section => region.rewrite_worker(0, section),
        }
        region.signal_worker(0, Signal::SIGHUP);
        until("the worker to say so", async || {
            let log = region.worker_log();
            (log.matches("going on with the configuration from before").count() > case).then_some(())
        })
        .await;
        assert!(region.worker_lives(0));
        alice.send_accepted("bob", unusable).await;
        assert_eq!(bob.expect("entry").await["content"]["message"]["text"], *unusable);
    }
    assert_eq!(users(&region).await, ["before"]);

    region.rewrite_worker(0, &section(&url, "after", "s3cr3t-a"));
    for number in 0..100 {
        if number == 20 {
            region.signal_worker(0, Signal::SIGHUP);
        }
        alice.send_accepted("bob", &number.to_string()).await;
    }
    for number in 0..100 {
        assert_eq!(bob.expect("entry").await["content"]["message"]["text"], number.to_string());
    }
    until("the worker to come with its new credentials", async || (users(&region).await == ["after"]).then_some(()))
        .await;
    region.ready().await;
    assert!(region.worker_lives(0));
    for log in [region.worker_log(), region.gateway_log()] {
        assert!(log.contains("INFO") && !log.contains("s3cr3t"), "a secret is logged: {log}");
    }
}
