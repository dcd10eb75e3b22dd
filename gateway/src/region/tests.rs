//! A region alone, without a gateway around it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dunlin_nats::{Item, Origin, provision};
use dunlin_schema::{
    Address, Content, Entry, MessageId, Millis, Sender, Seq,
    entry::Body,
    read::{ReadFrom, ReadRequest, Source},
};
use tempfile::TempDir;

use super::*;
use crate::clock::Moment;

const PATIENCE: Duration = Duration::from_secs(30);

/// A nats-server in a folder of its own, ended with its handle.
pub(crate) struct NatsServer {
    child: Child,
    folder: TempDir,
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn binary() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/nats-server");
    if tools.exists() { tools } else { "nats-server".into() }
}

impl NatsServer {
    pub(crate) async fn start() -> (NatsServer, ConnectOptions) {
        let folder = tempfile::tempdir().unwrap();
        let conf = folder.path().join("nats.conf");
        fs::write(&conf, format!("jetstream {{ store_dir: {:?}, domain: eu }}\n", folder.path().join("store")))
            .unwrap();
        let mut command = Command::new(binary());
        command.arg("-c").arg(conf).args(["-a", "127.0.0.1", "-p", "-1", "--ports_file_dir"]).arg(folder.path());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = NatsServer { child, folder };
        let url = until(async || server.url()).await;
        (server, ConnectOptions { servers: vec![url], ..ConnectOptions::default() })
    }

    fn url(&self) -> Option<String> {
        let ports = self.folder.path().join(format!("nats-server_{}.ports", self.child.id()));
        let ports: serde_json::Value = serde_json::from_slice(&fs::read(ports).ok()?).ok()?;
        ports["nats"][0].as_str().map(str::to_owned)
    }
}

pub(crate) async fn until<T>(mut found: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found().await {
            return found;
        }
        assert!(Instant::now() < deadline, "it does not come to it");
        tokio::task::yield_now().await;
    }
}

pub(crate) fn name() -> RegionName {
    RegionName::new("eu").unwrap()
}

#[tokio::test]
async fn a_region_is_opened_used_and_watched_without_a_gateway() {
    let (_server, options) = NatsServer::start().await;
    let (metrics, services) = (Arc::new(Metrics::new()), Services::default());
    let opened = Region::open(&options, &name(), None, &metrics, &services).await;
    assert!(matches!(opened.err(), Some(RegionError::Settings(_))), "it has no streams yet");
    assert!(services.handles().is_empty(), "what can't be served does nothing");

    let settings = RegionSettings { region: name(), shards: 2, replicas: 1, log_bytes: 1 << 20, sync_always: false };
    provision(&Connection::open(&options, &name()).await.unwrap(), &settings).await.unwrap();
    let region = Region::open(&options, &name(), None, &metrics, &services).await.unwrap();
    assert_eq!((region.name(), &region.settings), (&name(), &settings));
    for (service, _) in services.handles() {
        assert!(service.ends_with(" eu"), "{service} does not say which region it is of");
    }
    assert_eq!(services.handles().len(), 12);

    let (alice, bob) = (UserName::new("alice").unwrap(), UserName::new("bob").unwrap());
    let now = Moment::now().wall;
    let entry = Entry {
        id: MessageId::from_parts(now, 1),
        from: Sender { user: alice, region: name() },
        to: Address::local(bob.clone()).said_in(&name()),
        order: None,
        time: now,
        body: Body::Content(Content::Delete { target: MessageId::from_parts(Millis(1), 1) }),
    };
    let log = region.mailbox(&bob);
    let item =
        Item { log: log.clone(), entry: entry.clone(), origin: Origin::Client, first_try: true, copy_of_new: false };
    assert_eq!(region.appender.append(item).await.unwrap().seq, Seq(1));
    let request = ReadRequest { from: ReadFrom::Seq(Seq(1)), source: Source::Leader };
    let answer = region.reads.read(&log, request).await.unwrap();
    assert_eq!(answer.entries.iter().map(|found| Entry::decode(&found.payload).unwrap()).collect::<Vec<_>>(), [entry]);

    // Nobody works on it, and the region itself says so.
    let why = until(async || region.unready()).await;
    assert!(why.contains("nobody of region eu"), "{why}");
}
