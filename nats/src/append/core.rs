//! What `append_once` does next, decided without I/O.
//!
//! Drive it: make one [`AppendOnce`] for a call, carry out the [`Step`] of [`AppendOnce::begin`], give what came of it to
//! [`AppendOnce::handle`] as an [`Event`] with the time at which it came, carry out the step that this gives, and so on until
//! [`Step::Done`]. There is one step at a time, and each has one kind of event:
//!
//! | step | carry it out by | event |
//! |---|---|---|
//! | `Publish { expect: None }` | publishing the entry with its `Nats-Msg-Id` ([`AppendOnce::message_id`]) | `Published` |
//! | `Publish { expect: Some(l) }` | the same, and `Nats-Expected-Last-Subject-Sequence: l` | `Published` |
//! | `AskLast` | asking the **leader** for the log's last entry | `Last` |
//! | `Read(request)` | reading the log, as [`ReadRequest`] says | `Read` |
//! | `AskFirst` | asking the **leader** for the log's first entry | `First` |
//! | `ReadBack(seq)` | asking the **leader** for the stream's entry `seq` | `ReadBack` |
//! | `Wait(span)` | waiting | `Waited` |
//! | `Done(result)` | telling the caller | none |
//!
//! Whoever carries out a `Publish` promises: one that was given up (its event said `Unknown`) is not sent again by anybody, and reaches the
//! stream within the rest of the duplicate window or never. Whoever answers `AskLast`, `AskFirst` and `ReadBack` promises the leader's word.
//!
//! **Why it is right.** A fresh publish meets every other try of the same item inside the duplicate window. A late one is conditional on the
//! last sequence L of the log, and everything from S up to L was read before: if nobody wrote since L, then nobody wrote the item since S, and
//! before S nobody can have. A read that does not come as far as L is a lagging replica's, and the leader is asked instead. What lies between
//! S and L can only be missing by eviction; then the log has been full since S, which the entries that were read show: see
//! [`AppendError::TooOld`].

use dunlin_schema::{
    Entry, Log, Millis, Seq, StreamTime,
    limits::{self, Bounds},
    read::{ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

/// What is to be stored, where, and what is known of earlier tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The log.
    pub log: Log,
    /// The entry; its `time` is the gateway's, and what `accepted` tells.
    pub entry: Entry,
    /// Who brings it, and so how far back an earlier try of it can lie.
    pub origin: Origin,
    /// Whether nobody can have tried it at this place before: false for anything a caller repeats.
    pub first_try: bool,
}

/// Who brings an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: nobody can have tried it before its id's time − 60 s.
    Client,
    /// A reader that goes on from a saved position: nobody can have tried it before that − 60 s. It is never refused for its age: what a
    /// reader carries was accepted elsewhere.
    Reader {
        /// The timestamp of the saved position.
        saved: StreamTime,
    },
}

/// The item is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The sequence at which it, or the tombstone that names it, is stored.
    pub seq: Seq,
    /// What is stored: on a repeat the first try's entry, so that the answer is the same. Of a repeat whose entry was evicted or erased within
    /// the duplicate window only the sequence is known; then this is the repeat's own entry.
    pub entry: Entry,
    /// Whether it had been stored before.
    pub repeat: bool,
}

/// The item is not stored, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The id is older than what can be looked up: the item may be stored, and dropped since.
    #[error("the id is older than what can be looked up")]
    TooOld,
    /// The id's time is ahead of ours by more than the allowed skew.
    #[error("the id's time lies in the future")]
    FromTheFuture,
    /// The stream is full. Nothing was stored by this call; trying again later may help.
    #[error("the log's storage is full")]
    Full,
    /// More bytes than the server takes.
    #[error("the entry is larger than the server allows")]
    TooLarge,
    /// It may be stored: repeat it with the same id.
    #[error("the outcome is unknown")]
    Unknown,
}

/// What to do next. See the module's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one step at a time, and each call ends with the large one")]
pub enum Step {
    /// Publish the entry.
    Publish {
        /// The log's last sequence that the stream must still have; `Some(Seq(0))`: the log must be empty.
        expect: Option<Seq>,
    },
    /// Ask the leader for the log's last entry.
    AskLast,
    /// Read the log.
    Read(ReadRequest),
    /// Ask the leader for the log's first entry.
    AskFirst,
    /// Ask the leader for an entry by its sequence.
    ReadBack(Seq),
    /// Wait this long.
    Wait(Millis),
    /// Tell the caller.
    Done(Result<Stored, AppendError>),
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the stream said to a publish.
    Published(Result<PubAck, PublishFailure>),
    /// The log's last entry, `None` where it has none.
    Last(Result<Option<Place>, NoAnswer>),
    /// Entries of the log.
    Read(Result<ReadAnswer, NoAnswer>),
    /// The log's first entry, `None` where it has none.
    First(Result<Option<Place>, NoAnswer>),
    /// The entry of the asked sequence, `None` where the stream has none there.
    ReadBack(Result<Option<StoredEntry>, NoAnswer>),
    /// The time is over.
    Waited,
}

