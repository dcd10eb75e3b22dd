//! Every entry of a shard in order, checked for contiguity.

use bytes::Bytes;
use dunlin_schema::{Seq, Shard, StreamTime};

use crate::{Connection, ReadError};

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first entry above this sequence.
    After(Seq),
    /// With the first entry stored at or after this time.
    Time(StreamTime),
}

/// The ends of a stream. An empty stream that has held entries has `first` = `last` + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnds {
    /// The first sequence that is stored.
    pub first: Seq,
    /// The last sequence that was ever given, as the leader says.
    pub last: Seq,
}

/// What a reader says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReaderEvent {
    /// A new consumer stands, and its entries follow. The ends were asked from the leader before it was made.
    Opened {
        /// The stream's ends.
        ends: StreamEnds,
    },
    /// An entry.
    Entry {
        /// The subject it is stored under.
        subject: String,
        /// Its sequence.
        seq: Seq,
        /// Its timestamp.
        time: StreamTime,
        /// Its bytes.
        payload: Bytes,
    },
    /// The consumer is in doubt; another one is being made, and [`ReaderEvent::Opened`] will tell of it.
    Interrupted,
}

/// An ordered pass over a shard's log. Made anew by itself until it is dropped.
#[derive(Debug)]
pub struct ShardReader {}

impl ShardReader {
    /// Begins to read.
    pub fn start(connection: &Connection, shard: Shard, from: Start) -> ShardReader {
        todo!()
    }

    /// What comes next. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> ReaderEvent {
        todo!()
    }
}

/// The ends of a shard's log, as its leader says. Errors: see [`ReadError`].
pub async fn stream_ends(connection: &Connection, shard: Shard) -> Result<StreamEnds, ReadError> {
    todo!()
}

/// The timestamp of a shard's entry, as its leader says; `None` when there is none at `seq`. Errors: see [`ReadError`].
pub async fn entry_time(connection: &Connection, shard: Shard, seq: Seq) -> Result<Option<StreamTime>, ReadError> {
    todo!()
}
