//! Every entry of a stream in order, checked for contiguity.
//!
//! An AckNone consumer from a position; at any doubt (an error, a pause without heartbeats, a consumer sequence that is not the next one, a
//! connection that was made anew) it is given up and another one is made behind the last entry given. No durables, no acknowledgements: they swallow or reorder entries when one
//! reader takes over from another.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, DeliverPolicy, pull},
};
use bytes::Bytes;
use dunlin_schema::{RegionName, Seq, Shard, StreamTime, stream};
use futures_util::StreamExt;
use rand::Rng;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{
    Connection, ReadError,
    api::{Api, MessageQuery, calendar},
};

/// Entries of one batch that the consumer is asked for.
const BATCH: usize = 500;
/// Events that wait for whoever reads; when it is full, the consumer waits.
const WAITING: usize = 512;
/// How long one batch may take.
const EXPIRES: Duration = Duration::from_secs(10);
/// How often the server says that it is there. Two missed ones are a doubt.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long the server keeps a consumer that nobody asks.
const INACTIVE: Duration = Duration::from_secs(10);
/// The longest pause before another consumer is made.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// A stream, and the JetStream domain that stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamName {
    /// The region whose servers store it.
    pub domain: RegionName,
    /// Its name, unique across regions.
    pub name: String,
}

impl StreamName {
    /// The log of a shard.
    pub fn log(region: &RegionName, shard: Shard) -> StreamName {
        StreamName { domain: region.clone(), name: stream::log_stream(region, shard) }
    }

