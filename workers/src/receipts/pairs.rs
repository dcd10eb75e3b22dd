//! The marks of pairs: written by compare-and-set, and told to the sender.

use dunlin_schema::{
    Address, Millis, Peer, Sender, Seq, Shard, UserName,
    live::{Receipt, UserMessage},
    record::SentMarks,
    subject,
};
use tokio::sync::oneshot;

use super::{
    Shared,
    core::{
        marks::{Raise, risen},
        pace::Merge,
    },
    lanes::Bring,
    records::ChangeError,
};
use crate::clock;

/// Who sent, and who received.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Pair {
    pub(super) sender: UserName,
    pub(super) by: UserName,
}

/// How far the pair's marks are to rise, and who waits for that.
pub(super) struct Raising {
    raise: Raise,
    waiting: Vec<oneshot::Sender<bool>>,
}

impl Merge for Raising {
    fn merge(&mut self, later: Raising) {
        self.raise.merge(later.raise);
        self.waiting.extend(later.waiting);
    }
}

/// Where pairs' marks are raised.
#[derive(Clone)]
pub(super) struct Pairs(Bring<Pair, Raising>);

impl Pairs {
    pub(super) fn new(bring: Bring<Pair, Raising>) -> Pairs {
        Pairs(bring)
    }

    /// Resolves when the marks are so high in STATE, or it is known that this can't be said. Gives whether they are.
    pub(super) async fn raise(&self, pair: Pair, raise: Raise) -> bool {
        let (stored, is_stored) = oneshot::channel();
        let raising = Raising { raise, waiting: vec![stored] };
        self.0.send((pair, raising)).await.is_ok() && is_stored.await.unwrap_or(false)
    }
}

/// Raises a pair's marks, unless the sender is blocked: then there is nothing to wait for.
pub(super) async fn write(shared: &Shared, pair: Pair, Raising { raise, waiting }: Raising) {
    let stored = match shared.has_blocked(&pair.by, &pair.sender).await {
        Ok(false) => store(shared, &pair, &raise).await,
        Ok(true) => {
            shared.metrics.withheld.inc();
            Ok(())
        }
        Err(why) => Err(why),
    };
    if let Err(why) = &stored {
        why.tell(shared.shard, &pair.by, "the marks of a pair were not stored, what they are about will come again");
        shared.metrics.failed.inc();
    }
    for waits in waiting {
        // Whoever waited may be gone: the worker ends.
        let _ = waits.send(stored.is_ok());
    }
}

/// The pair's marks as they were not long ago.
pub(super) async fn stored(shared: &Shared, pair: &Pair) -> Result<SentMarks, ChangeError> {
    let (shard, subject) = record(shared, pair);
    Ok(shared.sent.load(shard, &subject).await?.0)
}

fn record(shared: &Shared, Pair { sender, by }: &Pair) -> (Shard, String) {
    let settings = &shared.context.settings;
    let shard = Shard::of(sender.as_str(), settings.shards);
    let by = Peer::User(by.clone());
    (shard, subject::sent_marks(&settings.region, shard, sender, &by, &settings.region))
}

async fn store(shared: &Shared, pair: &Pair, raise: &Raise) -> Result<(), ChangeError> {
    let (shard, subject) = record(shared, pair);
    let now = clock::now();
    let written = shared.sent.rewrite(shard, &subject, |stored| risen(stored, raise, now)).await?;
    if written.before.is_some() {
        shared.metrics.marks.inc();
        tell(shared, pair, &written.record, written.revision, now).await;
    }
    Ok(())
}

/// Tells the sender's devices. What is lost on its way is found by the comparison.
async fn tell(shared: &Shared, pair: &Pair, marks: &SentMarks, revision: Seq, now: Millis) {
    let region = shared.context.settings.region.clone();
    let receipt = Receipt::Person {
        by: Sender { user: pair.by.clone(), region: region.clone() },
        to: Address { peer: Peer::User(pair.by.clone()), region: Some(region) },
        delivered: marks.delivered,
        read: marks.read,
        missing: marks.missing.clone(),
        time: marks.changes.last().map_or(now, |last| last.time),
        revision,
        epoch: marks.epoch,
    };
    shared.publish(&pair.sender, &UserMessage::Receipt(receipt)).await;
}

impl Shared {
    /// Publishes something for a user's devices.
    pub(super) async fn publish(&self, user: &UserName, message: &UserMessage) {
        let subject = subject::live(&Peer::User(user.clone()));
        match self.context.publisher.publish(&subject, &message.encode()).await {
            Ok(()) => {
                self.metrics.told.inc();
            }
            Err(error) => tracing::debug!(shard = %self.shard, %user, %error, "marks were stored and not told"),
        }
    }
}
