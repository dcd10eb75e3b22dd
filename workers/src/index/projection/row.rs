//! The rows of the projection as bytes.

use dunlin_schema::{MessageId, Seq, StreamTime, envelope, index::Place};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ProjectionError, VERSION, damaged};

/// A row of `entries`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EntryRow {
    pub(super) time: StreamTime,
    pub(super) about: Option<About>,
}

/// Which message an entry is, or is about.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct About {
    pub(super) with: String,
    pub(super) mine: bool,
    pub(super) id: MessageId,
    /// Whether it is the message itself.
    pub(super) is_message: bool,
}

/// A row of `messages`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageRow {
    pub(super) id: MessageId,
    pub(super) mine: bool,
    pub(super) time: StreamTime,
    pub(super) order: Seq,
}

impl MessageRow {
    pub(super) fn place(&self, seq: u64) -> Place {
        Place { seq: Seq(seq), time: self.time }
    }
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
