//! A region of one shard on a real nats-server, its workers, and somebody to whom entries come.

#![allow(clippy::unwrap_used, reason = "the helpers of these tests panic where a test would")]

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    time::Duration,
};

use bytes::Bytes;
use dunlin_nats::{
    ConnectOptions, Connection, FanIn, Heads, Joined, LiveSink, Records, StreamEnds, StreamName, provision, raw,
    stream_ends,
};
use dunlin_schema::{
    Cursor, DeviceName, Epoch, Log, Peer, Position, RegionName, Seq, Shard, UserName,
    heads::HeadsAnswer,
    live::{DeviceNews, LiveEntry, Signal},
    record::{DeviceRecord, ReaderRecord},
    stream::RegionSettings,
    subject,
};
use dunlin_tests::{
    server::{NatsServer, ServerOptions},
    wait::until,
};
use dunlin_workers::{Boot, Config, Readiness, Worker, deliver, receipts};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    sync::{oneshot, watch},
};

pub(super) const SHARD: Shard = Shard(0);

/// A region of one shard, without workers.
pub(super) struct Bench {
    pub(super) nats: NatsServer,
    options: ConnectOptions,
    pub(super) settings: RegionSettings,
    pub(super) connection: Connection,
    fan_in: FanIn,
}

impl Bench {
    pub(super) async fn new(server: ServerOptions) -> Bench {
        let nats = NatsServer::start_with(&server);
        let region = RegionName::new("local").unwrap();
        let options = ConnectOptions { servers: vec![nats.url()], ..ConnectOptions::default() };
        let connection = Connection::open(&options, &region).await.unwrap();
        let settings = RegionSettings {
            region: region.clone(),
            shards: 1,
            replicas: 1,
            log_bytes: 64 << 20,
            sync_always: server.sync_always,
        };
        provision(&connection, &settings).await.unwrap();
        let (fan_in, reader) = FanIn::open(&options, &region).await.unwrap();
        tokio::spawn(reader.run(|| ()));
        Bench { nats, options, settings, connection, fan_in }
    }

    /// How its server is reached.
    pub(super) fn options(&self) -> ConnectOptions {
        self.options.clone()
    }

    /// Starts the stopped server again, and waits until live entries come again and the stream answers.
    pub(super) async fn restart(&mut self) {
        let mut losses = self.fan_in.losses();
        losses.mark_unchanged();
        self.nats.restart();
        tokio::time::timeout(Duration::from_secs(20), losses.changed()).await.expect("a new connection").unwrap();
        until("the stream to answer", async || self.ends().await).await;
    }

    /// The ends of the shard's log, where it answers.
    pub(super) async fn ends(&self) -> Option<StreamEnds> {
        stream_ends(&self.connection, &StreamName::log(&self.settings.region, SHARD)).await.ok()
    }

    /// A worker on a runtime of its own that sees this boot, with the roles without which nobody is served.
    pub(super) async fn worker(&self, boot: &str) -> Node {
        self.worker_with(served(boot)).await
    }

    /// The same, reaching NATS at `url`.
    pub(super) async fn worker_through(&self, url: String, boot: &str) -> Node {
        self.start(Config { nats: ConnectOptions { servers: vec![url], ..self.options() }, ..served(boot) }).await
    }

    /// One that reaches NATS as it says itself.
    pub(super) async fn worker_as_it_is(&self, config: Config) -> Node {
        self.start(config).await
    }

    pub(super) async fn worker_with(&self, config: Config) -> Node {
        self.start(Config { nats: self.options(), ..config }).await
    }

