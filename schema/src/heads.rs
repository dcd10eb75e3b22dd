//! The comparison of heads: a gateway asks a shard's deliver reader how far the logs that it follows have come.

use serde::{Deserialize, Serialize};

use crate::{Peer, Position, Seq, StreamTime, envelope::sealed};

const VERSION: u8 = 1;

/// The question: at most [`crate::limits::HEADS_PAGE`] logs of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadsRequest {
    /// The logs' owners.
    pub logs: Vec<Peer>,
}

/// The last entry of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its sequence.
    pub seq: Seq,
    /// Its timestamp.
    pub time: StreamTime,
}

/// The answer: true of the moment when the reader stood at `position`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadsAnswer {
    /// How far the reader has come, and in which epoch.
    pub position: Position,
    /// A log that is not in the reader's map has no entry between this sequence and `position`.
    pub floor: Seq,
    /// One for each log of the question, in its order; `None` is not in the map.
    pub heads: Vec<Option<Head>>,
}

/// A gateway's doubt: a cursor that does not fit the log any more. The reader compares its own position with the stream, begins a new
/// epoch if the log went back, and answers with [`Verified`]. A cursor alone never makes a new epoch: it may be forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verify {
    /// The position that the gateway could not find again.
    pub doubted: Position,
}

/// The answer to [`Verify`]: the reader's position after it compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// How far the reader has come, and in which epoch.
    pub position: Position,
}

sealed!(VERSION: HeadsRequest, HeadsAnswer, Verify, Verified);
