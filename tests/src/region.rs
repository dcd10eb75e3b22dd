//! A whole region on one machine: a nats-server or a cluster of them, its streams, workers, gateways and a signing key.
//!
//! Gateways and workers run in this process, each on a runtime of its own, so that one can end as abruptly as a killed process does;
//! [`crate::process`] has them as processes.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use dunlin_gateway::{
    Server,
    config::{Config as GatewayConfig, KeySource},
};
use dunlin_nats::{ConnectOptions, Connection, Provisioned, provision};
use dunlin_schema::{
    Content, Entry, Log, Millis, Peer, RegionName, UserName,
    entry::Body,
    stream::{RegionSettings, log_stream},
};
use dunlin_workers::{Boot, Config as WorkerConfig, Role, Worker, erase::Erase, media_settings::MediaSettings};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot};

use crate::{
    cluster,
    device::{Device, Ended},
    link::Link,
    server::{NatsServer, ServerOptions},
    tokens::{Key, KeySet, claims},
    wait::until,
};

/// How a region is set up.
#[derive(Clone, Debug)]
pub struct RegionOptions {
    /// Gateways in front of it.
    pub gateways: usize,
    /// Its shards.
    pub shards: u16,
    /// How many of its servers store each stream.
    pub replicas: u8,
    /// Its servers; more than one are a cluster.
    pub servers: usize,
    /// Whether the first gateways reach NATS through a link that can be cut.
    pub linked: bool,
    /// The boot that its workers see.
    pub boot: String,
    /// Sends a second of one user.
    pub sends_per_second: u32,
    /// What its workers erase with a person.
    pub erase: Erase,
    /// A role that its workers do not have.
    pub without: Option<&'static str>,
    /// How each of its servers is set up.
    pub server: ServerOptions,
}

impl Default for RegionOptions {
    fn default() -> RegionOptions {
        RegionOptions {
            gateways: 1,
            shards: 2,
            replicas: 1,
            servers: 1,
            linked: false,
            boot: "first".into(),
            sends_per_second: 100_000,
            erase: Erase::default(),
            without: None,
            server: ServerOptions::default(),
        }
    }
}

/// Something that runs on a runtime of its own until it is stopped or killed.
pub struct Node {
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<()>>,
}

impl Node {
    fn runtime() -> Runtime {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a runtime")
    }

    fn of<F: Future<Output: std::fmt::Debug> + Send + 'static>(
        runtime: Runtime,
        run: impl FnOnce(oneshot::Receiver<()>) -> F,
    ) -> Node {
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let running = run(stopped);
        runtime.spawn(async move {
            running.await;
            let _ = end.send(());
        });
        Node { runtime: Some(runtime), stop: Some(stop), ended: Some(ended) }
    }

    /// Ends it as an operator does, and waits for its end.
    pub async fn stop(mut self) {
        if let (Some(stop), Some(ended)) = (self.stop.take(), self.ended.take()) {
            let _ = stop.send(());
            tokio::time::timeout(Duration::from_secs(30), ended)
                .await
                .expect("an end in time")
                .expect("an orderly end");
        }
    }

    /// Ends it where it stands, as `kill -9` does.
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A running region.
pub struct Region {
    /// Its nats-server: of a cluster the first.
    pub nats: NatsServer,
    /// The other servers of its cluster.
    pub peers: Vec<NatsServer>,
    /// The links between the last server of its cluster and the others.
    pub routes: Vec<Link>,
    /// What signs its users' tokens.
    pub key: Key,
    /// The key set its gateways read.
    pub keys: KeySet,
    /// Its workers.
    pub workers: Vec<Node>,
    settings: RegionSettings,
    options: RegionOptions,
    link: Option<Link>,
    gateways: Vec<(Node, SocketAddr)>,
    /// Each worker has a folder of its own in it.
    projections: TempDir,
    workers_begun: AtomicU64,
}

impl Region {
    /// A region with one worker and this many gateways.
    pub async fn start(gateways: usize) -> Region {
        Region::start_with(RegionOptions { gateways, ..RegionOptions::default() }).await
    }

