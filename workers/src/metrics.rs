//! What the metrics of all roles have in common, and what the worker itself counts. The registry may be shared with other parts of the same
//! process.

use std::sync::atomic::{AtomicI64, AtomicU64};

use dunlin_schema::Shard;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
    },
    registry::Registry,
};
use tokio::sync::watch;

/// The label of everything that is counted for each shard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OfShard {
    shard: u16,
}

impl OfShard {
    pub(crate) fn new(shard: Shard) -> OfShard {
        OfShard { shard: shard.0 }
    }
}

/// A counter for each shard.
pub(crate) type Counters = Family<OfShard, Counter<u64, AtomicU64>>;
/// A gauge for each shard.
pub(crate) type Gauges = Family<OfShard, Gauge<i64, AtomicI64>>;

/// What a worker counts beside its roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerMetrics {
    /// Connections for pages that had to go for newer ones.
    pub(crate) pages_dropped: Counter,
}

impl WorkerMetrics {
    /// `losses` is of the worker's connection to NATS.
    pub(crate) fn register(registry: &mut Registry, losses: watch::Receiver<u64>) -> WorkerMetrics {
        let metrics = WorkerMetrics::default();
        let worker = registry.sub_registry_with_prefix("dunlin_worker");
        worker.register(
            "pages_dropped",
            "Connections of operators that had to go for newer ones",
            metrics.pages_dropped.clone(),
        );
        worker.register_collector(Box::new(Losses(losses)));
        metrics
    }
}

/// What the connection counts by itself, read when somebody asks.
#[derive(Debug)]
struct Losses(watch::Receiver<u64>);

impl Collector for Losses {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let losses = ConstCounter::new(*self.0.borrow());
        let help = "Times that questions and other core messages may have been lost: a connection made again, a subscription that was full";
        losses.encode(encoder.encode_descriptor("core_losses", help, None, losses.metric_type())?)
    }
}