/// Nobody answered, or what came can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// Where an entry of the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its sequence.
    pub seq: Seq,
    /// Its timestamp.
    pub time: StreamTime,
}

/// A publish was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubAck {
    /// Where the entry is stored.
    pub seq: Seq,
    /// Whether it had been stored before, within the duplicate window.
    pub duplicate: bool,
}

/// A publish was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishFailure {
    /// The log's last sequence is not the expected one (10071). Not stored.
    Conflict,
    /// The stream or the storage is full (10077 and its kin). Not stored.
    Full,
    /// More bytes than the server takes. Not stored.
    TooLarge,
    /// Everything else: no acknowledgement in time, no responders, 10158, 10164. It may be stored, or may yet be.
    Unknown,
}

/// Pauses between tries, in milliseconds: an election takes seconds, a lost answer does not.
const PAUSES: [u64; 6] = [20, 40, 80, 160, 320, 500];
/// Conflicts that are met at once: each means that somebody else's entry was stored.
const EAGER_CONFLICTS: u32 = 8;
/// How far before its id's time an item is looked for first: most are stored within moments of it.
const PROBE_MARGIN: Millis = Millis(1_000);

#[derive(Debug)]
enum State {
    New,
    PublishingFresh,
    PublishingLate,
    ReadingBack(Seq),
    AskingLast,
    Probing { last: Seq },
    Reading { upto: Seq, request: ReadRequest },
    AskingFirst { last: Seq },
    Waiting,
    Done,
}

/// What has been read of the log so far, in this call.
#[derive(Clone, Copy, Debug)]
struct Scan {
    /// Everything from S to here was read, and the item was not there.
    upto: Seq,
    /// What was read, tombstones counted twice.
    weight: u64,
}

/// One call of `append_once`. How to drive it stands at the top of the file.
#[derive(Debug)]
pub struct AppendOnce {
    item: Item,
    bounds: Bounds,
    window_whole: bool,
    deadline: Millis,
    state: State,
    scan: Option<Scan>,
    /// Whether a publish of this call may be stored or may yet be.
    in_doubt: bool,
    failures: usize,
    conflicts: u32,
}

impl AppendOnce {
    /// A call that begins at `now`. `window_whole` says that the stream's duplicate window holds every id of the last two minutes: the stream
    /// has several replicas, or its one server has been up for as long (a restart rebuilds the window only from what is still stored).
    pub fn new(item: Item, window_whole: bool, bounds: Bounds, now: Millis) -> AppendOnce {
        AppendOnce {
            item,
            bounds,
            window_whole,
            deadline: now.plus(limits::APPEND_FOR),
            state: State::New,
            scan: None,
            in_doubt: false,
            failures: 0,
            conflicts: 0,
        }
    }

    /// The item.
    pub fn item(&self) -> &Item {
        &self.item
    }

    /// The `Nats-Msg-Id` of every publish of this call.
    pub fn message_id(&self) -> String {
        self.item.log.message_id(&self.item.entry.from, self.item.entry.id)
    }

    /// The first step.
    pub fn begin(&mut self, now: Millis) -> Step {
        let id_time = self.item.entry.id.time();
        if self.item.origin == Origin::Client && id_time > now.plus(limits::CLOCK_SKEW) {
            return self.done(Err(AppendError::FromTheFuture));
        }
        if self.item.first_try && self.window_whole && now.since(id_time) < limits::FRESH_FOR {
            self.state = State::PublishingFresh;
            return Step::Publish { expect: None };
        }
        if self.item.origin == Origin::Client && self.expired(now) {
            return self.done(Err(AppendError::TooOld));
        }
        self.ask_last()
    }

    /// Takes what came of the last step, at the time `now`, and gives the next one. An event of another step's kind is the driver's fault, and
    /// counts as no answer.
    pub fn handle(&mut self, now: Millis, event: Event) -> Step {
        match (std::mem::replace(&mut self.state, State::Done), event) {
            (State::PublishingFresh, Event::Published(result)) => self.published(now, result, true),
            (State::PublishingLate, Event::Published(result)) => self.published(now, result, false),
            (State::ReadingBack(seq), Event::ReadBack(result)) => self.read_back(now, seq, result),
            (State::AskingLast, Event::Last(result)) => self.last(now, result),
            (State::Probing { last }, Event::Read(result)) => self.probed(last, result),
            (State::Reading { upto, request }, Event::Read(result)) => self.read(now, upto, request, result),
            (State::AskingFirst { last }, Event::First(result)) => self.first(now, last, result),
            (State::Waiting, Event::Waited) => self.ask_last(),
            (_, event) => {
                debug_assert!(false, "{event:?} does not belong to the step");
                self.fail(now)
            }
        }
    }

