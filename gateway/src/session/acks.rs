//! What the device says it has of a log: sequences, turned back into cursors that were taken for it.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, Epoch, Millis, Position, Sender, Seq, StreamTime, limits};

use super::{
    Start,
    senders::{Acknowledged, Record},
};

/// Entries remembered for acknowledgements: as many as one read brings. When there are more, every other one is forgotten: an
/// acknowledgement then counts for a little less than it says, and a device that resumes by it gets a few entries again.
const REMEMBERED: usize = limits::READ_ENTRIES;

/// What was taken for the device, and what it acknowledged.
#[derive(Debug)]
pub(super) struct Acks {
    /// The last that was taken, until it is acknowledged.
    last: Option<Cursor>,
    /// The highest that was acknowledged, or where the session began.
    acknowledged: Position,
    /// When something may be passed on again.
    next: Millis,
    /// Whether the log was in another epoch before: then a sequence above all may be one of that epoch.
    epoch_changed: bool,
    /// What else there is, while there is any.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// The device's own cursor, with which it came, until what follows shows that it is one.
    said: Option<Cursor>,
    /// Whether it has acknowledged that one itself, before anything was taken.
    said_again: bool,
    /// Taken before `last` and not acknowledged: `last`'s epoch, rising.
    earlier: VecDeque<Earlier>,
    senders: Record,
    waiting: Option<Acknowledged>,
    /// Whether what waits is `said`: anything that the device acknowledges goes before.
    waits_long: bool,
}

/// An entry that was taken, and where its run began.
#[derive(Clone, Copy, Debug)]
struct Earlier {
    seq: Seq,
    time: StreamTime,
    began: Seq,
}

impl More {
    /// Up to an earlier entry nothing is known but its own time.
    fn remember(&mut self, Cursor { position: Position { seq, time, .. }, began, .. }: Cursor) {
        if self.earlier.len() == REMEMBERED {
            let mut keep = false;
            self.earlier.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.earlier.push_back(Earlier { seq, time, began });
    }

    /// The device's own cursor, where it is all that there is, and is passed on later.
    fn comes_later(&self) -> Option<Cursor> {
        let More { said, said_again: _, earlier, senders, waiting, waits_long } = self;
        let is_all = *waits_long && said.is_none() && earlier.is_empty() && senders.is_empty();
        waiting.as_ref().filter(|own| is_all && own.senders.is_none()).map(|own| own.cursor)
    }

    fn is_empty(&self) -> bool {
        self.said.is_none() && self.earlier.is_empty() && self.senders.is_empty() && self.waiting.is_none()
    }
}

/// What is left where the device has acknowledged everything, or all but what was taken last, and nothing is to be passed on but the cursor
/// with which it came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resting {
    /// It has acknowledged something, or came with nothing.
    Acknowledged {
        /// Up to here, in the epoch of what was taken; 0 where nothing was.
        upto: Seq,
        /// Whether anything was acknowledged.
        any: bool,
        /// Whether what was taken last is not acknowledged.
        owes: bool,
        epoch_changed: bool,
    },
    /// Its own cursor, which stands where the log does, is passed on later.
    Came {
        /// That cursor's time.
        at: Millis,
        /// So many milliseconds behind the time of the log's cursor.
        after: u32,
    },
}

impl Resting {
    /// When something is to be passed on.
    pub(super) fn deadline(&self, sent: &Cursor) -> Option<Millis> {
        match self {
            Resting::Acknowledged { .. } => None,
            Resting::Came { after, .. } => Some(sent.at.plus(Millis(u64::from(*after)))),
        }
    }
}

impl Acks {
    /// What is left of a log of which the writer took everything up to `sent`, if it is as little.
    pub(super) fn resting(&self, sent: &Cursor, now: Millis) -> Option<Resting> {
        let Acks { last, acknowledged, next, epoch_changed, more } = self;
        let epoch = sent.position.epoch;
        if epoch == Epoch(0) || last.is_some_and(|last| last != *sent) {
            return None;
        }
        if let Some(more) = more {
            let own = more.comes_later().filter(|own| Cursor { at: sent.at, ..*own } == *sent)?;
            let is_all = last.is_some() && *acknowledged == sent.position && !epoch_changed;
            let after = u32::try_from(next.0.checked_sub(sent.at.0)?).ok()?;
            return is_all.then_some(Resting::Came { at: own.at, after });
        }
        let any = *acknowledged != Position::default();
        let rests = now >= *next && (!any || acknowledged.epoch == epoch);
        let (upto, owes, epoch_changed) = (acknowledged.seq, last.is_some(), *epoch_changed);
        rests.then_some(Resting::Acknowledged { upto, any, owes, epoch_changed })
    }

    /// The same again.
    pub(super) fn of(resting: Resting, sent: &Cursor) -> Acks {
        match resting {
            Resting::Acknowledged { upto, any, owes, epoch_changed } => {
                let there = Position { seq: upto, ..sent.position };
                let acknowledged = if any { there } else { Position::default() };
                Acks { last: owes.then_some(*sent), acknowledged, next: Millis(0), epoch_changed, more: None }
            }
            Resting::Came { at, .. } => {
                let own = Acknowledged { cursor: Cursor { at, ..*sent }, senders: None };
                let more = Some(Box::new(More { waiting: Some(own), waits_long: true, ..More::default() }));
                let next = resting.deadline(sent).unwrap_or_default();
                Acks { last: Some(*sent), acknowledged: sent.position, next, epoch_changed: false, more }
            }
        }
    }

