//! Groups: what is done in one, by the groups worker of its shard, and what is stored of them.
//!
//! **A command is answered when its records say so.** Its entry in the group's log is what counts; who is told that it is done and asks at
//! once is to see it, so the answer waits a moment for the records that follow the log. A repeat gets the first answer.

mod links;
mod stored;

use std::time::{Duration, Instant};

use dunlin_schema::{
    Address, Code, GroupAddress, GroupName, MessageId, Peer, Shard, Title, UserName,
    frame::{Answer, GroupItem},
    group::{GroupAnswer, GroupCommand, GroupRequest, GroupRole, GroupSettings, GroupSettingsChange},
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

/// Makes a group. What is answered is all in the command: it says the same where it is repeated.
pub(super) async fn create(
    context: &Context<'_>,
    command: Command,
    title: Option<Title>,
    members: Vec<Address>,
    settings: Option<GroupSettingsChange>,
) -> Result<Answer, Refusal> {
    let mut users = people(context, members)?;
    users.retain(|user| user != context.asker.user());
    let change = settings.unwrap_or_default();
    let item = GroupItem {
        group: Address::from(command.group.clone()).seen_from(context.region).into(),
        title: title.clone(),
        members: u32::try_from(users.len()).unwrap_or(u32::MAX).saturating_add(1),
        settings: change.of(&GroupSettings::default()),
        role: GroupRole::Owner.into(),
    };
    done(context, command, GroupCommand::Create { title, settings: change, users }).await?;
    Ok(Answer::Group(Box::new(item)))
}

/// People become members.
pub(super) async fn add(context: &Context<'_>, command: Command, users: Vec<Address>) -> Result<Answer, Refusal> {
    let users = some(people(context, users)?)?;
    done(context, command, GroupCommand::Add(users)).await
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

/// The same; gives whether the records say so.
async fn carried_out(context: &Context<'_>, command: Command, what: GroupCommand) -> Result<bool, Refusal> {
    let (Command { id, group }, asked) = (command, Instant::now());
    let group = here(context, group)?;
    let (shard, by) = (shard_of(context, &group), context.people.sender(context.asker.user()));
    let wanted = GroupRequest { group, by, id, at: clock::now(), what };
    match groups::ask(context.groups, context.metrics, shard, &wanted).await {
        GroupAnswer::Stored { order, .. } => {
            let left = Duration::from_millis(limits::GROUP_ANSWERED.0).saturating_sub(asked.elapsed());
            Ok(stored::in_step(context, &wanted.group, order, left).await)
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
