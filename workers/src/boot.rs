//! The boot of the machine that stores the shards: what a reader compares to know that power may have been lost.

use std::{io, sync::Arc};

use dunlin_nats::Connection;
use serde::{Deserialize, Serialize};

const KERNEL_BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// How the boot of the machine that stores the shards is known. After another boot, what a single server had not synced may be gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boot {
    /// The kernel's boot id: for a worker on the machine of the (only) nats-server.
    Kernel,
    /// The id of the nats-server, another one after each of its starts: where no worker runs on its machine.
    Server,
    /// This text.
    Given(String),
}

/// Where the boot is learnt from.
#[derive(Clone, Debug)]
pub(crate) enum BootSource {
    /// It can't change while this process lives.
    Fixed(Arc<str>),
    /// The server at the other end of the connection, whichever that is now.
    Server(Connection),
}

impl BootSource {
    /// Reads what can't change. Errors: the kernel does not tell its boot id.
    pub(crate) fn open(configured: &Boot, connection: &Connection) -> io::Result<BootSource> {
        Ok(match configured {
            Boot::Kernel => BootSource::Fixed(std::fs::read_to_string(KERNEL_BOOT_ID)?.trim().into()),
            Boot::Given(boot) => BootSource::Fixed(boot.as_str().into()),
            Boot::Server => BootSource::Server(connection.clone()),
        })
    }

    /// The boot as it is seen now.
    pub(crate) fn now(&self) -> String {
        match self {
            BootSource::Fixed(boot) => boot.as_ref().to_owned(),
            BootSource::Server(connection) => connection.server().id,
        }
    }
}
