//! The systems that are loaded, each from processes of its own on loopback ports and in a temporary folder that goes with it.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use serde::Deserialize;
use tempfile::TempDir;

use super::process::Process;
use crate::{folder::Folder, keys};

const READY: Duration = Duration::from_secs(60);

/// A floor that takes sockets, running.
pub(super) struct Relay {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    _folder: TempDir,
}

impl Relay {
    /// Starts floor A.
    pub(super) fn start() -> anyhow::Result<Relay> {
        Relay::run("floor-relay")
    }

    /// Starts the floor of a group.
    pub(super) fn start_loop() -> anyhow::Result<Relay> {
        Relay::run("floor-loop")
    }

    fn run(part: &str) -> anyhow::Result<Relay> {
        let folder = TempDir::new()?;
        let mut command = dunlin()?;
        command.args(["bench", part]);
        let mut process = Process::start("the relay", &mut command, &folder.path().join("relay.log"))?;
        let address = process.ready(READY)?.context("the relay is ready nowhere")?;
        Ok(Relay { process, address, _folder: folder })
    }
}

/// `dunlin dev`, running: gateway, worker and nats-server are its children.
pub(super) struct Dev {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
}

impl Dev {
    /// Starts it on this folder, new or of an earlier start.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Dev> {
        let mut command = dunlin()?;
        command.args(["dev", "--listen", "127.0.0.1:0", "--no-page", "--data"]).arg(Self::data(folder));
        let log = folder.join("dev.log");
        let mut process = Process::start("dunlin dev", &mut command, &log)?;
        let address = process.ready(READY).with_context(|| tail(&log))?.context("it is ready nowhere")?;
        Ok(Dev { process, address })
    }

    /// Where its keys are.
    pub(super) fn data(folder: &Path) -> PathBuf {
        folder.join("data")
    }
}

/// nats-server, worker and gateway, each a process.
pub(super) struct Parts {
    pub(super) broker: Process,
    worker: Process,
    pub(super) gateway: Process,
    pub(super) address: SocketAddr,
    monitor: SocketAddr,
    folder: TempDir,
}

impl Parts {
    /// Starts a region of them.
    pub(super) fn start() -> anyhow::Result<Parts> {
        Parts::start_with("")
    }

    /// Starts a region whose gateways have these settings, in TOML.
    pub(super) fn start_with(settings: &str) -> anyhow::Result<Parts> {
        let folder = TempDir::new()?;
        let path = folder.path();
        let (broker, ports) = broker(path)?;
        let keys = Folder::create(path)?;
        keys::ensure(&keys)?;
        let nats = format!("[nats]\nservers = [\"nats://{}\"]\n", ports.nats);
        let projections = path.join("projections");
        fs::write(path.join("worker.toml"), format!("folder = \"{}\"\n{nats}", projections.display()))?;
        let gateways = format!("{settings}\n{nats}[tokens]\nkeys = \"{}\"\n", keys.key_set().display());
        fs::write(path.join("gateway.toml"), gateways)?;

        let (mut worker, log) = (dunlin()?, path.join("worker.log"));
        worker.args(["worker", "--provision", "--config"]).arg(path.join("worker.toml"));
        let mut worker = Process::start("the worker", &mut worker, &log)?;
        worker.ready(READY).with_context(|| tail(&log))?;
        let (mut gateway, address) = Self::gateway(path, "gateway.log", "127.0.0.1:0".parse()?)?;
        gateway.until(READY, || match get(address, "/readyz")? {
            (200, _) => Ok(()),
            (status, why) => anyhow::bail!("/readyz says {status}: {why}"),
        })?;
        Ok(Parts { broker, worker, gateway, address, monitor: ports.monitor, folder })
    }

    /// Starts one more gateway.
    pub(super) fn another_gateway(&self) -> anyhow::Result<(Process, SocketAddr)> {
        Self::gateway(self.folder.path(), "another.log", "127.0.0.1:0".parse()?)
    }

    fn gateway(path: &Path, log: &str, listen: SocketAddr) -> anyhow::Result<(Process, SocketAddr)> {
        let (mut gateway, log) = (dunlin()?, path.join(log));
        gateway.args(["gateway", "--config"]).arg(path.join("gateway.toml")).arg("--listen").arg(listen.to_string());
        let mut gateway = Process::start("the gateway", &mut gateway, &log)?;
        let address = gateway.ready(READY).with_context(|| tail(&log))?.context("the gateway is ready nowhere")?;
        Ok((gateway, address))
    }

    /// Kills the gateway and starts another one at the same address; returns once that is ready.
    pub(super) fn restart_gateway(&mut self) -> anyhow::Result<()> {
        self.gateway.kill();
        (self.gateway, _) = Self::gateway(self.folder.path(), "gateway.log", self.address)?;
        Ok(())
    }

    /// Where its keys are.
    pub(super) fn data(&self) -> &Path {
        self.folder.path()
    }

    /// CPU time of all of them so far.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.gateway.cpu()? + self.others_cpu()?)
    }

    /// CPU time of worker and broker so far.
    pub(super) fn others_cpu(&self) -> anyhow::Result<Duration> {
        Ok(self.worker.cpu()? + self.broker.cpu()?)
    }

    /// What the broker's monitoring says at a path.
    pub(super) fn monitor(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_str(&get(self.monitor, path)?.1)?)
    }
}

/// The status and body of an HTTP answer.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    // An answer in HTTP/1.0 ends with the connection and is in one piece.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("this is no HTTP")?;
    let status = head.split_whitespace().nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// Where a broker listens.
pub(super) struct Ports {
    pub(super) nats: SocketAddr,
    pub(super) monitor: SocketAddr,
}

/// Starts a nats-server with JetStream for the region `local`, as a region on one machine has it.
pub(super) fn broker(folder: &Path) -> anyhow::Result<(Process, Ports)> {
    #[derive(Deserialize)]
    struct PortsFile {
        nats: Vec<String>,
        monitoring: Vec<String>,
    }
    let (ports, path) = (folder.join("ports"), folder.display());
    fs::create_dir(&ports)?;
    let settings = folder.join("nats.conf");
    fs::write(
        &settings,
        format!(
            "listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\nports_file_dir: \"{path}/ports\"\n\
             jetstream {{ store_dir: \"{path}/jetstream\", domain: local }}\n"
        ),
    )?;
    let mut command = Command::new("nats-server");
    command.arg("-c").arg(&settings);
    let mut broker = Process::start("nats-server", &mut command, &folder.join("nats.log"))?;
    let found = broker.until(READY, || {
        let file = fs::read_dir(&ports)?.next().context("no ports file yet")??;
        let file: PortsFile = serde_json::from_slice(&fs::read(file.path())?)?;
        let address = |urls: &[String]| -> anyhow::Result<SocketAddr> {
            let url = urls.first().context("no port")?;
            Ok(url.rsplit('/').next().unwrap_or(url).parse()?)
        };
        Ok(Ports { nats: address(&file.nats)?, monitor: address(&file.monitoring)? })
    })?;
    Ok((broker, found))
}

/// This program.
pub(super) fn dunlin() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// The last lines of a log, for an error message.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("its last words: {}", lines[lines.len().saturating_sub(10)..].join("\n"))
}
