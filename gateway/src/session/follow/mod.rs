//! One log, followed for one device: what it was given, up to where it is known to lack nothing, and what must be read.
//!
//! | word | meaning |
//! |---|---|
//! | `sent` | the cursor of what the writer has taken |
//! | `given` | the cursor of what is queued; falls back to `sent` when the queue is dropped |
//! | `sure` | up to here, in `epoch`, the log holds nothing that was not given |
//! | `heard`, `covers` | once everything up to `heard` is given, nothing is missing up to `covers` |
//!
//! Whatever is not certain becomes a read from `given`, and each answer must prove itself ([`proof`]).
//!
//! | mode | waits for | what ends it |
//! |---|---|---|
//! | `Opening` | the interest, then a reader's first word | `Live`, if nothing can be missing; `Doubting`, in an epoch above; `Reading`, after a live entry to the leader's end |
//! | `Live` | entries, to be given as they come | `Reading`, when one may be missing, the queue is full, or the cursor is a day old |
//! | `Reading` | [`WaitsFor`]: room, time, or an answer | `Live`, when `heard` or the end is reached; `Doubting`, at a contradiction |
//! | `Doubting` | the reader's comparison with the stream | its word: `Reading`, in its epoch; or what was held is given, as read |
//!
//! One may be missing where an `after` is above `sure`, a head was not given, an epoch is new, or the reader has been silent for long.

mod giving;
mod proof;
mod reading;

use dunlin_schema::{
    Cursor, Epoch, Millis, Position, Seal, Seq, StreamTime,
    frame::LogLabel,
    heads::Head,
    limits::{self, Bounds},
    live::LiveEntry,
    read::{ReadAnswer, Source},
};

use super::{
    HeadOf, NoAnswer, Output, Start,
    outbound::Outbound,
    sending::{Me, Sending},
};
use proof::{Proof, never_had_anything};

/// When an unanswered question is asked again.
const ASK_AGAIN: Millis = Millis(1_000);
/// What following a log needs of the session around it.
pub(super) struct Around<'a> {
    pub(super) now: Millis,
    pub(super) bounds: &'a Bounds,
    pub(super) me: &'a Me,
    pub(super) sending: &'a mut Sending,
    pub(super) outbound: &'a mut Outbound,
    pub(super) out: &'a mut Vec<Output>,
}

/// One log, followed for one device.
#[derive(Debug)]
pub(super) struct Follow {
    label: LogLabel,
    seal: Seal,
    epoch: Epoch,
    /// Whether a reader has named `epoch`, and not only the device's cursor.
    confirmed: bool,
    sent: Cursor,
    given: Cursor,
    sure: Seq,
    heard: Seq,
    covers: Position,
    mode: Mode,
    /// Whether `caught_up` is still to be said.
    owes_caught_up: bool,
    verify_under_way: bool,
    /// Comparisons of heads without an answer, one after the other.
    unanswered: u32,
    /// Reads that failed, one after the other.
    failures: u32,
    /// An answer that is given once the reader has verified that the log did not go back.
    held: Option<Box<Held>>,
}

/// An answer, and the read that it answers.
#[derive(Debug)]
struct Held {
    answer: ReadAnswer,
    reading: Reading,
    asked: Asked,
}

/// What was known when a read began.
#[derive(Clone, Copy, Debug)]
struct Asked {
    began: Millis,
    heard: Seq,
    covers: Position,
}

#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Waiting for the interest, then for the first word of the reader.
    Opening { subscribed: bool, live_only: bool, ask_at: Option<Millis> },
    /// Entries are given as they come.
    Live,
    /// Entries that come are only heard of.
    Reading(Reading),
    /// The log does not hold what the cursor says. Nothing is given until the reader has compared.
    Doubting { why: Doubt, ask_at: Option<Millis> },
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    source: Source,
    footing: Footing,
    /// Whether only the leader's word ends it.
    to_the_end: bool,
    waits_for: WaitsFor,
}

