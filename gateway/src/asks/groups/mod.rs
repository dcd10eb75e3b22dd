//! Groups: what is done in one, by the groups worker of its shard, and what is stored of them.
//!
//! **A command is answered when its records say so.** Its entry in the group's log is what counts; who is told that it is done and asks at
//! once is to see it, so the answer waits a moment for the records that follow the log. A repeat gets the first answer.

mod added;
mod links;
mod stored;

use std::time::{Duration, Instant};

use dunlin_schema::{
    Address, Code, GroupAddress, GroupName, MessageId, Peer, Seq, Shard, Title, UserName,
    frame::{Answer, GroupItem},
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest, GroupRole, GroupSettingsChange},
    limits,
};

pub(super) use self::{
    links::{join, link, unlink},
    stored::{decoded, info, list, members},
};
use super::Context;
use crate::{clock, groups, refusal::Refusal};

/// A command: its id, and the group that it is about.
pub(super) struct Command {
    pub(super) id: MessageId,
    pub(super) group: GroupAddress,
}

/// Makes a group. What is answered is what its first entry says: the same where it is repeated, whatever the repeat says.
pub(super) async fn create(
    context: &Context<'_>,
    command: Command,
    title: Option<Title>,
    members: Vec<Address>,
    settings: Option<GroupSettingsChange>,
) -> Result<Answer, Refusal> {
    let mut users = people(context, members)?;
    users.retain(|user| user != context.asker.user());
    let (group, address) = (here(context, command.group.clone())?, Address::from(command.group.clone()));
    let wanted = GroupCommand::Create { title, settings: settings.unwrap_or_default(), users: users.clone() };
    let CarriedOut { order, .. } = carried_out(context, command, wanted).await?;
    let Some(made) = added::made(context, &group, order).await? else {
        let item = stored::item(context, &group).await?.ok_or(GroupRefusal::NotAMember)?;
        return Ok(Answer::Group(Box::new(item)));
    };
    let item = GroupItem {
        group: address.seen_from(context.region).into(),
        title: made.title,
        members: u32::try_from(made.users.len()).unwrap_or(u32::MAX).saturating_add(1),
        settings: made.settings,
        role: GroupRole::Owner.into(),
    };
    users.retain(|user| !made.users.contains(user));
    if users.is_empty() {
        return Ok(Answer::Group(Box::new(item)));
    }
    Ok(Answer::Without { users: added::told(users), group: Some(Box::new(item)) })
}

/// People become members, but for those who do not let the asker add them.
pub(super) async fn add(context: &Context<'_>, command: Command, users: Vec<Address>) -> Result<Answer, Refusal> {
    let (users, group) = (some(people(context, users)?)?, here(context, command.group.clone())?);
    let carried_out = carried_out(context, command, GroupCommand::Add(users.clone())).await?;
    let without = added::without(context, &group, carried_out, users).await?;
    Ok(if without.is_empty() { Answer::Done {} } else { Answer::Without { users: added::told(without), group: None } })
}

/// People are members no longer.
pub(super) async fn remove(context: &Context<'_>, command: Command, users: Vec<Address>) -> Result<Answer, Refusal> {
    let users = some(people(context, users)?)?;
    done(context, command, GroupCommand::Remove(users)).await
}

/// A member becomes something else.
pub(super) async fn role(
    context: &Context<'_>,
    command: Command,
    user: Address,
    role: GroupRole,
) -> Result<Answer, Refusal> {
    let user = person(context, user)?;
    done(context, command, GroupCommand::Role { user, role }).await
}

/// Has something done, and waits a moment until the group's records say so.
pub(super) async fn done(context: &Context<'_>, command: Command, what: GroupCommand) -> Result<Answer, Refusal> {
    carried_out(context, command, what).await?;
    Ok(Answer::Done {})
}

/// What became of a command.
#[derive(Clone, Copy)]
struct CarriedOut {
    /// The order of its entry; 0 where there was nothing to store.
    order: Seq,
    /// Whether the group's records say so.
    is_seen: bool,
}

/// The same; gives what became of it.
async fn carried_out(context: &Context<'_>, command: Command, what: GroupCommand) -> Result<CarriedOut, Refusal> {
    let (Command { id, group }, asked) = (command, Instant::now());
    let group = here(context, group)?;
    let (shard, by) = (shard_of(context, &group), context.people.sender(context.asker.user()));
    let wanted = GroupRequest { group, by, id, at: clock::now(), what };
    match groups::ask(context.groups, context.metrics, shard, &wanted).await {
        GroupAnswer::Stored { order, .. } => {
            let left = Duration::from_millis(limits::GROUP_ANSWERED.0).saturating_sub(asked.elapsed());
            Ok(CarriedOut { order, is_seen: stored::in_step(context, &wanted.group, order, left).await })
        }
        GroupAnswer::Refused(refusal) => Err(refusal.into()),
        GroupAnswer::Unknown => Err(Refusal::unknown_outcome()),
    }
}

fn shard_of(context: &Context<'_>, group: &GroupName) -> Shard {
    Shard::of(group.as_str(), context.shards)
}

/// A group of this region.
pub(super) fn here(context: &Context<'_>, address: GroupAddress) -> Result<GroupName, Refusal> {
    let GroupAddress { group, region } = address;
    if region.is_some_and(|region| region != *context.region) {
        return Err(Refusal::never(Code::Unsupported, "this release reaches no group of another region"));
    }
    Ok(group)
}

/// A person of this region.
pub(super) fn person(context: &Context<'_>, address: Address) -> Result<UserName, Refusal> {
    let Address { peer, region } = address;
    if region.is_some_and(|region| region != *context.region) {
        return Err(Refusal::never(Code::Unsupported, "in this release a group's members are of its own region"));
    }
    match peer {
        Peer::User(user) => Ok(user),
        Peer::Group(group) => {
            let message = format!("a group's members are people, and #{group} is a group");
            Err(Refusal::never(Code::BadAddress, message))
        }
    }
}

/// People of this region, each once.
fn people(context: &Context<'_>, addresses: Vec<Address>) -> Result<Vec<UserName>, Refusal> {
    let mut users = Vec::with_capacity(addresses.len());
    for address in addresses {
        let user = person(context, address)?;
        if !users.contains(&user) {
            users.push(user);
        }
    }
    Ok(users)
}

/// At least one.
fn some(users: Vec<UserName>) -> Result<Vec<UserName>, Refusal> {
    if users.is_empty() {
        return Err(Refusal::never(Code::BadQuestion, "`users` names nobody"));
    }
    Ok(users)
}
