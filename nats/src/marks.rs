//! Marks of what users have sent and read: read by gateways from STATE; and whose have changed, asked by a gateway, answered by the
//! receipts workers.

use bytes::Bytes;
use dunlin_schema::{
    Millis, Peer, Seq, Shard, UserName,
    counts::{CountsAnswer, CountsRequest, GroupSentMarks},
    envelope::EnvelopeError,
    marks::{MarksAnswer, MarksRequest},
    record::{ReadMark, SentMarks},
    subject::{self, MarkOf, MarkRecord},
};

use crate::{
    Connection, Reads,
    records::{RecordError, Records},
    service::{AskError, ask},
};

/// Why nobody says whose marks have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarksError {
    /// No receipts worker of the shard listens, or none that knows it answered in time.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// The answer can't be read.
    #[error("the receipts worker answered what can't be read")]
    Unreadable,
}

/// A record of marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MarkValue {
    /// How far what the user sent has come.
    Sent(SentMarks),
    /// How far what the user sent to a group has come.
    SentToGroup(GroupSentMarks),
    /// How far the user has read.
    Read(ReadMark),
}

/// A record of marks as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMark {
    /// Whose it is, and of whom it says something.
    pub of: MarkOf,
    /// What it says.
    pub value: MarkValue,
    /// Its revision.
    pub revision: Seq,
}

impl StoredMark {
    fn read(subject: &str, bytes: &Bytes, revision: Seq) -> Option<StoredMark> {
        let of = subject::parse_mark(subject)?;
        let value: Result<_, EnvelopeError> = match (of.kind, &of.peer) {
            (MarkRecord::Sent, Peer::User(_)) => SentMarks::decode(bytes).map(MarkValue::Sent),
            (MarkRecord::Sent, Peer::Group(_)) => GroupSentMarks::decode(bytes).map(MarkValue::SentToGroup),
            (MarkRecord::Read, Peer::User(_) | Peer::Group(_)) => ReadMark::decode(bytes).map(MarkValue::Read),
        };
        value
            .inspect_err(|error| tracing::warn!(subject, %error, "marks that can't be read are passed over"))
            .ok()
            .map(|value| StoredMark { of, value, revision })
    }
}

/// Some of a user's marks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarksPage {
    /// In the order in which they were last written.
    pub marks: Vec<StoredMark>,
    /// Up to this revision the page tells of all that are stored.
    pub upto: Seq,
    /// Whether more may follow: ask again for what is above `upto`.
    pub more: bool,
}

/// What a gateway asks of marks. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Marks {
    connection: Connection,
    reads: Reads,
}

impl Marks {
    /// Asks workers over the one connection, and STATE over that of `reads`.
    pub fn new(connection: &Connection, reads: &Reads) -> Marks {
        Marks { connection: connection.clone(), reads: reads.clone() }
    }

    /// The marks of a user of the shard whose revisions are above `after`, in the order of these: one round trip for a page. It misses
    /// nothing that was stored before it was called. Errors: see [`RecordError`].
    pub async fn of(&self, shard: Shard, user: &UserName, after: Seq) -> Result<MarksPage, RecordError> {
        let pattern = subject::marks_of(self.connection.region(), shard, user);
        let page = Records::new(&self.connection).few_above(&self.reads, shard, &pattern, after).await?;
        let upto = page.records.last().map_or(after, |(_, record)| record.revision);
        let marks = page
            .records
            .iter()
            .filter_map(|(subject, record)| StoredMark::read(subject, &record.bytes, record.revision));
        Ok(MarksPage { marks: marks.collect(), upto, more: page.next.is_some() })
    }

    /// Asks whose marks were written behind this revision of the shard's STATE. Errors: see [`MarksError`].
    pub async fn changed(&self, shard: Shard, after: Seq, within: Millis) -> Result<MarksAnswer, MarksError> {
        let subject = subject::changed_marks(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, MarksRequest { after }.encode(), within).await?;
        MarksAnswer::decode(&answer).map_err(|_| MarksError::Unreadable)
    }

    /// Asks how far a message to a group of the shard has come. Errors: see [`MarksError`].
    pub async fn counts(
        &self,
        shard: Shard,
        request: &CountsRequest,
        within: Millis,
    ) -> Result<CountsAnswer, MarksError> {
        let subject = subject::group_counts(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, request.encode(), within).await?;
        CountsAnswer::decode(&answer).map_err(|_| MarksError::Unreadable)
    }
}
