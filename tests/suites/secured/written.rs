//! What `dunlin nats-conf` writes: a hub and a leaf node start with it, a message passes through both, and nobody may do more than their
//! role.

use std::process::Command;

use dunlin_nats::{ConnectOptions, Connection, Provisioned, Records, permissions::Role, provision};
use dunlin_schema::{Peer, RegionName, Seq, Shard, limits, stream::RegionSettings, subject};
use dunlin_tests::{
    device::new_id,
    process::{Processes, Sections, dunlin},
    server::NatsServer,
    wait::until,
};
use serde_json::json;

fn written(args: &[&str]) -> String {
    let output = Command::new(dunlin()).arg("nats-conf").args(args).output().expect("the command");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

pub(super) fn section(server: &str, user: &str, role: Role) -> String {
    let inbox = role.inbox_prefix();
    format!(
        "servers = [{server:?}]\ninbox_prefix = {inbox:?}\n\
         credentials = {{ user_password = {{ user = {user:?}, password = \"of the {user}\" }} }}"
    )
}

/// A hub of one region, with its streams.
async fn hub() -> NatsServer {
    hub_with(&[], &[]).await
}

/// The same with more options, and the passwords that these want.
pub(super) async fn hub_with(more: &[&str], passwords: &[(&str, &str)]) -> NatsServer {
    let options = ["single", "--shards", "2", "--store", "$STORE", "--leaf-listen", "127.0.0.1:7422"];
    let conf = written(&[&options, more].concat());
    // A free port for leaves, and a way to learn which.
    let conf = conf.replace("127.0.0.1:7422", "127.0.0.1:-1") + "\nhttp: \"127.0.0.1:-1\"\n";
    let of_roles = ["gateway", "worker", "operator", "leaf"]
        .map(|user| (format!("NATS_{}_PASSWORD", user.to_uppercase()), format!("\"of the {user}\"")));
    let of_roles = of_roles.each_ref().map(|(variable, password)| (variable.as_str(), password.as_str()));
    let hub = NatsServer::start_written(&conf, &[&of_roles, passwords].concat());
    let region = RegionName::new("local").expect("a name");
    let operator: ConnectOptions = toml::from_str(&section(&hub.url(), "operator", Role::Operator)).expect("a section");
    let operator = Connection::open(&operator, &region).await.expect("the operator is let in");
    let settings = RegionSettings { region, shards: 2, replicas: 1, log_bytes: 1 << 30, sync_always: false };
    assert_eq!(provision(&operator, &settings).await.expect("streams"), Provisioned::Created);
    hub
}

async fn leaf_of(hub: &NatsServer) -> NatsServer {
    let port = hub.monitored("/varz").await["leaf"]["port"].as_u64().expect("a port for leaves");
    let conf = written(&["leaf", "--shards", "2"]) + "\nhttp: \"127.0.0.1:-1\"\n";
    let address = format!("\"nats-leaf://leaf:of%20the%20leaf@127.0.0.1:{port}\"");
    let leaf =
        NatsServer::start_written(&conf, &[("NATS_HUB", &address), ("NATS_GATEWAY_PASSWORD", "\"of the gateway\"")]);
    until("the leaf to join its hub", async || {
        (leaf.monitored("/leafz").await["leafnodes"].as_u64() == Some(1)).then_some(())
    })
    .await;
    leaf
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_passes_through_a_hub_and_a_leaf_that_are_configured_as_is_written() {
    let hub = hub().await;
    let leaf = leaf_of(&hub).await;
    let sections = Sections {
        gateway: section(&leaf.url(), "gateway", Role::Gateway),
        worker: section(&hub.url(), "worker", Role::Worker),
    };
    let region = Processes::start_at(hub, sections, 1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let id = alice.send_accepted("bob", "through the leaf").await["id"].clone();
    let entry = bob.expect("entry").await;
    assert_eq!(entry["content"]["message"]["text"], "through the leaf");
    // A worker may erase it.
    let deletion = new_id();
    alice.say(json!({ "send": { "id": deletion, "to": "bob", "content": { "delete": { "target": id } } } })).await;
    alice.answer(&deletion).await.expect("accepted");
    until("it to be in no file", async || (!region.nats.stores("through the leaf")).then_some(())).await;
    for log in [region.nats.log(), leaf.log()] {
        assert!(!log.contains("Permissions Violation"), "{log}");
        // What the configuration says wrong is told before the log begins. The passwords are this test's own.
        let warned = |line: &&str| line.contains("[WRN]") || line.contains("invalid use of field");
        let warned = log.lines().filter(warned).find(|line| !line.contains("Plaintext passwords"));
        assert_eq!(warned, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_s_user_may_do_nothing_else() {
    let hub = hub().await;
    let options = async_nats::ConnectOptions::new()
        .user_and_password("gateway".into(), "of the gateway".into())
        .custom_inbox_prefix(Role::Gateway.inbox_prefix());
    let stranger = options.connect(hub.url()).await.expect("a connection");
    for subject in ["state.local.0.reader.deliver", "log.local.0.group.team", "$JS.API.STREAM.PURGE.LOG_local_0"] {
        stranger.publish(subject, "".into()).await.expect("written");
    }
    let _log = stranger.subscribe("log.>").await.expect("written");
    let _others = stranger.subscribe("_INBOX.wk.>").await.expect("written");
    stranger.flush().await.expect("the server has them");
    until("five refusals", async || (hub.log().matches("Violation").count() >= 5).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_configured_as_is_written_may_forget_a_device() {
    let hub = hub().await;
    let region = RegionName::new("local").expect("a name");
    let worker: ConnectOptions = toml::from_str(&section(&hub.url(), "worker", Role::Worker)).expect("a section");
    let records = Records::new(&Connection::open(&worker, &region).await.expect("the worker is let in"));
    let (shard, user) = (Shard(1), "bob".parse().expect("a name"));
    let (log, devices) = (Peer::User("bob".parse().expect("a name")), subject::mailbox_records(&region, shard, &user));
    for device in ["phone", "web"] {
        let subject = subject::device_record(&region, shard, &user, &device.parse().expect("a name"), &log);
        records.save_for(limits::DEVICE_KEPT, &subject, device, Seq(0)).await.expect("a record");
    }
    assert_eq!(records.count(shard, &devices).await, Ok(2));
    assert_eq!(records.take_oldest(shard, &devices).await, Ok(true));
    assert_eq!(records.count(shard, &devices).await, Ok(1));
}
