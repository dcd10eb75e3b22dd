//! How a log is read for a device: one request at a time, from what was given, each answer proven, until nothing is missing.

use std::sync::Arc;

use dunlin_schema::{
    Cursor, Entry, Millis, Position, Seq, StreamTime, limits,
    read::{ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

use super::{
    Around, Follow,
    mode::{AsOf, Carried, Doubt, Footing, Held, Mode, Plan, Then, WaitsFor},
    proof::{Proof, is_there, just_before, never_had_anything, prove, stands_at_nothing},
};
use crate::session::{ReadFailed, tail::Told};

/// When a failed read is repeated first; twice as long each time.
const READ_AGAIN: Millis = Millis(100);
/// How often that doubles: 6.4 s.
const READ_AGAIN_DOUBLES: u32 = 6;

impl Follow {
    /// Begins to read.
    pub(super) fn read(&mut self, footing: Footing, to_the_end: bool, around: &mut Around<'_>) {
        let plan = self.plan(footing, to_the_end, self.carried());
        match &self.mode {
            Mode::Reading { waits_for: WaitsFor::Answer(_) | WaitsFor::FormerAnswer, .. } => {
                self.mode = Mode::Reading { plan, waits_for: WaitsFor::FormerAnswer };
            }
            Mode::Looking { look, .. } => self.mode = Mode::Looking { then: Then::Read(plan), look: *look },
            Mode::Ended => {}
            Mode::Reading { waits_for: WaitsFor::Drain | WaitsFor::Line | WaitsFor::Time(_), .. }
            | Mode::Opening { .. }
            | Mode::Live
            | Mode::Doubting { .. } => self.go_on(plan, around),
        }
    }

    /// How to read. What only the leader can end is asked of it at once: mostly there is nothing to read.
    pub(super) fn plan(&self, footing: Footing, to_the_end: bool, carried: Carried) -> Plan {
        let (footing, source) = self.footing(footing);
        let source = if to_the_end { Source::Leader } else { source };
        Plan { source, footing, to_the_end, carried }
    }

    /// What the next read stands on, and who is asked: what was given in another epoch proves nothing in this one.
    pub(super) fn footing(&self, footing: Footing) -> (Footing, Source) {
        match footing {
            // No entry can show that nothing is missing behind this one.
            Footing::Given if self.given.position.epoch == self.epoch && stands_at_nothing(&self.given) => {
                (Footing::Given, Source::Leader)
            }
            Footing::Given if self.given.position.epoch == self.epoch => (Footing::Given, Source::Any),
            // A follower may still hold what the log has lost.
            Footing::Given | Footing::OtherEpoch => (Footing::OtherEpoch, Source::Leader),
            Footing::Time => (Footing::Time, Source::Leader),
        }
    }

    /// Reads on as soon as the socket has room.
    pub(super) fn go_on(&mut self, plan: Plan, around: &mut Around<'_>) {
        if around.queue.is_half_empty(around.share) {
            self.ask(plan, around);
        } else {
            self.mode = Mode::Reading { plan, waits_for: WaitsFor::Drain };
        }
    }

    /// Reads. What may be given of the answer is to be known by then.
    pub(super) fn ask(&mut self, plan: Plan, around: &mut Around<'_>) {
        if !around.reach.is_known() {
            return self.look(Then::Read(plan), around);
        }
        let Position { seq, time, .. } = self.given.position;
        let from = match plan.footing {
            // A cursor without a sequence but with a time stands behind everything up to that time.
            Footing::Given | Footing::OtherEpoch if seq > Seq(0) || time == StreamTime(0) => {
                // What lies below is of nobody's who never had anything.
                let begins = if never_had_anything(&self.given) { around.reach.begins() } else { Seq(0) };
                ReadFrom::Seq(seq.max(begins).max(Seq(1)))
            }
            Footing::Given | Footing::OtherEpoch | Footing::Time => ReadFrom::Time(after(time, around.now)),
        };
        let as_of = AsOf { began: around.now, heard: self.heard, covers: self.covers };
        let begins = around.wants.read(ReadRequest { from, source: plan.source });
        let waits_for = if begins { WaitsFor::Answer(as_of) } else { WaitsFor::Line };
        self.mode = Mode::Reading { plan, waits_for };
    }

    /// The answer to the read that is under way.
    pub(in crate::session) fn answered(&mut self, answer: Result<ReadAnswer, ReadFailed>, around: &mut Around<'_>) {
        let Mode::Reading { plan, waits_for } = &self.mode else { return };
        let plan = *plan;
        let as_of = match waits_for {
            WaitsFor::Answer(as_of) => *as_of,
            WaitsFor::FormerAnswer => return self.ask(plan, around),
            WaitsFor::Drain | WaitsFor::Line | WaitsFor::Time(_) => return,
        };
        let Ok(answer) = answer else { return self.fail(plan, around) };
        if answer.evidence.is_some_and(|evidence| evidence.stream_last < as_of.covers.seq) {
            return self.doubt(Doubt::End, plan.carried, around);
        }
        let proof = match plan.footing {
            Footing::Given => prove(&self.given, &answer, around.now, around.bounds),
            Footing::OtherEpoch if self.given.position.seq == Seq(0) || is_there(&self.given, &answer) => {
                Proof::Unproven
            }
            Footing::OtherEpoch => return self.go_on(Plan { footing: Footing::Time, ..plan }, around),
            Footing::Time => Proof::Unproven,
        };
        match proof {
            // All that was read was dropped while it was.
            Proof::Unproven if self.outrun(plan.footing, &answer, around.now) => self.fail(plan, around),
            Proof::Complete | Proof::Unproven => self.go_through(proof, plan, as_of, &answer, around),
            Proof::AskLeader if plan.source == Source::Leader => self.fail(plan, around),
            Proof::AskLeader => self.go_on(Plan { source: Source::Leader, ..plan }, around),
            Proof::Contradiction => self.doubt(Doubt::Entry, plan.carried, around),
            Proof::Erased => {
                self.doubt(Doubt::Erased(Arc::new(Held { answer, plan, as_of })), plan.carried, around);
            }
        }
    }

    /// Gives what an answer holds, behind a gap where nothing proves that it is all, and reads on where there may be more.
    pub(super) fn go_through(
        &mut self,
        proof: Proof,
        plan: Plan,
        as_of: AsOf,
        answer: &ReadAnswer,
        around: &mut Around<'_>,
    ) {
        if proof == Proof::Unproven {
            self.gap(plan.footing, answer, as_of, around);
            // What says who may read on may be missing as well.
            if !around.reach.is_known() {
                return self.go_on(self.plan(Footing::Given, plan.to_the_end, plan.carried), around);
            }
        }
        // Of a device that never had anything nothing is proven: what is gone by now may have said who may read on.
        if never_had_anything(&self.given)
            && let Some(first) = answer.entries.first()
            && !around.reach.meets(first.seq)
        {
            around.reach.doubt();
            return self.go_on(plan, around);
        }
        // More than one answer holds: so much that something may have been dropped before anybody had it.
        if answer.more
            && never_had_anything(&self.given)
            && let Some(first) = answer.entries.first()
        {
            self.given.began = first.seq.previous();
        }
        let before = self.given.position.seq;
        let all = self.take_in(answer, around);
        let mut plan = Plan { source: Source::Any, footing: Footing::Given, ..plan };
        if matches!(self.mode, Mode::Ended) {
            return;
        }
        if !all {
            self.mode = Mode::Reading { plan, waits_for: WaitsFor::Drain };
            return;
        }
        if answer.more {
            let moved = self.given.position.seq > before || proof == Proof::Unproven;
            if !moved {
                return self.fail(plan, around);
            }
            plan.carried.failures = 0;
            return self.go_on(plan, around);
        }
        let caught = self.given.position.seq >= self.heard;
        match answer.evidence {
            None if caught && !plan.to_the_end => self.settle(plan.carried, None, around),
            None => self.go_on(Plan { source: Source::Leader, ..plan }, around),
            Some(_) if caught || self.heard == as_of.heard => self.settle(plan.carried, Some(as_of.began), around),
            Some(_) => self.go_on(plan, around),
        }
    }

    /// Everything that was taken is written.
    pub(in crate::session) fn drained(&mut self, around: &mut Around<'_>) {
        if let Mode::Reading { plan, waits_for: WaitsFor::Drain } = self.mode
            && around.queue.is_empty()
        {
            self.ask(plan, around);
        }
    }

    /// One read less of the session is under way.
    pub(in crate::session) fn next_in_line(&mut self, around: &mut Around<'_>) {
        if let Mode::Reading { plan, waits_for: WaitsFor::Line } = self.mode {
            self.ask(plan, around);
        }
    }

    /// Tells of what may be missing, and goes on before the first entry of the answer; or, where there is none, behind what was given, or
    /// at what the reader had read before it was asked.
    pub(super) fn gap(
        &mut self,
        footing: Footing,
        answer: &ReadAnswer,
        AsOf { began, covers, .. }: AsOf,
        around: &mut Around<'_>,
    ) {
        let from = self.given.at;
        let Position { epoch, time, .. } = self.given.position;
        let survivors = epoch != self.epoch && covers.time < time && time == believed(time, around.now);
        let standing = |position: Position| Cursor { position, at: began, began: position.seq };
        // Behind the first one that is still there nothing was dropped while one entry was read after the other.
        let first = answer.evidence.and_then(|evidence| evidence.first).unwrap_or(Seq(0));
        let mut then = match self.new_entries(answer, footing, around.now).find(|entry| entry.seq >= first) {
            Some(first) => just_before(first, self.epoch),
            // What survived behind the reader was given: on behind everything up to that time.
            None if footing == Footing::Time && survivors => standing(Position { seq: Seq(0), time, ..covers }),
            // A reader that stands at nothing says nothing of what is there: on behind everything up to now, of which the gap tells.
            None if footing == Footing::Time && covers.seq == Seq(0) && covers.time == StreamTime(0) => {
                standing(Position { time: StreamTime::from(began), ..covers })
            }
            None if footing == Footing::Time => standing(covers),
            None if footing == Footing::Given && !self.has(covers) => standing(covers),
            None => standing(self.given.position),
        };
        then.position.epoch = self.epoch;
        let mut to = then.at.max(from).max(then.position.time.millis());
        if self.given.position.epoch != self.epoch {
            to = to.max(StreamTime(self.epoch.0).millis());
        }
        self.push_gap(from, to, then, around);
    }

    /// Whether an answer has new entries, and none of them is there any more.
    fn outrun(&self, footing: Footing, answer: &ReadAnswer, now: Millis) -> bool {
        let last = self.new_entries(answer, footing, now).last();
        let first = answer.evidence.and_then(|evidence| evidence.first);
        last.is_some_and(|last| first.is_some_and(|first| last.seq < first))
    }

    /// The entries of an answer that come after `given`.
    pub(super) fn new_entries<'a>(
        &self,
        answer: &'a ReadAnswer,
        footing: Footing,
        now: Millis,
    ) -> impl Iterator<Item = &'a StoredEntry> + use<'a> {
        let Position { seq, time, .. } = self.given.position;
        let first_time = after(time, now);
        answer.entries.iter().skip_while(move |entry| match footing {
            Footing::Given | Footing::OtherEpoch => entry.seq <= seq,
            Footing::Time => entry.time < first_time,
        })
    }

    /// Gives the entries of an answer, as far as its person may read them. Returns false when the queue has no room for all of them, or
    /// one could not be read that may say who may.
    pub(super) fn take_in(&mut self, answer: &ReadAnswer, around: &mut Around<'_>) -> bool {
        for StoredEntry { seq, time, payload } in &answer.entries {
            if *seq <= self.given.position.seq {
                continue;
            }
            if !around.queue.has_room(payload.len(), around.share) {
                return false;
            }
            let position = Position { epoch: self.epoch, seq: *seq, time: *time };
            match Entry::decode(payload) {
                Ok(entry) => {
                    let told = Told::of(entry, position, false, around.named, around.sent.region());
                    self.give(position, &told, payload.len(), around);
                    if self.ends(around) {
                        return false;
                    }
                }
                Err(_) => {
                    around.wants.corrupt(position);
                    let then = Cursor::of_entry(position).beginning_here();
                    self.push_gap(self.given.at, then.at.max(self.given.at), then, around);
                    if !around.reach.is_known() {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Reads on after a while.
    pub(super) fn fail(&mut self, mut plan: Plan, around: &mut Around<'_>) {
        let span = Millis(READ_AGAIN.0 << plan.carried.failures.min(READ_AGAIN_DOUBLES));
        plan.carried.failures = plan.carried.failures.saturating_add(1);
        self.mode = Mode::Reading { plan, waits_for: WaitsFor::Time(around.now.plus(span)) };
    }
}

/// The time after a cursor's.
fn after(time: StreamTime, now: Millis) -> StreamTime {
    believed(time, now).next()
}

/// A cursor's time: what a forged one says of the future is not believed.
fn believed(time: StreamTime, now: Millis) -> StreamTime {
    time.min(StreamTime::from(now.plus(limits::CLOCK_SKEW)))
}