    async fn start(&self, config: Config) -> Node {
        let config = Config {
            region: self.settings.region.clone(),
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            ..config
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let worker = runtime.spawn(Worker::start(config)).await.unwrap().unwrap();
        let readiness = worker.readiness();
        let address = worker.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        runtime.spawn(async move {
            let result = worker.run(async { drop(stopped.await) }).await;
            let _ = end.send(result.is_ok());
        });
        Node { runtime: Some(runtime), readiness, address, stop: Some(stop), ended: Some(ended) }
    }

    /// A worker that has the shard.
    pub(super) async fn working(&self, boot: &str) -> Node {
        let mut node = self.worker(boot).await;
        node.wait("a working worker", Readiness::is_all_working).await;
        node
    }

    pub(super) async fn join(&self, user: &str) -> Socket {
        let sink = Arc::new(Sink::default());
        let joined = self.fan_in.join(Peer::User(name(user)), sink.clone()).await.unwrap();
        Socket { sink, _joined: joined }
    }

    /// Stores an entry in a user's mailbox. What it says is nobody's business here.
    pub(super) async fn store(&self, user: &str, text: &str) {
        let log = Log::mailbox(&self.settings.region, 1, &name(user));
        raw::publish(&self.connection, log.subject(), Bytes::copy_from_slice(text.as_bytes())).await.unwrap();
        self.connection.flush().await.unwrap();
    }

    pub(super) async fn store_all(&self, user: &str, numbers: std::ops::Range<u64>) {
        let stored = self.ends().await.unwrap().last.0;
        let wanted = stored + (numbers.end - numbers.start);
        for n in numbers {
            self.store(user, &n.to_string()).await;
        }
        until("the entries to be stored", async || (self.ends().await?.last.0 == wanted).then_some(())).await;
    }

    pub(super) async fn ask(&self, users: &[&str]) -> HeadsAnswer {
        let heads = Heads::new(&self.connection);
        let logs: Vec<_> = users.iter().map(|user| Peer::User(name(user))).collect();
        until("an answer about heads", async || heads.ask(SHARD, logs.clone()).await.ok()).await
    }

    /// The reader's answer once it stands at this sequence.
    pub(super) async fn ask_at(&self, seq: u64, users: &[&str]) -> HeadsAnswer {
        until("the reader to come that far", async || {
            let answer = self.ask(users).await;
            (answer.position.seq == Seq(seq)).then_some(answer)
        })
        .await
    }

    /// The saved position, once it is this sequence.
    pub(super) async fn saved(&self, seq: u64) -> Position {
        let records = Records::new(&self.connection);
        let subject = subject::reader_record(&self.settings.region, SHARD, "deliver");
        until("the position to be saved", async || {
            let stored = records.load(SHARD, &subject).await.ok()??;
            let position = ReaderRecord::decode(&stored.bytes).ok()?.position;
            (position.seq == Seq(seq)).then_some(position)
        })
        .await
    }

    pub(super) async fn epoch(&self) -> Epoch {
        self.ask(&[]).await.position.epoch
    }

    pub(super) async fn mark(&self, user: &str, device: &str) -> Option<Cursor> {
        let (region, log) = (&self.settings.region, Peer::User(name(user)));
        let subject = subject::device_record(region, SHARD, &name(user), &device_name(device), &log);
        let record = Records::new(&self.connection).load(SHARD, &subject).await.unwrap()?;
        DeviceRecord::decode(&record.bytes).unwrap().cursor
    }
}

fn served(boot: &str) -> Config {
    let roles = vec![deliver::ROLE, receipts::ROLE];
    Config { roles, boot: Boot::Given(boot.to_owned()), ..Config::default() }
}

pub(super) fn name(user: &str) -> UserName {
    UserName::new(user).unwrap()
}

pub(super) fn device_name(device: &str) -> DeviceName {
    DeviceName::new(device).unwrap()
}

pub(super) struct Node {
    runtime: Option<Runtime>,
    pub(super) readiness: watch::Receiver<Readiness>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<oneshot::Receiver<bool>>,
}

impl Node {
    pub(super) async fn wait(&mut self, what: &str, is_so: impl Fn(&Readiness) -> bool) {
        let seen = tokio::time::timeout(Duration::from_secs(20), self.readiness.wait_for(|readiness| is_so(readiness)));
        seen.await.expect(what).expect("a worker that lives");
    }

    pub(super) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        assert!(self.ended.take().unwrap().await.unwrap(), "an orderly end");
    }

    pub(super) fn kill(self) {
        drop(self);
    }

    /// What it answers over HTTP.
    pub(super) async fn get(&self, path: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: worker\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Holds the worker's only thread until the answer is dropped.
    pub(super) fn freeze(&self) -> mpsc::Sender<()> {
        let (thaw, frozen) = mpsc::channel::<()>();
        self.runtime.as_ref().unwrap().spawn(async move { frozen.recv().is_ok() });
        thaw
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[derive(Default)]
pub(super) struct Sink(Mutex<Vec<LiveEntry>>);

impl LiveSink for Sink {
    fn live(&self, entry: LiveEntry) {
        self.0.lock().push(entry);
    }

    fn devices(&self, _: DeviceNews) {}

    fn signal(&self, _: Signal) {}

    fn receipt(&self, _: dunlin_schema::live::Receipt) {}

    fn mark(&self, _: dunlin_schema::live::Mark) {}

    fn here(&self) -> Option<dunlin_schema::presence::Here> {
        None
    }

    fn passed_over(&self) {}
}

/// Somebody to whom a user's entries come.
pub(super) struct Socket {
    sink: Arc<Sink>,
    _joined: Joined,
}

impl Socket {
    pub(super) fn entries(&self) -> Vec<LiveEntry> {
        self.sink.0.lock().clone()
    }

    pub(super) fn texts(&self) -> Vec<String> {
        self.entries().iter().map(|live| String::from_utf8_lossy(&live.entry).into_owned()).collect()
    }

    /// What it has got once the entry with this text is among it.
    pub(super) async fn until(&self, text: &str) -> Vec<LiveEntry> {
        until(text, async || self.texts().iter().any(|got| got == text).then_some(())).await;
        self.entries()
    }
}
