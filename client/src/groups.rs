//! Groups: what is done in one, and what is stored of them.
//!
//! **A command is done once.** It has an id, as a message has: where it is refused for now, where nobody knows what came of it, and where
//! the connection is lost before its answer came, it is repeated with this id, for [`crate::ClientOptions::ask_within`] at most.

use dunlin_schema::{
    Address, GroupAddress, LinkToken, MessageId, Millis, Open, Seq, Title,
    frame::{Answer, GroupItem, MemberItem, Question, ReachedItem},
    group::{GroupRole, GroupSettingsChange},
};
use tokio::time::{Instant, timeout};

use crate::{client::Client, clock::unix, core::ClockSkew, error::AskError, event::Status};

/// A page of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Each once, in the order in which they last changed what they are.
    pub items: Vec<MemberItem>,
    /// What the next page is asked with; `None` where there is none.
    pub next: Option<Seq>,
}

/// A page of the groups that the user is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    /// In the order in which the user joined them.
    pub items: Vec<GroupItem>,
    /// What the next page is asked with; `None` where there is none.
    pub next: Option<Seq>,
}

/// A group that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What it is.
    pub group: GroupItem,
    /// Who is not in it, since they do not let the user add them.
    pub without: Vec<Address>,
}

/// By what people join a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Whoever has it may: its text is what they are given.
    pub token: LinkToken,
    /// Until when it holds.
    pub expires: Millis,
}

/// To how many members of a group something came that the user sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupReceipts {
    /// When it was accepted.
    pub stored: Millis,
    /// Members that may read it, beside the user.
    pub of: u32,
    /// How many of them have it.
    pub delivered: u32,
    /// How many of them have read it.
    pub read: u32,
}

/// A page of the members who may read something that the user sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptsOf {
    /// In the order of their names.
    pub items: Vec<ReachedItem>,
    /// What the next page is asked with; `None` where there is none.
    pub next: Option<Address>,
}

/// What a group is to be: what is left out is as it is where nobody says anything, or stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupIs {
    /// What it is called.
    pub title: Option<Title>,
    /// What it decides about itself.
    pub settings: GroupSettingsChange,
}

