//! A nats-server of its own, in a temporary folder, ended with its handle.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// How a server is set up.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What it calls itself.
    pub name: String,
    /// Its JetStream domain, which is its region's name.
    pub domain: String,
    /// Whether it stores anything: a leaf node at the edge has no JetStream.
    pub jetstream: bool,
    /// Whether each write is synced.
    pub sync_always: bool,
    /// Lines added to its configuration.
    pub more: String,
}

impl Default for ServerOptions {
    fn default() -> ServerOptions {
        let (name, domain) = ("test".into(), "local".into());
        ServerOptions { name, domain, jetstream: true, sync_always: false, more: String::new() }
    }
}

/// A running (or killed) nats-server.
pub struct NatsServer {
    name: String,
    folder: TempDir,
    variables: Vec<(String, String)>,
    port: u16,
    child: Option<Child>,
}

/// The nats-server that the suites run: `DUNLIN_NATS_SERVER`, else the one that `scripts/setup` put into `.tools`, else that in PATH.
pub fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("DUNLIN_NATS_SERVER") {
        return named.into();
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/bin/nats-server");
    if tools.exists() { tools } else { "nats-server".into() }
}

impl NatsServer {
    /// Starts a server with the usual options.
    pub fn start() -> NatsServer {
        NatsServer::start_with(&ServerOptions::default())
    }