    /// A region with one worker and these options.
    pub async fn start_with(options: RegionOptions) -> Region {
        // Once for all tests of the process: `RUST_LOG` says what is shown of a failing one.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let (mut peers, routes) = if options.servers == 1 {
            (vec![NatsServer::start_with(&options.server)], vec![])
        } else {
            cluster::start(&options.server, options.servers).await
        };
        let nats = peers.remove(0);
        let settings = RegionSettings {
            region: RegionName::new(&options.server.domain).expect("a region's name"),
            shards: options.shards,
            replicas: options.replicas,
            log_bytes: 1 << 30,
            sync_always: options.server.sync_always,
        };
        let connection = Connection::open(&connect_to(nats.url()), &settings.region).await.expect("a connection");
        assert_eq!(provision(&connection, &settings).await.expect("streams"), Provisioned::Created);
        let link = if options.linked { Some(Link::to(nats.port()).await) } else { None };
        let key = Key::new("one");
        let keys = KeySet::of(&[&key]);
        let mut region = Region {
            nats,
            peers,
            routes,
            key,
            keys,
            workers: vec![],
            settings,
            options,
            link,
            gateways: vec![],
            projections: tempfile::tempdir().expect("a temporary folder"),
            workers_begun: AtomicU64::new(0),
        };
        region.start_nodes().await;
        region
    }

    async fn start_nodes(&mut self) {
        let boot = self.options.boot.clone();
        let worker = self.new_worker(&boot).await;
        self.workers.push(worker);
        for _ in 0..self.options.gateways {
            let url = self.link.as_ref().map_or_else(|| self.url(), Link::url);
            let gateway = self.new_gateway(url).await;
            self.gateways.push(gateway);
        }
    }

    /// A worker of every role that sees this boot; it is the caller's to keep.
    pub async fn new_worker(&self, boot: &str) -> Node {
        self.new_worker_through(self.url(), boot).await
    }

    /// The same, reaching NATS at `url`.
    pub async fn new_worker_through(&self, url: String, boot: &str) -> Node {
        let config = WorkerConfig {
            nats: connect_to(url),
            region: self.settings.region.clone(),
            boot: Boot::Given(boot.into()),
            erase: self.options.erase,
            folder: Some(self.projections.path().join(self.workers_begun.fetch_add(1, Ordering::Relaxed).to_string())),
            roles: self.roles(),
            media: MediaSettings { directory: Some(self.media()), ..MediaSettings::default() },
            ..WorkerConfig::default()
        };
        let runtime = Node::runtime();
        let worker = runtime.spawn(Worker::start(config)).await.expect("no panic").expect("a worker");
        Node::of(runtime, |stopped| worker.run(async { drop(stopped.await) }))
    }

    fn roles(&self) -> Vec<Role> {
        let all = WorkerConfig::default().roles;
        all.into_iter().filter(|role| self.options.without != Some(role.as_str())).collect()
    }

    /// A gateway that reaches NATS at `url`; it is the caller's to keep.
    pub async fn new_gateway(&self, url: String) -> (Node, SocketAddr) {
        self.new_gateway_of(url, |_| {}).await
    }

    /// The same, with a word about its configuration.
    pub async fn new_gateway_of(&self, url: String, change: impl FnOnce(&mut GatewayConfig)) -> (Node, SocketAddr) {
        let mut config = self.gateway_config(url);
        change(&mut config);
        let runtime = Node::runtime();
        let gateway = runtime.spawn(Server::bind(config)).await.expect("no panic").expect("a gateway");
        let address = gateway.local_addr();
        (Node::of(runtime, |stopped| gateway.run(async { drop(stopped.await) })), address)
    }

    /// How its gateways are configured.
    pub fn gateway_config(&self, url: String) -> GatewayConfig {
        let mut config = GatewayConfig::new(KeySource::File(self.keys.path()));
        config.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        config.region = self.settings.region.clone();
        config.nats = connect_to(url);
        config.tokens.refresh = Millis(200);
        config.limits.sends_per_second = self.options.sends_per_second;
        config.limits.sends_burst = self.options.sends_per_second.max(500);
        config.limits.connects_per_second = 10_000;
        config.limits.connects_burst = 10_000;
        config.drain = Millis(200);
        config.media.directory = Some(self.media());
        config
    }

    /// Where its files are.
    pub fn media(&self) -> PathBuf {
        self.projections.path().join("media")
    }

    /// Ends everything, and starts it again on the same folder.
    pub async fn restart_all(&mut self) {
        self.end_nodes().await;
        self.nats.stop();
        self.nats.restart();
        self.start_nodes().await;
    }

    /// Ends gateways and workers.
    pub async fn end_nodes(&mut self) {
        for (gateway, _) in self.gateways.drain(..) {
            gateway.stop().await;
        }
        for worker in self.workers.drain(..) {
            worker.stop().await;
        }
    }

    /// Takes a gateway out, to stop or kill it.
    pub fn take_gateway(&mut self, index: usize) -> Node {
        self.gateways.remove(index).0
    }

    /// Where a gateway listens.
    pub fn gateway(&self, index: usize) -> SocketAddr {
        self.gateways[index].1
    }

    /// The link between gateways and NATS.
    pub fn link(&self) -> &Link {
        self.link.as_ref().expect("a region that was started with a link")
    }

    /// Waits until the first gateway is ready: from every shard of its region it has learned what there is to know.
    pub async fn ready(&self) {
        let url = format!("http://{}/readyz", self.gateway(0));
        until("the gateway to be ready", async || (reqwest::get(&url).await.ok()?.status() == 200).then_some(())).await;
    }

    /// Stops NATS for the first gateway, once it has learned from it what there is to know before anybody is let in.
    pub async fn freeze(&self) {
        self.ready().await;
        self.link().freeze();
    }

    /// Sees that the mailboxes of a load's users hold each message once.
    pub async fn holds_each_once(&self, users: usize) {
        for user in 0..users {
            let mut ids: Vec<_> = self.stored(&format!("user-{user}")).await.iter().map(|entry| entry.id).collect();
            let stored = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), stored, "user-{user} has each once");
        }
    }

    /// The region's settings.
    pub fn settings(&self) -> &RegionSettings {
        &self.settings
    }

    /// A user's mailbox.
    pub fn mailbox(&self, user: &str) -> Log {
        Log::mailbox(&self.settings.region, self.settings.shards, &UserName::new(user).expect("a user's name"))
    }

    /// A group's log.
    pub fn group(&self, group: &str) -> Log {
        let group = Peer::Group(group.parse().expect("a group's name"));
        Log::of(&self.settings.region, self.settings.shards, group)
    }

    /// A good token.
    pub fn token(&self, user: &str) -> String {
        self.key.sign(&claims(user))
    }

    /// A device that has said hello.
    pub async fn connect(&self, gateway: usize, user: &str, device: &str, cursor: Option<&str>) -> Device {
        Device::hello(self.gateway(gateway), &self.token(user), device, cursor).await
    }

    /// The same, where a refusal is expected.
    pub async fn try_connect(&self, gateway: usize, user: &str, device: &str, cursor: &str) -> Result<Device, Ended> {
        Device::try_hello(self.gateway(gateway), &self.token(user), device, Some(cursor)).await
    }

    /// A device to which entries come live.
    pub async fn caught_up(&self, gateway: usize, user: &str, device: &str) -> Device {
        self.caught_up_at(self.gateway(gateway), user, device).await
    }

    /// The same at a gateway of the caller's.
    pub async fn caught_up_at(&self, gateway: SocketAddr, user: &str, device: &str) -> Device {
        let mut device = Device::hello(gateway, &self.token(user), device, None).await;
        device.expect("caught_up").await;
        device
    }

    /// A device to which entries come live, of a region that may still be coming up.
    pub async fn caught_up_when_ready(&self, gateway: usize, user: &str, device: &str) -> Device {
        until("the region to serve again", async || {
            let hello = Device::try_hello(self.gateway(gateway), &self.token(user), device, None).await;
            let mut device = hello.ok()?;
            loop {
                match device.next().await {
                    Ok(frame) if frame["caught_up"].is_object() => return Some(device),
                    Ok(_) => {}
                    Err(_) => return None,
                }
            }
        })
        .await
    }

    /// Waits until a user's mailbox holds a message with this text.
    pub async fn watch_for(&self, user: &str, text: &str) {
        until(text, async || {
            let stored = self.stored(user).await;
            let holds = |entry: &Entry| matches!(&entry.body, Body::Content(Content::Message { text: Some(said), .. }) if said == text);
            stored.iter().any(holds).then_some(())
        })
        .await;
    }

    /// JetStream itself, past Dunlin, for those who mean harm and those who check.
    pub async fn jetstream(&self) -> async_nats::jetstream::Context {
        cluster::jetstream(self.servers(), self.settings.region.as_str()).await
    }

    /// Where it is reached: at any of its servers.
    pub fn url(&self) -> String {
        self.servers().map(NatsServer::url).collect::<Vec<_>>().join(",")
    }

    /// Its servers, whether they run or not.
    pub fn servers(&self) -> impl Iterator<Item = &NatsServer> {
        std::iter::once(&self.nats).chain(&self.peers)
    }

    /// The server of this name.
    pub fn server(&mut self, name: &str) -> &mut NatsServer {
        let mut servers = std::iter::once(&mut self.nats).chain(&mut self.peers);
        servers.find(|server| server.name() == name).expect("a server of the region")
    }

    /// What a user's mailbox holds, oldest first.
    pub async fn stored(&self, user: &str) -> Vec<Entry> {
        self.stored_in(&self.mailbox(user)).await.into_iter().map(|(_, entry)| entry).collect()
    }

    /// What a log holds, oldest first, each with its sequence.
    pub async fn stored_in(&self, log: &Log) -> Vec<(u64, Entry)> {
        let jetstream = self.jetstream().await;
        let name = log_stream(&log.region, log.shard);
        let stream = jetstream.get_stream(name).await.expect("the shard's stream");
        let mut entries = vec![];
        let mut next = 1;
        while let Ok(message) = stream.get_first_raw_message_by_subject(&log.subject(), next).await {
            entries.push((message.sequence, Entry::decode(&message.payload).expect("an entry")));
            next = message.sequence + 1;
        }
        entries
    }
}

/// `url`: one or several, with commas between them.
fn connect_to(url: String) -> ConnectOptions {
    ConnectOptions { servers: url.split(',').map(str::to_owned).collect(), ..ConnectOptions::default() }
}
