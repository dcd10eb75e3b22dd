//! Groups: who may do what in one, and what a gateway has the groups worker of the group's shard do, the only one that appends to its log.
//!
//! Every request bears an id, as a message does. One that was stored before gets its first answer again, whatever was decided since.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    Code, Content, GroupName, MessageId, Millis, Open, Sender, Seq, Title, UserName, envelope::sealed, text::named,
};

const VERSION: u8 = 1;

/// What a member is in a group. A greater one may do all that a lesser one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum GroupRole {
    /// Reads, and writes where the group's settings let members write.
    Member,
    /// Adds and removes members, deletes messages, changes the title and the settings.
    Admin,
    /// Also says who is an admin or an owner, and deletes the group. A group has at least one owner.
    Owner,
}

impl GroupRole {
    /// Every role, the least first.
    pub const ALL: &[GroupRole] = &[GroupRole::Member, GroupRole::Admin, GroupRole::Owner];

    /// The role as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            GroupRole::Member => "member",
            GroupRole::Admin => "admin",
            GroupRole::Owner => "owner",
        }
    }
}

impl fmt::Display for GroupRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of member, admin and owner")]
pub struct GroupRoleError;

named!(GroupRole, GroupRoleError);

/// Which members may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum WhoMay {
    /// Every member.
    Members,
    /// Admins and owners.
    Admins,
}

impl WhoMay {
    /// Every choice.
    pub const ALL: &[WhoMay] = &[WhoMay::Members, WhoMay::Admins];

    /// What it is called on the wire.
    pub fn name(self) -> &'static str {
        match self {
            WhoMay::Members => "members",
            WhoMay::Admins => "admins",
        }
    }

    /// Whether a member of this role may. Of a choice that only a newer release knows, admins may.
    pub fn lets(this: &Open<WhoMay>, role: GroupRole) -> bool {
        match this {
            Open::Known(WhoMay::Members) => true,
            Open::Known(WhoMay::Admins) | Open::Unknown(_) => role >= GroupRole::Admin,
        }
    }
}

impl fmt::Display for WhoMay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no such choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of members and admins")]
pub struct WhoMayError;

named!(WhoMay, WhoMayError);

/// What a group has decided about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupSettings {
    /// Who may add members.
    pub who_may_add: Open<WhoMay>,
    /// Who may write messages.
    pub who_may_write: Open<WhoMay>,
    /// Whether those who join see what was written before.
    pub history: bool,
}

impl Default for GroupSettings {
    fn default() -> GroupSettings {
        GroupSettings { who_may_add: WhoMay::Admins.into(), who_may_write: WhoMay::Members.into(), history: false }
    }
}

/// How settings are to be: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupSettingsChange {
    /// Who may add members.
    #[serde(default)]
    pub who_may_add: Option<WhoMay>,
    /// Who may write messages.
    #[serde(default)]
    pub who_may_write: Option<WhoMay>,
    /// Whether those who join see what was written before.
    #[serde(default)]
    pub history: Option<bool>,
}

impl GroupSettingsChange {
    /// The settings as they are then.
    pub fn of(&self, settings: &GroupSettings) -> GroupSettings {
        let Self { who_may_add, who_may_write, history } = self;
        GroupSettings {
            who_may_add: who_may_add.map_or_else(|| settings.who_may_add.clone(), Open::Known),
            who_may_write: who_may_write.map_or_else(|| settings.who_may_write.clone(), Open::Known),
            history: history.unwrap_or(settings.history),
        }
    }
}

/// The question: something is to be done in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRequest {
    /// The group.
    pub group: GroupName,
    /// Who wants it.
    pub by: Sender,
    /// The id that they gave it.
    pub id: MessageId,
    /// When the gateway took it from them: what is stored as its time.
    pub at: Millis,
    /// What.
    pub what: GroupCommand,
}