    /// From where on an earlier try of the item can be stored.
    fn since(&self) -> StreamTime {
        match self.item.origin {
            Origin::Client => self.item.entry.id.time().minus(limits::LATE_MARGIN).into(),
            Origin::Reader { saved } => StreamTime(saved.0.saturating_sub(StreamTime::from(limits::LATE_MARGIN).0)),
        }
    }

    /// Whether an earlier try may have outlived the retention.
    fn expired(&self, now: Millis) -> bool {
        now.since(self.since().millis()) >= self.bounds.retention.minus(self.bounds.retention_slack)
    }

    fn done(&mut self, result: Result<Stored, AppendError>) -> Step {
        self.state = State::Done;
        Step::Done(result)
    }

    fn stored(&mut self, seq: Seq, entry: Entry, repeat: bool) -> Step {
        self.done(Ok(Stored { seq, entry, repeat }))
    }

    fn ask_last(&mut self) -> Step {
        self.state = State::AskingLast;
        Step::AskLast
    }

    fn publish_late(&mut self, now: Millis, last: Seq) -> Step {
        if now >= self.deadline {
            return self.done(Err(AppendError::Unknown));
        }
        self.state = State::PublishingLate;
        Step::Publish { expect: Some(last) }
    }

    /// Nobody answered: the whole late path again after a pause, while there is time.
    fn fail(&mut self, now: Millis) -> Step {
        self.scan = None;
        let pause = Millis(PAUSES[self.failures.min(PAUSES.len() - 1)]);
        self.failures += 1;
        self.pause(now, pause)
    }

    fn pause(&mut self, now: Millis, pause: Millis) -> Step {
        if now.plus(pause) >= self.deadline {
            return self.done(Err(AppendError::Unknown));
        }
        self.state = State::Waiting;
        Step::Wait(pause)
    }

    fn published(&mut self, now: Millis, result: Result<PubAck, PublishFailure>, fresh: bool) -> Step {
        match result {
            Ok(PubAck { seq, duplicate: false }) => {
                let entry = self.item.entry.clone();
                self.stored(seq, entry, false)
            }
            Ok(PubAck { seq, duplicate: true }) => {
                self.state = State::ReadingBack(seq);
                Step::ReadBack(seq)
            }
            Err(PublishFailure::Conflict) if !fresh => self.conflict(now),
            // An earlier publish of this call may still be stored: then "full" would be a lie.
            Err(PublishFailure::Full | PublishFailure::TooLarge) if self.in_doubt => {
                self.done(Err(AppendError::Unknown))
            }
            Err(PublishFailure::Full) => self.done(Err(AppendError::Full)),
            Err(PublishFailure::TooLarge) => self.done(Err(AppendError::TooLarge)),
            Err(PublishFailure::Unknown | PublishFailure::Conflict) => {
                self.in_doubt = true;
                self.fail(now)
            }
        }
    }

    /// Somebody wrote to the log since L. What was read stays read; only what came since is new.
    fn conflict(&mut self, now: Millis) -> Step {
        self.conflicts += 1;
        if self.conflicts <= EAGER_CONFLICTS && now < self.deadline {
            return self.ask_last();
        }
        self.pause(now, Millis(PAUSES[0]))
    }

    fn read_back(&mut self, now: Millis, seq: Seq, result: Result<Option<StoredEntry>, NoAnswer>) -> Step {
        match result {
            // The stream dropped the publish because it has the item at `seq`, and the leader has nothing there: evicted or erased since.
            Ok(None) => {
                let entry = self.item.entry.clone();
                self.stored(seq, entry, true)
            }
            Ok(Some(found)) => match self.accounting(&found) {
                Some(entry) => self.stored(seq, entry, true),
                // The log went back, and the sequence was given again.
                None => self.ask_last(),
            },
            Err(NoAnswer) => {
                self.in_doubt = true;
                self.fail(now)
            }
        }
    }