    /// A device's own cursor says what it has: that is passed on as well, long after it came, unless the device acknowledges something by
    /// then, which covers it. So those who come back at once say it one after the other, and mostly not at all.
    pub(super) fn new(start: &Start, now: Millis) -> Acks {
        let acks =
            Acks { last: None, acknowledged: start.position(), next: Millis(0), epoch_changed: false, more: None };
        match start {
            Start::Cursor(cursor) if cursor.position.seq > Seq(0) => {
                // As good as chance, and the same each time.
                let spread = Millis(cursor.position.time.0 % limits::CURSOR_ACKNOWLEDGED_AFTER.0);
                let next = now.plus(limits::CURSOR_ACKNOWLEDGED_AFTER).plus(spread);
                let more = Some(Box::new(More { said: Some(*cursor), ..More::default() }));
                Acks { next, more, ..acks }
            }
            Start::Cursor(_) | Start::Beginning | Start::Live => acks,
        }
    }

    /// The writer has taken a frame that brings the device to `cursor`; and where that is an entry of another person, whose it is and what
    /// order it has.
    pub(super) fn taken(&mut self, cursor: Cursor, sent: Option<(&Sender, Seq)>) {
        let before = self.last.map_or(self.acknowledged, |last| last.position);
        self.epoch_changed |= before.epoch != cursor.position.epoch && before != Position::default();
        // Behind a gap the log may go on below.
        if before.epoch != cursor.position.epoch || cursor.position.seq < before.seq {
            self.last = None;
            if let Some(more) = &mut self.more {
                more.earlier = VecDeque::new();
                more.senders.clear();
            }
        }
        if let Some(last) = self.last.filter(|last| last.position.seq != cursor.position.seq) {
            self.more().remember(last);
        }
        if let Some((sender, order)) = sent {
            self.more().senders.push(cursor.position.seq, sender.clone(), order);
        }
        if let Some(more) = &mut self.more
            && let Some(said) = more.said.take()
        {
            // A cursor above what follows it is forged: a gap in a log that is empty begins at 0 too.
            let (said_at, given) = (said.position, cursor.position);
            let goes_on = said_at.epoch == given.epoch && said_at.seq <= given.seq && said.began == cursor.began;
            more.waiting = goes_on.then_some(Acknowledged { cursor: said, senders: None });
            more.waits_long = goes_on && !more.said_again;
            self.next = if more.waits_long { self.next } else { Millis(0) };
        }
        self.forget();
        // Sequence 0 counts too: who was caught up with an empty mailbox lacks what comes after it.
        self.last = Some(cursor).filter(|cursor| *cursor != Cursor::default());
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn forget(&mut self) {
        self.more.take_if(|more| more.is_empty());
    }

    /// The device has everything up to `delivered`. What nobody took for it, it can't have: a higher number counts for all that was taken.
    /// Returns what is to be passed on now.
    pub(super) fn acknowledge(&mut self, now: Millis, delivered: Seq) -> Vec<Acknowledged> {
        let Some(last) = self.last else {
            if let Some(More { said: Some(own), said_again, .. }) = self.more.as_deref_mut() {
                *said_again |= own.position.seq <= delivered;
            }
            return Vec::new();
        };
        if delivered > last.position.seq && self.epoch_changed {
            return Vec::new();
        }
        let epoch = last.position.epoch;
        let more = self.more.get_or_insert_default();
        // Each run of entries is acknowledged apart: between two of them something is hidden.
        let mut runs: Vec<Cursor> = Vec::new();
        let mut reach = |cursor: Cursor| match runs.last_mut() {
            Some(run) if run.began == cursor.began => *run = cursor,
            Some(_) | None => runs.push(cursor),
        };
        let upto = more.earlier.partition_point(|earlier| earlier.seq <= delivered);
        for Earlier { seq, time, began } in more.earlier.drain(..upto) {
            reach(Cursor { began, ..Cursor::of_entry(Position { epoch, seq, time }) });
        }
        if delivered >= last.position.seq {
            self.last = None;
            reach(last);
        }
        let mut out = Vec::new();
        // It acknowledges something itself, be that no more than what it came with.
        let covers = |own: &Acknowledged| own.cursor.position.epoch == epoch && own.cursor.position.seq <= delivered;
        if more.waits_long && (!runs.is_empty() || more.waiting.as_ref().is_some_and(covers)) {
            more.waits_long = false;
            self.next = Millis(0);
        }
        for cursor in runs {
            let senders = more.senders.take(self.acknowledged.seq.max(cursor.began), cursor.position.seq);
            self.acknowledged = cursor.position;
            let newer = Acknowledged { cursor, senders };
            more.waiting = Some(match more.waiting.take() {
                Some(earlier) if newer.continues(&earlier) => newer.with_earlier(earlier),
                Some(other) if other.cursor.position.epoch == epoch => {
                    out.push(other);
                    newer
                }
                // What was acknowledged of a log that went back since says nothing of this one.
                Some(_) | None => newer,
            });
        }
        out.extend(self.tick(now));
        self.forget();
        out
    }

    /// What is to be passed on, if it is time.
    pub(super) fn tick(&mut self, now: Millis) -> Option<Acknowledged> {
        if now < self.next || self.more.as_ref().is_none_or(|more| more.waiting.is_none()) {
            return None;
        }
        self.next = now.plus(limits::ACKNOWLEDGE_EVERY);
        let waiting = self.more.as_mut()?.waiting.take();
        self.forget();
        waiting
    }

    /// What is still to be passed on at the end. A cursor with which the device came it will come with again.
    pub(super) fn finish(self) -> Option<Acknowledged> {
        self.more.filter(|more| !more.waits_long)?.waiting
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.more.as_ref()?.waiting.as_ref().map(|_| self.next)
    }
}
