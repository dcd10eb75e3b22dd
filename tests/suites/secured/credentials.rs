//! Credentials: nkey seeds and `.creds` files, and which of them a server takes.

use dunlin_nats::{Appender, ConnectOptions, Credentials, provision};
use dunlin_schema::{RegionName, stream::RegionSettings};
use dunlin_tests::{
    accounts::{Operator, creds_file, seed},
    server::NatsServer,
    tokens::now,
    wait::until,
};
use nkeys::KeyPair;
use serde_json::Value;
use tempfile::TempDir;

use super::{open, options, refused, server_with, unusable};

/// Files of the test, by name.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a temporary folder"))
    }

    fn write(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("writing a file");
        path
    }

    fn seed(&self, server: &NatsServer, name: &str, text: &str) -> ConnectOptions {
        let credentials = Some(Credentials::NkeySeedFile(self.write(name, text)));
        ConnectOptions { credentials, ..options(server) }
    }

    fn creds(&self, server: &NatsServer, name: &str, text: &str) -> ConnectOptions {
        let credentials = Some(Credentials::CredsFile(self.write(name, text)));
        ConnectOptions { credentials, ..options(server) }
    }
}

#[tokio::test]
async fn an_nkey_is_let_in_by_its_seed_and_by_no_other() {
    let (files, ours, other) = (Files::new(), KeyPair::new_user(), KeyPair::new_user());
    let server = server_with(format!("authorization {{ users: [ {{ nkey: {} }} ] }}", ours.public_key()));
    open(&files.seed(&server, "ours", &format!("# the gateway's\n{}\n", seed(&ours)))).await.expect("a connection");
    let known = "`credentials`";
    refused("another's seed", &files.seed(&server, "others", &seed(&other)), &[known, "others", &other.public_key()])
        .await;
    refused("nobody", &options(&server), &[known]).await;
    let mut broken = seed(&ours);
    broken.pop();
    for (case, text) in
        [("half a seed", &*broken), ("no seed", "SECRET"), ("the public key", &ours.public_key()), ("nothing", "")]
    {
        unusable(case, &files.seed(&server, "broken", text), &["broken", "seed"]).await;
    }
}

#[tokio::test]
async fn a_jwt_is_let_in_with_its_own_seed_while_it_lasts() {
    let (files, operator) = (Files::new(), Operator::new());
    let server = server_with(operator.server_section());
    for expires in [None, Some(now() + 3_600)] {
        open(&files.creds(&server, "ours.creds", &operator.creds(expires))).await.expect("a connection");
    }
    // The account of the JWT is the one whose JetStream is used.
    let region = RegionName::new("local").expect("a name");
    let settings = RegionSettings { region, shards: 1, replicas: 1, log_bytes: 1 << 20, sync_always: false };
    let connection = open(&files.creds(&server, "ours.creds", &operator.creds(None))).await.expect("a connection");
    provision(&connection, &settings).await.expect("streams of the account");

    let (user, other) = (KeyPair::new_user(), KeyPair::new_user());
    let known = "`credentials`";
    let mixed = creds_file(&operator.user_jwt(&user, None), &other);
    refused("another's seed", &files.creds(&server, "mixed.creds", &mixed), &[known, "mixed.creds"]).await;
    let strangers = Operator::new().creds(None);
    refused("a strange operator", &files.creds(&server, "strange.creds", &strangers), &[known, "strange.creds"]).await;
    let over = operator.creds(Some(now() - 1));
    refused("over", &files.creds(&server, "over.creds", &over), &[known, "over.creds"]).await;
    for (case, text) in [("a seed alone", seed(&user)), ("nothing", String::new())] {
        unusable(case, &files.creds(&server, "broken.creds", &text), &["broken.creds"]).await;
    }
}

/// Sees that every connection, that of the appends too, is `first`'s user, and soon after `replace` is `second`'s.
async fn all_connections_follow(
    server: &NatsServer,
    options: &ConnectOptions,
    users: [&KeyPair; 2],
    replace: impl FnOnce(),
) {
    let region = RegionName::new("local").expect("a name");
    let settings = RegionSettings { region, shards: 1, replicas: 1, log_bytes: 1 << 20, sync_always: false };
    let connection = open(options).await.expect("a connection");
    provision(&connection, &settings).await.expect("streams");
    let _appender = Appender::open(options, &settings).await.expect("a connection for appends");
    let all_are = async |user: &KeyPair| {
        let connections = server.monitored("/connz?auth=1").await;
        let connections = connections["connections"].as_array().cloned().unwrap_or_default();
        let is = |connection: &Value| connection.to_string().contains(&user.public_key());
        (connections.len() >= 3 && connections.iter().all(is)).then_some(())
    };
    until("connections with the first credentials", async || all_are(users[0]).await).await;
    replace();
    until("connections with the second credentials", async || all_are(users[1]).await).await;
}

#[tokio::test]
async fn replaced_credentials_are_what_every_connection_shows_soon() {
    let (files, operator, users) = (Files::new(), Operator::new(), [KeyPair::new_user(), KeyPair::new_user()]);
    let monitored = "http: \"127.0.0.1:-1\"";
    let server = server_with(format!("{}\n{monitored}", operator.server_section()));
    let [first, second] = [&users[0], &users[1]].map(|user| creds_file(&operator.user_jwt(user, None), user));
    let options = files.creds(&server, "ours.creds", &first);
    all_connections_follow(&server, &options, [&users[0], &users[1]], || drop(files.write("ours.creds", &second)))
        .await;

    let nkeys = users.each_ref().map(|user| format!("{{ nkey: {} }}", user.public_key()));
    let server = server_with(format!("authorization {{ users: [ {} ] }}\n{monitored}", nkeys.join(", ")));
    let options = files.seed(&server, "ours.seed", &seed(&users[0]));
    all_connections_follow(&server, &options, [&users[0], &users[1]], || {
        drop(files.write("ours.seed", &seed(&users[1])));
    })
    .await;
}
