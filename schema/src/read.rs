//! Reading a log: what a session asks for, and what it is told. `nats` carries it out, the session's core decides by it.

use bytes::Bytes;

use crate::{Seq, StreamTime};

/// Where a read begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// With the log's first entry at or above this sequence.
    Seq(Seq),
    /// With the log's first entry stored at or after this time.
    Time(StreamTime),
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Any server that stores the stream: quick, and may lag.
    Any,
    /// The stream's leader alone: what it does not have is not there.
    Leader,
}

/// A question: up to [`crate::limits::READ_ENTRIES`] entries and [`crate::limits::READ_BYTES`] of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// Where to begin.
    pub from: ReadFrom,
    /// Whom to ask.
    pub source: Source,
}

/// An entry as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// Its sequence.
    pub seq: Seq,
    /// Its timestamp.
    pub time: StreamTime,
    /// Its bytes: see [`crate::Entry::decode`].
    pub payload: Bytes,
}

/// The answer: the log's entries from the asked place on, in order and without a hole, as the one that was asked has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadAnswer {
    /// The entries, oldest first.
    pub entries: Vec<StoredEntry>,
    /// Whether the one that was asked has more behind them.
    pub more: bool,
    /// What the leader says of the log, asked **after** the entries were read; `None` when any replica was asked.
    pub evidence: Option<Evidence>,
}

/// What the leader says of a log. Evictions and expiries only ever raise `first`, so what it proves now was so when the entries of the same
/// answer were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The log's first entry; `None` when it has none.
    pub first: Option<Seq>,
    /// The last sequence of the shard's whole stream: an end below a cursor means that the log went back.
    pub stream_last: Seq,
    /// How many entries of the log follow the asked place, tombstones counted twice. Never below the true number, and exact from
    /// half of [`crate::limits::MAILBOX_ENTRIES`] on.
    pub weight: u64,
}
