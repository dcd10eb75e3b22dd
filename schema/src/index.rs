//! The index: a gateway asks the index worker of the user's shard which conversations the user has, and which messages one has; of groups
//! it asks the worker of the group's shard ([`groups`]). The answers say where the messages lie; what they say is read from the log.

pub mod groups;
pub mod media;

use serde::{Deserialize, Serialize};

use crate::{Address, MessageId, Millis, Seq, StreamTime, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// The question which conversations a user has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationsRequest {
    /// The user.
    pub user: UserName,
    /// Only those whose last message lies below this sequence of the user's mailbox.
    pub below: Option<Seq>,
    /// How many, one more than [`crate::limits::CONVERSATIONS_PAGE`] at most.
    pub limit: u16,
}

/// The question what a conversation has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRequest {
    /// Whose mailbox.
    pub user: UserName,
    /// The other side, without a region where it is the user's own.
    pub with: Address,
    /// Only messages below this sequence.
    pub below: Option<Seq>,
    /// How many, [`crate::limits::HISTORY_PAGE`] at most.
    pub limit: u16,
}

/// The answer to [`ConversationsRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConversationsAnswer {
    /// These, the one with the latest message first.
    Found {
        /// The conversations.
        items: Vec<Conversation>,
        /// Whether there are more.
        more: bool,
    },
    /// The projection lacks something that the mailbox has had for a while: it is being made again, or its worker is behind.
    Behind,
}

/// The answer to [`HistoryRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HistoryAnswer {
    /// These, the latest first.
    Found {
        /// The messages.
        messages: Vec<Message>,
        /// Whether there are more.
        more: bool,
    },
    /// See [`ConversationsAnswer::Behind`].
    Behind,
}

/// A conversation as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// The other side, without a region where it is the user's own.
    pub with: Address,
    /// Its last message.
    pub last: Message,
    /// Messages of the other side above the read mark.
    pub unread: u64,
    /// Up to which order the user has read it.
    pub read: Option<Seq>,
}

/// A message as the index has it: where it lies, and what has changed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where it lies in the mailbox.
    pub at: Place,
    /// Its id.
    pub id: MessageId,
    /// Whether the mailbox's owner sent it.
    pub mine: bool,
    /// When it was accepted.
    pub time: Millis,
    /// Its order among what its sender sent to its recipient.
    pub order: Seq,
    /// Where its last edit lies.
    pub edit: Option<Place>,
    /// The reactions to it that stand, the oldest first.
    pub reactions: Vec<Reaction>,
}

/// Where an entry lies in its log. The time tells whether it is still the same entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Its sequence.
    pub seq: Seq,
    /// Its timestamp.
    pub time: StreamTime,
}

/// A reaction that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Whether it is the mailbox's owner's.
    pub mine: bool,
    /// The emoji, as it was first set.
    pub emoji: String,
    /// When it was accepted.
    pub time: Millis,
}

sealed!(VERSION: ConversationsRequest, HistoryRequest, ConversationsAnswer, HistoryAnswer);
