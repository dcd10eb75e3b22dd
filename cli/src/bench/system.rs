//! The systems that are loaded, each from processes of its own on loopback ports and in a temporary folder that goes with it.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use tempfile::TempDir;

use super::process::Process;

const READY: Duration = Duration::from_secs(60);

/// Floor A, running.
pub(super) struct Relay {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    _folder: TempDir,
}

impl Relay {
    /// Starts the relay.
    pub(super) fn start() -> anyhow::Result<Relay> {
        let folder = TempDir::new()?;
        let mut command = dunlin()?;
        command.args(["bench", "floor-relay"]);
        let mut process = Process::start("the relay", &mut command, &folder.path().join("relay.log"))?;
        let address = process.ready(READY)?;
        Ok(Relay { process, address, _folder: folder })
    }
}

/// `dunlin dev`, running: gateway and workers in one process, nats-server its child.
pub(super) struct Dev {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
}

impl Dev {
    /// Starts it on this folder, new or of an earlier start.
    pub(super) fn start(folder: &Path) -> anyhow::Result<Dev> {
        let mut command = dunlin()?;
        command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(folder.join("data"));
        let log = folder.join("dev.log");
        let mut process = Process::start("dunlin dev", &mut command, &log)?;
        let address = process.ready(READY).with_context(|| tail(&log))?;
        Ok(Dev { process, address })
    }

    /// The key that signs this folder's tokens.
    pub(super) fn signing_key(folder: &Path) -> PathBuf {
        folder.join("data/signing-key.pem")
    }
}

/// This program.
pub(super) fn dunlin() -> anyhow::Result<Command> {
    Ok(Command::new(std::env::current_exe()?))
}

/// The last lines of a log, for an error message.
pub(super) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("its last words: {}", lines[lines.len().saturating_sub(10)..].join("\n"))
}
