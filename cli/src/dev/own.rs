//! The worker and the gateways of `dunlin dev`: this same program, with configurations in its folder, as a deployment would run them.

use std::{
    env,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::Context;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{ChildStdout, Command},
    time::sleep,
};

use super::{half_of_the_cores, part::Program};
use crate::{
    folder::{Folder, write_secret},
    logging::LogArgs,
};

/// Bytes of each shard's log: JetStream sets them aside, and a developer's disk is no server's.
const LOG_BYTES: u64 = 256 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The worker, or a gateway.
pub(super) struct Own {
    role: Role,
    program: PathBuf,
    config: PathBuf,
    log: Vec<String>,
}

enum Role {
    Worker,
    /// Which one, and where it listens the first time.
    Gateway(usize, SocketAddr),
}

/// What all of them are told.
pub(super) struct Region<'a> {
    pub(super) folder: &'a Folder,
    /// The URL of its nats-server.
    pub(super) nats: String,
    /// Where gateways send browsers.
    pub(super) page: Option<String>,
    pub(super) sync_always: bool,
    pub(super) log: &'a LogArgs,
}

impl Region<'_> {
    /// The worker, which also makes the region's streams.
    pub(super) fn worker(&self) -> anyhow::Result<Own> {
        let config = json!({
            "folder": self.folder.projections().display().to_string(),
            "media": { "directory": self.folder.media().display().to_string() },
            "nats": { "servers": [self.nats] },
            "streams": { "log_bytes": LOG_BYTES, "sync_always": self.sync_always },
        });
        self.own(Role::Worker, config)
    }

    /// The gateway with this number.
    pub(super) fn gateway(&self, number: usize, listen: SocketAddr) -> anyhow::Result<Own> {
        let mut config = json!({
            "drain": 0,
            "media": { "directory": self.folder.media().display().to_string() },
            "nats": { "servers": [self.nats] },
            "tokens": { "keys": self.folder.key_set().display().to_string() },
        });
        if let Some(page) = &self.page {
            config["page"] = page.as_str().into();
        }
        self.own(Role::Gateway(number, listen), config)
    }

    fn own(&self, role: Role, config: serde_json::Value) -> anyhow::Result<Own> {
        let path = self.folder.config(role.command());
        let text = toml::to_string(&config).with_context(|| format!("writing {}", path.display()))?;
        write_secret(&path, &format!("# Written by `dunlin dev` at each start.\n{text}"))?;
        let program = env::current_exe().context("looking for this program, which the parts are, too")?;
        Ok(Own { role, program, config: path, log: self.log.options() })
    }
}

impl Role {
    fn command(&self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Gateway(..) => "gateway",
        }
    }

    /// Where it listens, if this is the line with which it says that it works.
    fn said(&self, line: &str) -> Option<Option<SocketAddr>> {
        match self {
            Role::Worker => (line == "working").then_some(None),
            Role::Gateway(..) => Some(Some(line.strip_prefix("ready http://")?.parse().ok()?)),
        }
    }
}

impl Program for Own {
    fn name(&self) -> String {
        match self.role {
            Role::Worker => "worker".to_owned(),
            Role::Gateway(number, _) => format!("gateway/{number}"),
        }
    }

    fn command(&self, at: Option<SocketAddr>) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.program);
        // Keys of a configuration are for others: these have theirs.
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("DUNLIN_") {
                command.env_remove(name);
            }
        }
        command.arg(self.role.command()).args(&self.log).arg("--config").arg(&self.config).stdout(Stdio::piped());
        if let Role::Gateway(_, listen) = self.role {
            command.arg("--listen").arg(at.unwrap_or(listen).to_string());
        }
        if env::var_os("TOKIO_WORKER_THREADS").is_none() {
            command.env("TOKIO_WORKER_THREADS", half_of_the_cores().to_string());
        }
        Ok(command)
    }

    async fn works(&self, _: u32, stdout: Option<ChildStdout>) -> anyhow::Result<Option<SocketAddr>> {
        let mut lines = BufReader::new(stdout.context("its output is not read")?).lines();
        let address = loop {
            let line = lines.next_line().await.context("reading its output")?.context("its output ended")?;
            if let Some(address) = self.role.said(&line) {
                break address;
            }
        };
        // It may say more, and never waits for somebody to read it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        if let Some(address) = address {
            ready(address).await;
        }
        Ok(address)
    }

    fn last_words(&self) -> String {
        "what it said stands above".to_owned()
    }
}

/// Returns when the gateway says that it is ready.
async fn ready(address: SocketAddr) {
    let readyz = format!("http://{}/readyz", from_here(address));
    loop {
        match reqwest::get(&readyz).await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => tracing::debug!(status = %answer.status(), "not ready yet"),
            Err(error) => tracing::debug!(%error, "not ready yet"),
        }
        sleep(LOOK_EVERY).await;
    }
}

/// How what listens there is reached from this machine.
pub(super) fn from_here(address: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
    if address.ip().is_unspecified() { (loopback, address.port()).into() } else { address }
}
