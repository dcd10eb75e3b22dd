//! One log, followed for one device: what it was given, up to where it is known to lack nothing, and what must be read.
//!
//! | word | meaning |
//! |---|---|
//! | `sent` | the cursor of what the writer has taken |
//! | `given` | the cursor of what is queued; falls back to `sent` when the queue is dropped |
//! | `sure` | up to here, in `epoch`, the log holds nothing that a live follower was not given |
//! | `heard`, `covers` | once everything up to `heard` is given, nothing is missing up to `covers` |
//!
//! Whatever is not certain becomes a read from `given`, and each answer must prove itself ([`proof`]).
//!
//! | mode | waits for | what ends it |
//! |---|---|---|
//! | `Opening` | the interest, then a reader's word | `Live`, if nothing can be missing; `Doubting`, in a higher epoch; else `Reading` |
//! | `Live` | entries, to be given as they come | `Reading`, when one may be missing, the queue is full, or the cursor is a day old |
//! | `Reading` | [`WaitsFor`]: room, time, or an answer | `Live`, when `heard` or the end is reached; `Doubting`, at a contradiction |
//! | `Looking` | the windows of the log's person, of a group's log | their answer: what was wanted then |
//! | `Ended` | nothing: all that the person may have is given | the log is followed anew |
//! | `Doubting` | the reader's comparison with the stream | its word: `Reading`, in its epoch; or what was held is given, as read |
//!
//! One may be missing where an `after` is above `sure`, a head was not given, an epoch is new, or the reader has been silent for long.

mod doubting;
mod giving;
mod looking;
mod mode;
mod proof;
mod reading;

use dunlin_schema::{
    Cursor, Epoch, Millis, Position, Seq, StreamTime,
    heads::Head,
    limits::{self, Bounds},
};

use super::{HeadOf, Start, around::Around, queue::LogQueue, tail::TailEntry};
use mode::{Carried, Doubt, FirstWord, Footing, Look, Mode, Plan, Then, Verdict, WaitsFor};
use proof::never_had_anything;

/// When an unanswered question is asked again.
const ASK_AGAIN: Millis = Millis(1_000);

/// One log, followed for one device.
#[derive(Debug)]
pub(super) struct Follow {
    epoch: Epoch,
    /// Whether a reader has named `epoch`, and not only the device's cursor.
    confirmed: bool,
    sent: Cursor,
    given: Cursor,
    heard: Seq,
    covers: Position,
    mode: Mode,
    /// Comparisons of heads without an answer, one after the other.
    unanswered: u32,
}

/// A follower that lacks nothing: the cursor of what the writer has taken, and up to where the log holds nothing that was not given.
#[derive(Clone, Copy, Debug)]
pub(super) struct InStep {
    pub(super) sent: Cursor,
    pub(super) covers: Position,
    pub(super) unanswered: u32,
}

impl InStep {
    /// The writer has taken a frame that brings the device to `cursor`.
    pub(super) fn taken(&mut self, cursor: Cursor) {
        self.sent = cursor;
    }

    /// When the cursor is to be told afresh.
    pub(super) fn deadline(&self, queue: &LogQueue, bounds: &Bounds) -> Millis {
        self.given(queue).at.plus(bounds.cursor_refreshed_every)
    }

    fn given(&self, queue: &LogQueue) -> Cursor {
        queue.end().unwrap_or(self.sent)
    }

    /// The same with all that following a log can need.
    pub(super) fn follow(self, queue: &LogQueue) -> Follow {
        let InStep { sent, covers, unanswered } = self;
        let given = self.given(queue);
        let (epoch, heard) = (given.position.epoch, given.position.seq);
        Follow { epoch, confirmed: true, sent, given, heard, covers, mode: Mode::Live, unanswered }
    }
}

impl Follow {
    pub(super) fn new(start: Start, now: Millis) -> Follow {
        let sent = match start {
            Start::Beginning | Start::Live => Cursor::default(),
            // Who claims to lack nothing in the future is forged, or comes from a gateway whose clock is ahead.
            Start::Cursor(mut cursor) => {
                cursor.at = cursor.at.min(now);
                cursor.began = cursor.began.min(cursor.position.seq);
                if cursor.position.seq == Seq(0) {
                    let latest = StreamTime::from(now.plus(limits::CLOCK_SKEW));
                    cursor.position.time = cursor.position.time.min(latest);
                }
                cursor
            }
        };
        Follow {
            epoch: sent.position.epoch,
            confirmed: false,
            sent,
            given: sent,
            heard: Seq(0),
            covers: Position::default(),
            mode: Mode::Opening { live_only: start == Start::Live, word: FirstWord::NoInterest },
            unanswered: 0,
        }
    }

