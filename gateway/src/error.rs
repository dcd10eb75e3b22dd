//! Why a gateway can't start, or had to end.

use std::{io, net::SocketAddr, path::PathBuf};

use crate::{config::ConfigError, services::ServiceEnded};

/// Why a gateway can't start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration can't work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address can't be listened on.
    #[error("listening on {address}: {why}; choose another `listen`, or end what holds it")]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// What the system says.
        why: io::Error,
    },
    /// The key set can't be used.
    #[error("reading the key set {source_name} (`tokens.keys`): {why}")]
    Keys {
        /// The path or URL.
        source_name: String,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// The region's NATS can't be used.
    #[error("opening the region {region}: {why}")]
    Region {
        /// The region.
        region: dunlin_schema::RegionName,
        /// What is wrong, and what would be right.
        why: String,
    },
    /// The store of files can't be used.
    #[error("opening the store of files in {folder:?} (`media.directory`): {why}")]
    Media {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A part of the gateway ended before the whole. Start it again; the log says what happened.
    #[error(transparent)]
    Service(#[from] ServiceEnded),
}
