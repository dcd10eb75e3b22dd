//! `dunlin group`: groups, made and changed as somebody.

use std::{
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use dunlin_client::{AskError, Client, GroupIs, Groups, Link, Made, Members};
use dunlin_schema::{
    Address, Code, GroupAddress, LinkToken, Millis, Title,
    address::AddressError,
    group::{GroupRole, GroupSettingsChange, WhoMay},
    limits,
};
use serde_json::json;

use crate::{
    asking::{PageArgs, asked, pages},
    plain, print,
    span::Span,
    talk::WhoArgs,
};

/// How often it is asked how far something is.
const SO_FAR_EVERY: Duration = Duration::from_millis(500);

/// Options of `dunlin group`.
#[derive(Debug, Args)]
pub struct GroupArgs {
    #[command(subcommand)]
    command: GroupCommand,
}

#[derive(Debug, Subcommand)]
enum GroupCommand {
    /// Make a group, with these members beside whoever makes it, its owner
    Create(CreateArgs),
    /// Make people members
    Add(AddArgs),
    /// Have people be members no longer
    Remove(PeopleArgs),
    /// Leave a group; where that is its last owner, somebody else becomes one
    Leave(OneArgs),
    /// Make a member something else
    Role(RoleArgs),
    /// Call a group something else, or have it decide something else about itself
    Set(SetArgs),
    /// Have a group be no more, for good: its name is not free again
    Delete(OneArgs),
    /// Print a token by which people join a group, and until when it holds, as one JSON object
    Link(LinkArgs),
    /// Join a group by a token, and print what it is
    Join(JoinArgs),
    /// Have a token hold no more, or all of them
    Unlink(UnlinkArgs),
    /// Print what a group is, and what one is in it, as one JSON object
    Info(OneArgs),
    /// Print who is in a group, one JSON object a line
    Members(MembersArgs),
    /// Print the groups that somebody is in, one JSON object a line
    List(ListArgs),
}

/// A group as it is typed: to a shell `#` begins a comment, so it may be left out.
#[derive(Clone, Debug)]
struct Group(GroupAddress);

impl FromStr for Group {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Group, AddressError> {
        let text = text.strip_prefix('#').unwrap_or(text);
        format!("#{text}").parse().map(Group)
    }
}

#[derive(Debug, Args)]
struct OneArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The group: `team`, or `#team` in quotes
    group: Group,
    /// How long to wait until it is done
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

#[derive(Debug, Args)]
struct CreateArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Its other members, 256 at most
    members: Vec<Address>,
    #[command(flatten)]
    is: IsArgs,
}

#[derive(Debug, Args)]
struct PeopleArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Whom, 256 at most
    #[arg(required = true)]
    users: Vec<Address>,
}

#[derive(Debug, Args)]
struct AddArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Whom, any number of them
    #[arg(required_unless_present = "file")]
    users: Vec<Address>,
    /// A file with one of them a line; `-` is the standard input. What was interrupted is run again: who is a member stays one
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct RoleArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Whom
    member: Address,
    /// What they are from now on: member, admin or owner
    role: GroupRole,
}

#[derive(Debug, Args)]
struct SetArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    is: IsArgs,
}

#[derive(Debug, Args)]
struct LinkArgs {
    #[command(flatten)]
    one: OneArgs,
    /// For how long it holds: 30 days at most
    #[arg(long = "for", default_value = "7d", value_name = "SPAN")]
    lasts: Span,
    /// How many may join by it; left out, as many as want to
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::GROUP_MEMBERS)))]
    uses: Option<u32>,
}

#[derive(Debug, Args)]
struct JoinArgs {
    #[command(flatten)]
    who: WhoArgs,
    /// The token, as it was given
    #[arg(value_name = "LINK")]
    link: LinkToken,
    /// How long to wait until it is done
    #[arg(long, default_value = "30s", value_name = "SPAN")]
    timeout: Span,
}

