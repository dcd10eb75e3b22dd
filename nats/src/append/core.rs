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
//! | `TakeTurn(span)` | waiting, `span` at most, until no other late append to the log goes first; the turn lasts until `Done` | `Turn` |
//! | `AskLast` | asking the **leader** for the log's last entry | `Last` |
//! | `Read(request)` | reading the log, as [`ReadRequest`] says | `Read` |
//! | `AskFirst` | asking the **leader** for the log's first entry | `First` |
//! | `ReadBack(seq)` | asking the **leader** for the **log's** entry `seq`: another log's there is none | `ReadBack` |
//! | `Wait(span)` | waiting | `Waited` |
//! | `Done(result)`, `Absent` | telling the caller | none |
//!
//! Whoever carries out a `Publish` promises: one that was given up (its event said `Unknown`) is not sent again by anybody, and reaches the
//! stream within the rest of the duplicate window or never (but for a process that is frozen for longer than that in the midst of its
//! write: it can't keep this promise, see docs/COUNTEREXAMPLES.md). Whoever answers `AskLast`, `AskFirst` and `ReadBack` promises the
//! leader's word. Whoever gives a turn gives with it what [`AppendOnce::take_known`] gave to the one before, or nothing: turns and what is
//! remembered save reads, and nothing of what follows depends on there being one turn at a time.
//!
//! **Why it is right.** A fresh publish meets every other try of the same item inside the duplicate window. A late one is conditional on
//! the last sequence L of the log, and everything from S up to L was read before: if nobody wrote since L, then nobody wrote the item since
//! S, and before S nobody can have. A read that does not come as far as L is a lagging replica's, and the leader is asked instead. What
//! lies between S and L can only be missing by eviction; then the log has been full since S, which the entries that were read show: see
//! [`AppendError::TooOld`].
//!
//! What an earlier call has read is as good as what this one reads, as long as it is still the same log: an entry with the same sequence
//! **and** time stands where the reading ended, so that every read begins with that one and is worth nothing without it. An eviction among
//! what was not yet read would have taken it too. An erasure may be undone when the log goes back; then its tombstone is lost, which stood
//! behind the end of what is remembered unless nothing did. What is remembered only ever says "not there": an id that is found is read from
//! the leader.

mod call;
mod known;
mod look;
mod memory;
mod place;

