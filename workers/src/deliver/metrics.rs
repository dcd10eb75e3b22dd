//! What `deliver` counts beside its readers.

use dunlin_schema::Shard;
use prometheus_client::{
    metrics::{counter::Counter, gauge::Gauge},
    registry::Registry,
};

use crate::{
    metrics::{Counters, Gauges, OfShard},
    reader::{ReaderMetrics, ShardMetrics},
};

/// What the role counts, by shard.
pub(super) struct Metrics {
    reader: ReaderMetrics,
    mailboxes: Gauges,
    published: Counters,
    skipped: Counters,
    declined: Counters,
}

/// What the role counts of one shard.
pub(super) struct DeliverMetrics {
    pub(super) reader: ShardMetrics,
    pub(super) mailboxes: Gauge,
    pub(super) published: Counter,
    pub(super) skipped: Counter,
    pub(super) declined: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_deliver");
        let metrics = Metrics {
            reader: ReaderMetrics::register(role),
            mailboxes: Gauges::default(),
            published: Counters::default(),
            skipped: Counters::default(),
            declined: Counters::default(),
        };
        role.register("mailboxes", "Logs in the owner's map of heads", metrics.mailboxes.clone());
        role.register("published", "Entries published to their users' live subjects", metrics.published.clone());
        role.register("skipped", "Entries read that are in no log", metrics.skipped.clone());
        role.register("declined", "Questions of gateways that were left unanswered", metrics.declined.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> DeliverMetrics {
        let label = OfShard::new(shard);
        DeliverMetrics {
            reader: self.reader.of(shard),
            mailboxes: self.mailboxes.get_or_create_owned(&label),
            published: self.published.get_or_create_owned(&label),
            skipped: self.skipped.get_or_create_owned(&label),
            declined: self.declined.get_or_create_owned(&label),
        }
    }
}
