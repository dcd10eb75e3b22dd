//! Records of STATE: one a subject, the last one counts, written by compare-and-set.

use bytes::Bytes;
use dunlin_schema::{Seq, Shard, StreamTime};

use crate::Connection;

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its bytes.
    pub bytes: Bytes,
    /// Its sequence in the stream: what the next write must expect.
    pub revision: Seq,
    /// Its timestamp in the stream.
    pub stamp: StreamTime,
}

/// Why a record can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The leader did not answer in time.
    #[error("the record's stream does not answer")]
    Unanswered,
    /// What came is no answer of a server that Dunlin knows.
    #[error("the record's stream answered what can't be read: {0}")]
    Unreadable(String),
}

/// Why a record was not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaveError {
    /// Somebody else wrote since: the record has another revision.
    #[error("somebody else wrote the record")]
    Conflict,
    /// It may be written, or may yet be: load it to know.
    #[error("the write was not acknowledged")]
    Unknown,
    /// The server refused it.
    #[error("the write was refused: {0}")]
    Refused(String),
}

/// Reads and writes records. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Records {
    connection: Connection,
}

impl Records {
    /// Speaks over this connection.
    pub fn new(connection: &Connection) -> Records {
        Records { connection: connection.clone() }
    }

    /// The record of a subject in the shard's STATE, from the leader. Errors: see [`RecordError`].
    pub async fn load(&self, shard: Shard, subject: &str) -> Result<Option<Record>, RecordError> {
        todo!()
    }

    /// Writes a record if its revision is still `expect` (`Seq(0)`: if there is none), and gives its new revision. Errors: see [`SaveError`].
    pub async fn save(&self, subject: &str, bytes: impl Into<Bytes>, expect: Seq) -> Result<Seq, SaveError> {
        todo!()
    }
}
