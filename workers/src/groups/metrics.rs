//! What `groups` counts.

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
    stored: Counters,
    refused: Counters,
    busy: Counters,
    unknown: Counters,
    conflicts: Counters,
    loaded: Counters,
    looks_back: Counters,
    kept: Gauges,
    applied: Counters,
    ended: Counters,
    record_conflicts: Counters,
    failed: Counters,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct GroupsMetrics {
    pub(super) reader: ShardMetrics,
    pub(super) stored: Counter,
    pub(super) refused: Counter,
    pub(super) busy: Counter,
    pub(super) unknown: Counter,
    pub(super) conflicts: Counter,
    pub(super) loaded: Counter,
    pub(super) looks_back: Counter,
    pub(super) kept: Gauge,
    pub(super) applied: Counter,
    pub(super) ended: Counter,
    pub(super) record_conflicts: Counter,
    pub(super) failed: Counter,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_groups");
        let reader = ReaderMetrics::register(role);
        let mut counters = |name, help: &str| {
            let counters = Counters::default();
            role.register(name, help, counters.clone());
            counters
        };
        let metrics = Metrics {
            reader,
            stored: counters("stored", "Requests that were answered as stored, for the first time or again"),
            refused: counters("refused", "Requests that were refused for good"),
            busy: counters(
                "busy",
                "Requests that found no room, a log too far ahead of its records, or a group in which too much is said",
            ),
            unknown: counters("unknown", "Requests whose outcome nobody knows"),
            conflicts: counters("conflicts", "Entries that somebody else was faster than: they were decided again"),
            loaded: counters("loaded", "Groups that were read from their records"),
            looks_back: counters("looks_back", "Times that a log was read for ids of before"),
            kept: Gauges::default(),
            ended: counters("ended", "Members of groups that are no more whose records say so"),
            applied: counters("applied", "Entries whose records were written"),
            record_conflicts: counters(
                "record_conflicts",
                "Records that somebody else wrote at the same time: they were written again",
            ),
            failed: counters("failed", "Times that records could not be written: they are tried again"),
        };
        role.register("kept", "Members and entries of the groups in memory", metrics.kept.clone());
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> GroupsMetrics {
        let label = OfShard::new(shard);
        GroupsMetrics {
            reader: self.reader.of(shard),
            stored: self.stored.get_or_create_owned(&label),
            refused: self.refused.get_or_create_owned(&label),
            busy: self.busy.get_or_create_owned(&label),
            unknown: self.unknown.get_or_create_owned(&label),
            conflicts: self.conflicts.get_or_create_owned(&label),
            loaded: self.loaded.get_or_create_owned(&label),
            looks_back: self.looks_back.get_or_create_owned(&label),
            kept: self.kept.get_or_create_owned(&label),
            ended: self.ended.get_or_create_owned(&label),
            applied: self.applied.get_or_create_owned(&label),
            record_conflicts: self.record_conflicts.get_or_create_owned(&label),
            failed: self.failed.get_or_create_owned(&label),
        }
    }
}