    /// The writer has taken a frame that brings the device to `cursor`.
    pub(super) fn taken(&mut self, cursor: Cursor) {
        self.sent = cursor;
    }

    /// The epoch in which the log is given.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether a read is under way.
    pub(super) fn reads(&self) -> bool {
        matches!(self.mode, Mode::Reading { waits_for: WaitsFor::Answer(_) | WaitsFor::FormerAnswer, .. })
    }

    pub(super) fn waits_for_drain(&self) -> bool {
        matches!(self.mode, Mode::Reading { waits_for: WaitsFor::Drain, .. })
    }

    /// Whether as many reads are under way as the session may have at once.
    pub(super) fn waits_in_line(&self) -> bool {
        matches!(self.mode, Mode::Reading { waits_for: WaitsFor::Line, .. })
    }

    pub(super) fn deadline(&self, bounds: &Bounds) -> Option<Millis> {
        match self.mode {
            Mode::Opening { word: FirstWord::AskAt(at), .. }
            | Mode::Doubting { verdict: Verdict::AskAt(at), .. }
            | Mode::Looking { look: Look::AskAt(at), .. }
            | Mode::Reading { waits_for: WaitsFor::Time(at), .. } => Some(at),
            Mode::Opening { .. }
            | Mode::Doubting { .. }
            | Mode::Looking { .. }
            | Mode::Reading { .. }
            | Mode::Ended => None,
            Mode::Live => Some(self.given.at.plus(bounds.cursor_refreshed_every)),
        }
    }

    pub(super) fn tick(&mut self, around: &mut Around<'_>) {
        if self.deadline(around.bounds).is_none_or(|at| around.now < at) {
            return;
        }
        match &mut self.mode {
            Mode::Opening { word, .. } => {
                *word = FirstWord::Asked;
                around.wants.ask_heads();
            }
            Mode::Doubting { .. } => self.verify_again(around),
            Mode::Looking { look, .. } => *look = Look::Asked(around.wants.look()),
            Mode::Ended => {}
            Mode::Reading { plan, .. } => {
                let plan = *plan;
                self.ask(plan, around);
            }
            Mode::Live => self.go_on(self.plan(Footing::Given, true, Carried::OWING), around),
        }
    }

    /// The interest is in place: from here on, what is not heard live is found by the head that is asked for now.
    pub(super) fn subscribed(&mut self, around: &mut Around<'_>) {
        if let Mode::Opening { word: word @ FirstWord::NoInterest, .. } = &mut self.mode {
            *word = FirstWord::Asked;
            around.wants.ask_heads();
        }
    }

    /// What is left of a follower that has everything up to the log's tail; `None` where it has not, or waits for something.
    pub(super) fn in_step(&self, queue: &LogQueue) -> Option<InStep> {
        let Follow { epoch, confirmed, sent, given, heard, covers, ref mode, unanswered } = *self;
        let live = match mode {
            Mode::Live => confirmed && heard <= self.sure(),
            Mode::Opening { .. }
            | Mode::Reading { .. }
            | Mode::Doubting { .. }
            | Mode::Looking { .. }
            | Mode::Ended => false,
        };
        let same = [given.position.epoch, covers.epoch] == [epoch; 2] && given == queue.end().unwrap_or(sent);
        (live && same).then_some(InStep { sent, covers, unanswered })
    }

    /// What goes along when the mode changes.
    fn carried(&self) -> Carried {
        match &self.mode {
            Mode::Opening { .. } => Carried::OWING,
            Mode::Live | Mode::Ended => Carried::default(),
            Mode::Looking { then: Then::Settle(carried), .. } => *carried,
            Mode::Looking { then: Then::Read(Plan { carried, .. }), .. }
            | Mode::Reading { plan: Plan { carried, .. }, .. }
            | Mode::Doubting { carried, .. } => *carried,
        }
    }

    /// Up to here, in `epoch`, a live follower has everything.
    fn sure(&self) -> Seq {
        self.given.position.seq.max(self.covers.seq)
    }

