//! What is read from a mailbox where nobody has said who sent what.

use dunlin_nats::ReadError;
use dunlin_schema::{Address, Log, Seq, Span, UserName, entry::Header, read::StoredEntry};

use super::{
    Shared,
    core::claims::{Highest, Unread, raise},
};

/// Everybody who sent what is in the span, each with their highest order.
pub(super) async fn senders(shared: &Shared, owner: &UserName, unread: Unread) -> Result<Highest, ReadError> {
    let mut highest = Highest::new();
    through(shared, owner, unread.span, |entry| {
        if entry.time <= unread.time
            && let Some((sender, order)) = sent(shared, owner, entry)
        {
            raise(&mut highest, sender, order);
        }
    })
    .await?;
    Ok(highest)
}

/// The highest order of what this user sent to the mailbox's owner, in the span.
pub(super) async fn last_of(
    shared: &Shared,
    owner: &UserName,
    by: &UserName,
    span: Span,
) -> Result<Option<Seq>, ReadError> {
    let of_them =
        |entry: &StoredEntry| sent(shared, owner, entry).and_then(|(sender, order)| (sender == *by).then_some(order));
    // Most often it is the one that the reader names.
    let named = shared.reads.entry(&mailbox(shared, owner), span.upto).await?;
    if let Some(order) = named.as_ref().and_then(of_them) {
        return Ok(Some(order));
    }
    let mut last = None;
    through(shared, owner, span, |entry| last = last.max(of_them(entry))).await?;
    Ok(last)
}

/// What of the span nothing was dropped of: from its first entry that is there, whoever sent it.
pub(super) async fn still_there(shared: &Shared, owner: &UserName, span: Span) -> Result<Span, ReadError> {
    let (entries, _) = shared.reads.between(&mailbox(shared, owner), span.above, span.upto).await?;
    let first = entries.first().map_or(span.upto, |first| first.seq.previous());
    Ok(Span { above: first.max(span.above), ..span })
}

/// Shows every entry of the span that is there, in order.
async fn through(
    shared: &Shared,
    owner: &UserName,
    span: Span,
    mut show: impl FnMut(&StoredEntry),
) -> Result<(), ReadError> {
    let _turn = shared.scans.acquire().await.map_err(|_| ReadError::Unanswered)?;
    shared.metrics.mailbox_reads.inc();
    let log = mailbox(shared, owner);
    let mut above = span.above;
    loop {
        let (entries, more) = shared.reads.between(&log, above, span.upto).await?;
        shared.metrics.mailbox_entries.inc_by(entries.len() as u64);
        entries.iter().for_each(&mut show);
        above = entries.last().map_or(above, |last| last.seq);
        if !more {
            return Ok(());
        }
    }
}

fn mailbox(shared: &Shared, owner: &UserName) -> Log {
    let settings = &shared.context.settings;
    Log::mailbox(&settings.region, settings.shards, owner)
}

/// Who sent an entry to the mailbox's owner, and its order: nobody, where it is the owner's own, or somebody of another region, who is told
/// there.
fn sent(shared: &Shared, owner: &UserName, entry: &StoredEntry) -> Option<(UserName, Seq)> {
    let Header { from, to, order, .. } = Header::read(&entry.payload)?;
    let region = &shared.context.settings.region;
    let is_to_owner = to.seen_from(region) == Address::local(owner.clone());
    let is_theirs = is_to_owner && from.region == *region && from.user != *owner;
    // A tombstone has the order of what it stands for.
    is_theirs.then(|| (from.user, order.unwrap_or(entry.seq)))
}
