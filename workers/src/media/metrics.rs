//! What `media` counts.

use std::sync::{Arc, OnceLock};

use dunlin_schema::{
    Shard,
    media::service::{MediaAnswer, MediaRefusal},
};
use dunlin_store::Store;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::Counter, gauge::ConstGauge},
    registry::Registry,
};

use crate::metrics::{Counters, OfShard};

/// What the role counts, by shard.
pub(super) struct Metrics {
    answered: Counters,
    refused: Counters,
    unavailable: Counters,
    swept: Counters,
    lost: Counters,
    looked: Counters,
}

/// What the role counts of one shard.
#[derive(Clone)]
pub(super) struct MediaMetrics {
    answered: Counter,
    refused: Counter,
    unavailable: Counter,
    pub(super) swept: Counter,
    pub(super) lost: Counter,
    pub(super) looked: Counter,
}

/// Whether the store is asked, read when somebody wants to know.
#[derive(Debug)]
struct Circuit(Arc<OnceLock<Arc<Store>>>);

impl Collector for Circuit {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(store) = self.0.get() else { return Ok(()) };
        let open = ConstGauge::new(i64::from(store.health().0));
        let help = "Whether the store failed so often that it is not asked for now";
        open.encode(encoder.encode_descriptor("circuit_open", help, None, open.metric_type())?)
    }
}

impl Metrics {
    pub(super) fn register(registry: &mut Registry, store: Arc<OnceLock<Arc<Store>>>) -> Metrics {
        let role = registry.sub_registry_with_prefix("dunlin_media");
        let metrics = Metrics {
            answered: Counters::default(),
            refused: Counters::default(),
            unavailable: Counters::default(),
            swept: Counters::default(),
            lost: Counters::default(),
            looked: Counters::default(),
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
        role.register("looked", "Uploads that were looked at", metrics.looked.clone());
        role.register_collector(Box::new(Circuit(store)));
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
            looked: self.looked.get_or_create_owned(&label),
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
