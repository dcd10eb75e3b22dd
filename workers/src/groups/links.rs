//! Links by which people join: the records that say which hold. The log says only who has joined.
//!
//! A use is taken before the entry is stored by which somebody joins, so no more join than a link lets. One whose worker is killed in
//! between has cost a use and is no member: their repeat costs another.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use dunlin_nats::Record;
use dunlin_schema::{
    GroupName, LinkKey, MessageId, Millis, Seq, UserName, group::GroupRefusal, limits, record::LinkRecord, subject,
};

use super::{Shared, loaded::LoadError};
use crate::{change::ChangeError, clock};

/// Whether a link of a group holds. Errors: see [`LoadError`].
pub(super) async fn holds(shared: &Shared, group: &GroupName, key: &LinkKey) -> Result<bool, LoadError> {
    let subject = subject::link(&shared.region, shared.shard, group, key);
    let stored = shared.records.load(shared.shard, &subject).await?;
    let link = stored.map(|stored| LinkRecord::decode(&stored.bytes)).transpose()?;
    Ok(link.is_some_and(|link| lets_in(&link)))
}

/// Takes a use of a link. Gives whether it had one to take. Errors: see [`LoadError`].
pub(super) async fn take(shared: &Shared, group: &GroupName, key: &LinkKey) -> Result<bool, LoadError> {
    let subject = subject::link(&shared.region, shared.shard, group, key);
    let taken = AtomicBool::new(false);
    let changing = |stored: Option<&Record>| {
        let link = stored.map(|stored| LinkRecord::decode(&stored.bytes)).transpose()?.filter(lets_in);
        taken.store(link.is_some(), Relaxed);
        let counted = link.and_then(|link| Some((link.left?.checked_sub(1)?, link)));
        Ok::<_, ChangeError>(counted.map(|(left, link)| written(&LinkRecord { left: Some(left), ..link })))
    };
    shared.change(shared.shard, &subject, changing).await?;
    Ok(taken.into_inner())
}

/// What a link is to be.
pub(super) struct Made<'a> {
    pub(super) by: &'a UserName,
    pub(super) id: MessageId,
    pub(super) key: LinkKey,
    pub(super) until: Millis,
    pub(super) uses: Option<u32>,
}

/// Makes a link, in the place of one that was made under the same id. Errors: see [`LoadError`]; the inner one is that there are as many
/// as may be.
pub(super) async fn make(
    shared: &Shared,
    group: &GroupName,
    made: Made<'_>,
) -> Result<Result<(), GroupRefusal>, LoadError> {
    let Made { by, id, key, until, uses } = made;
    let (same, others): (Vec<_>, Vec<_>) =
        of(shared, group).await?.into_iter().partition(|(_, link)| link.by == *by && link.id == id);
    if others.iter().filter(|(_, link)| lets_in(link)).count() >= limits::LINKS {
        return Ok(Err(GroupRefusal::TooManyLinks));
    }
    for (revision, _) in same {
        shared.records.erase(shared.shard, revision).await?;
    }
    let (bytes, kept) = written(&LinkRecord { by: by.clone(), id, until, left: uses });
    let subject = subject::link(&shared.region, shared.shard, group, &key);
    shared.change(shared.shard, &subject, |_| Ok(Some((bytes.clone(), kept)))).await?;
    Ok(Ok(()))
}

/// Has a link hold no more, or all of them: of those of others only where `all` of them may be. Errors: see [`LoadError`]; the inner one is
/// that the link is somebody else's.
pub(super) async fn revoke(
    shared: &Shared,
    group: &GroupName,
    key: Option<&LinkKey>,
    by: &UserName,
    all: bool,
) -> Result<Result<(), GroupRefusal>, LoadError> {
    let may = |link: &LinkRecord| all || link.by == *by;
    loop {
        let mut are_gone = true;
        for (revision, link) in named(shared, group, key).await? {
            match (may(&link), key) {
                (true, _) => are_gone &= shared.records.erase(shared.shard, revision).await?,
                (false, Some(_)) => return Ok(Err(GroupRefusal::NotAllowed)),
                (false, None) => {}
            }
        }
        // One that somebody used meanwhile has another revision.
        if are_gone {
            return Ok(Ok(()));
        }
    }
}

type Links = Vec<(Seq, LinkRecord)>;

/// The link of a key, or all, each with its revision.
async fn named(shared: &Shared, group: &GroupName, key: Option<&LinkKey>) -> Result<Links, LoadError> {
    let Some(key) = key else { return of(shared, group).await };
    let subject = subject::link(&shared.region, shared.shard, group, key);
    let stored = shared.records.load(shared.shard, &subject).await?;
    let link = stored.map(|stored| Ok::<_, LoadError>((stored.revision, LinkRecord::decode(&stored.bytes)?)));
    Ok(link.transpose()?.into_iter().collect())
}

/// All links of a group.
async fn of(shared: &Shared, group: &GroupName) -> Result<Links, LoadError> {
    let pattern = subject::links(&shared.region, shared.shard, group);
    let (mut links, mut from) = (Vec::new(), Some(Seq(0)));
    while let Some(begin) = from {
        let page = shared.records.page(shared.shard, &pattern, begin).await?;
        for (_, record) in page.records {
            links.push((record.revision, LinkRecord::decode(&record.bytes)?));
        }
        from = page.next;
    }
    Ok(links)
}

fn lets_in(link: &LinkRecord) -> bool {
    clock::now() < link.until && link.left != Some(0)
}

/// A record's bytes, and how long it stays: until it holds no more, in whole seconds.
fn written(link: &LinkRecord) -> (Vec<u8>, Option<Millis>) {
    let kept = link.until.since(clock::now()).plus(Millis(999)).max(limits::LINK_LASTS_AT_LEAST);
    (link.encode(), Some(kept))
}
