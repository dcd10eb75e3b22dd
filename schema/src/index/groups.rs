//! What the index knows of a shard's groups, as one person may see them: nothing outside of what they may read.

use serde::{Deserialize, Serialize};

use super::Place;
use crate::{GroupName, MessageId, Millis, Seq, StreamTime, Title, UserName, envelope::sealed, record::ReadMark};

const VERSION: u8 = 1;

/// The question when something was last said in each of these groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsLatestRequest {
    /// Who wants to know.
    pub user: UserName,
    /// The groups: [`crate::limits::GROUPS_ASKED`] at most.
    pub groups: Vec<GroupName>,
}

/// The question how these groups stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConversationsRequest {
    /// Who wants to know.
    pub user: UserName,
    /// Whose messages count as read.
    pub blocked: Vec<UserName>,
    /// The groups, [`crate::limits::CONVERSATIONS_PAGE`] at most, and how far the user has read each.
    pub groups: Vec<(GroupName, Option<ReadMark>)>,
}

/// The question what a group has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHistoryRequest {
    /// Who wants to know.
    pub user: UserName,
    /// The group.
    pub group: GroupName,
    /// Only messages below this sequence.
    pub below: Option<Seq>,
    /// How many, [`crate::limits::HISTORY_PAGE`] at most.
    pub limit: u16,
}

/// The answer to [`GroupsLatestRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupsLatestAnswer {
    /// For each group, in the order of the question, when its last message was stored that the user may read. Of a group without one it is
    /// when the user joined; `None` where they are not in it.
    Found(Vec<Option<StreamTime>>),
    /// See [`super::ConversationsAnswer::Behind`].
    Behind,
}

/// The answer to [`GroupConversationsRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupConversationsAnswer {
    /// Each group, in the order of the question; `None` where the user has never been in it.
    Found(Vec<Option<GroupConversation>>),
    /// See [`super::ConversationsAnswer::Behind`].
    Behind,
}

/// The answer to [`GroupHistoryRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GroupHistoryAnswer {
    /// These, the latest first.
    Found {
        /// The messages.
        messages: Vec<GroupMessage>,
        /// Whether there are more.
        more: bool,
    },
    /// The user has never been in such a group.
    NotAMember,
    /// See [`super::ConversationsAnswer::Behind`].
    Behind,
}

/// How a group stands for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupConversation {
    /// What it is called.
    pub title: Option<Title>,
    /// The last message that they may read.
    pub last: Option<GroupMessage>,
    /// Messages of others above the read mark.
    pub unread: u64,
    /// How many of these mention them.
    pub mentions: u64,
    /// Up to which order they have read it.
    pub read: Option<Seq>,
}

/// A message of a group as the index has it: where it lies, and what has changed it. Its order is its sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMessage {
    /// Where it lies in the group's log.
    pub at: Place,
    /// Its id.
    pub id: MessageId,
    /// Who sent it.
    pub from: UserName,
    /// When it was accepted.
    pub time: Millis,
    /// Where its last edit lies.
    pub edit: Option<Place>,
    /// The reactions to it that stand, the oldest first.
    pub reactions: Vec<GroupReaction>,
}

/// A reaction that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReaction {
    /// Whose it is.
    pub by: UserName,
    /// The emoji, as it was first set.
    pub emoji: String,
    /// When it was accepted.
    pub time: Millis,
}

sealed!(
    VERSION: GroupsLatestRequest,
    GroupConversationsRequest,
    GroupHistoryRequest,
    GroupsLatestAnswer,
    GroupConversationsAnswer,
    GroupHistoryAnswer
);