use dunlin_schema::{
    Entry, Millis, Seq, StreamTime,
    limits::{self, Bounds},
    read::{ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

pub use self::{
    call::{AppendError, Event, Item, NoAnswer, Origin, PubAck, PublishFailure, Step, Stored},
    known::Known,
    memory::{Memory, Room},
    place::Place,
};

/// Pauses between tries, in milliseconds: an election takes seconds, a lost answer does not.
const PAUSES: [u64; 6] = [20, 40, 80, 160, 320, 500];
/// Conflicts that are met at once: each means that somebody else's entry was stored.
const EAGER_CONFLICTS: u32 = 8;
/// How far before its id's time an item is looked for first: most are stored within moments of it.
const PROBE_MARGIN: Millis = Millis(1_000);

#[derive(Debug)]
enum State {
    New,
    Publishing { expected: Option<Seq> },
    ReadingBack(Seq),
    AwaitingTurn,
    Recalling(Seq),
    AskingLast,
    Probing { last: Place },
    Reading { upto: Place, request: ReadRequest },
    AskingFirst { last: Place },
    Waiting,
    Done,
}

/// One call of `append_once`. How to drive it stands at the top of the file.
#[derive(Debug)]
pub struct AppendOnce {
    item: Item,
    bounds: Bounds,
    window_whole: bool,
    /// Whether nothing is to be stored: see [`AppendOnce::looking`].
    looks: bool,
    deadline: Millis,
    state: State,
    /// Whether it is this call's turn among the late ones.
    turn: bool,
    /// What is known of the log, by this call or one before.
    known: Option<Known>,
    /// Whether the log's end was seen behind what is known.
    behind: bool,
    /// Whether this call has begun to read at S itself.
    from_s: bool,
    /// Whether a publish of this call may be stored or may yet be.
    in_doubt: bool,
    failures: usize,
    conflicts: u32,
}

impl AppendOnce {
    /// A call that begins at `now`. `window_whole` says that the stream's duplicate window holds every id of the last two minutes: the
    /// stream has several replicas, or its one server has been up for as long (a restart rebuilds the window only from what is still
    /// stored).
    pub fn new(item: Item, window_whole: bool, bounds: Bounds, now: Millis) -> AppendOnce {
        AppendOnce {
            item,
            bounds,
            window_whole,
            looks: false,
            deadline: now.plus(limits::APPEND_FOR),
            state: State::New,
            turn: false,
            known: None,
            behind: false,
            from_s: false,
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
        let Item { log, entry, .. } = &self.item;
        log.message_id(&entry.from, entry.id, entry.copy_to(log))
    }

    /// Takes out what the next late append to the same log is to be given with its turn, at this call's end, whenever that is.
    pub fn take_known(&mut self) -> Option<Known> {
        self.known.take().and_then(Known::closed)
    }

    /// How long the call still has.
    pub fn left(&self, now: Millis) -> Millis {
        self.deadline.since(now)
    }

    /// What is known of the log.
    pub fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// The first step.
    pub fn begin(&mut self, now: Millis) -> Step {
        let id_time = self.item.entry.id.time();
        if self.item.origin == Origin::Client && id_time > now.plus(limits::CLOCK_SKEW) {
            return self.done(Err(AppendError::FromTheFuture));
        }
        if self.item.first_try && self.window_whole && now.since(id_time) < limits::FRESH_FOR {
            self.state = State::Publishing { expected: None };
            return Step::Publish { expect: None };
        }
        if self.item.origin == Origin::Client && self.expired(now) {
            return self.done(Err(AppendError::TooOld));
        }
        self.late(now)
    }

    /// Takes what came of the last step, at the time `now`, and gives the next one. An event of another step's kind is the driver's fault,
    /// and counts as no answer.
    pub fn handle(&mut self, now: Millis, event: Event) -> Step {
        match (std::mem::replace(&mut self.state, State::Done), event) {
            (State::Publishing { expected }, Event::Published(result)) => self.published(now, result, expected),
            (State::ReadingBack(seq), Event::ReadBack(result)) => self.read_back(now, seq, result),
            (State::AwaitingTurn, Event::Turn(result)) => self.turn(result),
            (State::Recalling(seq), Event::ReadBack(result)) => self.recalled(now, seq, result),
            (State::AskingLast, Event::Last(result)) => self.last(now, result),
            (State::Probing { last }, Event::Read(result)) => self.probed(last, result),
            (State::Reading { upto, request }, Event::Read(result)) => self.read(now, upto, request, result),
            (State::AskingFirst { last }, Event::First(result)) => self.first(now, last, result),
            (State::Waiting, Event::Waited) => self.late(now),
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

    /// The late path, from its beginning.
    fn late(&mut self, now: Millis) -> Step {
        if self.turn {
            return self.look();
        }
        self.state = State::AwaitingTurn;
        Step::TakeTurn(self.deadline.since(now))
    }

    fn turn(&mut self, result: Result<Option<Known>, NoAnswer>) -> Step {
        let Ok(known) = result else { return self.done(Err(AppendError::Unknown)) };
        self.turn = true;
        self.known = known;
        self.look()
    }

    /// What is remembered of the item is read again. Where nothing is, the log's end tells how much is to be read.
    fn look(&mut self) -> Step {
        if let Some(seq) = self.remembered() {
            self.state = State::Recalling(seq);
            return Step::ReadBack(seq);
        }
        self.state = State::AskingLast;
        Step::AskLast
    }

    fn recalled(&mut self, now: Millis, seq: Seq, result: Result<Option<StoredEntry>, NoAnswer>) -> Step {
        match result.map(|found| found.and_then(|found| self.accounting(&found))) {
            Ok(Some(entry)) => self.stored(seq, entry, true),
            // It went since: lost, evicted or erased. The log itself tells which.
            Ok(None) => {
                self.known = None;
                self.look()
            }
            Err(NoAnswer) => {
                self.in_doubt = true;
                self.fail(now)
            }
        }
    }

    fn publish_late(&mut self, now: Millis, last: Seq) -> Step {
        if self.looks {
            return self.absent();
        }
        if now >= self.deadline {
            return self.done(Err(AppendError::Unknown));
        }
        let expect = Some(last);
        self.state = State::Publishing { expected: expect };
        Step::Publish { expect }
    }

    /// Nobody answered: the whole late path again after a pause, while there is time.
    fn fail(&mut self, now: Millis) -> Step {
        // What shows that the log was full, or that an entry was erased, may lie behind what was read of it so far, and be lost meanwhile:
        // then what was dropped is back.
        self.known = self.take_known();
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

    fn published(&mut self, now: Millis, result: Result<PubAck, PublishFailure>, expected: Option<Seq>) -> Step {
        match result {
            Ok(PubAck { seq, duplicate: false }) => {
                // Nothing stood behind what was read.
                if let Some(known) = self.known.as_mut().filter(|known| expected == Some(known.head.seq)) {
                    known.close(self.bounds.mailbox_entries);
                }
                let entry = self.item.entry.clone();
                self.stored(seq, entry, false)
            }
            Ok(PubAck { seq, duplicate: true }) => {
                self.state = State::ReadingBack(seq);
                Step::ReadBack(seq)
            }
            Err(PublishFailure::Conflict) if expected.is_some() => self.conflict(now),
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

    /// Somebody wrote to the log since L, or it is not the one that was read.
    fn conflict(&mut self, now: Millis) -> Step {
        (self.behind, self.conflicts) = (true, self.conflicts + 1);
        if self.conflicts <= EAGER_CONFLICTS && now < self.deadline {
            return self.look();
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
                None => self.late(now),
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
            Ok(None) => {
                self.known = None;
                return self.publish_late(now, Seq(0));
            }
            Ok(Some(last)) => last,
        };
        // Where the reading ended stands nothing, or another entry: the log went back, or its end was erased.
        self.known.take_if(|known| known.head.seq >= last.seq && known.head != last);
        // What stood behind it is lost, and with it what shows that the log was full, or that an entry was erased: what was dropped is
        // back.
        let went_back = std::mem::take(&mut self.behind);
        if went_back && self.known.as_ref().is_some_and(|known| known.head == last) {
            self.known = self.take_known();
        }
        if last.time < self.since() {
            return self.publish_late(now, last.seq);
        }
        match self.known.as_ref().map(|known| known.head) {
            Some(head) if head == last => self.read_up(now, last),
            Some(_) => self.read_on(last, Source::Any),
            None => self.begin_at_s(last),
        }
    }

    /// Nothing is known of the log: it is read from S on. First one page around the id's own time, where a repeat is found at once however
    /// much the log holds since S.
    fn begin_at_s(&mut self, last: Place) -> Step {
        (self.known, self.from_s) = (None, true);
        let from = StreamTime::from(self.item.entry.id.time().minus(PROBE_MARGIN));
        if self.item.origin != Origin::Client || from <= self.since() {
            return self.read_on(last, Source::Any);
        }
        self.state = State::Probing { last };
        Step::Read(ReadRequest { from: ReadFrom::Time(from), source: Source::Any })
    }

    fn probed(&mut self, last: Place, result: Result<ReadAnswer, NoAnswer>) -> Step {
        let entries = result.map(|answer| answer.entries).unwrap_or_default();
        match entries.iter().find_map(|found| Some((found.seq, self.accounting(found)?))) {
            Some((seq, entry)) => self.stored(seq, entry, true),
            None => self.read_on(last, Source::Any),
        }
    }

    /// On from the last entry that was read, which must come again; from S where there is none.
    fn read_on(&mut self, upto: Place, source: Source) -> Step {
        let from = self.known.as_ref().map_or(ReadFrom::Time(self.since()), |known| ReadFrom::Seq(known.head.seq));
        let request = ReadRequest { from, source };
        self.state = State::Reading { upto, request };
        Step::Read(request)
    }

    fn read(&mut self, now: Millis, upto: Place, asked: ReadRequest, result: Result<ReadAnswer, NoAnswer>) -> Step {
        let Ok(answer) = result else { return self.fail(now) };
        let leader = asked.source == Source::Leader || answer.evidence.is_some();
        let mut entries = answer.entries.as_slice();
        if let Some(known) = &self.known {
            match entries.split_first() {
                Some((first, rest)) if Place::from(first) == known.head => entries = rest,
                // A replica that lags may not have it; the leader has, unless the log went back or the entry is gone.
                _ if !leader => return self.read_on(upto, Source::Leader),
                _ => {
                    self.known = None;
                    return self.conflict(now);
                }
            }
        }
        for found in entries {
            if let Some(entry) = self.learn(found).filter(|entry| self.accounts(entry)) {
                return self.stored(found.seq, entry, true);
            }
        }
        match &self.known {
            Some(known) if known.head.seq > upto.seq || known.head == upto => {
                let head = known.head;
                return self.read_up(now, head);
            }
            // The sequence of the last entry belongs to another one: the log went back since it was asked for.
            Some(known) if known.head.seq == upto.seq => {
                self.known = None;
                return self.conflict(now);
            }
            Some(_) | None => {}
        }
        if now >= self.deadline {
            return self.done(Err(AppendError::Unknown));
        }
        match (answer.more, leader) {
            (true, _) if entries.is_empty() => self.fail(now),
            (true, _) => self.read_on(upto, asked.source),
            // A replica that lags.
            (false, false) => self.read_on(upto, Source::Leader),
            // The leader itself has nothing more: the last entry went since it was asked for. The stream then expects the one before.
            (false, true) => self.conflict(now),
        }
    }

    /// Adds an entry to what is known of the log. Gives it, where it can be read.
    fn learn(&mut self, found: &StoredEntry) -> Option<Entry> {
        let entry = Entry::decode(&found.payload).ok();
        let since = self.since();
        let known = self.known.get_or_insert_with(|| Known::beginning(since, found));
        known.add(&self.item.log, found, entry.as_ref(), self.bounds.mailbox_entries * 2);
        entry
    }

    /// The log is known up to its end at `last`, and the item is not among what is known.
    fn read_up(&mut self, now: Millis, last: Place) -> Step {
        let (since, client) = (self.since(), self.item.origin == Origin::Client);
        let Some(known) = &mut self.known else { return self.begin_at_s(last) };
        let unproven = since < known.since || !known.whole;
        if client && unproven && known.weight(since) >= self.bounds.mailbox_entries {
            self.state = State::AskingFirst { last };
            return Step::AskFirst;
        }
        if since < known.since {
            return self.begin_at_s(last);
        }
        self.publish_late(now, last.seq)
    }

    /// In a full log: what was evicted was stored before its first entry.
    fn first(&mut self, now: Millis, last: Place, result: Result<Option<Place>, NoAnswer>) -> Step {
        let first = match result {
            Err(NoAnswer) => return self.fail(now),
            Ok(first) => first,
        };
        let since = self.since();
        let (Some(known), Some(first)) = (&mut self.known, first) else { return self.publish_late(now, last.seq) };
        if !known.whole {
            (known.since, known.whole) = (known.since.max(first.time.next()), true);
        }
        if since >= known.since {
            return self.publish_late(now, last.seq);
        }
        // All that is still there since S was read.
        if first.time >= since && (self.from_s || first.seq >= known.lowest()) {
            let untried = self.item.copy_of_new && !self.in_doubt && self.all_since_then_is_there(now, first, last);
            return if untried { self.publish_late(now, last.seq) } else { self.done(Err(AppendError::TooOld)) };
        }
        self.begin_at_s(last)
    }

    /// Whether everything is still there that was stored since this call began, or since the publish before it that it follows.
    fn all_since_then_is_there(&self, now: Millis, first: Place, last: Place) -> bool {
        let passed = limits::APPEND_FOR.minus(self.left(now)).plus(limits::APPEND_FOR);
        first.time.millis().plus(passed) <= last.time.millis()
    }
}

#[cfg(test)]
mod tests;