    fn last(&mut self, now: Millis, result: Result<Option<Place>, NoAnswer>) -> Step {
        let last = match result {
            Err(NoAnswer) => return self.fail(now),
            Ok(None) => return self.publish_late(now, Seq(0)),
            Ok(Some(last)) => last,
        };
        // An end below what was read: the log went back, and what was read tells nothing any more.
        let scan = self.scan.take_if(|scan| scan.upto <= last.seq);
        if last.time < self.since() {
            return self.publish_late(now, last.seq);
        }
        match scan {
            Some(scan) if scan.upto == last.seq => {
                self.scan = Some(scan);
                self.scanned(now, scan)
            }
            Some(scan) => {
                self.scan = Some(scan);
                self.read_on(last.seq, ReadFrom::Seq(scan.upto.next()), Source::Any)
            }
            None => {
                self.scan = None;
                self.probe(last.seq)
            }
        }
    }

    /// One page around the id's own time, where a repeat is found at once however much the log holds since S.
    fn probe(&mut self, last: Seq) -> Step {
        let from = StreamTime::from(self.item.entry.id.time().minus(PROBE_MARGIN));
        if self.item.origin != Origin::Client || from <= self.since() {
            return self.read_on(last, ReadFrom::Time(self.since()), Source::Any);
        }
        self.state = State::Probing { last };
        Step::Read(ReadRequest { from: ReadFrom::Time(from), source: Source::Any })
    }

    fn probed(&mut self, last: Seq, result: Result<ReadAnswer, NoAnswer>) -> Step {
        let entries = result.map(|answer| answer.entries).unwrap_or_default();
        match entries.iter().find_map(|found| Some((found.seq, self.accounting(found)?))) {
            Some((seq, entry)) => self.stored(seq, entry, true),
            None => self.read_on(last, ReadFrom::Time(self.since()), Source::Any),
        }
    }

    fn read_on(&mut self, upto: Seq, from: ReadFrom, source: Source) -> Step {
        let request = ReadRequest { from, source };
        self.state = State::Reading { upto, request };
        Step::Read(request)
    }

    fn read(&mut self, now: Millis, upto: Seq, asked: ReadRequest, result: Result<ReadAnswer, NoAnswer>) -> Step {
        let Ok(answer) = result else { return self.fail(now) };
        let mut scan = self.scan.unwrap_or(Scan { upto: Seq(0), weight: 0 });
        for found in &answer.entries {
            let entry = Entry::decode(&found.payload).ok();
            scan.upto = found.seq;
            scan.weight += if entry.as_ref().is_some_and(Entry::is_tombstone) { 2 } else { 1 };
            if let Some(entry) = entry.filter(|entry| self.accounts(entry)) {
                return self.stored(found.seq, entry, true);
            }
        }
        let leader = asked.source == Source::Leader || answer.evidence.is_some();
        if scan.upto >= upto {
            self.scan = Some(scan);
            return self.scanned(now, scan);
        }
        if now >= self.deadline {
            return self.done(Err(AppendError::Unknown));
        }
        // Where to go on: behind what was read, or where this read began when it brought nothing.
        let from = if answer.entries.is_empty() { asked.from } else { ReadFrom::Seq(scan.upto.next()) };
        match (answer.more, leader) {
            (true, _) if answer.entries.is_empty() => self.fail(now),
            (true, _) => {
                self.scan = Some(scan);
                self.read_on(upto, from, asked.source)
            }
            // A replica that lags.
            (false, false) => {
                self.scan = Some(scan).filter(|scan| scan.upto > Seq(0));
                self.read_on(upto, from, Source::Leader)
            }
            // The leader itself has nothing more: the last entry went since it was asked for. The stream then expects the one before.
            (false, true) => {
                self.scan = Some(scan).filter(|scan| scan.upto > Seq(0));
                self.conflict(now)
            }
        }
    }

    /// The item is not between S and `scan.upto`, unless it was evicted.
    fn scanned(&mut self, now: Millis, scan: Scan) -> Step {
        if self.item.origin == Origin::Client && scan.weight >= self.bounds.mailbox_entries {
            self.state = State::AskingFirst { last: scan.upto };
            return Step::AskFirst;
        }
        self.publish_late(now, scan.upto)
    }

    fn first(&mut self, now: Millis, last: Seq, result: Result<Option<Place>, NoAnswer>) -> Step {
        match result {
            Err(NoAnswer) => self.fail(now),
            Ok(Some(first)) if first.time >= self.since() => self.done(Err(AppendError::TooOld)),
            Ok(_) => self.publish_late(now, last),
        }
    }

    fn accounts(&self, entry: &Entry) -> bool {
        entry.accounts_for(&self.item.entry.from, self.item.entry.id)
    }

    fn accounting(&self, found: &StoredEntry) -> Option<Entry> {
        Entry::decode(&found.payload).ok().filter(|entry| self.accounts(entry))
    }
}

#[cfg(test)]
mod tests;
