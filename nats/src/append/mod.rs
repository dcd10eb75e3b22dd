//! `append_once`: stored once, whoever writes and however late. [`core`] decides, [`Appender`] carries it out.

mod behind;
pub mod core;
mod erase;
mod late;
mod link;
mod turns;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use dunlin_schema::{
    Entry, Log, Millis, Seq, Shard,
    limits::{self, Bounds},
    read::ReadRequest,
    stream::{self, RegionSettings},
};
use futures_util::FutureExt;
use tokio::time::timeout;

use self::{
    core::{AppendOnce, Event, NoAnswer, Place, PubAck, PublishFailure, Step},
    late::{Late, Scan, Turn},
    link::{Keeper, Link, Origins},
    turns::Turns,
};
use crate::{
    ConnectError, ConnectOptions, Reads,
    api::{PublishAnswer, StoredMessage},
    provision::CREATED_BY,
};

pub use self::{
    behind::Hold,
    core::{AppendError, Item, Origin, Stored},
};

/// What JetStream knows a repeat by.
const MESSAGE_ID: &str = "Nats-Msg-Id";
/// The sequence of a subject's last message, without which it stores nothing.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";
/// More than the headers of any append take: they hold a log's, a sender's and a message's name.
const HEADERS: usize = 1_024;
/// Appends of one process that are under way at once; further ones wait for their turn, and are `Unknown` when it does not come.
const IN_FLIGHT: usize = 8_192;

/// Appends to the logs of a region, over a connection that does not reconnect but is made anew: what was given up is never sent later.
/// Clones share it.
#[derive(Clone, Debug)]
pub struct Appender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    keeper: Keeper,
    reads: Reads,
    turns: Turns,
    late: Arc<Late>,
}

impl Appender {
    /// Opens the connections. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, settings: &RegionSettings) -> Result<Appender, ConnectError> {
        let reads = Reads::open(options, settings).await?;
        let stream = stream::log_stream(&settings.region, Shard(0));
        // Where nobody answers, nothing is known of the streams' beginning, and the duplicate window counts as young.
        let info = reads.api().stream_info(&stream, None).await.ok();
        let created_by = info.and_then(|mut info| info.config.metadata.remove(CREATED_BY));
        let origins = Origins { region: settings.region.clone(), replicas: settings.replicas, created_by };
        let keeper = Keeper::start(options.clone(), origins).await?;
        let turns = Turns::new(IN_FLIGHT);
        Ok(Appender { shared: Arc::new(Shared { keeper, reads, turns, late: Late::new() }) })
    }

    /// Stores the item once, or finds it stored. Errors: see [`AppendError`]. Cancelling it leaves the outcome unknown.
    pub async fn append(&self, item: Item) -> Result<Stored, AppendError> {
        let begin = |window_whole, now| AppendOnce::new(item, window_whole, Bounds::STANDARD, now);
        let stored = self.carry_out(begin, self.shared.late.scan()).await?;
        // Only a call that looks ends otherwise.
        stored.ok_or(AppendError::Unknown)
    }

    /// Looks for the item of which `entry` is, or tells, in a log: the item itself or the tombstone that names it, or `None` where the
    /// log has neither. It reads no more than the log holds since the item's id. Errors: see [`AppendError`]; `TooOld` says that it may
    /// have been there, and `Unknown` that nobody answered in time.
    pub async fn find(&self, log: Log, entry: Entry) -> Result<Option<Stored>, AppendError> {
        let item = Item { log, entry, origin: Origin::Client, first_try: false, copy_of_new: false };
        let begin = |_, now| AppendOnce::looking(item, Bounds::STANDARD, now);
        self.carry_out(begin, self.shared.late.look()).await
    }

    /// Carries out a call, until it says what is stored. `None`: nothing, it only looked.
    async fn carry_out(
        &self,
        begin: impl FnOnce(bool, Millis) -> AppendOnce,
        scan: Scan,
    ) -> Result<Option<Stored>, AppendError> {
        let clock = Clock::start();
        let Some(_turn) = self.shared.turns.take(span(limits::APPEND_FOR)).await else {
            return Err(AppendError::Unknown);
        };
        // A fresh publish relies on the window of the very server to which this link leads: it takes no other.
        let mut link = self.shared.keeper.now();
        let window_whole = link.as_ref().is_some_and(|link| link.window_whole());
        let mut call = Call { once: begin(window_whole, clock.now()), turn: None, scan };
        let mut step = call.once.begin(clock.now());
        let mut prepared = None;
        loop {
            let event = match step {
                Step::Done(result) => return result.map(Some),
                Step::Absent => return Ok(None),
                Step::Publish { expect } => {
                    let publish =
                        prepared.get_or_insert_with(|| Prepared::of(&call.once.item().log, &call.once.item().entry));
                    // A late one relies on what was asked over this link's time: it takes no other either.
                    Event::Published(match &link {
                        Some(link) => publish.on(link, expect).await,
                        None => Err(PublishFailure::Unknown),
                    })
                }
                Step::Wait(pause) => {
                    tokio::time::sleep(span(pause)).await;
                    Event::Waited
                }
                // The steps that only look are boxed, so that a fresh append does not carry their state about.
                Step::TakeTurn(within) => self.take_turn(&mut call, link.as_deref(), within).boxed().await,
                Step::AskLast => {
                    let left = call.once.left(clock.now());
                    self.ask_last(&call.once, &mut link, left).boxed().await
                }
                Step::AskFirst => self.ask_first(&call.once).boxed().await,
                Step::ReadBack(seq) => self.read_back(&call.once, seq).boxed().await,
                Step::Read(request) => {
                    let left = call.once.left(clock.now());
                    self.read(&mut call, request, left).boxed().await
                }
            };
            step = call.once.handle(clock.now(), event);
        }
    }

    /// How many appends went the late way, in which the log is looked at first.
    pub fn late_appends(&self) -> u64 {
        self.shared.late.appends.load(Ordering::Relaxed)
    }

    /// How many entries were read for them, and for those who look.
    pub fn late_entries(&self) -> u64 {
        self.shared.late.entries.load(Ordering::Relaxed)
    }

    /// What found no room, by the queue that had none: appends and look-ups whose turn did not come in time, and answers that were dropped
    /// because too many waited to be taken.
    pub fn refused(&self) -> [(&'static str, u64); 4] {
        let Shared { reads, turns, late, .. } = &*self.shared;
        let [lanes, scans] = late.refused();
        [
            ("appends", turns.refused()),
            ("late appends to one log", lanes),
            ("long reads of late appends", scans),
            ("answers to late appends", reads.dropped()),
        ]
    }

    async fn take_turn(&self, call: &mut Call, link: Option<&Link>, within: Millis) -> Event {
        let connection = link.map_or(0, |link| link.number);
        let taken = self.shared.late.turn(&call.once.item().log, connection, within).await;
        let (turn, known) = taken.unzip();
        call.turn = turn.map(Box::new);
        Event::Turn(known.ok_or(NoAnswer))
    }

    async fn ask_last(&self, once: &AppendOnce, link: &mut Option<Arc<Link>>, left: Millis) -> Event {
        *link = self.shared.keeper.within(span(limits::PUBLISH_TIMEOUT.min(left))).await;
        if link.is_none() {
            return Event::Last(Err(NoAnswer));
        }
        let last = self.shared.reads.last(&once.item().log).await;
        Event::Last(last.map(place).map_err(|_| NoAnswer))
    }

    async fn ask_first(&self, once: &AppendOnce) -> Event {
        let first = self.shared.reads.first(&once.item().log).await;
        Event::First(first.map(place).map_err(|_| NoAnswer))
    }

    async fn read_back(&self, once: &AppendOnce, seq: Seq) -> Event {
        let found = self.shared.reads.at(&once.item().log, seq).await;
        Event::ReadBack(found.map(|found| found.map(Into::into)).map_err(|_| NoAnswer))
    }

    async fn read(&self, call: &mut Call, request: ReadRequest, left: Millis) -> Event {
        if !call.scan.may_read(span(left)).await {
            return Event::Read(Err(NoAnswer));
        }
        let answer = self.shared.reads.entries(&call.once.item().log, request).await;
        let entries = answer.as_ref().map_or(0, |answer| answer.entries.len());
        self.shared.late.entries.fetch_add(entries as u64, Ordering::Relaxed);
        Event::Read(answer.map_err(|_| NoAnswer))
    }
}

