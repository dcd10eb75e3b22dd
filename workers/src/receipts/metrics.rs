//! What `receipts` counts.

use dunlin_schema::Shard;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::metrics::{Counters, OfShard};

/// What the role counts, by shard.
pub(super) struct Metrics {
    stored: Counters,
    poison: Counters,
    failed: Counters,
    removed: Counters,
    forgotten: Counters,
    conflicts: Counters,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct ReceiptsMetrics {
    pub(super) stored: Counter,
    pub(super) poison: Counter,
    pub(super) failed: Counter,
    pub(super) removed: Counter,
    pub(super) forgotten: Counter,
    pub(super) conflicts: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_receipts");
        let metrics = Metrics {
            stored: Counters::default(),
            poison: Counters::default(),
            failed: Counters::default(),
            removed: Counters::default(),
            forgotten: Counters::default(),
            conflicts: Counters::default(),
        };
        role.register("stored", "Marks of devices that were raised", metrics.stored.clone());
        role.register("poison", "Items that no release can read, taken off the queue", metrics.poison.clone());
        role.register("failed", "Marks and removals that could not be stored: they come again", metrics.failed.clone());
        role.register("removed", "Devices that their user removed", metrics.removed.clone());
        let forgotten = "Devices that made room for a newer one of their user";
        role.register("forgotten", forgotten, metrics.forgotten.clone());
        let conflicts = "Records of devices that somebody else wrote at the same time: they were written again";
        role.register("conflicts", conflicts, metrics.conflicts.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> ReceiptsMetrics {
        let label = OfShard::new(shard);
        ReceiptsMetrics {
            stored: self.stored.get_or_create_owned(&label),
            poison: self.poison.get_or_create_owned(&label),
            failed: self.failed.get_or_create_owned(&label),
            removed: self.removed.get_or_create_owned(&label),
            forgotten: self.forgotten.get_or_create_owned(&label),
            conflicts: self.conflicts.get_or_create_owned(&label),
        }
    }
}
