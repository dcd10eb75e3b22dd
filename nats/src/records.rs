//! Records of STATE: one a subject, the last one counts, written by compare-and-set; listed in pages and watched by a pattern of subjects.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_nats::{HeaderMap, RequestErrorKind, header, jetstream::consumer::DeliverPolicy};
use bytes::Bytes;
use dunlin_schema::{Millis, Seq, Shard, StreamTime, limits, stream};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{
    Connection, ReadError, Reads, Status, StreamName,
    api::{ApiError, Left, MessageQuery, PublishAnswer, StoredMessage, calendar},
    ordered::{Doubt, Ordered, Placed, pause},
};

/// Records of a page, at most: each is a question to the leader.
pub const PAGE: usize = 64;
/// Events of a watch that wait; when it is full, the consumer waits.
const WAITING: usize = 256;
/// How long a snapshot may stand still before it is asked whether it is complete: its last record may have been taken away.
const STILL: Duration = Duration::from_secs(1);

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

impl From<StoredMessage> for Record {
    fn from(found: StoredMessage) -> Record {
        Record { bytes: found.payload, revision: found.seq, stamp: found.time }
    }
}

/// Some of the records whose subjects match a pattern, in the order in which they were last written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Each with its subject.
    pub records: Vec<(String, Record)>,
    /// Where the next page begins; `None` where there is none.
    pub next: Option<Seq>,
}

/// What a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// From now on all that is known may be out of date, until [`WatchEvent::Complete`]: at the beginning, and after each doubt.
    Began,
    /// A record as it is now; within a snapshot the oldest write first.
    Record(String, Record),
    /// Every record that was there was given, or a newer one in its place, where a snapshot is wanted. What follows are changes.
    Complete,
}

/// Records whose subjects match a pattern, watched until this is dropped. It tells of what is written, not of what is taken away: a record
/// that is to count no more is written so.
#[derive(Debug)]
pub struct Watch {
    events: mpsc::Receiver<WatchEvent>,
    task: AbortHandle,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// What comes next. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> WatchEvent {
        self.events.recv().await.expect("the task that watches lives as long as the watch")
    }
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

impl From<ReadError> for RecordError {
    fn from(error: ReadError) -> RecordError {
        match error {
            ReadError::Unanswered => RecordError::Unanswered,
            ReadError::Unreadable(what) => RecordError::Unreadable(what),
        }
    }
}