    pub(super) fn live(&mut self, live: &TailEntry, around: &mut Around<'_>) {
        let TailEntry { position, after, .. } = *live;
        match self.mode {
            Mode::Opening { word: FirstWord::NoInterest, .. } | Mode::Opening { live_only: true, .. } | Mode::Ended => {
                return;
            }
            Mode::Opening { .. } | Mode::Live | Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } => {
            }
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
        let sure = self.sure();
        self.hear(position.seq, position);
        match self.mode {
            // An entry that is older than what was given comes from a log that went back since, or from a leader whose clock is behind:
            // the log has the last word.
            Mode::Live if after <= sure && position.time >= self.given.position.time => {
                self.give_live(live, around);
            }
            Mode::Live | Mode::Opening { .. } => self.read(Footing::Given, opening, around),
            Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } | Mode::Ended => {}
        }
    }

    pub(super) fn heads(&mut self, HeadOf { position, head, floor }: HeadOf, around: &mut Around<'_>) {
        self.unanswered = 0;
        match self.mode {
            Mode::Opening { word: FirstWord::NoInterest, .. } | Mode::Ended => return,
            Mode::Opening { live_only, .. } => {
                self.adopt(position.epoch);
                if live_only {
                    return self.begin_live(position, head, floor, around);
                }
            }
            Mode::Live | Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } => {}
        }
        let heard = head.map_or(floor, |head| head.seq);
        if position.epoch > self.epoch {
            return self.new_epoch(position, heard, around);
        }
        if position.epoch < self.epoch {
            match self.mode {
                Mode::Opening { .. } | Mode::Live if !self.confirmed => {
                    self.doubt(Doubt::Epoch, self.carried(), around)
                }
                Mode::Opening { .. } => self.heads_unanswered(around),
                Mode::Live | Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } | Mode::Ended => {}
            }
            return;
        }
        self.confirmed = true;
        let sure = self.sure();
        self.hear(heard, position);
        let own = self.given.position;
        let is_own = head.is_some_and(|head| head.seq == own.seq && head.time == own.time);
        match self.mode {
            Mode::Opening { .. } if is_own => self.settle(Carried::OWING, None, around),
            // Where the reader stands the device has been, so it says nothing of what follows: the leader does.
            Mode::Opening { .. } => self.read(Footing::Given, self.has(position), around),
            Mode::Live => match head {
                Some(head) if head.seq == own.seq && head.time != own.time => self.read(Footing::Given, false, around),
                Some(head) if self.has(Position { seq: head.seq, time: head.time, ..position }) => {}
                None if floor <= sure => {}
                Some(_) | None => self.read(Footing::Given, false, around),
            },
            Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } | Mode::Ended => {}
        }
    }

    pub(super) fn heads_unanswered(&mut self, around: &mut Around<'_>) {
        self.unanswered = self.unanswered.saturating_add(1);
        let poll = self.unanswered >= limits::HEADS_UNANSWERED;
        match &mut self.mode {
            // Without an epoch nothing can be given: only a reader knows it.
            Mode::Opening { word: FirstWord::NoInterest, .. } => {}
            Mode::Opening { live_only, .. } if poll && !*live_only && !never_had_anything(&self.sent) => {
                self.read(Footing::Given, true, around);
            }
            Mode::Opening { word, .. } => *word = FirstWord::AskAt(around.now.plus(ASK_AGAIN)),
            Mode::Live if poll => self.read(Footing::Given, false, around),
            Mode::Live | Mode::Reading { .. } | Mode::Looking { .. } | Mode::Doubting { .. } | Mode::Ended => {}
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
            // The map is complete from the shard's beginning: this mailbox has never had an entry. A reader without a sequence has read
            // nothing of its epoch yet, and stands behind everything up to its time.
            None if floor == Seq(0) && position.seq > Seq(0) => {
                Position { epoch: position.epoch, ..Position::default() }
            }
            None => position,
        };
        self.epoch = position.epoch;
        self.confirmed = true;
        self.sent = Cursor { position: place, at: around.now, began: place.seq };
        self.given = self.sent;
        self.hear(self.given.position.seq, position);
        self.settle(Carried::OWING, None, around);
    }

    /// Whether an entry of this epoch was given. What was given in another epoch, or is doubted, says nothing of it.
    fn has(&self, position: Position) -> bool {
        let certain = match self.mode {
            Mode::Reading { plan, .. } | Mode::Looking { then: Then::Read(plan), .. } => plan.footing == Footing::Given,
            Mode::Doubting { .. } => false,
            Mode::Opening { .. } | Mode::Live | Mode::Looking { then: Then::Settle(_), .. } | Mode::Ended => true,
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
        self.read(Footing::OtherEpoch, true, around);
    }
}
