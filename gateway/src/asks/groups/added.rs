//! Whom a command has added, and whom it was done without: told by what is stored, so that a repeat says what the first answer said.

use dunlin_schema::{
    Address, Content, Entry, GroupName, Log, Open, Peer, Seq, Title, UserName, entry::Body, group::GroupSettings,
    record::MemberRecord, subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{CarriedOut, Context, decoded, shard_of};
use crate::refusal::Refusal;

/// People whose records are asked for at once, for one answer.
const AT_ONCE: usize = 32;

/// What the entry says that made a group.
pub(super) struct Made {
    pub(super) title: Option<Title>,
    pub(super) settings: GroupSettings,
    /// The members beside its owner.
    pub(super) users: Vec<UserName>,
}

/// What made a group, by the order of its entry; `None` where that is no longer kept.
pub(super) async fn made(context: &Context<'_>, group: &GroupName, order: Seq) -> Result<Option<Made>, Refusal> {
    let Some(Content::Settings(said)) = content(context, group, order).await? else { return Ok(None) };
    Ok(Some(Made { users: names(&said.users), title: said.title, settings: said.settings }))
}

/// Which of these people a command has not added, by what became of it: those whom its entry does not name and who were no members then.
/// Where there was nothing to store all are members.
pub(super) async fn without(
    context: &Context<'_>,
    group: &GroupName,
    CarriedOut { order, is_seen }: CarriedOut,
    mut users: Vec<UserName>,
) -> Result<Vec<UserName>, Refusal> {
    if order == Seq(0) {
        return Ok(Vec::new());
    }
    if let Some(Content::Membership(said)) = content(context, group, order).await? {
        let added = names(&said.users);
        users.retain(|user| !added.contains(user));
    }
    if !users.is_empty() && !is_seen {
        return Err(Refusal::unavailable("some are added, and the group's records do not say so yet"));
    }
    let shard = shard_of(context, group);
    let asking = users.into_iter().map(async |user| {
        let record = context.records.load(shard, &subject::member_record(context.region, shard, group, &user)).await?;
        let record = record.map(|record| decoded(&record, MemberRecord::decode)).transpose()?;
        let was_member = record.is_some_and(|record| record.windows.contain(order));
        Ok::<_, Refusal>((!was_member).then_some(user))
    });
    stream::iter(asking).buffered(AT_ONCE).try_filter_map(async |user| Ok(user)).try_collect().await
}

/// People as the asker is told of them.
pub(super) fn told(users: Vec<UserName>) -> Vec<Open<Address>> {
    users.into_iter().map(|user| Address::local(user).into()).collect()
}

/// What an entry of a group's log says, as long as it is kept.
async fn content(context: &Context<'_>, group: &GroupName, order: Seq) -> Result<Option<Content>, Refusal> {
    let log = Log::of(context.region, context.shards, Peer::Group(group.clone()));
    let Some(stored) = context.reads.entry(&log, order).await? else { return Ok(None) };
    match Entry::decode(&stored.payload).map(|entry| entry.body) {
        Ok(Body::Content(content)) => Ok(Some(content)),
        Ok(Body::Tombstone { .. }) | Err(_) => Ok(None),
    }
}

fn names(users: &[Address]) -> Vec<UserName> {
    let names = users.iter().filter_map(|address| match &address.peer {
        Peer::User(user) => Some(user.clone()),
        Peer::Group(_) => None,
    });
    names.collect()
}
