//! The nats-server of `dunlin dev`: on a port of loopback that it chooses itself the first time.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use serde::Deserialize;
use tokio::{
    net::TcpStream,
    process::{ChildStdout, Command},
    time::sleep,
};

use super::{half_of_the_cores, part::Program};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A nats-server with JetStream.
pub(super) struct NatsServer {
    pub(super) binary: PathBuf,
    /// Where it has its configuration, store, log and ports.
    pub(super) folder: PathBuf,
    pub(super) sync_always: bool,
}

impl Program for NatsServer {
    fn name(&self) -> String {
        "nats".to_owned()
    }

    fn command(&self, at: Option<SocketAddr>) -> anyhow::Result<Command> {
        if self.ports().exists() {
            fs::remove_dir_all(self.ports()).with_context(|| format!("emptying {}", self.ports().display()))?;
        }
        fs::create_dir_all(self.ports()).with_context(|| format!("making {}", self.ports().display()))?;
        let path = self.folder.join("nats.conf");
        fs::write(&path, self.conf(at)).with_context(|| format!("writing {}", path.display()))?;
        let mut command = Command::new(&self.binary);
        // All that it says is in its log.
        command.arg("--config").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
        if std::env::var_os("GOMAXPROCS").is_none() {
            command.env("GOMAXPROCS", half_of_the_cores().to_string());
        }
        Ok(command)
    }

    /// It reads what it has stored before it listens.
    async fn works(&self, pid: u32, _: Option<ChildStdout>) -> anyhow::Result<Option<SocketAddr>> {
        #[derive(Deserialize)]
        struct Ports {
            nats: Vec<String>,
        }
        let path = self.ports().join(format!("{}_{pid}.ports", self.program()));
        loop {
            let ports = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Ports>(&text).ok());
            let port = ports.and_then(|ports| ports.nats.first()?.rsplit(':').next()?.parse().ok());
            if let Some(port) = port {
                let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(Some(address));
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn last_words(&self) -> String {
        format!("the end of its log {}:\n{}", self.log().display(), last_lines(&self.log(), 5))
    }
}

impl NatsServer {
    fn conf(&self, at: Option<SocketAddr>) -> String {
        let quoted = |path: PathBuf| serde_json::Value::from(path.display().to_string()).to_string();
        let port = at.map_or_else(|| "-1".to_owned(), |at| at.port().to_string());
        let sync = if self.sync_always { ", sync_interval: always" } else { "" };
        format!(
            "# Written by `dunlin dev` at each start.\n\
             server_name: dunlin-dev\n\
             listen: \"127.0.0.1:{port}\"\n\
             ports_file_dir: {ports}\n\
             log_file: {log}\n\
             logfile_size_limit: 16MB\n\
             logfile_max_num: 3\n\
             ping_interval: \"10s\"\n\
             ping_max: 2\n\
             jetstream {{ store_dir: {store}, domain: local{sync} }}\n",
            ports = quoted(self.ports()),
            log = quoted(self.log()),
            store = quoted(self.folder.join("store")),
        )
    }

    fn ports(&self) -> PathBuf {
        self.folder.join("ports")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("nats-server.log")
    }

    fn program(&self) -> String {
        self.binary.file_name().map_or_else(|| "nats-server".into(), |name| name.to_string_lossy().into_owned())
    }
}

fn last_lines(path: &Path, count: usize) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
