//! What `eraser` counts beside its readers.

use dunlin_schema::Shard;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::{
    metrics::{Counters, OfShard},
    reader::{ReaderMetrics, ShardMetrics},
};

/// What the role counts, by shard.
pub(super) struct Metrics {
    reader: ReaderMetrics,
    erased: Counters,
    failed: Counters,
    people: Counters,
    released: Counters,
    kept: Counters,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct EraserMetrics {
    pub(super) reader: ShardMetrics,
    pub(super) erased: Counter,
    pub(super) failed: Counter,
    pub(super) people: Counter,
    pub(super) released: Counter,
    pub(super) kept: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_eraser");
        let metrics = Metrics {
            reader: ReaderMetrics::register(role),
            erased: Counters::default(),
            failed: Counters::default(),
            people: Counters::default(),
            released: Counters::default(),
            kept: Counters::default(),
        };
        role.register("erased", "Entries whose bytes were overwritten", metrics.erased.clone());
        let failed = "Erasures that could not be brought to their end: each begins again";
        role.register("failed", failed, metrics.failed.clone());
        role.register("people", "People of whom everything was erased", metrics.people.clone());
        role.register("released", "Files that messages referred to that were erased", metrics.released.clone());
        let kept = "The same, where no media worker took it in: each stays until its lease ends";
        role.register("released_late", kept, metrics.kept.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> EraserMetrics {
        let label = OfShard::new(shard);
        EraserMetrics {
            reader: self.reader.of(shard),
            erased: self.erased.get_or_create_owned(&label),
            failed: self.failed.get_or_create_owned(&label),
            people: self.people.get_or_create_owned(&label),
            released: self.released.get_or_create_owned(&label),
            kept: self.kept.get_or_create_owned(&label),
        }
    }
}