#[derive(Debug, Args)]
struct UnlinkArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Which token; left out, all that are one's to revoke
    #[arg(value_name = "LINK")]
    link: Option<LinkToken>,
}

#[derive(Debug, Args)]
struct IsArgs {
    /// What it is called, in at most 64 characters
    #[arg(long, value_name = "TITLE")]
    title: Option<Title>,
    /// Who may add members: members, or admins alone
    #[arg(long, value_name = "WHO")]
    who_may_add: Option<WhoMay>,
    /// Who may write: members, or admins alone
    #[arg(long, value_name = "WHO")]
    who_may_write: Option<WhoMay>,
    /// Whether those who join see what was written before
    #[arg(long, value_name = "BOOL")]
    history: Option<bool>,
}

impl From<IsArgs> for GroupIs {
    fn from(IsArgs { title, who_may_add, who_may_write, history }: IsArgs) -> GroupIs {
        GroupIs { title, settings: GroupSettingsChange { who_may_add, who_may_write, history } }
    }
}

#[derive(Debug, Args)]
struct MembersArgs {
    #[command(flatten)]
    page: PageArgs,
    /// The group: `team`, or `#team` in quotes
    group: Group,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    page: PageArgs,
}

/// Does what is wanted, and prints what came of it. Errors: it was refused, or nobody said in time what came of it.
pub async fn run(args: GroupArgs) -> anyhow::Result<()> {
    match args.command {
        GroupCommand::Create(CreateArgs { one: OneArgs { who, group: Group(group), timeout }, members, is }) => {
            let create = async |client: &Client| client.create_group(group.clone(), is.into(), members).await;
            let Made { group, without } = asked(&who, timeout, &format!("making the group {group}"), create).await?;
            said(serde_json::to_value(group)?, &without)
        }
        GroupCommand::Add(add) => add.run().await,
        GroupCommand::Remove(PeopleArgs { one, users }) => {
            let removed = json!({ "removed": users });
            one.done("removing from", removed, async |client, group| client.remove_members(group, users).await).await
        }
        GroupCommand::Leave(one) => {
            let left = json!({ "left": one.group.0 });
            one.done("leaving", left, async |client, group| client.leave_group(group).await).await
        }
        GroupCommand::Role(RoleArgs { one, member, role }) => {
            let is = json!({ "user": member, "role": role.name() });
            one.done("changing a role in", is, async |client, group| client.set_role(group, member, role).await).await
        }
        GroupCommand::Set(SetArgs { one, is }) => {
            let set = json!({ "set": one.group.0 });
            one.done("changing", set, async |client, group| client.set_group(group, is.into()).await).await
        }
        GroupCommand::Delete(one) => {
            let deleted = json!({ "deleted": one.group.0 });
            one.done("deleting", deleted, async |client, group| {
                client.delete_group(group.clone()).await?;
                ended(client, group).await
            })
            .await
        }
        GroupCommand::Link(LinkArgs { one: OneArgs { who, group: Group(group), timeout }, lasts, uses }) => {
            let ttl = Millis(u64::try_from(lasts.0.as_millis()).unwrap_or(u64::MAX));
            let make = async |client: &Client| client.link_group(group.clone(), Some(ttl), uses).await;
            let Link { token, expires } = asked(&who, timeout, &format!("inviting to {group}"), make).await?;
            print(&plain::json(&json!({ "token": token, "expires": expires })))
        }
        GroupCommand::Join(JoinArgs { who, link, timeout }) => {
            let doing = format!("joining {}", link.group);
            let joined = asked(&who, timeout, &doing, async |client| client.join_group(link).await).await?;
            print(&plain::json(&serde_json::to_value(joined)?))
        }
        GroupCommand::Unlink(UnlinkArgs { one, link }) => {
            let unlinked = json!({ "unlinked": one.group.0 });
            one.done("revoking invitations to", unlinked, async |client, group| client.unlink_group(group, link).await)
                .await
        }
        GroupCommand::Info(OneArgs { who, group: Group(group), timeout }) => {
            let doing = format!("asking for the group {group}");
            let found = asked(&who, timeout, &doing, async |client| client.group(group.clone()).await).await?;
            print(&plain::json(&serde_json::to_value(found)?))
        }
        GroupCommand::Members(MembersArgs { page, group: Group(group) }) => {
            pages(page, None, &format!("listing the members of {group}"), async |client, after, limit| {
                let Members { items, next } = client.members(group.clone(), after, limit).await?;
                Ok((items, next))
            })
            .await
        }
        GroupCommand::List(ListArgs { page }) => {
            pages(page, None, "listing the groups", async |client, after, limit| {
                let Groups { items, next } = client.groups(after, limit).await?;
                Ok((items, next))
            })
            .await
        }
    }
}

