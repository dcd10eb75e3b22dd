//! What `accounts` counts.

use dunlin_schema::Shard;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::metrics::{Counters, OfShard};

/// What the role counts, by shard.
pub(super) struct Metrics {
    changed: Counters,
    revoked: Counters,
    failed: Counters,
    conflicts: Counters,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct AccountsMetrics {
    pub(super) changed: Counter,
    pub(super) revoked: Counter,
    pub(super) failed: Counter,
    pub(super) conflicts: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_accounts");
        let metrics = Metrics {
            changed: Counters::default(),
            revoked: Counters::default(),
            failed: Counters::default(),
            conflicts: Counters::default(),
        };
        role.register("changed", "Settings that were answered as stored", metrics.changed.clone());
        role.register("revoked", "Revocations that were answered as stored", metrics.revoked.clone());
        role.register("failed", "Settings and revocations that could not be stored", metrics.failed.clone());
        let conflicts = "Records that somebody else wrote at the same time: they were written again";
        role.register("conflicts", conflicts, metrics.conflicts.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> AccountsMetrics {
        let label = OfShard::new(shard);
        AccountsMetrics {
            changed: self.changed.get_or_create_owned(&label),
            revoked: self.revoked.get_or_create_owned(&label),
            failed: self.failed.get_or_create_owned(&label),
            conflicts: self.conflicts.get_or_create_owned(&label),
        }
    }
}
