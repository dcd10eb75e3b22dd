//! Tells those who sent the last messages of a group how far these have come: what rose is stored first. What is lost on its way is found
//! by the comparison of marks.

use dunlin_schema::{
    Address, GroupName, Peer, Seq, Shard, UserName,
    counts::{GroupCount, GroupSentMarks},
    live::{Receipt, UserMessage},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use crate::{
    clock,
    receipts::{
        Shared,
        core::{
            members::{Count, counted, news},
            tally::Tally,
        },
        records::ChangeError,
    },
};

/// Senders whose records are written at once, of one group.
const AT_ONCE: usize = 16;

/// Resolves when all that rose is stored. Errors: see [`ChangeError`].
pub(super) async fn tell(shared: &Shared, group: &GroupName, tally: &Tally) -> Result<(), ChangeError> {
    let telling = tally.counts().into_iter().map(|(sender, counts)| tell_one(shared, group, tally, sender, counts));
    stream::iter(telling).buffer_unordered(AT_ONCE).try_collect().await
}

async fn tell_one(
    shared: &Shared,
    group: &GroupName,
    tally: &Tally,
    sender: UserName,
    counts: Vec<(Seq, Count)>,
) -> Result<(), ChangeError> {
    let told = store(shared, group, tally, &sender, &counts).await?;
    shared.metrics.counted.inc_by(u64::from(!told.is_empty()));
    for receipt in told {
        shared.publish(&sender, &UserMessage::Receipt(receipt)).await;
    }
    Ok(())
}

/// Gives what is to be told.
async fn store(
    shared: &Shared,
    group: &GroupName,
    tally: &Tally,
    sender: &UserName,
    counts: &[(Seq, Count)],
) -> Result<Vec<Receipt>, ChangeError> {
    let settings = &shared.context.settings;
    let (region, shard) = (&settings.region, Shard::of(sender.as_str(), settings.shards));
    let peer = Peer::Group(group.clone());
    let subject = subject::sent_marks(region, shard, sender, &peer, region);
    let (now, told) = (clock::now(), Mutex::new(Vec::new()));
    let change = |stored: &GroupSentMarks| {
        let rose = counted(stored, tally.in_epoch(), counts, now)?;
        *told.lock() = news(stored, &rose).copied().collect();
        Some(rose)
    };
    let written = shared.counts.rewrite(shard, &subject, change).await?;
    if written.before.is_none() {
        return Ok(Vec::new());
    }
    let to = Address { peer, region: Some(region.clone()) };
    let receipt = |GroupCount { order, delivered, read, of, time }| {
        let (to, revision) = (to.clone(), written.revision);
        Receipt::Group { to, order, delivered, read, of, time, revision }
    };
    Ok(told.into_inner().into_iter().map(receipt).collect())
}
