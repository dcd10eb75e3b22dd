//! Every entry of a stream in order, checked for contiguity: one ordered consumer after another, each behind the last entry given, until
//! the reader has come as far as the tap that all readers of the stream share.

mod tap;

use std::convert::Infallible;

use async_nats::jetstream::consumer::DeliverPolicy;
use bytes::Bytes;
use dunlin_schema::{Seq, StreamTime};
use tokio::{sync::mpsc, task::AbortHandle};

pub use self::tap::Taps;
use crate::{
    Connection, ReadError, StreamName,
    api::{MessageQuery, calendar},
    ordered::{Doubt, Ordered, Place, Placed, pause},
};

/// Events that wait for whoever reads; when it is full, the consumer waits.
const WAITING: usize = 512;

/// Where a reader begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first entry above this sequence.
    After(Seq),
    /// With the first entry stored at or after this time.
    Time(StreamTime),
}

impl Start {
    /// The place before what it begins with, where its entry has this timestamp.
    fn place(self, time: Option<StreamTime>) -> Option<Place> {
        match self {
            Start::After(seq) => Some((seq, time)),
            Start::Time(_) => None,
        }
    }
}

/// The ends of a stream. An empty stream that has held entries has `first` = `last` + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnds {
    /// The first sequence that is stored.
    pub first: Seq,
    /// The last sequence that was ever given, as the leader says.
    pub last: Seq,
}

/// How full a stream is, as the leader says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamFill {
    /// What it holds.
    pub bytes: u64,
    /// What it holds at most, where it has a bound.
    pub most: Option<u64>,
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

impl From<Placed> for ReaderEvent {
    fn from(placed: Placed) -> ReaderEvent {
        let Placed { subject, seq, time, payload } = placed;
        ReaderEvent::Entry { subject, seq, time, payload }
    }
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
    pub fn start(connection: &Connection, taps: &Taps, stream: StreamName, from: Start) -> StreamReader {
        let (sender, events) = mpsc::channel(WAITING);
        let pass = Pass { connection: connection.clone(), taps: taps.clone(), stream, from, events: sender };
        StreamReader { events, task: tokio::spawn(pass.run()).abort_handle() }
    }

    /// What comes next. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> ReaderEvent {
        self.events.recv().await.expect("the task that reads lives as long as the reader")
    }
}

struct Pass {
    connection: Connection,
    taps: Taps,
    stream: StreamName,
    from: Start,
    events: mpsc::Sender<ReaderEvent>,
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

    async fn try_consume(&mut self) -> Result<Infallible, Doubt> {
        let begin = match self.from {
            Start::After(seq) => DeliverPolicy::ByStartSequence { start_sequence: seq.next().0 },
            Start::Time(time) => DeliverPolicy::ByStartTime { start_time: calendar(time) },
        };
        let mut entries = Ordered::open(&self.connection, &self.stream, begin, "").await?;
        let (ends, time) = self.opened().await?;
        let mut place = self.from.place(time);
        self.tell(ReaderEvent::Opened { from: self.from, ends, time }).await?;
        let mut tap = self.taps.of(&self.stream);
        let leaves = loop {
            // Before the look, so that no move is missed.
            let moved = tap.moved();
            let over = match place.map(|place| tap.join(place, &self.events)) {
                Some(Ok(Some(leaves))) => break leaves,
                Some(Ok(None)) | None => false,
                Some(Err(_)) => true,
            };
            tokio::select! {
                biased;
                entry = entries.next() => {
                    let entry = entry?;
                    self.from = Start::After(entry.seq);
                    place = Some(entry.place());
                    self.tell(entry.into()).await?;
                    if over {
                        tap = self.taps.of(&self.stream);
                    }
                }
                () = moved, if !over => {}
            }
        };
        drop(entries);
        let (given, _) = leaves.await.map_err(|_| Doubt::Ended)?;
        self.from = Start::After(given);
        Err(Doubt::Left)
    }

    async fn tell(&self, event: ReaderEvent) -> Result<(), Doubt> {
        self.events.send(event).await.map_err(|_| Doubt::Unread)
    }

    /// The stream's ends, and the timestamp of the entry at the beginning.
    async fn opened(&self) -> Result<(StreamEnds, Option<StreamTime>), Doubt> {
        let ends = stream_ends(&self.connection, &self.stream).await?;
        let time = match self.from {
            Start::After(seq) if seq > Seq(0) => entry_time(&self.connection, &self.stream, seq).await?,
            Start::After(_) | Start::Time(_) => None,
        };
        Ok((ends, time))
    }
}

/// The ends of a stream, as its leader says. Errors: see [`ReadError`].
pub async fn stream_ends(connection: &Connection, stream: &StreamName) -> Result<StreamEnds, ReadError> {
    let state = stream.api(connection).stream_info(&stream.name, None).await?.state;
    Ok(StreamEnds { first: Seq(state.first_seq), last: Seq(state.last_seq) })
}

/// Asks the leader how full a stream is. Errors: see [`ReadError`].
pub async fn stream_fill(connection: &Connection, stream: &StreamName) -> Result<StreamFill, ReadError> {
    let info = stream.api(connection).stream_info(&stream.name, None).await?;
    let most = u64::try_from(info.config.max_bytes).ok().filter(|most| *most > 0);
    Ok(StreamFill { bytes: info.state.bytes, most })
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
