//! Reads of one log, and last values of STATE.

use bytes::Bytes;
use dunlin_schema::{
    Log, Seq, Shard, StreamTime,
    read::{ReadAnswer, ReadRequest, Source},
    stream::RegionSettings,
};

use crate::{ConnectError, ConnectOptions};

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody answered in time: neither a replica nor the leader.
    #[error("the stream does not answer")]
    Unanswered,
    /// What came is no answer of a server that Dunlin knows.
    #[error("the stream answered what can't be read: {0}")]
    Unreadable(String),
}

/// Reads on a connection of their own, so that a large one holds nothing else up. Clones share it.
#[derive(Clone, Debug)]
pub struct Reads {}

impl Reads {
    /// Opens the connection. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, settings: &RegionSettings) -> Result<Reads, ConnectError> {
        todo!()
    }

    /// Reads a log. `Source::Any` is answered by any replica, and by the leader (then with evidence) when none answers. Errors: see [`ReadError`].
    pub async fn read(&self, log: &Log, request: ReadRequest) -> Result<ReadAnswer, ReadError> {
        todo!()
    }

    /// The last value of a STATE subject, with its sequence and timestamp. Errors: see [`ReadError`].
    pub async fn state(
        &self,
        subject: &str,
        shard: Shard,
        source: Source,
    ) -> Result<Option<(Bytes, Seq, StreamTime)>, ReadError> {
        todo!()
    }
}
