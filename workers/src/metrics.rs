//! What the metrics of all roles have in common. The registry may be shared with other parts of the same process.

use std::sync::atomic::{AtomicI64, AtomicU64};

use dunlin_schema::Shard;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
};

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