    /// Its domain's API over this connection.
    fn api(&self, connection: &Connection) -> Api {
        connection.api().of(&self.domain)
    }
}

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
    /// A new consumer stands, and its entries follow. The rest was asked from the leader after it was made and before any of its entries is
    /// given: a log that goes back later takes the consumer with it.
    Opened {
        /// Where it begins: as the reader was started, or behind the last entry that it gave.
        from: Start,
        /// The stream's ends.
        ends: StreamEnds,
        /// The timestamp of the entry at `from`, where that is a sequence above 0 that the stream still holds: another one than before
        /// means that the log went back.
        time: Option<StreamTime>,
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

/// An ordered pass over a stream. Made anew by itself until it is dropped.
#[derive(Debug)]
pub struct StreamReader {
    events: mpsc::Receiver<ReaderEvent>,
    task: AbortHandle,
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl StreamReader {
    /// Begins to read.
    pub fn start(connection: &Connection, stream: StreamName, from: Start) -> StreamReader {
        let (sender, events) = mpsc::channel(WAITING);
        let pass = Pass { connection: connection.clone(), stream, from, events: sender };
        StreamReader { events, task: tokio::spawn(pass.run()).abort_handle() }
    }

    /// What comes next. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> ReaderEvent {
        self.events.recv().await.expect("the task that reads lives as long as the reader")
    }
}

struct Pass {
    connection: Connection,
    stream: StreamName,
    from: Start,
    events: mpsc::Sender<ReaderEvent>,
}

/// Why a consumer was given up.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    #[error("the consumer can't be made: {0}")]
    NotMade(String),
    #[error("the stream's leader does not answer: {0}")]
    Leader(#[from] ReadError),
    #[error("the consumer failed: {0}")]
    Failed(String),
    #[error("an entry that can't be placed: {0}")]
    Unplaced(String),
    #[error("entry {found} of the consumer came where {expected} was due")]
    Hole { expected: u64, found: u64 },
    #[error("the connection may have lost some of what the consumer sent")]
    Lost,
    #[error("the consumer ended")]
    Ended,
    #[error("nobody reads any more")]
    Unread,
}

impl Pass {
    async fn run(mut self) {
        loop {
            let doubt = self.consume().await;
            tracing::debug!(stream = self.stream.name, %doubt, "another consumer is made");
            if self.events.send(ReaderEvent::Interrupted).await.is_err() {
                return;
            }
            tokio::time::sleep(pause()).await;
        }
    }

    /// One consumer, from its making to its doubt.
    async fn consume(&mut self) -> Doubt {
        match self.try_consume().await {
            Ok(never) => match never {},
            Err(doubt) => doubt,
        }
    }

    async fn try_consume(&mut self) -> Result<std::convert::Infallible, Doubt> {
        // What was on its way when the connection was lost is missed by nobody until the entry behind it comes.
        let mut losses = self.connection.losses();
        losses.mark_unchanged();
        let mut messages = self.open().await?;
        let opened = self.opened().await?;
        self.events.send(opened).await.map_err(|_| Doubt::Unread)?;
        let mut expected = 1;
        loop {
            let message = tokio::select! {
                biased;
                _ = losses.changed() => return Err(Doubt::Lost),
                message = messages.next() => message.ok_or(Doubt::Ended)?,
            };
            let message = message.map_err(|error| Doubt::Failed(error.to_string()))?;
            let entry = placed(message, expected)?;
            expected += 1;
            if let ReaderEvent::Entry { seq, .. } = &entry {
                self.from = Start::After(*seq);
            }
            self.events.send(entry).await.map_err(|_| Doubt::Unread)?;
        }
    }

    async fn open(&self) -> Result<pull::Stream, Doubt> {
        let not_made = |error: &dyn std::fmt::Display| Doubt::NotMade(error.to_string());
        let jetstream = self.stream.api(&self.connection).jetstream();
        let stream = jetstream.get_stream_no_info(&self.stream.name).await.map_err(|error| not_made(&error))?;
        let config = pull::Config {
            name: Some(self.consumer_name()),
            ack_policy: AckPolicy::None,
            deliver_policy: match self.from {
                Start::After(seq) => DeliverPolicy::ByStartSequence { start_sequence: seq.next().0 },
                Start::Time(time) => DeliverPolicy::ByStartTime { start_time: calendar(time) },
            },
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: INACTIVE,
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(|error| not_made(&error))?;
        let batches = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
        batches.messages().await.map_err(|error| not_made(&error))
    }

    async fn opened(&self) -> Result<ReaderEvent, Doubt> {
        let ends = stream_ends(&self.connection, &self.stream).await?;
        let time = match self.from {
            Start::After(seq) if seq > Seq(0) => entry_time(&self.connection, &self.stream, seq).await?,
            Start::After(_) | Start::Time(_) => None,
        };
        Ok(ReaderEvent::Opened { from: self.from, ends, time })
    }

    /// Unique across regions, streams, readers and their consumers.
    fn consumer_name(&self) -> String {
        let unique: u64 = rand::rng().random();
        format!("reader_{}_{unique:016x}", self.stream.name)
    }
}

/// The entry of a message, if it is the consumer's `expected` one.
fn placed(message: jetstream::Message, expected: u64) -> Result<ReaderEvent, Doubt> {
    let info = message.info().map_err(|error| Doubt::Unplaced(error.to_string()))?;
    if info.consumer_sequence != expected {
        return Err(Doubt::Hole { expected, found: info.consumer_sequence });
    }
    let time = u64::try_from(info.published.unix_timestamp_nanos())
        .map_err(|_| Doubt::Unplaced("stored before 1970".to_owned()))?;
    let (seq, time) = (Seq(info.stream_sequence), StreamTime(time));
    let jetstream::Message { message, .. } = message;
    Ok(ReaderEvent::Entry { subject: message.subject.to_string(), seq, time, payload: message.payload })
}

fn pause() -> Duration {
    rand::rng().random_range(Duration::from_millis(10)..PAUSE_MAX)
}

/// The ends of a stream, as its leader says. Errors: see [`ReadError`].
pub async fn stream_ends(connection: &Connection, stream: &StreamName) -> Result<StreamEnds, ReadError> {
    let state = stream.api(connection).stream_info(&stream.name, None).await?.state;
    Ok(StreamEnds { first: Seq(state.first_seq), last: Seq(state.last_seq) })
}

/// The timestamp of a stream's entry, as its leader says; `None` when there is none at `seq`. Errors: see [`ReadError`].
pub async fn entry_time(
    connection: &Connection,
    stream: &StreamName,
    seq: Seq,
) -> Result<Option<StreamTime>, ReadError> {
    let found = stream.api(connection).message(&stream.name, MessageQuery::At { seq: seq.0 }).await?;
    Ok(found.map(|found| found.time))
}