    /// Starts a server and waits until it listens.
    pub fn start_with(options: &ServerOptions) -> NatsServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sync = if options.sync_always { "sync_interval: always" } else { "" };
        let (store, domain) = (folder.path().join("store"), &options.domain);
        let jetstream = match options.jetstream {
            true => format!("jetstream {{ store_dir: {store:?}, domain: {domain}, {sync} }}"),
            false => String::new(),
        };
        let conf = format!("server_name: {}\n{jetstream}\nmax_payload: 1MB\n{}\n", options.name, options.more);
        NatsServer::start_in(folder, options.name.clone(), &conf, &[])
    }

    /// Starts a server with a configuration that somebody wrote, and the environment variables that it names; `$STORE` in it stands for a
    /// folder of its own.
    pub fn start_written(conf: &str, variables: &[(&str, &str)]) -> NatsServer {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = folder.path().join("store").display().to_string();
        NatsServer::start_in(folder, "written".into(), &conf.replace("$STORE", &store), variables)
    }

    fn start_in(folder: TempDir, name: String, conf: &str, variables: &[(&str, &str)]) -> NatsServer {
        fs::write(folder.path().join("nats.conf"), conf).expect("writing the server's configuration");
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut server = NatsServer { name, folder, variables, port: 0, child: None };
        server.spawn();
        server
    }

    /// What it calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// What its monitoring says under a path; the server's configuration must name an `http` address.
    pub async fn monitored(&self, path: &str) -> serde_json::Value {
        let port = read_port(&self.folder.path().join("ports"), "monitoring").expect("a monitored server");
        let page = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await.expect("an answer");
        serde_json::from_str(&page.text().await.expect("a page")).expect("JSON")
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the server as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("killing our own child");
            child.wait().expect("waiting for our own child");
        }
    }

    /// Ends the server as an operator does, so that all it holds is on disk.
    pub fn stop(&mut self) {
        self.signal(Signal::SIGTERM);
        if let Some(mut child) = self.child.take() {
            child.wait().expect("waiting for our own child");
        }
    }

    /// Stops the process where it stands; [`NatsServer::thaw`] lets it go on.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Starts a killed server again, on the same port and folder.
    pub fn restart(&mut self) {
        self.kill();
        self.spawn();
    }

    /// A copy of what the stopped server has stored. Panics while it runs: a running server's folder is no snapshot.
    pub fn snapshot(&self) -> TempDir {
        assert!(self.child.is_none(), "stop the server before its folder is copied");
        let copy = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&self.folder.path().join("store"), copy.path());
        copy
    }

    /// Puts the stopped server's folder back to what it was: a power loss that took what came after.
    pub fn put_back(&self, snapshot: &TempDir) {
        assert!(self.child.is_none(), "stop the server before its folder is put back");
        let store = self.folder.path().join("store");
        fs::remove_dir_all(&store).expect("removing the store");
        copy_folder(snapshot.path(), &store);
    }

    /// The same of those of its streams alone whose names begin so: the others were synced.
    pub fn put_back_streams(&self, snapshot: &TempDir, prefix: &str) {
        assert!(self.child.is_none(), "stop the server before its folder is put back");
        let streams = Path::new("jetstream/$G/streams");
        let (from, to) = (snapshot.path().join(streams), self.folder.path().join("store").join(streams));
        let mut count = 0;
        for item in fs::read_dir(from).expect("the streams of before") {
            let item = item.expect("a stream of before");
            if item.file_name().to_string_lossy().starts_with(prefix) {
                let target = to.join(item.file_name());
                fs::remove_dir_all(&target).expect("removing a stream");
                copy_folder(&item.path(), &target);
                count += 1;
            }
        }
        assert!(count > 0, "no stream is called {prefix}");
    }

    /// Takes away what the killed server had written of its streams beside their blocks, as a crash before it was written leaves it: it
    /// makes its state from the blocks alone. Panics while it runs.
    pub fn forget_indexes(&self) {
        assert!(self.child.is_none(), "kill the server before its files are taken away");
        remove_files(&self.folder.path().join("store"), "index.db");
    }

    /// Whether any file that the server stores has these bytes.
    pub fn stores(&self, bytes: &str) -> bool {
        folder_has(&self.folder.path().join("store"), bytes.as_bytes())
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill(Pid::from_raw(child.id() as i32), signal).expect("signalling our own child");
        }
    }

    fn spawn(&mut self) {
        let folder = self.folder.path();
        let ports = folder.join("ports");
        let _ = fs::remove_dir_all(&ports);
        fs::create_dir(&ports).expect("a folder for the ports file");
        let log = fs::File::options().create(true).append(true).open(folder.join("log")).expect("the server's log");
        let mut command = Command::new(binary());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.arg("-c").arg(folder.join("nats.conf")).arg("-a").arg("127.0.0.1");
        command.arg("-p").arg(if self.port == 0 { "-1".to_owned() } else { self.port.to_string() });
        command.arg("--ports_file_dir").arg(&ports).stdout(Stdio::null()).stderr(log);
        let child = command.spawn().expect("nats-server: run scripts/setup first");
        self.child = Some(child);
        self.port = self.listening_port(&ports);
    }

    fn listening_port(&mut self, ports: &Path) -> u16 {
        let begun = Instant::now();
        loop {
            if let Some(port) = read_port(ports, "nats") {
                return port;
            }
            let child = self.child.as_mut().expect("spawned above");
            if let Some(status) = child.try_wait().expect("asking for our own child") {
                panic!("nats-server ended with {status}: {}", self.log());
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "nats-server does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.thaw();
        self.kill();
    }
}

fn read_port(ports: &Path, what: &str) -> Option<u16> {
    let file = fs::read_dir(ports).ok()?.next()?.ok()?;
    let text = fs::read_to_string(file.path()).ok()?;
    let ports: serde_json::Value = serde_json::from_str(&text).ok()?;
    ports[what][0].as_str()?.rsplit(':').next()?.parse().ok()
}

/// Whether any file of a folder, however deep, has these bytes. What goes while it is looked at is not there.
pub fn folder_has(folder: &Path, bytes: &[u8]) -> bool {
    let Ok(items) = fs::read_dir(folder) else { return false };
    items.flatten().any(|item| match item.file_type() {
        Ok(kind) if kind.is_dir() => folder_has(&item.path(), bytes),
        Ok(_) => fs::read(item.path()).is_ok_and(|held| held.windows(bytes.len()).any(|window| window == bytes)),
        Err(_) => false,
    })
}

fn remove_files(folder: &Path, name: &str) {
    for item in fs::read_dir(folder).expect("reading a folder") {
        let item = item.expect("reading a folder");
        if item.file_type().expect("a file type").is_dir() {
            remove_files(&item.path(), name);
        } else if item.file_name() == name {
            fs::remove_file(item.path()).expect("removing a file");
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("making a folder");
    for item in fs::read_dir(from).expect("reading a folder") {
        let item = item.expect("reading a folder");
        let target = to.join(item.file_name());
        if item.file_type().expect("a file type").is_dir() {
            copy_folder(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).expect("copying a file");
        }
    }
}
