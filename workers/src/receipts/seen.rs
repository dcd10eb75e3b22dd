//! When people were last seen, as gateways say: the latest time of each is written down.

use dunlin_nats::{Queued, ReceiptItem};
use dunlin_schema::{Millis, UserName, record::LastSeen, subject};

use super::{Shared, core::pace::Merge};

/// When somebody was there, and the items that say it.
pub(super) struct SeenAt {
    pub(super) at: Millis,
    pub(super) items: Vec<Queued<ReceiptItem>>,
}

impl Merge for SeenAt {
    fn merge(&mut self, later: SeenAt) {
        self.at = self.at.max(later.at);
        self.items.extend(later.items);
    }
}

/// Stores it, unless a later time is stored, and takes the items off the queue then. Otherwise they come again.
pub(super) async fn store(shared: &Shared, user: UserName, SeenAt { at, items }: SeenAt) {
    let subject = subject::last_seen(&shared.context.settings.region, shared.shard, &user);
    let raised = |stored: &LastSeen| (stored.at < at).then_some(LastSeen { at });
    match shared.seen.rewrite(shared.shard, &subject, raised).await {
        Ok(_) => {
            for item in items {
                item.ack().await;
            }
        }
        Err(why) => {
            why.tell(shared.shard, &user, "when somebody was seen was not stored, it will come again");
            shared.metrics.failed.inc();
        }
    }
}
