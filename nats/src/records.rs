//! Records of STATE: one a subject, the last one counts, written by compare-and-set.

use std::time::Duration;

use async_nats::{HeaderMap, RequestErrorKind, header};
use bytes::Bytes;
use dunlin_schema::{Seq, Shard, StreamTime, limits, stream};

use crate::{
    Connection,
    api::{ApiError, MessageQuery, PublishAnswer},
};

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
    #[error(
        "the write was not acknowledged: after one that failed, as on a full disk, a stream takes no more until nats-server is started again"
    )]
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
        let stream = stream::state_stream(self.connection.region(), shard);
        let query = MessageQuery::Last { last_by_subj: subject };
        let found = self.connection.api().message(&stream, query).await.map_err(|error| match error {
            ApiError::Unanswered => RecordError::Unanswered,
            ApiError::Refused { .. } | ApiError::Unreadable(_) => RecordError::Unreadable(error.to_string()),
        })?;
        Ok(found.map(|found| Record { bytes: found.payload, revision: found.seq, stamp: found.time }))
    }

    /// Writes a record if its revision is still `expect` (`Seq(0)`: if there is none), and gives its new revision. Errors: see [`SaveError`].
    pub async fn save(&self, subject: &str, bytes: impl Into<Bytes>, expect: Seq) -> Result<Seq, SaveError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expect.0.to_string());
        let request = async_nats::Request::new()
            .headers(headers)
            .payload(bytes.into())
            .timeout(Some(Duration::from_millis(limits::PUBLISH_TIMEOUT.0)));
        let answer = self.connection.client().send_request(subject.to_owned(), request).await;
        let answer = answer.map_err(|error| match error.kind() {
            RequestErrorKind::MaxPayloadExceeded => SaveError::Refused(error.to_string()),
            RequestErrorKind::InvalidSubject
            | RequestErrorKind::TimedOut
            | RequestErrorKind::NoResponders
            | RequestErrorKind::Other => SaveError::Unknown,
        })?;
        match PublishAnswer::read(&answer.payload) {
            PublishAnswer::Stored { seq, .. } => Ok(seq),
            PublishAnswer::Conflict => Err(SaveError::Conflict),
            PublishAnswer::Full(what) | PublishAnswer::TooLarge(what) => Err(SaveError::Refused(what)),
            PublishAnswer::Unknown => Err(SaveError::Unknown),
        }
    }
}
