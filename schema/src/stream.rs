//! The streams of a shard and how each is set up, as plain data.

use crate::{Millis, RegionName, Shard, limits};

/// What happens to entries over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Kept up to the stream's limits.
    Limits,
    /// Kept until a worker has acknowledged them.
    WorkQueue,
}

/// A stream's settings. `0` and `None` are "no limit".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// The stream's name, unique across regions.
    pub name: String,
    /// The subjects it stores.
    pub subjects: String,
    /// What happens to entries over time.
    pub retention: Retention,
    /// Bytes it holds; when they are used up it refuses (discard new).
    pub max_bytes: Option<u64>,
    /// Entries of one subject; the oldest goes first.
    pub max_per_subject: Option<u64>,
    /// How long an entry is kept.
    pub max_age: Option<Millis>,
    /// Whether a message may say for itself how long it is kept.
    pub ttl_by_message: bool,
    /// How long JetStream remembers a `Nats-Msg-Id`.
    pub duplicate_window: Millis,
    /// Servers that store it: 1, 3 or 5.
    pub replicas: u8,
}

/// What an operator chooses once for a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionSettings {
    /// The region's name, which is also its JetStream domain.
    pub region: RegionName,
    /// Shards, from 1 to [`limits::SHARDS_MAX`]; chosen once, when the region is made.
    pub shards: u16,
    /// Servers that store each stream: 1, 3 or 5.
    pub replicas: u8,
    /// Bytes of each shard's log.
    pub log_bytes: u64,
    /// Whether the servers of the region sync each write (`sync_interval: always` in their configuration).
    pub sync_always: bool,
}

/// The stream of a shard's logs: `LOG_<region>_<shard>`.
pub fn log_stream(region: &RegionName, shard: Shard) -> String {
    format!("LOG_{region}_{shard}")
}

/// The stream of a shard's records: `STATE_<region>_<shard>`.
pub fn state_stream(region: &RegionName, shard: Shard) -> String {
    format!("STATE_{region}_{shard}")
}

/// The stream of a shard's receipts: `RECEIPTS_<region>_<shard>`.
pub fn receipts_stream(region: &RegionName, shard: Shard) -> String {
    format!("RECEIPTS_{region}_{shard}")
}

/// Why a region can't be set up so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionSettingsError {
    /// None, or too many.
    #[error("a region has 1 to {max} shards, not {0}", max = limits::SHARDS_MAX)]
    Shards(u16),
    /// A number that can't be outvoted.
    #[error("a stream has 1, 3 or 5 replicas, not {0}")]
    Replicas(u8),
    /// Too few to hold anything.
    #[error("a log needs at least {min} bytes, not {0}", min = limits::LOG_BYTES_MIN)]
    LogBytes(u64),
}

impl RegionSettings {
    /// Whether streams can be made so. Errors: see [`RegionSettingsError`].
    pub fn check(&self) -> Result<(), RegionSettingsError> {
        if !(1..=limits::SHARDS_MAX).contains(&self.shards) {
            return Err(RegionSettingsError::Shards(self.shards));
        }
        if ![1, 3, 5].contains(&self.replicas) {
            return Err(RegionSettingsError::Replicas(self.replicas));
        }
        if self.log_bytes < limits::LOG_BYTES_MIN {
            return Err(RegionSettingsError::LogBytes(self.log_bytes));
        }
        Ok(())
    }

    /// The shards of the region.
    pub fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.shards).map(Shard)
    }

    /// Every stream of the region.
    pub fn streams(&self) -> impl Iterator<Item = StreamSettings> + '_ {
        self.shards().flat_map(|shard| [self.log(shard), self.state(shard), self.receipts(shard)])
    }

    /// The settings of a shard's log.
    pub fn log(&self, shard: Shard) -> StreamSettings {
        StreamSettings {
            name: log_stream(&self.region, shard),
            subjects: format!("log.{}.{shard}.>", self.region),
            retention: Retention::Limits,
            max_bytes: Some(self.log_bytes),
            max_per_subject: Some(limits::MAILBOX_ENTRIES),
            max_age: Some(limits::RETENTION),
            ttl_by_message: false,
            duplicate_window: limits::DUPLICATE_WINDOW,
            replicas: self.replicas,
        }
    }

    /// The settings of a shard's records: the last one of each subject.
    pub fn state(&self, shard: Shard) -> StreamSettings {
        StreamSettings {
            name: state_stream(&self.region, shard),
            subjects: format!("state.{}.{shard}.>", self.region),
            retention: Retention::Limits,
            max_bytes: None,
            max_per_subject: Some(1),
            max_age: None,
            ttl_by_message: true,
            duplicate_window: limits::DUPLICATE_WINDOW,
            replicas: self.replicas,
        }
    }

    /// The settings of a shard's receipts: what waits for the receipts worker.
    pub fn receipts(&self, shard: Shard) -> StreamSettings {
        StreamSettings {
            name: receipts_stream(&self.region, shard),
            subjects: format!("receipt.{}.{shard}.>", self.region),
            retention: Retention::WorkQueue,
            max_bytes: Some(self.log_bytes / 8),
            max_per_subject: None,
            max_age: None,
            ttl_by_message: false,
            duplicate_window: limits::DUPLICATE_WINDOW,
            replicas: self.replicas,
        }
    }
}