/// Where a read begins, and what its answer must show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Footing {
    /// At `given`: the answer must prove that nothing is missing behind it.
    Given,
    /// At `given`, which is of another epoch: a gap is owed, and the log goes on behind `given` if that is still there.
    OtherEpoch,
    /// With the first entry stored after `given`'s time, since `given` is not there: a gap is owed.
    Time,
}

#[derive(Clone, Copy, Debug)]
enum WaitsFor {
    /// The socket must take what is queued.
    Drain,
    /// The former read failed.
    Time(Millis),
    /// A read that began before something changed: its answer says nothing.
    FormerAnswer,
    /// The answer.
    Answer(Asked),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// The cursor's epoch is above the reader's.
    Epoch,
    /// The entry at the cursor is another one, or the log ends below it.
    Entry,
    /// The log ends below what the reader had read: it went back, or whoever answered does not lead any more.
    End,
    /// The entry at the cursor is gone, and older ones are there: it was erased, or the log went back. What was read is held.
    Erased,
}

impl Follow {
    pub(super) fn new(label: LogLabel, seal: Seal, start: Start, now: Millis) -> Follow {
        let sent = match start {
            Start::Beginning | Start::Live => Cursor::default(),
            // Who claims to lack nothing in the future is forged, or comes from a gateway whose clock is ahead.
            Start::Cursor(mut cursor) => {
                cursor.at = cursor.at.min(now);
                if cursor.position.seq == Seq(0) {
                    let latest = StreamTime::from(now.plus(limits::CLOCK_SKEW));
                    cursor.position.time = cursor.position.time.min(latest);
                }
                cursor
            }
        };
        Follow {
            label,
            seal,
            epoch: sent.position.epoch,
            confirmed: false,
            sent,
            given: sent,
            sure: Seq(0),
            heard: Seq(0),
            covers: Position::default(),
            mode: Mode::Opening { subscribed: false, live_only: start == Start::Live, ask_at: None },
            owes_caught_up: true,
            verify_under_way: false,
            unanswered: 0,
            failures: 0,
            held: None,
        }
    }

    /// The writer has taken a frame that brings the device to `cursor`.
    pub(super) fn taken(&mut self, cursor: Cursor) {
        self.sent = cursor;
    }

    pub(super) fn waits_for_drain(&self) -> bool {
        matches!(self.mode, Mode::Reading(Reading { waits_for: WaitsFor::Drain, .. }))
    }

    pub(super) fn deadline(&self, bounds: &Bounds) -> Option<Millis> {
        match self.mode {
            Mode::Opening { ask_at, .. } | Mode::Doubting { ask_at, .. } => ask_at,
            Mode::Reading(Reading { waits_for: WaitsFor::Time(at), .. }) => Some(at),
            Mode::Reading(_) => None,
            Mode::Live => Some(self.given.at.plus(bounds.cursor_refreshed_every)),
        }
    }

    pub(super) fn tick(&mut self, around: &mut Around<'_>) {
        if self.deadline(around.bounds).is_none_or(|at| around.now < at) {
            return;
        }
        match &mut self.mode {
            Mode::Opening { ask_at, .. } => {
                *ask_at = None;
                around.out.push(Output::AskHeads);
            }
            Mode::Doubting { why, .. } => {
                let why = *why;
                self.doubt(why, around);
            }
            Mode::Reading(_) => self.ask(around),
            Mode::Live => {
                self.owes_caught_up = true;
                self.read(Footing::Given, true, around);
            }
        }
    }

    /// The interest is in place: from here on, what is not heard live is found by the head that is asked for now.
    pub(super) fn subscribed(&mut self, around: &mut Around<'_>) {
        if let Mode::Opening { subscribed: subscribed @ false, .. } = &mut self.mode {
            *subscribed = true;
            around.out.push(Output::AskHeads);
        }
    }

