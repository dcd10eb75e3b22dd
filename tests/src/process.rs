//! A region whose gateways and workers are processes of their own, as an operator runs them, to be killed and stopped.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use dunlin_nats::{ConnectOptions, Connection, provision};
use dunlin_schema::{RegionName, stream::RegionSettings};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::{
    bucket::Bucket,
    device::Device,
    server::NatsServer,
    tokens::{Key, KeySet},
    wait::until,
};

/// The lines of the section `[nats]` in the configurations of a region's processes.
#[derive(Clone, Debug)]
pub struct Sections {
    /// Of gateways.
    pub gateway: String,
    /// Of workers.
    pub worker: String,
}

/// Where a region's files are.
pub enum Files {
    /// Nowhere: there are none.
    Nowhere,
    /// In a folder that its processes share.
    Folder,
    /// In a bucket, which its workers reach at this address.
    Bucket(Bucket, SocketAddr),
}

/// A region of processes.
pub struct Processes {
    /// Its nats-server.
    pub nats: NatsServer,
    /// Where its files are.
    pub files: Files,
    sections: Sections,
    key: Key,
    keys: KeySet,
    folder: TempDir,
    gateways: Vec<Process>,
    workers: Vec<Process>,
}

struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM).expect("signalling our own child");
        let status = self.child.wait().expect("waiting for our own child");
        (status.code(), begun.elapsed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A stopped process takes no other signal until it goes on, but for this one.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The `dunlin` command as these suites were built with it: beside the suites themselves.
pub fn dunlin() -> PathBuf {
    let suites = std::env::current_exe().expect("our own path");
    let folder = suites.parent().and_then(|deps| deps.parent()).expect("a build folder");
    folder.join("dunlin-under-test")
}

fn free_port() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address")
}

impl Processes {
    /// A region with one worker and this many gateways.
    pub async fn start(gateways: usize) -> Processes {
        Processes::start_with(Files::Nowhere, gateways).await
    }

    /// The same with files.
    pub async fn start_with(files: Files, gateways: usize) -> Processes {
        let nats = NatsServer::start();
        let section = format!("servers = [\"{}\"]", nats.url());
        Processes::start_all(nats, Sections { gateway: section.clone(), worker: section }, files, gateways).await
    }

    /// The same at a server that is there, reached as these sections say.
    pub async fn start_at(nats: NatsServer, sections: Sections, gateways: usize) -> Processes {
        Processes::start_all(nats, sections, Files::Nowhere, gateways).await
    }

    async fn start_all(nats: NatsServer, sections: Sections, files: Files, gateways: usize) -> Processes {
        let region = RegionName::new("local").expect("a name");
        let options: ConnectOptions = toml::from_str(&sections.worker).expect("a section");
        let connection = Connection::open(&options, &region).await.expect("a connection");
        let settings = RegionSettings { region, shards: 2, replicas: 1, log_bytes: 1 << 30, sync_always: false };
        provision(&connection, &settings).await.expect("streams");
        let key = Key::new("one");
        let keys = KeySet::of(&[&key]);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Processes { nats, files, sections, key, keys, folder, gateways: vec![], workers: vec![] };
        region.add_worker().await;
        for _ in 0..gateways {
            let address = free_port();
            let gateway = region.start_gateway(address);
            region.gateways.push(gateway);
        }
        region.ready().await;
        region
    }

    /// Starts one more worker.
    pub async fn add_worker(&mut self) {
        let worker = self.start_worker(free_port());
        self.workers.push(worker);
        self.ready().await;
    }

    /// Waits until every process says that it is ready.
    pub async fn ready(&self) {
        for process in self.gateways.iter().chain(&self.workers) {
            until("a process to be ready", async || is_ready(process.address).await.then_some(())).await;
        }
    }

    /// `kill -9` of a gateway; those behind it move up.
    pub fn kill_gateway(&mut self, index: usize) {
        drop(self.gateways.remove(index));
    }

    /// `kill -9` of a gateway, and another one in its place, at the same address.
    pub fn replace_gateway(&mut self, index: usize) {
        let address = self.gateways[index].address;
        self.kill_gateway(index);
        let gateway = self.start_gateway(address);
        self.gateways.insert(index, gateway);
    }

