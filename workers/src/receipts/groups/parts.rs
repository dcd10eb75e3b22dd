//! Writes what members of a group have and have read: each part of them is one record, written by compare-and-set.

use std::collections::BTreeMap;

use dunlin_schema::{GroupName, counts::GroupMarks, subject};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::receipts::{
    Shared,
    core::{
        members::{Said, risen},
        tally::Tally,
    },
    records::ChangeError,
};

/// Parts that are written at once, of one group.
const AT_ONCE: usize = 16;

/// Resolves when all of it is stored. Errors: see [`ChangeError`].
pub(super) async fn write(shared: &Shared, group: &GroupName, tally: &Tally, said: &Said) -> Result<(), ChangeError> {
    let mut parts: BTreeMap<u16, Said> = BTreeMap::new();
    for ack in said.acks.iter().filter(|ack| tally.knows(&ack.user)) {
        parts.entry(GroupMarks::part(&ack.user)).or_default().acks.push(ack.clone());
    }
    for read in said.reads.iter().filter(|read| tally.knows(&read.user)) {
        parts.entry(GroupMarks::part(&read.user)).or_default().reads.push(read.clone());
    }
    let writing = parts.into_iter().map(|(part, said)| write_one(shared, group, tally, part, said));
    stream::iter(writing).buffer_unordered(AT_ONCE).try_collect().await
}

async fn write_one(
    shared: &Shared,
    group: &GroupName,
    tally: &Tally,
    part: u16,
    said: Said,
) -> Result<(), ChangeError> {
    let subject = subject::group_marks(&shared.context.settings.region, shared.shard, group, part);
    let change = |stored: &GroupMarks| risen(stored, &said, |user| !tally.knows(user));
    let written = shared.parts.rewrite(shared.shard, &subject, change).await?;
    shared.metrics.parts.inc_by(u64::from(written.before.is_some()));
    Ok(())
}