impl From<ApiError> for RecordError {
    fn from(error: ApiError) -> RecordError {
        match error {
            ApiError::Unanswered => RecordError::Unanswered,
            ApiError::Refused { .. } | ApiError::Unreadable(_) => RecordError::Unreadable(error.to_string()),
        }
    }
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
        Ok(self.connection.api().message(&stream, query).await?.map(Record::from))
    }

    /// Up to [`PAGE`] records of the shard's STATE whose subjects match a pattern (`*` and `>` as in NATS), from the leader. `from` is
    /// `Seq(0)`, or where the page before says that the next one begins. Whoever takes every page gets each record that is there
    /// throughout, and one that is written meanwhile once more. Errors: see [`RecordError`].
    pub async fn page(&self, shard: Shard, pattern: &str, from: Seq) -> Result<Page, RecordError> {
        let stream = stream::state_stream(self.connection.region(), shard);
        let (mut records, mut seq) = (Vec::new(), from.0.max(1));
        loop {
            let query = MessageQuery::NextFrom { seq, next_by_subj: pattern };
            let Some(mut found) = self.connection.api().message(&stream, query).await? else {
                return Ok(Page { records, next: None });
            };
            if records.len() == PAGE {
                return Ok(Page { records, next: Some(found.seq) });
            }
            seq = found.seq.next().0;
            records.push((std::mem::take(&mut found.subject), found.into()));
        }
    }

    /// Some of the records of the shard's STATE whose subjects match a pattern and whose revisions are above `after`, in the order of
    /// these: one round trip for a page. It misses none that was stored before it was called. Errors: see [`RecordError`].
    pub async fn above(&self, reads: &Reads, shard: Shard, pattern: &str, after: Seq) -> Result<Page, RecordError> {
        self.found_above(reads, shard, pattern, after, Matching::Many).await
    }

    /// The same for a pattern that only some of very many records match: found without looking at the others.
    pub async fn few_above(&self, reads: &Reads, shard: Shard, pattern: &str, after: Seq) -> Result<Page, RecordError> {
        self.found_above(reads, shard, pattern, after, Matching::Few).await
    }

    async fn found_above(
        &self,
        reads: &Reads,
        shard: Shard,
        pattern: &str,
        after: Seq,
        matching: Matching,
    ) -> Result<Page, RecordError> {
        let stream = stream::state_stream(self.connection.region(), shard);
        let found = async {
            let found = match matching {
                Matching::Few => reads.by_pattern_of_few(&stream, pattern, after).await,
                Matching::Many => None,
            };
            if found.is_some() { found } else { reads.by_pattern(&stream, pattern, after).await }
        };
        let (found, last) = tokio::join!(found, reads.last_of_many(&stream, pattern));
        if let Some((found, more)) = found {
            let reached = found.last().map(|(_, last)| last.seq);
            // A replica that says "no more" below the leader's last record lags.
            let lags = !more && reached.unwrap_or(after) < last?;
            if reached.is_some() || !lags {
                let records = found.into_iter().map(|(subject, entry)| {
                    (subject, Record { bytes: entry.payload, revision: entry.seq, stamp: entry.time })
                });
                let next = reached.filter(|_| more || lags).map(Seq::next);
                return Ok(Page { records: records.collect(), next });
            }
        }
        self.page(shard, pattern, after.next()).await
    }

    /// Shows all of them, with their subjects, in the order of their revisions: a page at a time, so one that is written meanwhile comes by
    /// once more. Errors: see [`RecordError`], and what `show` says.
    pub async fn each_above<E: From<RecordError>>(
        &self,
        reads: &Reads,
        shard: Shard,
        pattern: &str,
        after: Seq,
        show: impl FnMut(String, Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_found(reads, shard, pattern, (after, Matching::Many), show).await
    }

    /// The same of all records that match a pattern, found as by [`Records::few_above`].
    pub async fn each_of_few<E: From<RecordError>>(
        &self,
        reads: &Reads,
        shard: Shard,
        pattern: &str,
        show: impl FnMut(String, Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.each_found(reads, shard, pattern, (Seq(0), Matching::Few), show).await
    }

    async fn each_found<E: From<RecordError>>(
        &self,
        reads: &Reads,
        shard: Shard,
        pattern: &str,
        (after, matching): (Seq, Matching),
        mut show: impl FnMut(String, Record) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut begin = Some(after);
        while let Some(after) = begin {
            let page = self.found_above(reads, shard, pattern, after, matching).await?;
            page.records.into_iter().try_for_each(|(subject, record)| show(subject, record))?;
            begin = page.next.map(Seq::previous);
        }
        Ok(())
    }

    /// Watches the records of the shard's STATE whose subjects match a pattern: a snapshot, then changes.
    pub fn watch(&self, shard: Shard, pattern: String) -> Watch {
        self.watching(shard, pattern, Begin::Everything)
    }

    /// The same with a snapshot of those records alone that were written in this last span, and in any case of the one written last.
    pub fn watch_back(&self, shard: Shard, pattern: String, back: Duration) -> Watch {
        self.watching(shard, pattern, Begin::Back(back))
    }

    /// The same without a snapshot: what is loaded from the leader after [`WatchEvent::Complete`] is as new as the changes that follow.
    pub fn watch_changes(&self, shard: Shard, pattern: String) -> Watch {
        self.watching(shard, pattern, Begin::Now)
    }

    fn watching(&self, shard: Shard, pattern: String, begin: Begin) -> Watch {
        let (events, watched) = mpsc::channel(WAITING);
        let stream = StreamName::state(self.connection.region(), shard);
        let watching = Watching { connection: self.connection.clone(), stream, pattern, begin, events };
        Watch { events: watched, task: tokio::spawn(watching.run()).abort_handle() }
    }

    /// Writes a record if its revision is still `expect` (`Seq(0)`: if there is none), and gives its new revision. Errors: see
    /// [`SaveError`].
    pub async fn save(&self, subject: &str, bytes: impl Into<Bytes>, expect: Seq) -> Result<Seq, SaveError> {
        self.write(subject, bytes.into(), expect, None).await
    }

    /// The same for a record that goes by itself where nobody writes it again for so long, which is counted in whole seconds.
    pub async fn save_for(
        &self,
        kept: Millis,
        subject: &str,
        bytes: impl Into<Bytes>,
        expect: Seq,
    ) -> Result<Seq, SaveError> {
        self.write(subject, bytes.into(), expect, Some(kept)).await
    }

    /// How many records of the shard's STATE have subjects that match a pattern, as the leader says. Errors: see [`RecordError`].
    pub async fn count(&self, shard: Shard, pattern: &str) -> Result<usize, RecordError> {
        let stream = stream::state_stream(self.connection.region(), shard);
        let info = self.connection.api().stream_info(&stream, Some(pattern)).await?;
        Ok(info.state.subjects.map_or(0, |subjects| subjects.len()))
    }

    /// Takes the record away whose subject matches a pattern and that was written longest ago; one that is written meanwhile stays. Gives
    /// whether there was one to take. Errors: see [`RecordError`].
    pub async fn take_oldest(&self, shard: Shard, pattern: &str) -> Result<bool, RecordError> {
        let stream = stream::state_stream(self.connection.region(), shard);
        let query = MessageQuery::NextFrom { seq: 1, next_by_subj: pattern };
        let Some(oldest) = self.connection.api().message(&stream, query).await? else { return Ok(false) };
        Ok(self.connection.api().delete_message(&stream, oldest.seq, Left::AsTheyAre).await?)
    }

    /// Takes a record away that has this revision, and overwrites its bytes. Gives whether it was still there. Errors: see
    /// [`RecordError`].
    pub async fn erase(&self, shard: Shard, revision: Seq) -> Result<bool, RecordError> {
        let stream = stream::state_stream(self.connection.region(), shard);
        Ok(self.connection.api().delete_message(&stream, revision, Left::Overwritten).await?)
    }

    async fn write(&self, subject: &str, bytes: Bytes, expect: Seq, kept: Option<Millis>) -> Result<Seq, SaveError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expect.0.to_string());
        if let Some(kept) = kept {
            headers.insert(header::NATS_MESSAGE_TTL, (kept.0 / 1_000).to_string());
        }
        let request = async_nats::Request::new()
            .headers(headers)
            .payload(bytes)
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

/// How many records match a pattern, of those that there are.
#[derive(Clone, Copy)]
enum Matching {
    Few,
    Many,
}

/// What a snapshot holds.
enum Begin {
    Everything,
    /// What was written in this last span.
    Back(Duration),
    /// Nothing.
    Now,
}

struct Watching {
    connection: Connection,
    stream: StreamName,
    pattern: String,
    begin: Begin,
    events: mpsc::Sender<WatchEvent>,
}

impl Watching {
    async fn run(self) {
        // The doubt is told before anything is done about it.
        let mut before = Duration::ZERO;
        while self.tell(WatchEvent::Began).await.is_ok() {
            sleep(before).await;
            let Err(doubt) = self.consume().await;
            before = pause();
            tracing::debug!(stream = self.stream.name, pattern = self.pattern, %doubt, "the records are watched anew");
        }
    }

    /// One consumer, until a doubt. Without a connection everything is in doubt, long before it is missed what the consumer sends.
    async fn consume(&self) -> Result<Infallible, Doubt> {
        let mut status = self.connection.status();
        tokio::select! {
            _ = status.wait_for(|status| *status == Status::Disconnected) => Err(Doubt::Lost),
            doubt = self.follow() => doubt,
        }
    }

    /// Its snapshot, where one is wanted, and changes.
    async fn follow(&self) -> Result<Infallible, Doubt> {
        let begin = self.begin().await?;
        let is_now = begin == DeliverPolicy::New;
        let mut records = Ordered::open(&self.connection, &self.stream, begin, &self.pattern).await?;
        if !is_now {
            self.snapshot(&mut records).await?;
        }
        self.tell(WatchEvent::Complete).await?;
        loop {
            self.give(records.next().await?).await?;
        }
    }

    /// Every record that is there now, or a newer one in its place.
    async fn snapshot(&self, records: &mut Ordered) -> Result<(), Doubt> {
        let (mut given, mut last) = (Seq(0), self.last_revision().await?);
        while given < last {
            match timeout(STILL, records.next()).await {
                Ok(placed) => given = self.give(placed?).await?,
                Err(_) => last = self.last_revision().await?,
            }
        }
        Ok(())
    }

    async fn give(&self, placed: Placed) -> Result<Seq, Doubt> {
        let Placed { subject, seq, time, payload } = placed;
        self.tell(WatchEvent::Record(subject, Record { bytes: payload, revision: seq, stamp: time })).await?;
        Ok(seq)
    }

    /// Where the snapshot begins.
    async fn begin(&self) -> Result<DeliverPolicy, Doubt> {
        let back = match self.begin {
            Begin::Everything => return Ok(DeliverPolicy::LastPerSubject),
            Begin::Now => return Ok(DeliverPolicy::New),
            Begin::Back(back) => back,
        };
        let since = SystemTime::now().checked_sub(back).unwrap_or(UNIX_EPOCH);
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let since = StreamTime(u64::try_from(since).unwrap_or(u64::MAX));
        Ok(match self.last().await? {
            Some(last) if last.time < since => DeliverPolicy::ByStartSequence { start_sequence: last.seq.0 },
            Some(_) | None => DeliverPolicy::ByStartTime { start_time: calendar(since) },
        })
    }

    /// The newest record, as the leader says.
    async fn last(&self) -> Result<Option<StoredMessage>, ReadError> {
        let query = MessageQuery::Last { last_by_subj: &self.pattern };
        Ok(self.stream.api(&self.connection).message(&self.stream.name, query).await?)
    }

    async fn last_revision(&self) -> Result<Seq, ReadError> {
        Ok(self.last().await?.map_or(Seq(0), |last| last.seq))
    }

    async fn tell(&self, event: WatchEvent) -> Result<(), Doubt> {
        self.events.send(event).await.map_err(|_| Doubt::Unread)
    }
}
