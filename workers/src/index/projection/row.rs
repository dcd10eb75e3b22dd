//! The rows of the projection as bytes.

use dunlin_schema::{MediaId, MessageId, Seq, StreamTime, UserName, envelope, index::Place};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ProjectionError, VERSION, damaged};

/// A row of `entries`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub(super) time: StreamTime,
    pub(super) about: Option<About>,
}

/// What goes where an entry goes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum About {
    /// In a mailbox, the message that it is, or is about.
    Pair {
        with: String,
        mine: bool,
        id: MessageId,
        /// Whether it is the message itself.
        is_message: bool,
    },
    /// In a group, the message that it is.
    Said { author: UserName, id: MessageId },
    /// In a group, what it says of these people, or of everybody, and of the group.
    Turns { users: Vec<Option<UserName>> },
}

/// A row of `messages`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageRow {
    pub(super) id: MessageId,
    pub(super) mine: bool,
    pub(super) time: StreamTime,
    pub(super) order: Seq,
    pub(super) media: Vec<MediaId>,
}

impl MessageRow {
    pub(super) fn place(&self, seq: u64) -> Place {
        Place { seq: Seq(seq), time: self.time }
    }
}

/// A row of `group_messages`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GroupRow {
    pub(super) id: MessageId,
    pub(super) author: UserName,
    pub(super) time: StreamTime,
    pub(super) mentions: Vec<UserName>,
    pub(super) media: Vec<MediaId>,
}

/// A row of `turns`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TurnRow {
    /// Whether they join, or go.
    pub(super) joins: bool,
    pub(super) time: StreamTime,
}

/// A row of `histories`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HistoryRow {
    /// Whether those who join see what was said before.
    pub(super) shown: bool,
    pub(super) time: StreamTime,
}

pub(super) fn bytes(row: &impl Serialize) -> Vec<u8> {
    envelope::seal(VERSION, row)
}

pub(super) fn row<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ProjectionError> {
    envelope::open(VERSION, bytes).map_err(damaged)
}

/// An id as a part of a key.
pub(super) fn key(id: MessageId) -> u128 {
    u128::from_be_bytes(id.to_bytes())
}