/// What is to be done in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupCommand {
    /// It is made, with whoever wants it as its owner.
    Create {
        /// What it is called.
        title: Option<Title>,
        /// What it has decided about itself.
        settings: GroupSettingsChange,
        /// Its other members: [`crate::limits::GROUP_USERS`] at most.
        users: Vec<UserName>,
    },
    /// People become members: [`crate::limits::GROUP_USERS`] at most. Those who are members stay what they are.
    Add(Vec<UserName>),
    /// People are no longer members: [`crate::limits::GROUP_USERS`] at most. Those who are not stay so.
    Remove(Vec<UserName>),
    /// Whoever wants it is no longer a member. Where that is the last owner, the member who has been one for longest becomes an owner, an
    /// admin before others.
    Leave,
    /// A member becomes something else.
    Role {
        /// Who.
        user: UserName,
        /// What.
        role: GroupRole,
    },
    /// What is `None` stays as it is.
    Set {
        /// What it is called.
        title: Option<Title>,
        /// What it has decided about itself.
        settings: GroupSettingsChange,
    },
    /// It is no more.
    Delete,
    /// Something is written in it.
    Say(Content),
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupAnswer {
    /// It is stored.
    Stored {
        /// The sequence of its entry in the group's log; 0 where there was nothing to store, since it is so already.
        order: Seq,
        /// When it was accepted.
        time: Millis,
    },
    /// It is refused, and was not stored before.
    Refused(GroupRefusal),
    /// It may be stored: the same id is to be repeated.
    Unknown,
}

/// Why something is refused in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum GroupRefusal {
    /// There is no such group, or whoever wants it is not in it: nobody else is to know which.
    #[error("there is no such group, or you are not in it")]
    NotAMember,
    /// The role of whoever wants it does not let them.
    #[error("your role in the group does not allow this")]
    NotAllowed,
    /// There is, or was, a group of this name.
    #[error("there is a group of this name, or there was one")]
    Exists,
    /// Whom it is about is not in the group.
    #[error("there is no such member")]
    NoSuchMember,
    /// The group would have nobody who may manage it.
    #[error("a group needs an owner, and nobody is left who could be one: delete the group")]
    NobodyLeft,
    /// The group has as many members as may be.
    #[error("a group has at most {max} members", max = crate::limits::GROUP_MEMBERS)]
    TooManyMembers,
    /// What an edit or a deletion names is no message that they may change.
    #[error("this is no message of yours in this group, or it is no longer stored")]
    NotYours,
    /// What a reaction names is not there.
    #[error("there is no such message in this group, or it is no longer stored")]
    NotFound,
    /// The id is older than what can be looked up: it may be stored.
    #[error("the id is too old to tell whether it is stored")]
    TooOld,
    /// The id's time is ahead of the server's.
    #[error("the id's time is ahead of the server's")]
    FromTheFuture,
    /// It is larger than a log takes.
    #[error("this is larger than a log takes")]
    TooLarge,
    /// It can't be stored now: not what STATE still lacks, not what the log has no room for.
    #[error("the group can't take this now")]
    Busy,
}

impl GroupRefusal {
    /// The code that a client is told.
    pub fn code(self) -> Code {
        match self {
            GroupRefusal::NotAMember => Code::NotAMember,
            GroupRefusal::NotAllowed | GroupRefusal::NobodyLeft => Code::NotAllowed,
            GroupRefusal::Exists => Code::Exists,
            GroupRefusal::NoSuchMember | GroupRefusal::NotFound => Code::NotFound,
            GroupRefusal::TooManyMembers => Code::TooMany,
            GroupRefusal::NotYours => Code::NotYours,
            GroupRefusal::TooOld => Code::TooOld,
            GroupRefusal::FromTheFuture => Code::FromTheFuture,
            GroupRefusal::TooLarge => Code::TooLarge,
            GroupRefusal::Busy => Code::Unavailable,
        }
    }
}

sealed!(VERSION: GroupRequest, GroupAnswer);
