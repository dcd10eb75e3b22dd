//! The read marks of members who have read: as far as they may read, and as the log goes. Their devices are told, also of what was stored
//! already.

use std::collections::BTreeMap;

use dunlin_schema::{
    Address, Epoch, GroupName, Peer, Seq, Shard, UserName,
    live::{Mark, UserMessage},
    record::{GroupRead, ReadMark},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::{
    clock,
    receipts::{
        Shared,
        core::{marks::read_on, tally::Tally},
        records::ChangeError,
    },
};

/// Marks that are written at once, of one group.
const AT_ONCE: usize = 32;

/// Resolves when all of them are stored. Errors: see [`ChangeError`].
pub(super) async fn store(
    shared: &Shared,
    group: &GroupName,
    tally: &Tally,
    reads: &[GroupRead],
) -> Result<(), ChangeError> {
    let mut newest: BTreeMap<UserName, (Epoch, Seq)> = BTreeMap::new();
    for GroupRead { user, epoch, upto } in reads {
        let known = newest.entry(user.clone()).or_default();
        *known = (*known).max((*epoch, *upto));
    }
    let storing = newest.into_iter().map(|(user, (epoch, upto))| {
        let order = tally.readable(&user, upto);
        mark(shared, group, user, epoch, order)
    });
    stream::iter(storing).buffer_unordered(AT_ONCE).try_collect().await
}

async fn mark(
    shared: &Shared,
    group: &GroupName,
    user: UserName,
    epoch: Epoch,
    order: Option<Seq>,
) -> Result<(), ChangeError> {
    let Some(order) = order else {
        shared.metrics.nothing_read.inc();
        return Ok(());
    };
    let settings = &shared.context.settings;
    let (region, shard) = (&settings.region, Shard::of(user.as_str(), settings.shards));
    let with = Peer::Group(group.clone());
    let subject = subject::read_mark(region, shard, &user, &with, region);
    let now = clock::now();
    let written = shared.read.rewrite(shard, &subject, |stored| read_on(stored, epoch, order, now)).await?;
    shared.metrics.read_marks.inc_by(u64::from(written.before.is_some()));
    let (ReadMark { order: read, .. }, revision) = match written.before {
        Some(_) => (written.record, written.revision),
        // An erasure may have taken it away: only what STATE says now is told.
        None => shared.read.current(shard, &subject).await?,
    };
    if revision > Seq(0) {
        let with = Address { peer: with, region: Some(region.clone()) };
        shared.publish(&user, &UserMessage::Mark(Mark { with, read, revision })).await;
    }
    Ok(())
}