    pub(super) fn live(&mut self, live: LiveEntry, around: &mut Around<'_>) {
        let LiveEntry { position, after, entry } = live;
        match self.mode {
            Mode::Opening { subscribed: false, .. } | Mode::Opening { live_only: true, .. } => return,
            Mode::Opening { .. } | Mode::Live | Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
        // An entry that was long on its way tells nothing of what was stored behind it: where it comes before the heads, the leader says
        // where the log ends.
        let opening = matches!(self.mode, Mode::Opening { .. });
        if opening {
            self.adopt(position.epoch);
        }
        if position.epoch < self.epoch {
            return;
        }
        if position.epoch > self.epoch {
            return self.new_epoch(position, position.seq, around);
        }
        self.confirmed = true;
        if self.has(position) {
            return;
        }
        self.hear(position.seq, position);
        match self.mode {
            // An entry that is older than what was given comes from a log that went back since, or from a leader whose clock is behind:
            // the log has the last word.
            Mode::Live if after <= self.sure && position.time >= self.given.position.time => {
                self.give_live(position, &entry, around);
            }
            Mode::Live | Mode::Opening { .. } => self.read(Footing::Given, opening, around),
            Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
    }

    pub(super) fn heads(&mut self, HeadOf { position, head, floor }: HeadOf, around: &mut Around<'_>) {
        self.unanswered = 0;
        match self.mode {
            Mode::Opening { subscribed: false, .. } => return,
            Mode::Opening { live_only, .. } => {
                self.adopt(position.epoch);
                if live_only {
                    return self.begin_live(position, head, floor, around);
                }
            }
            Mode::Live | Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
        let heard = head.map_or(floor, |head| head.seq);
        if position.epoch > self.epoch {
            return self.new_epoch(position, heard, around);
        }
        if position.epoch < self.epoch {
            match self.mode {
                Mode::Opening { .. } | Mode::Live if !self.confirmed => self.doubt(Doubt::Epoch, around),
                Mode::Opening { .. } => self.heads_unanswered(around),
                Mode::Live | Mode::Reading(_) | Mode::Doubting { .. } => {}
            }
            return;
        }
        self.confirmed = true;
        self.hear(heard, position);
        let own = self.given.position;
        let is_own = head.is_some_and(|head| head.seq == own.seq && head.time == own.time);
        match self.mode {
            Mode::Opening { .. } if is_own => self.settle(None, around),
            // Where the reader stands the device has been, so it says nothing of what follows: the leader does.
            Mode::Opening { .. } => self.read(Footing::Given, self.has(position), around),
            Mode::Live => match head {
                Some(head) if head.seq == own.seq && head.time != own.time => self.read(Footing::Given, false, around),
                Some(head) if self.has(Position { seq: head.seq, time: head.time, ..position }) => {
                    self.sure = self.sure.max(position.seq);
                }
                None if floor <= self.sure => self.sure = self.sure.max(position.seq),
                Some(_) | None => self.read(Footing::Given, false, around),
            },
            Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
    }

    pub(super) fn heads_unanswered(&mut self, around: &mut Around<'_>) {
        self.unanswered = self.unanswered.saturating_add(1);
        let poll = self.unanswered >= limits::HEADS_UNANSWERED;
        match &mut self.mode {
            // Without an epoch nothing can be given: only a reader knows it.
            Mode::Opening { subscribed: true, live_only, .. }
                if poll && !*live_only && !never_had_anything(&self.sent) =>
            {
                self.read(Footing::Given, true, around);
            }
            Mode::Opening { subscribed: true, ask_at, .. } => *ask_at = Some(around.now.plus(ASK_AGAIN)),
            Mode::Live if poll => self.read(Footing::Given, false, around),
            Mode::Opening { .. } | Mode::Live | Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
    }

    pub(super) fn verified(&mut self, answer: Result<Position, NoAnswer>, around: &mut Around<'_>) {
        self.verify_under_way = false;
        let Mode::Doubting { why, ask_at } = self.mode else { return };
        if ask_at.is_some() {
            // Asked before the doubt arose.
            return self.doubt(why, around);
        }
        match answer {
            Ok(position) if position.epoch > self.epoch => self.new_epoch(position, position.seq, around),
            Ok(position) if position.epoch < self.epoch && !self.confirmed => {
                self.new_epoch(position, position.seq, around)
            }
            Ok(position) if position.epoch == self.epoch => {
                self.confirmed = true;
                match why {
                    Doubt::Epoch => {
                        self.hear(position.seq, position);
                        self.read(Footing::Given, false, around);
                    }
                    // A cursor alone makes no epoch: it may be forged. This device is told of a gap, nobody else.
                    Doubt::Entry => {
                        self.hear(position.seq, position);
                        self.read(Footing::Time, false, around);
                    }
                    // The reader compared after what is held was read.
                    Doubt::Erased => {
                        if let Some(held) = self.held.take() {
                            let Held { answer, reading, asked } = *held;
                            self.go_through(Proof::Complete, reading, asked, &answer, around);
                        }
                    }
                    Doubt::End => {
                        let (footing, source) = self.footing(Footing::Given);
                        let waits_for = WaitsFor::Drain;
                        // What was known of the stream's end may be lost with it.
                        if position.seq < self.covers.seq {
                            self.covers = position;
                        }
                        self.fail(Reading { source, footing, to_the_end: true, waits_for }, around);
                    }
                }
            }
            // No answer, or one of a reader that has not noticed yet that it is replaced.
            Ok(_) | Err(NoAnswer) => {
                self.mode = Mode::Doubting { why, ask_at: Some(around.now.plus(ASK_AGAIN)) };
            }
        }
    }

    /// The first word of a reader names the epoch of a device that has none.
    fn adopt(&mut self, epoch: Epoch) {
        if never_had_anything(&self.sent) && !self.confirmed {
            self.epoch = epoch;
            self.sent.position.epoch = epoch;
            self.given = self.sent;
        }
    }

    /// A device that wants only what comes from now on begins where the reader stands, and lacks nothing of what it wants.
    fn begin_live(&mut self, position: Position, head: Option<Head>, floor: Seq, around: &mut Around<'_>) {
        let place = match head {
            Some(Head { seq, time }) => Position { seq, time, ..position },
            // The map is complete from the shard's beginning: this mailbox has never had an entry. A reader without a sequence has read nothing
            // of its epoch yet, and stands behind everything up to its time.
            None if floor == Seq(0) && position.seq > Seq(0) => {
                Position { epoch: position.epoch, ..Position::default() }
            }
            None => position,
        };
        self.epoch = position.epoch;
        self.confirmed = true;
        self.sent = Cursor { position: place, at: around.now };
        self.given = self.sent;
        self.hear(self.given.position.seq, position);
        self.settle(None, around);
    }

    /// Whether an entry of this epoch was given. What was given in another epoch, or is doubted, says nothing of it.
    fn has(&self, position: Position) -> bool {
        let certain = match self.mode {
            Mode::Reading(Reading { footing: Footing::OtherEpoch | Footing::Time, .. }) | Mode::Doubting { .. } => {
                false
            }
            Mode::Reading(Reading { footing: Footing::Given, .. }) | Mode::Opening { .. } | Mode::Live => true,
        };
        let given = self.given.position;
        // A cursor without a sequence stands behind everything up to its time.
        certain && (position.seq <= given.seq || given.seq == Seq(0) && position.time <= given.time)
    }

    /// Once everything up to `heard` is given, nothing is missing up to `covers`.
    fn hear(&mut self, heard: Seq, covers: Position) {
        self.heard = self.heard.max(heard);
        if covers.seq >= self.covers.seq {
            self.covers = covers;
        }
    }

    /// The log lives on in another epoch, in which the reader stands at `position`.
    fn new_epoch(&mut self, position: Position, heard: Seq, around: &mut Around<'_>) {
        self.epoch = position.epoch;
        self.confirmed = true;
        self.heard = heard;
        self.covers = position;
        self.sure = Seq(0);
        self.held = None;
        self.read(Footing::OtherEpoch, true, around);
    }

    fn doubt(&mut self, why: Doubt, around: &mut Around<'_>) {
        let mut ask_at = None;
        if self.verify_under_way {
            ask_at = Some(around.now.plus(ASK_AGAIN));
        } else {
            self.verify_under_way = true;
            around.out.push(Output::Verify(self.given.position));
        }
        self.mode = Mode::Doubting { why, ask_at };
    }
}
