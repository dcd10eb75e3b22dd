//! Every key that says how NATS is reached arrives at every connection of a gateway and a worker, from their files.

use dunlin_tests::{
    accounts::seed,
    authority::{Authority, Certificate},
    process::{Processes, Sections},
};
use nkeys::KeyPair;

use super::server_with;

/// A `[nats]` section with all its keys.
fn section(server: &str, name: &str, credentials: &str, authority: &Authority) -> String {
    let Certificate { cert, key } = authority.certificate(name);
    format!(
        "servers = [{server:?}]\nname = \"{name}\"\ninbox_prefix = \"_INBOX.{name}\"\ncredentials = {{ {credentials} }}\n\
         tls = {{ ca = {:?}, cert = {cert:?}, key = {key:?}, required = true }}",
        authority.ca()
    )
}

/// A user of the server who may hear the answers to nobody else's questions.
fn user(identity: &str, name: &str) -> String {
    format!(
        "{{ {identity}, permissions: {{ publish: \">\", subscribe: [\"_INBOX.{name}.>\", \"user.*\", \"svc.>\", \"$SRV.>\"] }} }}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_passes_with_certificates_credentials_and_inboxes_of_each_role() {
    let (authority, gateway) = (Authority::new(), KeyPair::new_user());
    let users = [user(&format!("nkey: {}", gateway.public_key()), "edge"), user("user: w, password: \"p w\"", "work")];
    let server = server_with(format!(
        "http: \"127.0.0.1:-1\"\n{}\nauthorization {{ users: [ {} ] }}",
        authority.server_section(true),
        users.join(", ")
    ));
    let seed_file = authority.ca().with_file_name("gateway.seed");
    std::fs::write(&seed_file, seed(&gateway)).expect("writing a seed");
    let sections = Sections {
        gateway: section(&server.url(), "edge", &format!("nkey_seed_file = {seed_file:?}"), &authority),
        worker: section(&server.url(), "work", "user_password = { user = \"w\", password = \"p w\" }", &authority),
    };
    let region = Processes::start_at(server, sections, 1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("bob", "in secret").await;
    assert_eq!(bob.expect("entry").await["content"]["message"]["text"], "in secret");

    let connections = region.nats.monitored("/connz?auth=true").await;
    let connections = connections["connections"].as_array().expect("connections");
    let mut names = vec![];
    for connection in connections {
        let name = connection["name"].as_str().expect("a name");
        let who = if name.starts_with("edge") { gateway.public_key() } else { "w".to_owned() };
        assert_eq!(connection["authorized_user"], *who, "{connection}");
        assert!(connection["tls_version"].is_string(), "{connection}");
        names.push(name.split('-').next().unwrap_or_default().to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["edge", "work"], "each has connections, and nobody else: {connections:?}");
}
