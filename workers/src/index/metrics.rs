//! What `index` counts beside its readers.

use dunlin_schema::Shard;
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::{
    metrics::{Counters, OfShard},
    reader::{ReaderMetrics, ShardMetrics},
};

/// What the role counts, by shard.
pub(super) struct Metrics {
    reader: ReaderMetrics,
    entries: Counters,
    gone: Counters,
    rebuilt: Counters,
    answered: Counters,
    behind: Counters,
}

/// What the role counts of one shard.
pub(super) struct IndexMetrics {
    pub(super) reader: ShardMetrics,
    pub(super) entries: Counter,
    pub(super) gone: Counter,
    pub(super) rebuilt: Counter,
    pub(super) answered: Counter,
    pub(super) behind: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_index");
        let metrics = Metrics {
            reader: ReaderMetrics::register(role),
            entries: Counters::default(),
            gone: Counters::default(),
            rebuilt: Counters::default(),
            answered: Counters::default(),
            behind: Counters::default(),
        };
        role.register("entries", "Entries of mailboxes taken into the projection", metrics.entries.clone());
        role.register("gone", "Entries taken away because the log has them no more", metrics.gone.clone());
        role.register("rebuilt", "Times that the projection was begun anew", metrics.rebuilt.clone());
        role.register("answered", "Questions of gateways that were answered", metrics.answered.clone());
        role.register("behind", "Questions that came before what the mailbox has was here", metrics.behind.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> IndexMetrics {
        let label = OfShard::new(shard);
        IndexMetrics {
            reader: self.reader.of(shard),
            entries: self.entries.get_or_create_owned(&label),
            gone: self.gone.get_or_create_owned(&label),
            rebuilt: self.rebuilt.get_or_create_owned(&label),
            answered: self.answered.get_or_create_owned(&label),
            behind: self.behind.get_or_create_owned(&label),
        }
    }
}
