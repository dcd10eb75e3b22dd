//! What `media` counts.

use dunlin_schema::{
    Shard,
    media::service::{MediaAnswer, MediaRefusal},
};
use prometheus_client::{metrics::counter::Counter, registry::Registry};

use crate::metrics::{Counters, Gauges, OfShard};

/// What the role counts, by shard.
pub(super) struct Metrics {
    answered: Counters,
    refused: Counters,
    unavailable: Counters,
    swept: Counters,
    lost: Counters,
    open: Gauges,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct MediaMetrics {
    answered: Counter,
    refused: Counter,
    unavailable: Counter,
    pub(super) swept: Counter,
    pub(super) lost: Counter,
    pub(super) open: prometheus_client::metrics::gauge::Gauge<i64, std::sync::atomic::AtomicI64>,
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_media");
        let metrics = Metrics {
            answered: Counters::default(),
            refused: Counters::default(),
            unavailable: Counters::default(),
            swept: Counters::default(),
            lost: Counters::default(),
            open: Gauges::default(),
        };
        role.register("answered", "Questions about files that were answered", metrics.answered.clone());
        role.register("refused", "Questions about files that were refused for good", metrics.refused.clone());
        let unavailable =
            "Questions about files that could not be answered: the store, or the region's records, did not answer";
        role.register("unavailable", unavailable, metrics.unavailable.clone());
        role.register(
            "swept",
            "Files and uploads taken out of the store that no record spoke of",
            metrics.swept.clone(),
        );
        role.register(
            "lost",
            "Files that the store no longer had, though their leases had not ended",
            metrics.lost.clone(),
        );
        role.register(
            "circuit_open",
            "Whether the store failed so often that it is not asked for now",
            metrics.open.clone(),
        );
        metrics
    }

    pub(super) fn of(&self, shard: Shard) -> MediaMetrics {
        let label = OfShard::new(shard);
        MediaMetrics {
            answered: self.answered.get_or_create_owned(&label),
            refused: self.refused.get_or_create_owned(&label),
            unavailable: self.unavailable.get_or_create_owned(&label),
            swept: self.swept.get_or_create_owned(&label),
            lost: self.lost.get_or_create_owned(&label),
            open: self.open.get_or_create_owned(&label),
        }
    }
}

impl MediaMetrics {
    /// Counts an answer.
    pub(super) fn count(&self, answer: &MediaAnswer) {
        match answer {
            MediaAnswer::Refused(MediaRefusal::Unavailable) => self.unavailable.inc(),
            MediaAnswer::Refused(
                MediaRefusal::NotFound
                | MediaRefusal::Lost
                | MediaRefusal::Missing(_)
                | MediaRefusal::Differs(_)
                | MediaRefusal::NoProof
                | MediaRefusal::Quota { .. }
                | MediaRefusal::Busy,
            ) => self.refused.inc(),
            MediaAnswer::Begun { .. } | MediaAnswer::Usable { .. } | MediaAnswer::Done => self.answered.inc(),
        };
    }
}
