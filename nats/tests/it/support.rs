//! A nats-server, a link to it that can be cut, and short ways to say what the tests say often.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use dunlin_nats::{Appender, ConnectOptions, Connection, Item, Origin, Reads, provision};
use dunlin_schema::{
    Address, Content, Entry, Log, MessageId, Millis, RegionName, Sender, UserName, entry::Body, stream::RegionSettings,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn region() -> RegionName {
    RegionName::new("test").unwrap()
}

pub(crate) fn settings() -> RegionSettings {
    RegionSettings { region: region(), shards: 1, replicas: 1, log_bytes: 64 * 1024 * 1024, sync_always: false }
}

pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("DUNLIN_NATS_SERVER") {
        return named.into();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/nats-server");
    if tools.exists() { tools } else { "nats-server".into() }
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::start_with("")
    }

    pub(crate) fn start_with(more: &str) -> Server {
        Server::start_in(&region(), more)
    }

    /// One that stores in the domain of this region.
    pub(crate) fn start_in(region: &RegionName, more: &str) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let conf =
            format!("server_name: of-{region}\njetstream {{ store_dir: {store:?}, domain: {region} }}\n{more}\n");
        fs::write(folder.path().join("nats.conf"), conf).unwrap();
        let mut server = Server { folder, port: 0, child: None };
        server.spawn();
        server
    }

    fn spawn(&mut self) {
        let ports = self.folder.path().join("ports");
        fs::remove_dir_all(&ports).ok();
        fs::create_dir(&ports).unwrap();
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let mut command = Command::new(binary());
        command.arg("-c").arg(self.folder.path().join("nats.conf")).args(["-a", "127.0.0.1", "-p", &port]);
        command.arg("--ports_file_dir").arg(&ports).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("nats-server: run scripts/setup first"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(port) = listening(&ports, "nats") {
                self.port = port;
                return;
            }
            assert!(Instant::now() < deadline, "nats-server does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    /// Restarts it, with what it stores now kept aside.
    pub(crate) fn keep_store(&mut self) {
        self.kill();
        copy(&self.folder.path().join("store"), &self.folder.path().join("kept"));
        self.spawn();
    }

    /// Restarts it with what was kept aside, as after a power loss: what was stored since is gone.
    pub(crate) fn put_store_back(&mut self) {
        self.kill();
        let store = self.folder.path().join("store");
        fs::remove_dir_all(&store).unwrap();
        copy(&self.folder.path().join("kept"), &store);
        self.spawn();
    }

    /// A server whose monitoring can be asked.
    pub(crate) fn monitored() -> Server {
        Server::start_with("http: \"127.0.0.1:-1\"")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What the server's monitoring says at a path, headers included.
    pub(crate) async fn monitor(&self, path: &str) -> String {
        let port = listening(&self.folder.path().join("ports"), "monitoring").expect("a monitored server");
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        socket.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        options(self.port)
    }

    /// A connection to the server, and the region's streams made.
    pub(crate) async fn provisioned(&self) -> Connection {
        let connection = Connection::open(&self.options(), &region()).await.unwrap();
        provision(&connection, &settings()).await.unwrap();
        connection
    }

    pub(crate) async fn appender(&self) -> Appender {
        Appender::open(&self.options(), &settings()).await.unwrap()
    }

    pub(crate) async fn reads(&self) -> Reads {
        Reads::open(&self.options(), &settings()).await.unwrap()
    }

    /// The server as a stranger sees it, for what Dunlin itself never does.
    pub(crate) async fn stranger(&self) -> async_nats::jetstream::Context {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await.unwrap();
        async_nats::jetstream::with_domain(client, region().as_str())
    }
}

pub(crate) fn options(port: u16) -> ConnectOptions {
    ConnectOptions { servers: vec![format!("nats://127.0.0.1:{port}")], ..ConnectOptions::default() }
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The port that a server has written down; `None` until then.
fn listening(ports: &Path, what: &str) -> Option<u16> {
    let file = fs::read_dir(ports).ok()?.next()?.ok()?;
    let ports: serde_json::Value = serde_json::from_slice(&fs::read(file.path()).ok()?).ok()?;
    ports[what][0].as_str()?.rsplit(':').next()?.parse().ok()
}

/// A TCP link that can be cut (connections close, new ones too) and mended, or made deaf to what the server says.
pub(crate) struct Link {
    pub(crate) port: u16,
    open: Arc<watch::Sender<bool>>,
    deaf: Arc<AtomicBool>,
    task: tokio::task::AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    pub(crate) async fn to(port: u16) -> Link {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap().port();
        let open = Arc::new(watch::Sender::new(true));
        let state = open.clone();
        let deaf = Arc::new(AtomicBool::new(false));
        let hears_nothing = deaf.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut state = state.subscribe();
                let deaf = hears_nothing.clone();
                connections.spawn(async move {
                    if !*state.borrow() {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                    let ((mut near_in, mut near_out), (far_in, mut far_out)) = (near.split(), far.split());
                    tokio::select! {
                        _ = tokio::io::copy(&mut near_in, &mut far_out) => {}
                        () = hear(far_in, &mut near_out, &deaf) => {}
                        _ = state.wait_for(|open| !open) => {}
                    }
                });
            }
        });
        Link { port: near, open, deaf, task: task.abort_handle() }
    }

    /// What the server says on connections that are open now is lost from here on, until the link is mended.
    pub(crate) fn deafen(&self) {
        self.deaf.store(true, Ordering::SeqCst);
    }

    pub(crate) fn cut(&self) {
        self.open.send_replace(false);
    }

    pub(crate) fn mend(&self) {
        self.deaf.store(false, Ordering::SeqCst);
        self.open.send_replace(true);
    }

    pub(crate) fn options(&self) -> ConnectOptions {
        options(self.port)
    }
}

async fn hear(mut from: impl AsyncRead + Unpin, to: &mut (impl AsyncWrite + Unpin), deaf: &AtomicBool) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if !deaf.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// What `of` gives, within the tests' patience.
pub(crate) async fn soon<T>(what: &str, of: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, of).await {
        Ok(value) => value,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

pub(crate) fn now() -> Millis {
    Millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64)
}

pub(crate) fn ago(seconds: u64) -> Millis {
    now().minus(Millis(seconds * 1_000))
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::new(name).unwrap()
}

pub(crate) fn mailbox(name: &str) -> Log {
    Log::mailbox(&region(), 1, &user(name))
}

pub(crate) fn sender(name: &str) -> Sender {
    Sender { user: user(name), region: region() }
}

pub(crate) fn entry(id: MessageId, text: &str) -> Entry {
    Entry {
        id,
        from: sender("alice"),
        to: Address::local(user("bob")),
        order: None,
        time: now(),
        body: Body::Content(Content::Message {
            text: Some(text.to_owned()),
            data: None,
            attachments: Vec::new(),
            reply_to: None,
            mentions: vec![],
        }),
    }
}

/// A message of alice to bob's mailbox, as its sender's first try.
pub(crate) fn first(id: MessageId, text: &str) -> Item {
    Item { log: mailbox("bob"), entry: entry(id, text), origin: Origin::Client, first_try: true, copy_of_new: false }
}

/// The same, as a repeat.
pub(crate) fn repeat(id: MessageId, text: &str) -> Item {
    Item { first_try: false, ..first(id, text) }
}

/// An id of this time.
pub(crate) fn id(time: Millis) -> MessageId {
    MessageId::from_parts(time, rand::random())
}
