//! Groups: what a gateway has the groups worker of the group's shard do, the only one that appends to its log.
//!
//! Every request bears an id, as a message does. One that was stored before gets its first answer again, whatever was decided since.

use serde::{Deserialize, Serialize};

pub use crate::role::{GroupRole, GroupRoleError, GroupSettings, GroupSettingsChange, WhoMay, WhoMayError};
use crate::{Code, Content, GroupName, LinkKey, MessageId, Millis, Sender, Seq, Title, UserName, envelope::sealed};

const VERSION: u8 = 1;

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
    /// It is made, with whoever wants it as its owner, without those who do not let them add them.
    Create {
        /// What it is called.
        title: Option<Title>,
        /// What it has decided about itself.
        settings: GroupSettingsChange,
        /// Its other members: [`crate::limits::GROUP_USERS`] at most.
        users: Vec<UserName>,
    },
    /// People become members: [`crate::limits::GROUP_USERS`] at most. Those who are members stay what they are, and those who do not let
    /// whoever wants it add them are left out.
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
    /// Whoever has the secret of this key may join. Nothing of it stands in the log. A repeat has a key of its own, since the secret of the
    /// first one came to nobody: that takes the other's place.
    Link {
        /// What the link is kept under.
        key: LinkKey,
        /// Until when it holds.
        until: Millis,
        /// How many may join by it; as many as want to, where nothing is said.
        uses: Option<u32>,
    },
    /// Whoever wants it becomes a member by a link.
    Join(LinkKey),
    /// A link holds no more: one's own, or an admin anybody's; all of these, where none is named.
    Unlink(Option<LinkKey>),
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
    #[error("a group needs an owner: make somebody else one first, or delete the group")]
    NobodyLeft,
    /// The group has as many members as may be.
    #[error("a group has at most {max} members", max = crate::limits::GROUP_MEMBERS)]
    TooManyMembers,
    /// What an edit or a deletion names is no message that they may change, or a message has the id of somebody else's.
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
    /// Somebody who would join is in as many groups as may be.
    #[error("somebody whom this would make a member is in {max} groups, which is the most", max = crate::limits::GROUPS)]
    TooManyGroups,
    /// There is no such link of this group, or it holds no more: nobody is to know which.
    #[error("this invitation does not hold, or no longer")]
    NoLink,
    /// The group has as many links as may be.
    #[error("a group has at most {max} invitations at a time: revoke others first", max = crate::limits::LINKS)]
    TooManyLinks,
    /// More is said in the group than it may.
    #[error("more is said in this group than it may")]
    TooFast(Millis),
    /// Nobody of those who would be added lets whoever wants it add them.
    #[error("whom you want to add does not let you")]
    NotLet,
}

impl GroupRefusal {
    /// The code that a client is told.
    pub fn code(self) -> Code {
        match self {
            GroupRefusal::NotAMember => Code::NotAMember,
            GroupRefusal::NotAllowed | GroupRefusal::NobodyLeft => Code::NotAllowed,
            GroupRefusal::Exists => Code::Exists,
            GroupRefusal::NoSuchMember | GroupRefusal::NotFound | GroupRefusal::NoLink => Code::NotFound,
            GroupRefusal::TooManyMembers | GroupRefusal::TooManyGroups | GroupRefusal::TooManyLinks => Code::TooMany,
            GroupRefusal::NotYours => Code::NotYours,
            GroupRefusal::TooOld => Code::TooOld,
            GroupRefusal::FromTheFuture => Code::FromTheFuture,
            GroupRefusal::TooLarge => Code::TooLarge,
            GroupRefusal::Busy => Code::Unavailable,
            GroupRefusal::TooFast(_) => Code::RateLimited,
            GroupRefusal::NotLet => Code::Refused,
        }
    }

    /// When to try again, where it is known.
    pub fn retry_after(self) -> Option<Millis> {
        match self {
            GroupRefusal::TooFast(after) => Some(after),
            GroupRefusal::NotAMember
            | GroupRefusal::NotAllowed
            | GroupRefusal::NobodyLeft
            | GroupRefusal::Exists
            | GroupRefusal::NoSuchMember
            | GroupRefusal::NotFound
            | GroupRefusal::NoLink
            | GroupRefusal::TooManyMembers
            | GroupRefusal::TooManyGroups
            | GroupRefusal::TooManyLinks
            | GroupRefusal::NotYours
            | GroupRefusal::TooOld
            | GroupRefusal::FromTheFuture
            | GroupRefusal::TooLarge
            | GroupRefusal::Busy
            | GroupRefusal::NotLet => None,
        }
    }
}

sealed!(VERSION: GroupRequest, GroupAnswer);