impl AddArgs {
    /// Adds them, as many at once as a command names, and says how far it is.
    async fn run(self) -> anyhow::Result<()> {
        let AddArgs { one: OneArgs { who, group: Group(group), timeout }, mut users, file } = self;
        users.extend(file.as_deref().map(people).transpose()?.unwrap_or_default());
        let count = users.len();
        let add = async |client: &Client| {
            let mut without = Vec::new();
            for (number, some) in users.chunks(limits::GROUP_USERS).enumerate() {
                match client.add_members(group.clone(), some.to_vec()).await {
                    Ok(unwilling) => without.extend(unwilling),
                    // Others may let it.
                    Err(AskError::Refused { code, .. }) if code == Code::Refused && count > limits::GROUP_USERS => {
                        without.extend_from_slice(some);
                    }
                    Err(error) => return Err(error),
                }
                if count > limits::GROUP_USERS {
                    so_far(&format!("added {} of {count}", number * limits::GROUP_USERS + some.len()));
                }
            }
            Ok(without)
        };
        let without = asked(&who, timeout, &format!("adding to {group}"), add).await?;
        users.retain(|user| !without.contains(user));
        said(if file.is_some() { json!({ "added": users.len() }) } else { json!({ "added": users }) }, &without)
    }
}

/// The people whom a file names, one a line. Errors: it can't be read, or a line names nobody.
fn people(file: &Path) -> anyhow::Result<Vec<Address>> {
    let text = match file.to_str() {
        Some("-") => std::io::read_to_string(std::io::stdin()),
        Some(_) | None => std::fs::read_to_string(file),
    };
    let text = text.with_context(|| format!("reading {}", file.display()))?;
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    lines.map(|(at, line)| line.parse().with_context(|| format!("line {at} of {}", file.display()))).collect()
}

/// Waits until all members of a group that is no more are told so.
async fn ended(client: &Client, group: GroupAddress) -> Result<(), AskError> {
    loop {
        match client.group(group.clone()).await {
            Ok(item) => so_far(&format!("{} members are yet to be told", item.members)),
            Err(AskError::Refused { code, .. }) if code == Code::NotAMember => return Ok(()),
            Err(AskError::Refused { retry_after: Some(_), .. }) => {}
            Err(error) => return Err(error),
        }
        tokio::time::sleep(SO_FAR_EVERY).await;
    }
}

/// Prints what was done, and without whom, where there are such.
fn said(mut is_so: serde_json::Value, without: &[Address]) -> anyhow::Result<()> {
    if !without.is_empty() {
        is_so["without"] = json!(without);
    }
    print(&plain::json(&is_so))
}

/// Says how far something is.
fn so_far(words: &str) {
    // With stderr gone there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "dunlin: {words}");
}

impl OneArgs {
    /// Has something done in the group, and prints what is so from now on.
    async fn done(
        self,
        doing: &str,
        is_so: serde_json::Value,
        what: impl AsyncFnOnce(&Client, GroupAddress) -> Result<(), AskError>,
    ) -> anyhow::Result<()> {
        let OneArgs { who, group: Group(group), timeout } = self;
        let doing = format!("{doing} {group}");
        asked(&who, timeout, &doing, async |client| what(client, group).await).await?;
        print(&plain::json(&is_so))
    }
}
