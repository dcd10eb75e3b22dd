//! One log, followed for one device: what it was given, up to where it is known to lack nothing, and what must be read.
//!
//! | word | meaning |
//! |---|---|
//! | `sent` | the cursor of what the writer has taken |
//! | `given` | the cursor of what is queued; falls back to `sent` when the queue is dropped |
//! | `sure` | up to here, in `epoch`, the log holds nothing that was not given |
//! | `heard`, `covers` | once everything up to `heard` is given, nothing is missing up to `covers` |
//!
//! Whatever is not certain becomes a read from `given`, and each answer must prove itself ([`super::reading`]).

use dunlin_schema::{
    Cursor, Entry, Epoch, Millis, Position, Seal, Seq, StreamTime,
    entry::Body,
    frame::{EntryFrame, LogLabel, ServerFrame},
    heads::Head,
    limits::{self, Bounds},
    live::LiveEntry,
    read::{ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

use super::{
    HeadOf, NoAnswer, Output, ReadFailed, Start,
    outbound::Outbound,
    reading::{Proof, just_before, never_had_anything, prove},
    sending::{Me, Sending},
};

/// When an unanswered question is asked again.
const ASK_AGAIN: Millis = Millis(1_000);
/// When a failed read is repeated first; twice as long each time.
const READ_AGAIN: Millis = Millis(100);
/// How often that doubles: 6.4 s.
const READ_AGAIN_DOUBLES: u32 = 6;

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
    /// With the first entry stored after `given`'s time: what lies between can't be known, so a gap is owed.
    AfterGap,
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
    Answer { began: Millis, heard: Seq, covers: Position },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// The cursor's epoch is above the reader's.
    Epoch,
    /// The entry at the cursor is another one, or the log ends below it.
    Entry,
}

impl Follow {
    pub(super) fn new(label: LogLabel, seal: Seal, start: Start, now: Millis) -> Follow {
        let sent = match start {
            Start::Beginning | Start::Live => Cursor::default(),
            // Who claims to lack nothing in the future is forged, or comes from a gateway whose clock is ahead.
            Start::Cursor(cursor) => Cursor { at: cursor.at.min(now), ..cursor },
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
        if matches!(self.mode, Mode::Opening { .. }) {
            self.adopt(position.epoch);
        }
        if position.epoch < self.epoch {
            return;
        }
        if position.epoch > self.epoch {
            return self.new_epoch(position, position.seq, around);
        }
        self.confirmed = true;
        if position.seq <= self.given.position.seq {
            return;
        }
        self.hear(position.seq, position);
        match self.mode {
            Mode::Live if after <= self.sure => self.give_live(position, &entry, around),
            Mode::Live | Mode::Opening { .. } => self.read(Footing::Given, false, around),
            Mode::Reading(_) | Mode::Doubting { .. } => {}
        }
    }

    fn give_live(&mut self, position: Position, bytes: &[u8], around: &mut Around<'_>) {
        if !around.outbound.has_room(bytes.len(), around.bounds) {
            return self.overflow(around);
        }
        match Entry::decode(bytes) {
            Ok(entry) => {
                self.give(position, entry, bytes.len(), around);
                self.sure = self.sure.max(position.seq);
            }
            // The log has the last word.
            Err(_) => self.read(Footing::Given, false, around),
        }
    }

    /// The socket does not keep up: what is queued is dropped, and read again once it does.
    fn overflow(&mut self, around: &mut Around<'_>) {
        around.out.push(Output::Overflowed);
        self.owes_caught_up |= around.outbound.drop_frames();
        self.given = self.sent;
        let (footing, source) = self.footing(Footing::Given);
        self.mode = Mode::Reading(Reading { source, footing, to_the_end: false, waits_for: WaitsFor::Drain });
    }

    pub(super) fn heads(&mut self, HeadOf { position, head, floor }: HeadOf, around: &mut Around<'_>) {
        self.unanswered = 0;
        let opening = match self.mode {
            Mode::Opening { subscribed: false, .. } => return,
            Mode::Opening { live_only, .. } => {
                self.adopt(position.epoch);
                if live_only {
                    return self.begin_live(position, head, floor, around);
                }
                true
            }
            Mode::Live | Mode::Reading(_) | Mode::Doubting { .. } => false,
        };
        let heard = head.map_or(floor, |head| head.seq);
        if position.epoch > self.epoch {
            return self.new_epoch(position, heard, around);
        }
        if position.epoch < self.epoch {
            if !self.confirmed && (opening || matches!(self.mode, Mode::Live)) {
                self.doubt(Doubt::Epoch, around);
            }
            return;
        }
        self.confirmed = true;
        self.hear(heard, position);
        let own = self.given.position;
        let is_own = head.is_some_and(|head| head.seq == own.seq && head.time == own.time);
        match self.mode {
            Mode::Opening { .. } if is_own => self.settle(None, around),
            Mode::Opening { .. } => self.read(Footing::Given, false, around),
            Mode::Live => match head {
                Some(head) if head.seq == own.seq && head.time != own.time => self.read(Footing::Given, false, around),
                Some(head) if head.seq <= own.seq => self.sure = self.sure.max(position.seq),
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
                self.hear(position.seq, position);
                let footing = if why == Doubt::Entry { Footing::AfterGap } else { Footing::Given };
                self.read(footing, false, around);
            }
            // No answer, or one of a reader that has not noticed yet that it is replaced.
            Ok(_) | Err(NoAnswer) => {
                self.mode = Mode::Doubting { why, ask_at: Some(around.now.plus(ASK_AGAIN)) };
            }
        }
    }

    /// The answer to the read that is under way.
    pub(super) fn answered(&mut self, answer: Result<ReadAnswer, ReadFailed>, around: &mut Around<'_>) {
        let Mode::Reading(reading) = self.mode else { return };
        let (began, asked_heard, asked_covers) = match reading.waits_for {
            WaitsFor::Answer { began, heard, covers } => (began, heard, covers),
            WaitsFor::FormerAnswer => return self.ask(around),
            WaitsFor::Drain | WaitsFor::Time(_) => return,
        };
        let Ok(answer) = answer else { return self.fail(reading, around) };
        let proof = match reading.footing {
            Footing::Given => prove(&self.given, &answer, around.now, around.bounds),
            Footing::AfterGap => Proof::Unproven,
        };
        match proof {
            Proof::Complete => {}
            Proof::AskLeader if reading.source == Source::Leader => return self.fail(reading, around),
            Proof::AskLeader => return self.go_on(Reading { source: Source::Leader, ..reading }, around),
            Proof::Contradiction => return self.doubt(Doubt::Entry, around),
            Proof::Unproven => self.gap(reading.footing, &answer, began, asked_covers, around),
        }
        let before = self.given.position.seq;
        let all = self.take_in(&answer, around);
        let reading = Reading { source: Source::Any, footing: Footing::Given, ..reading };
        if !all {
            self.mode = Mode::Reading(Reading { waits_for: WaitsFor::Drain, ..reading });
            return;
        }
        if answer.more {
            let moved = self.given.position.seq > before || proof == Proof::Unproven;
            self.failures = if moved { 0 } else { self.failures };
            return if moved { self.go_on(reading, around) } else { self.fail(reading, around) };
        }
        let caught = self.given.position.seq >= self.heard;
        match answer.evidence {
            None if caught && !reading.to_the_end => self.settle(None, around),
            None => self.go_on(Reading { source: Source::Leader, ..reading }, around),
            // The reader has seen what this leader has not: the log went back, or another one leads.
            Some(evidence) if evidence.stream_last < asked_covers.seq => {
                self.fail(Reading { source: Source::Leader, ..reading }, around);
            }
            Some(_) if caught || self.heard == asked_heard => self.settle(Some(began), around),
            Some(_) => self.go_on(reading, around),
        }
    }

    /// Everything that was taken is written.
    pub(super) fn drained(&mut self, around: &mut Around<'_>) {
        if self.waits_for_drain() && around.outbound.is_empty() {
            self.ask(around);
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

    /// A device that wants only what comes from now on begins where the reader stands.
    fn begin_live(&mut self, position: Position, head: Option<Head>, floor: Seq, around: &mut Around<'_>) {
        let at = position.time.millis();
        let position_or_head = match head {
            Some(Head { seq, time }) => Position { seq, time, ..position },
            // The map is complete from the shard's beginning: this mailbox has never had an entry.
            None if floor == Seq(0) => Position { epoch: position.epoch, ..Position::default() },
            None => position,
        };
        self.epoch = position.epoch;
        self.confirmed = true;
        self.sent = Cursor { position: position_or_head, at };
        self.given = self.sent;
        self.hear(self.given.position.seq, position);
        self.settle(None, around);
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
        self.read(Footing::AfterGap, false, around);
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

    /// Begins to read.
    fn read(&mut self, footing: Footing, to_the_end: bool, around: &mut Around<'_>) {
        let (footing, source) = self.footing(footing);
        let under_way = matches!(
            self.mode,
            Mode::Reading(Reading { waits_for: WaitsFor::Answer { .. } | WaitsFor::FormerAnswer, .. })
        );
        let reading = Reading { source, footing, to_the_end, waits_for: WaitsFor::FormerAnswer };
        if under_way {
            self.mode = Mode::Reading(reading);
        } else {
            self.go_on(reading, around);
        }
    }

    /// What the next read stands on, and who is asked: what was given in another epoch proves nothing in this one.
    fn footing(&self, footing: Footing) -> (Footing, Source) {
        match footing {
            Footing::Given if self.given.position.epoch == self.epoch => (Footing::Given, Source::Any),
            Footing::Given | Footing::AfterGap => (Footing::AfterGap, Source::Leader),
        }
    }

    /// Reads on as soon as the socket has room.
    fn go_on(&mut self, reading: Reading, around: &mut Around<'_>) {
        self.mode = Mode::Reading(Reading { waits_for: WaitsFor::Drain, ..reading });
        if around.outbound.is_half_empty(around.bounds) {
            self.ask(around);
        }
    }

    /// Reads on after a while.
    fn fail(&mut self, reading: Reading, around: &mut Around<'_>) {
        let span = Millis(READ_AGAIN.0 << self.failures.min(READ_AGAIN_DOUBLES));
        self.failures = self.failures.saturating_add(1);
        self.mode = Mode::Reading(Reading { waits_for: WaitsFor::Time(around.now.plus(span)), ..reading });
    }

    fn ask(&mut self, around: &mut Around<'_>) {
        let Mode::Reading(reading) = &mut self.mode else { return };
        let from = match reading.footing {
            Footing::Given => ReadFrom::Seq(self.given.position.seq.max(Seq(1))),
            Footing::AfterGap => ReadFrom::Time(after(self.given.position.time, around.now)),
        };
        reading.waits_for = WaitsFor::Answer { began: around.now, heard: self.heard, covers: self.covers };
        around.out.push(Output::Read(ReadRequest { from, source: reading.source }));
    }

    /// Tells of what may be missing, and goes on before the first entry of the answer; or, where there is none, at what the reader had
    /// read before it was asked.
    fn gap(&mut self, footing: Footing, answer: &ReadAnswer, began: Millis, covers: Position, around: &mut Around<'_>) {
        let from = self.given.at;
        let mut then = match self.new_entries(answer, footing, around.now).next() {
            Some(first) => just_before(first, self.epoch),
            None if covers.seq > self.given.position.seq || footing == Footing::AfterGap => {
                Cursor { position: covers, at: began }
            }
            None => Cursor { position: self.given.position, at: began },
        };
        then.position.epoch = self.epoch;
        let mut to = then.at.max(from);
        if self.given.position.epoch != self.epoch {
            to = to.max(StreamTime(self.epoch.0).millis());
        }
        self.push_gap(from, to, then, around);
    }

    fn push_gap(&mut self, from: Millis, to: Millis, then: Cursor, around: &mut Around<'_>) {
        self.given = then;
        let frame = ServerFrame::Gap { log: self.label, from, to, cursor: self.seal.cursor(then) };
        around.outbound.push(frame, 0, then);
    }

    /// The entries of an answer that come after `given`.
    fn new_entries<'a>(
        &self,
        answer: &'a ReadAnswer,
        footing: Footing,
        now: Millis,
    ) -> impl Iterator<Item = &'a StoredEntry> + use<'a> {
        let Position { seq, time, .. } = self.given.position;
        let first_time = after(time, now);
        answer.entries.iter().skip_while(move |entry| match footing {
            Footing::Given => entry.seq <= seq,
            Footing::AfterGap => entry.time < first_time,
        })
    }

    /// Gives the entries of an answer. Returns false when the queue has no room for all of them.
    fn take_in(&mut self, answer: &ReadAnswer, around: &mut Around<'_>) -> bool {
        for StoredEntry { seq, time, payload } in &answer.entries {
            if *seq <= self.given.position.seq {
                continue;
            }
            if !around.outbound.has_room(payload.len(), around.bounds) {
                return false;
            }
            let position = Position { epoch: self.epoch, seq: *seq, time: *time };
            match Entry::decode(payload) {
                Ok(entry) => self.give(position, entry, payload.len(), around),
                Err(_) => {
                    around.out.push(Output::Corrupt(position));
                    let then = Cursor::of_entry(position);
                    self.push_gap(self.given.at, then.at.max(self.given.at), then, around);
                }
            }
        }
        true
    }

    /// Gives an entry, in order. What the device need not see moves the cursor alone.
    fn give(&mut self, position: Position, entry: Entry, bytes: usize, around: &mut Around<'_>) {
        let cursor = Cursor::of_entry(position);
        self.given = cursor;
        let own = around.sending.is_own_copy(around.me, &entry);
        let Entry { id, from, to, order, time, body } = entry;
        match body {
            Body::Content(content) if !own => {
                let region = &around.me.region;
                let frame = EntryFrame {
                    log: self.label,
                    seq: position.seq,
                    cursor: self.seal.cursor(cursor),
                    time,
                    id,
                    from: from.seen_from(region),
                    to: to.seen_from(region),
                    order: order.or(Some(position.seq)),
                    content,
                };
                around.outbound.push(ServerFrame::Entry(Box::new(frame)), bytes, cursor);
            }
            Body::Content(_) | Body::Tombstone { .. } => {
                if !around.outbound.pass(cursor) {
                    self.sent = cursor;
                }
            }
        }
    }

    /// Everything is given. `complete`: when the read began that showed that the log has nothing more; `None` when the reader's word
    /// shows it.
    fn settle(&mut self, complete: Option<Millis>, around: &mut Around<'_>) {
        self.failures = 0;
        self.sure = self.given.position.seq.max(self.covers.seq);
        let known = complete.unwrap_or(self.covers.time.millis()).max(self.given.at);
        let old = around.now.since(known) >= around.bounds.cursor_refreshed_every;
        if self.owes_caught_up && old && complete.is_none() {
            // A shard in which nobody wrote for long: its reader's position is no news.
            self.mode = Mode::Live;
            return self.read(Footing::Given, true, around);
        }
        self.mode = Mode::Live;
        if std::mem::take(&mut self.owes_caught_up) {
            self.given.at = known;
            let frame = ServerFrame::CaughtUp {
                log: self.label,
                seq: self.given.position.seq,
                cursor: self.seal.cursor(self.given),
            };
            around.outbound.push(frame, 0, self.given);
        }
    }
}

/// The time after a cursor's: what a forged one says of the future is not believed.
fn after(time: StreamTime, now: Millis) -> StreamTime {
    time.min(StreamTime::from(now.plus(limits::CLOCK_SKEW))).next()
}