    /// `kill -9` of a worker, and another one in its place.
    pub fn replace_worker(&mut self, index: usize) {
        let address = self.workers[index].address;
        drop(self.workers.remove(index));
        let worker = self.start_worker(address);
        self.workers.insert(index, worker);
    }

    /// `kill -9` of what has its turn, and it again: this gateway, the worker, nats-server, everything.
    pub fn replace_in_turn(&mut self, turn: u32, gateway: usize) {
        match turn % 4 {
            0 => self.replace_gateway(gateway),
            1 => self.replace_worker(0),
            2 => self.nats.restart(),
            _ => self.replace_everything(),
        }
    }

    /// `kill -9` of everything at once, and all of it again, in the order in which one needs the other.
    pub fn replace_everything(&mut self) {
        let addresses =
            |processes: &mut Vec<Process>| processes.drain(..).map(|process| process.address).collect::<Vec<_>>();
        self.nats.kill();
        let (gateways, workers) = (addresses(&mut self.gateways), addresses(&mut self.workers));
        self.nats.restart();
        self.workers = workers.into_iter().map(|address| self.start_worker(address)).collect();
        self.gateways = gateways.into_iter().map(|address| self.start_gateway(address)).collect();
    }

    /// The same while NATS stays away, until its handle starts it again.
    pub fn replace_everything_without_nats(&mut self) {
        self.nats.kill();
        for index in 0..self.workers.len() {
            self.replace_worker(index);
        }
        for index in 0..self.gateways.len() {
            self.replace_gateway(index);
        }
    }

    /// The status of a page of each process.
    pub async fn pages(&self, path: &str) -> Vec<Option<u16>> {
        let mut statuses = vec![];
        for process in self.gateways.iter().chain(&self.workers) {
            let answer = reqwest::get(format!("http://{}{path}", process.address)).await;
            statuses.push(answer.ok().map(|answer| answer.status().as_u16()));
        }
        statuses
    }

    /// A page of a worker; `None` where it does not answer.
    pub async fn worker_page(&self, index: usize, path: &str) -> Option<String> {
        let answer = reqwest::get(format!("http://{}{path}", self.workers[index].address)).await.ok()?;
        answer.text().await.ok()
    }

    /// Signals a gateway.
    pub fn signal_gateway(&self, index: usize, signal: Signal) {
        kill(Pid::from_raw(self.gateways[index].child.id() as i32), signal).expect("signalling our own child");
    }

    /// Writes another key set, which its gateways read when they are told to.
    pub fn rotate(&self, keys: &[&Key]) {
        self.keys.write(keys);
    }

    /// Signals a worker.
    pub fn signal_worker(&self, index: usize, signal: Signal) {
        kill(Pid::from_raw(self.workers[index].child.id() as i32), signal).expect("signalling our own child");
    }

    /// Writes another section `[nats]` for a worker: what it reads when it is told to.
    pub fn rewrite_worker(&self, index: usize, section: &str) {
        self.rewrite_worker_at(index, self.workers[index].address, section);
    }

    /// The same with another address to listen on.
    pub fn rewrite_worker_at(&self, index: usize, listen: SocketAddr, section: &str) {
        fs::write(
            self.config_path("worker", self.workers[index].address),
            worker_config(listen, self.folder.path(), section),
        )
        .expect("writing a configuration");
    }

    /// Whether a worker's process has not ended.
    pub fn worker_lives(&mut self, index: usize) -> bool {
        self.workers[index].child.try_wait().expect("asking for our own child").is_none()
    }

    /// What the workers logged.
    pub fn worker_log(&self) -> String {
        self.log("worker")
    }

    /// What the gateways logged.
    pub fn gateway_log(&self) -> String {
        self.log("gateway")
    }

    fn log(&self, role: &str) -> String {
        fs::read_to_string(self.folder.path().join(format!("{role}.log"))).unwrap_or_default()
    }

    /// Asks a gateway to end as an operator does, and gives its exit code and how long it took.
    pub fn terminate_gateway(&mut self, index: usize) -> (Option<i32>, Duration) {
        self.gateways.remove(index).terminate()
    }