/// A call under way. However it ends, what it knows of the log stays for the next one.
struct Call {
    once: AppendOnce,
    turn: Option<Box<Turn>>,
    scan: Scan,
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            turn.end(self.once.take_known());
        }
    }
}

fn place(found: Option<StoredMessage>) -> Option<Place> {
    found.map(|found| Place { seq: found.seq, time: found.time })
}

fn span(millis: Millis) -> Duration {
    Duration::from_millis(millis.0)
}

/// The time of day when the call began, and from then on what has passed: a clock that is set meanwhile does no harm.
struct Clock {
    began: Millis,
    since: Instant,
}

impl Clock {
    fn start() -> Clock {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Clock { began: Millis(now.as_millis() as u64), since: Instant::now() }
    }

    fn now(&self) -> Millis {
        self.began.plus(Millis(self.since.elapsed().as_millis() as u64))
    }
}

/// What every publish of an entry has in common.
struct Prepared {
    subject: String,
    message_id: String,
    payload: Bytes,
}

impl Prepared {
    fn of(log: &Log, entry: &Entry) -> Prepared {
        let message_id = log.message_id(&entry.from, entry.id, entry.copy_to(log));
        Prepared { subject: log.subject(), message_id, payload: entry.encode() }
    }

    /// One publish and its acknowledgement, among all the others that are under way on this link.
    async fn on(&self, link: &Link, expect: Option<Seq>) -> Result<PubAck, PublishFailure> {
        if !link.outbound.takes(self.payload.len() + HEADERS) {
            return Err(PublishFailure::TooLarge);
        }
        let expected = expect.map(|last| last.0.to_string());
        let headers = [(MESSAGE_ID, &*self.message_id), (EXPECTED, expected.as_deref().unwrap_or_default())];
        let headers = if expected.is_some() { &headers[..] } else { &headers[..1] };
        let asked = link.outbound.ask(&self.subject, headers, &self.payload);
        // "No responders" is no answer: an election is under way.
        let answer = timeout(span(limits::PUBLISH_TIMEOUT), asked).await.ok().and_then(Result::ok);
        match PublishAnswer::read(&answer.ok_or(PublishFailure::Unknown)?) {
            PublishAnswer::Stored { seq, duplicate } => Ok(PubAck { seq, duplicate }),
            PublishAnswer::Conflict => Err(PublishFailure::Conflict),
            PublishAnswer::Full(_) => Err(PublishFailure::Full),
            PublishAnswer::TooLarge(_) => Err(PublishFailure::TooLarge),
            PublishAnswer::Unknown => Err(PublishFailure::Unknown),
        }
    }
}
