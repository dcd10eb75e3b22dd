//! The streams of a region: made once, never changed by surprise.

use dunlin_schema::stream::RegionSettings;

use crate::Connection;

/// What [`provision`] found to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provisioned {
    /// At least one stream was made.
    Created,
    /// All were there, with the same settings.
    Unchanged,
}

/// Why a region is not as wanted.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A stream exists with other settings. Nothing was changed.
    #[error(
        "the stream {stream} has {what} {found}, the configuration says {wanted}. Nothing was changed: put the configuration back to {found}, or {mend}"
    )]
    Differs {
        /// The stream.
        stream: String,
        /// The setting.
        what: &'static str,
        /// Its value in the stream.
        found: String,
        /// Its value in the configuration.
        wanted: String,
        /// How an operator gets from one to the other.
        mend: &'static str,
    },
    /// The settings can't be used.
    #[error("the region's settings can't be used: {0}")]
    Settings(String),
    /// JetStream refused or did not answer.
    #[error("while making the stream {stream}: {reason}")]
    JetStream {
        /// The stream.
        stream: String,
        /// What was said.
        reason: String,
    },
}

/// Why a region's settings can't be learned.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The region has no streams yet.
    #[error("the region {0} has no streams yet: start a worker (or `dunlin dev`) with its settings first")]
    NotProvisioned(String),
    /// The streams were not made by Dunlin.
    #[error("the stream {stream} says nothing usable of {what}: was it made by Dunlin?")]
    Foreign {
        /// The stream.
        stream: String,
        /// What is missing.
        what: &'static str,
    },
    /// JetStream refused or did not answer.
    #[error("JetStream of region {region} does not answer: {reason}")]
    Unanswered {
        /// The region.
        region: String,
        /// What was said.
        reason: String,
    },
}

/// Makes the streams of a region that are not there, and compares those that are. Idempotent. Errors: see [`ProvisionError`].
pub async fn provision(connection: &Connection, settings: &RegionSettings) -> Result<Provisioned, ProvisionError> {
    todo!()
}

/// What the streams of the connection's region say of it. Errors: see [`SettingsError`].
pub async fn region_settings(connection: &Connection) -> Result<RegionSettings, SettingsError> {
    todo!()
}