    /// The same of a worker.
    pub fn terminate_worker(&mut self, index: usize) -> (Option<i32>, Duration) {
        self.workers.remove(index).terminate()
    }

    /// Where the gateways listen.
    pub fn gateways(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|gateway| gateway.address).collect()
    }

    /// Bytes of memory that a gateway holds.
    pub fn resident_bytes(&self, index: usize) -> u64 {
        let statm = fs::read_to_string(format!("/proc/{}/statm", self.gateways[index].child.id())).expect("its memory");
        let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a count of pages");
        pages * 4_096
    }

    /// A good token of a back end.
    pub fn service_token(&self, user: &str) -> String {
        self.key.sign(&crate::tokens::service_claims(user))
    }

    /// A good token.
    pub fn token(&self, user: &str) -> String {
        self.key.token(user)
    }

    /// A device to which entries come live.
    pub async fn caught_up(&self, gateway: usize, user: &str, device: &str) -> Device {
        let mut device = Device::hello(self.gateways[gateway].address, &self.token(user), device, None).await;
        device.expect("caught_up").await;
        device
    }

    fn start_gateway(&self, address: SocketAddr) -> Process {
        let config = format!(
            "listen = \"{address}\"\ndrain = 500\n\n{}[nats]\n{}\n\n[tokens]\nkeys = \"{}\"\n\
             refresh = 600000\n\n[limits]\nsends_per_second = 100000\nsends_burst = 100000\nconnects_per_second = 10000\nconnects_burst = 10000\n",
            match &self.files {
                Files::Folder => format!("[media]\ndirectory = {:?}\n\n", self.media()),
                Files::Nowhere | Files::Bucket(..) => String::new(),
            },
            self.sections.gateway,
            self.keys.path().display()
        );
        self.spawn("gateway", address, &config)
    }

    fn start_worker(&self, address: SocketAddr) -> Process {
        let config = worker_config(address, self.folder.path(), &self.sections.worker);
        self.spawn("worker", address, &format!("{config}{}", self.media_of_workers()))
    }

    /// Where files are, if they are in a folder.
    pub fn media(&self) -> PathBuf {
        self.folder.path().join("media")
    }

    /// Workers go through the store all the time, and take out whatever has no record, however young it is.
    fn media_of_workers(&self) -> String {
        let place = match &self.files {
            Files::Nowhere => return String::new(),
            Files::Folder => format!("directory = {:?}\n", self.media()),
            Files::Bucket(bucket, address) => bucket.section(*address),
        };
        format!("\n[media]\nswept_every = 300\nstray_after = 0\n{place}")
    }

    fn config_path(&self, role: &str, address: SocketAddr) -> PathBuf {
        self.folder.path().join(format!("{role}-{}.toml", address.port()))
    }

    fn spawn(&self, role: &str, address: SocketAddr, config: &str) -> Process {
        let path = self.config_path(role, address);
        fs::write(&path, config).expect("writing a configuration");
        let log = File::options().create(true).append(true).open(self.folder.path().join(format!("{role}.log")));
        let mut command = Command::new(dunlin());
        // The suites' own settings have the prefix of the configuration's variables.
        std::env::vars_os()
            .filter(|(name, _)| name.to_string_lossy().starts_with("DUNLIN_"))
            .for_each(|(name, _)| _ = command.env_remove(name));
        command.arg(role).arg("--config").arg(&path).stdout(Stdio::null()).stderr(log.expect("a log"));
        let child = command.spawn().expect("starting the dunlin command that was built with these suites");
        Process { child, address }
    }
}

/// A test that fails tells what its processes had to say.
impl Drop for Processes {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for role in ["gateway", "worker"] {
                let log = self.log(role);
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("the last of {role}.log:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
            }
            let log = self.nats.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the last of nats-server's log:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

fn worker_config(address: SocketAddr, folder: &Path, section: &str) -> String {
    let folder = folder.join(format!("projections-{}", address.port()));
    format!("listen = \"{address}\"\nfolder = {folder:?}\n\n[nats]\n{section}\n")
}

async fn is_ready(address: SocketAddr) -> bool {
    match reqwest::get(format!("http://{address}/readyz")).await {
        Ok(answer) => answer.status().is_success(),
        Err(_) => false,
    }
}
