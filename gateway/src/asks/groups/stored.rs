//! What is stored of groups: read from the leader, and only by members. Who is in a group changes in its log first, its members' records
//! follow, and its own is the last: so where a member's says more than the group's, the group's is to come.

use std::time::Duration;

use dunlin_nats::Record;
use dunlin_schema::{
    Address, GroupAddress, GroupName, Peer, Seq, Shard,
    envelope::EnvelopeError,
    frame::{Answer, GroupItem, MemberItem},
    group::{GroupRefusal, GroupRole},
    limits,
    record::{Follows, GroupRecord, MemberRecord},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{sleep, timeout};

use super::{Context, here, shard_of};
use crate::refusal::Refusal;

/// Groups whose records are asked for at once, for one answer.
const AT_ONCE: usize = 16;
/// Pages of records that are looked through for one answer: beyond them it has fewer items than were asked for, and says where to go on.
const PAGES: usize = 8;
/// How often a group's record is looked at while it is waited for.
const LOOKED_AT_EVERY: Duration = Duration::from_millis(20);

/// What a group is, and what the asker is in it. An owner of one that is no more sees how many members are yet to be told.
pub(in crate::asks) async fn info(context: &Context<'_>, group: GroupAddress) -> Result<Answer, Refusal> {
    let group = here(context, group)?;
    let found = found(context, &group).await?;
    let seen = found.filter(|(item, is_deleted)| !is_deleted || item.role == GroupRole::Owner);
    let (item, _) = seen.ok_or(GroupRefusal::NotAMember)?;
    Ok(Answer::Group(Box::new(item)))
}

/// Who is in a group.
pub(in crate::asks) async fn members(
    context: &Context<'_>,
    group: GroupAddress,
    after: Option<Seq>,
    limit: u64,
) -> Result<Answer, Refusal> {
    let group = here(context, group)?;
    item(context, &group).await?.ok_or(GroupRefusal::NotAMember)?;
    let shard = shard_of(context, &group);
    let pattern = subject::member_records(context.region, shard, &group);
    let (items, next) = page(context, (shard, &pattern), after, limit, |subject, record| {
        let user = subject::parse_member_record(subject)?;
        let MemberRecord { role, joined, .. } = decoded(record, MemberRecord::decode).ok()?;
        Some(MemberItem { user: Address::local(user).into(), role: role?.into(), joined })
    })
    .await?;
    Ok(Answer::Members { items, next })
}

/// Which groups the asker is in.
pub(in crate::asks) async fn list(context: &Context<'_>, after: Option<Seq>, limit: u64) -> Result<Answer, Refusal> {
    let (user, shard) = (context.asker.user(), context.asker.shard());
    let pattern = subject::all_follows(context.region, shard, user);
    let (groups, next) = page(context, (shard, &pattern), after, limit, |subject, record| {
        let (_, group) = subject::parse_follows(subject)?;
        decoded(record, Follows::decode).ok()?.is_member.then_some(group)
    })
    .await?;
    let items = stream::iter(groups).map(async |group| item(context, &group).await).buffered(AT_ONCE);
    let items = items.try_filter_map(async |item| Ok(item)).try_collect().await?;
    Ok(Answer::Groups { items, next })
}

/// Waits a moment, and not for longer than this, until a group's records say what its log says up to this order. Gives whether they do.
pub(super) async fn in_step(context: &Context<'_>, group: &GroupName, order: Seq, within: Duration) -> bool {
    let seen = timeout(within, group_record(context, group, order)).await;
    let is_seen = matches!(seen, Ok(Ok(Some(record))) if says(&record, order));
    if !is_seen {
        tracing::debug!(%group, order = order.0, "what was done in a group is answered before it is seen");
    }
    is_seen
}

/// A group as the asker sees it; `None` where there is none, or the asker is not in it.
pub(super) async fn item(context: &Context<'_>, group: &GroupName) -> Result<Option<GroupItem>, Refusal> {
    let found = found(context, group).await?;
    Ok(found.filter(|(_, is_deleted)| !is_deleted).map(|(item, _)| item))
}

/// The same, also of a group that is no more, and whether it is.
async fn found(context: &Context<'_>, group: &GroupName) -> Result<Option<(GroupItem, bool)>, Refusal> {
    let shard = shard_of(context, group);
    let subject = subject::member_record(context.region, shard, group, context.asker.user());
    let Some(record) = context.records.load(shard, &subject).await? else { return Ok(None) };
    let MemberRecord { role: Some(role), at, .. } = decoded(&record, MemberRecord::decode)? else { return Ok(None) };
    let Some(GroupRecord { title, settings, members, deleted, .. }) = group_record(context, group, at.seq).await?
    else {
        return Err(Refusal::unavailable("what is stored of the group is behind what was done in it"));
    };
    let address = Address { peer: Peer::Group(group.clone()), region: None };
    Ok(Some((GroupItem { group: address.into(), title, members, settings, role: role.into() }, deleted)))
}

/// A group's record once it takes account of this order; where that takes long, as it is, if it is there.
async fn group_record(context: &Context<'_>, group: &GroupName, order: Seq) -> Result<Option<GroupRecord>, Refusal> {
    let shard = shard_of(context, group);
    let subject = subject::group_record(context.region, shard, group);
    let mut found = None;
    let looking = async {
        loop {
            let record = context.records.load(shard, &subject).await?;
            found = record.map(|record| decoded(&record, GroupRecord::decode)).transpose()?;
            if found.as_ref().is_some_and(|record| says(record, order)) {
                return Ok(());
            }
            sleep(LOOKED_AT_EVERY).await;
        }
    };
    match timeout(Duration::from_millis(limits::GROUP_IN_STEP.0), looking).await {
        Ok(Err(refusal)) => Err(refusal),
        Ok(Ok(())) | Err(_) => Ok(found),
    }
}

/// Whether a group's record says what its log says up to this order: nothing comes of what stands behind the entry that ends it.
fn says(record: &GroupRecord, order: Seq) -> bool {
    record.deleted || order <= record.applied.seq
}

/// What is made of records, those from `after` on whose subjects match, and where the next page begins.
async fn page<T>(
    context: &Context<'_>,
    (shard, pattern): (Shard, &str),
    after: Option<Seq>,
    limit: u64,
    made: impl Fn(&str, &Record) -> Option<T>,
) -> Result<(Vec<T>, Option<Seq>), Refusal> {
    let most = usize::try_from(limit).unwrap_or(usize::MAX).min(limits::MEMBERS_PAGE.into());
    let (mut items, mut from) = (Vec::new(), after.unwrap_or_default());
    for _ in 0..PAGES {
        let page = context.records.page(shard, pattern, from).await?;
        for (subject, record) in page.records {
            if items.len() == most {
                return Ok((items, Some(record.revision)));
            }
            items.extend(made(&subject, &record));
        }
        let Some(next) = page.next else { return Ok((items, None)) };
        from = next;
    }
    Ok((items, Some(from)))
}

pub(in crate::asks) fn decoded<T>(
    record: &Record,
    decode: impl FnOnce(&[u8]) -> Result<T, EnvelopeError>,
) -> Result<T, Refusal> {
    decode(&record.bytes).map_err(|error| {
        tracing::error!(%error, revision = record.revision.0, "a record of a group can't be read");
        Refusal::unavailable("what is stored of the group can't be read")
    })
}