impl Client {
    /// Makes a group with the user as its owner and these other members, of whom a command names 256 at most. Errors: see [`AskError`],
    /// with the code `exists` where there is, or was, a group of this name; [`AskError::TimedOut`] says that it may be there.
    pub async fn create_group(
        &self,
        group: GroupAddress,
        is: GroupIs,
        members: Vec<Address>,
    ) -> Result<Made, AskError> {
        let GroupIs { title, settings } = is;
        let make = |id| Question::GroupCreate { id, group, title, members, settings: Some(settings) };
        let answer = self.command(make).await?;
        if let Answer::Without { users, group: Some(group) } = answer {
            return Ok(Made { group: *group, without: known(users) });
        }
        let Answer::Group(group) = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Made { group: *group, without: Vec::new() })
    }

    /// Makes people members of a group, 256 at most. Those who are members stay what they are. Gives those who are not added, since they do
    /// not let the user add them. Errors: see [`AskError`], with the code `refused` where that is everybody.
    pub async fn add_members(&self, group: GroupAddress, users: Vec<Address>) -> Result<Vec<Address>, AskError> {
        let answer = self.command(|id| Question::GroupAdd { id, group, users }).await?;
        if let Answer::Without { users, group: None } = answer {
            return Ok(known(users));
        }
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Vec::new())
    }

    /// Has people be members of a group no longer, 256 at most. Errors: see [`AskError`].
    pub async fn remove_members(&self, group: GroupAddress, users: Vec<Address>) -> Result<(), AskError> {
        self.changed(|id| Question::GroupRemove { id, group, users }).await
    }

    /// Leaves a group. Where the user is its last owner, somebody else becomes one. Errors: see [`AskError`].
    pub async fn leave_group(&self, group: GroupAddress) -> Result<(), AskError> {
        self.changed(|id| Question::GroupLeave { id, group }).await
    }

    /// Makes a member something else. Errors: see [`AskError`].
    pub async fn set_role(&self, group: GroupAddress, user: Address, role: GroupRole) -> Result<(), AskError> {
        self.changed(|id| Question::GroupRole { id, group, user, role }).await
    }

    /// Calls a group something else, or has it decide something else about itself. Errors: see [`AskError`].
    pub async fn set_group(&self, group: GroupAddress, is: GroupIs) -> Result<(), AskError> {
        let GroupIs { title, settings } = is;
        self.changed(|id| Question::GroupSet { id, group, title, settings: Some(settings) }).await
    }

    /// Has a group be no more, for good. Errors: see [`AskError`].
    pub async fn delete_group(&self, group: GroupAddress) -> Result<(), AskError> {
        self.changed(|id| Question::GroupDelete { id, group }).await
    }

    /// Makes a link by which people join a group: it holds for so long, 7 days where nothing is said and 30 at most, and lets in so many,
    /// or as many as want to. Errors: see [`AskError`].
    pub async fn link_group(
        &self,
        group: GroupAddress,
        ttl: Option<Millis>,
        uses: Option<u32>,
    ) -> Result<Link, AskError> {
        let answer = self.command(|id| Question::GroupLink { id, group, ttl, uses }).await?;
        let Answer::Link { token, expires } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Link { token, expires })
    }

    /// Joins the group of a link. Errors: see [`AskError`], with the code `not_found` where the link does not hold.
    pub async fn join_group(&self, token: LinkToken) -> Result<GroupItem, AskError> {
        let answer = self.command(|id| Question::GroupJoin { id, token }).await?;
        let Answer::Group(group) = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(*group)
    }

    /// Has a link of a group hold no more; where none is named, all of them as an admin, otherwise all that the user has made. Errors: see
    /// [`AskError`].
    pub async fn unlink_group(&self, group: GroupAddress, token: Option<LinkToken>) -> Result<(), AskError> {
        self.changed(|id| Question::GroupUnlink { id, group, token }).await
    }

    /// What a group is, and what the user is in it. Errors: see [`AskError`], with the code `not_a_member` where the user is not in it;
    /// asking again does no harm.
    pub async fn group(&self, group: GroupAddress) -> Result<GroupItem, AskError> {
        let answer = self.ask(Question::GroupInfo { group }).await?;
        let Answer::Group(group) = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(*group)
    }

    /// To how many members what the user sent to a group came; `order` is what [`crate::Accepted`] says. What is no longer stored, or was
    /// not sent by the user, is refused with `not_found`. Errors: see [`AskError`]; asking again does no harm.
    pub async fn group_receipts(&self, to: GroupAddress, order: Seq) -> Result<GroupReceipts, AskError> {
        let answer = self.ask(Question::Receipts { to: to.into(), order }).await?;
        let Answer::Counts { stored, of, delivered, read } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(GroupReceipts { stored, of, delivered, read })
    }

    /// A page of the members who may read what the user sent to a group, and whether they have: from the first one on, or `after` what the
    /// page before says. Errors: as of [`Client::group_receipts`].
    pub async fn receipts_of(
        &self,
        to: GroupAddress,
        order: Seq,
        after: Option<Address>,
        limit: u16,
    ) -> Result<ReceiptsOf, AskError> {
        let answer = self.ask(Question::ReceiptsOf { to, order, after, limit: limit.into() }).await?;
        let Answer::ReceiptsOf { items, next } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(ReceiptsOf { items, next: next.as_ref().and_then(Open::known).cloned() })
    }

    /// A page of a group's members: from the first one on, or `after` what the page before says. Errors: see [`AskError`]; asking again
    /// does no harm.
    pub async fn members(&self, group: GroupAddress, after: Option<Seq>, limit: u16) -> Result<Members, AskError> {
        let answer = self.ask(Question::GroupMembers { group, after, limit: limit.into() }).await?;
        let Answer::Members { items, next } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Members { items, next })
    }

    /// A page of the groups that the user is in: from the first one on, or `after` what the page before says. Errors: see [`AskError`];
    /// asking again does no harm.
    pub async fn groups(&self, after: Option<Seq>, limit: u16) -> Result<Groups, AskError> {
        let answer = self.ask(Question::Groups { after, limit: limit.into() }).await?;
        let Answer::Groups { items, next } = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(Groups { items, next })
    }

    async fn changed(&self, make: impl FnOnce(MessageId) -> Question) -> Result<(), AskError> {
        let answer = self.command(make).await?;
        let Answer::Done {} = answer else { return Err(AskError::unexpected(&answer)) };
        Ok(())
    }

    /// Has a command done, once.
    async fn command(&self, make: impl FnOnce(MessageId) -> Question) -> Result<Answer, AskError> {
        let until = Instant::now() + self.ask_within;
        let left = || until.saturating_duration_since(Instant::now());
        let what = make(timeout(left(), self.command_id()).await.map_err(|_| AskError::TimedOut)?);
        self.ask_until(what, until).await
    }

    /// An id for now, by the gateway's clock: once one has said what that is.
    async fn command_id(&self) -> MessageId {
        let mut status = self.status();
        // Where the task is over, what is asked next says so.
        let _ = status.wait_for(|status| !matches!(status, Status::Connecting(_))).await;
        let now = match self.clock_skew() {
            Some(ClockSkew::Behind(span)) => unix().plus(span),
            Some(ClockSkew::Ahead(span)) => unix().minus(span),
            None => unix(),
        };
        MessageId::from_parts(now, rand::random())
    }
}

/// Addresses, without those that only a newer release knows.
fn known(users: Vec<Open<Address>>) -> Vec<Address> {
    users.iter().filter_map(Open::known).cloned().collect()
}
