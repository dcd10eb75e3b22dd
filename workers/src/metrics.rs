//! What a worker counts. The registry may be shared with other parts of the same process.

use std::sync::atomic::{AtomicI64, AtomicU64};

use dunlin_schema::Shard;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The label of everything here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfShard {
    shard: u16,
}

type Counters = Family<OfShard, Counter<u64, AtomicU64>>;
type Gauges = Family<OfShard, Gauge<i64, AtomicI64>>;

/// What a worker counts, by shard.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    owner: Gauges,
    lag: Gauges,
    mailboxes: Gauges,
    published: Counters,
    skipped: Counters,
    holes: Counters,
    takeovers: Counters,
    epochs: Counters,
    refused: Counters,
    declined: Counters,
    receipts_stored: Counters,
    receipts_poison: Counters,
    receipts_failed: Counters,
}

/// What the deliver reader of one shard counts.
#[derive(Clone, Debug)]
pub(crate) struct DeliverMetrics {
    pub(crate) owner: Gauge,
    pub(crate) lag: Gauge,
    pub(crate) mailboxes: Gauge,
    pub(crate) published: Counter,
    pub(crate) skipped: Counter,
    pub(crate) holes: Counter,
    pub(crate) takeovers: Counter,
    pub(crate) epochs: Counter,
    pub(crate) refused: Counter,
    pub(crate) declined: Counter,
}

/// What the receipts worker of one shard counts.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptsMetrics {
    pub(crate) stored: Counter,
    pub(crate) poison: Counter,
    pub(crate) failed: Counter,
}

impl Metrics {
    /// Counts, and lets `registry` tell of it.
    pub fn register(registry: &mut Registry) -> Metrics {
        let metrics = Metrics::default();
        let deliver = registry.sub_registry_with_prefix("dunlin_deliver");
        deliver.register(
            "owner",
            "Whether this worker's reader has the shard (1) or stands by (0)",
            metrics.owner.clone(),
        );
        deliver.register("lag", "Entries of the shard that the owner has not read yet", metrics.lag.clone());
        deliver.register("mailboxes", "Mailboxes in the owner's map of heads", metrics.mailboxes.clone());
        deliver.register("published", "Entries published to their users' live subjects", metrics.published.clone());
        deliver.register("skipped", "Entries read that are no mailbox's", metrics.skipped.clone());
        deliver.register("holes", "Times that entries were gone before they were read", metrics.holes.clone());
        deliver.register("takeovers", "Times that this worker's reader took the shard", metrics.takeovers.clone());
        deliver.register("epochs", "Epochs that this worker's reader began", metrics.epochs.clone());
        deliver.register(
            "refused_saves",
            "Times that the shard was lost to a write that failed or came late",
            metrics.refused.clone(),
        );
        deliver.register("declined", "Questions of gateways that were left unanswered", metrics.declined.clone());
        let receipts = registry.sub_registry_with_prefix("dunlin_receipts");
        receipts.register("stored", "Marks of devices that were raised", metrics.receipts_stored.clone());
        receipts.register(
            "poison",
            "Items that no release can read, taken off the queue",
            metrics.receipts_poison.clone(),
        );
        receipts.register(
            "failed",
            "Marks that could not be stored and will come again",
            metrics.receipts_failed.clone(),
        );
        metrics
    }

    pub(crate) fn deliver(&self, shard: Shard) -> DeliverMetrics {
        let shard = OfShard { shard: shard.0 };
        DeliverMetrics {
            owner: self.owner.get_or_create_owned(&shard),
            lag: self.lag.get_or_create_owned(&shard),
            mailboxes: self.mailboxes.get_or_create_owned(&shard),
            published: self.published.get_or_create_owned(&shard),
            skipped: self.skipped.get_or_create_owned(&shard),
            holes: self.holes.get_or_create_owned(&shard),
            takeovers: self.takeovers.get_or_create_owned(&shard),
            epochs: self.epochs.get_or_create_owned(&shard),
            refused: self.refused.get_or_create_owned(&shard),
            declined: self.declined.get_or_create_owned(&shard),
        }
    }

    pub(crate) fn receipts(&self, shard: Shard) -> ReceiptsMetrics {
        let shard = OfShard { shard: shard.0 };
        ReceiptsMetrics {
            stored: self.receipts_stored.get_or_create_owned(&shard),
            poison: self.receipts_poison.get_or_create_owned(&shard),
            failed: self.receipts_failed.get_or_create_owned(&shard),
        }
    }
}
