//! What the readers of a role count, by shard.

use dunlin_schema::Shard;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::metrics::{Counters, Gauges, OfShard};

/// What the readers of one role count.
#[derive(Clone, Debug, Default)]
pub struct ReaderMetrics {
    owner: Gauges,
    lag: Gauges,
    holes: Counters,
    takeovers: Counters,
    epochs: Counters,
    refused: Counters,
}

/// What the reader of one shard counts.
#[derive(Clone, Debug)]
pub struct ShardMetrics {
    pub(super) owner: Gauge,
    pub(super) lag: Gauge,
    pub(super) holes: Counter,
    pub(super) takeovers: Counter,
    pub(super) epochs: Counter,
    pub(super) refused: Counter,
}

impl ReaderMetrics {
    /// Counts, and lets the role's registry tell of it.
    pub fn register(role: &mut Registry) -> ReaderMetrics {
        let metrics = ReaderMetrics::default();
        role.register(
            "owner",
            "Whether this worker's reader has the shard (1) or stands by (0)",
            metrics.owner.clone(),
        );
        role.register("lag", "Entries of the shard that the owner has not read yet", metrics.lag.clone());
        role.register("holes", "Times that entries were gone before they were read", metrics.holes.clone());
        role.register("takeovers", "Times that this worker's reader took the shard", metrics.takeovers.clone());
        role.register("epochs", "Epochs that this worker's reader began or followed", metrics.epochs.clone());
        role.register(
            "refused_saves",
            "Times that the shard was lost to a write that failed or came late",
            metrics.refused.clone(),
        );
        metrics
    }

    /// Those of one shard.
    pub fn of(&self, shard: Shard) -> ShardMetrics {
        let shard = OfShard::new(shard);
        ShardMetrics {
            owner: self.owner.get_or_create_owned(&shard),
            lag: self.lag.get_or_create_owned(&shard),
            holes: self.holes.get_or_create_owned(&shard),
            takeovers: self.takeovers.get_or_create_owned(&shard),
            epochs: self.epochs.get_or_create_owned(&shard),
            refused: self.refused.get_or_create_owned(&shard),
        }
    }
}
