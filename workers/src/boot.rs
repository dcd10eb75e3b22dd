//! The boot of the machine that stores the shards: what a reader compares to know that power may have been lost.

use std::{io, sync::Arc};

use dunlin_nats::Connection;

use crate::config;

const KERNEL_BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Where the boot is learnt from.
#[derive(Clone, Debug)]
pub(crate) enum Boot {
    /// It can't change while this process lives.
    Fixed(Arc<str>),
    /// The server at the other end of the connection, whichever that is now.
    Server(Connection),
}

impl Boot {
    /// Reads what can't change. Errors: the kernel does not tell its boot id.
    pub(crate) fn open(configured: &config::Boot, connection: &Connection) -> io::Result<Boot> {
        Ok(match configured {
            config::Boot::Kernel => Boot::Fixed(std::fs::read_to_string(KERNEL_BOOT_ID)?.trim().into()),
            config::Boot::Given(boot) => Boot::Fixed(boot.as_str().into()),
            config::Boot::Server => Boot::Server(connection.clone()),
        })
    }

    /// The boot as it is seen now.
    pub(crate) fn now(&self) -> String {
        match self {
            Boot::Fixed(boot) => boot.as_ref().to_owned(),
            Boot::Server(connection) => connection.server().id,
        }
    }
}
