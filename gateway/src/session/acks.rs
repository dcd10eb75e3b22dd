//! What the device says it has of a log: sequences, turned back into cursors that were taken for it.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, Millis, Position, Seq, StreamTime, limits};

/// Entries remembered for acknowledgements: as many as one read brings. When there are more, every other one is forgotten: an
/// acknowledgement then counts for a little less than it says, and a device that resumes by it gets a few entries again.
const REMEMBERED: usize = limits::READ_ENTRIES;
/// The span between two acknowledgements that are passed on.
const EVERY: Millis = Millis(1_000);

/// What was taken for the device, and what it acknowledged.
#[derive(Debug)]
pub(super) struct Acks {
    /// Taken before `last` and not acknowledged: `last`'s epoch, rising.
    earlier: VecDeque<Earlier>,
    /// The last that was taken, until it is acknowledged.
    last: Option<Cursor>,
    /// The highest that was passed on, or where the session began.
    acknowledged: Position,
    waiting: Option<Cursor>,
    next: Millis,
    /// Whether the log was in another epoch before: then a sequence above all may be one of that epoch.
    epoch_changed: bool,
}

/// An entry that was taken, and where its run began.
#[derive(Clone, Copy, Debug)]
struct Earlier {
    seq: Seq,
    time: StreamTime,
    began: Seq,
}

impl Acks {
    pub(super) fn new(from: Position) -> Acks {
        Acks {
            earlier: VecDeque::new(),
            last: None,
            acknowledged: from,
            waiting: None,
            next: Millis(0),
            epoch_changed: false,
        }
    }

    /// The writer has taken a frame that brings the device to `cursor`.
    pub(super) fn taken(&mut self, cursor: Cursor) {
        let before = self.last.map_or(self.acknowledged, |last| last.position);
        self.epoch_changed |= before.epoch != cursor.position.epoch && before != Position::default();
        // Behind a gap the log may go on below.
        if before.epoch != cursor.position.epoch || cursor.position.seq < before.seq {
            self.earlier = VecDeque::new();
            self.last = None;
        }
        if let Some(last) = self.last.filter(|last| last.position.seq != cursor.position.seq) {
            self.remember(last);
        }
        // Sequence 0 counts too: who was caught up with an empty mailbox lacks what comes after it.
        self.last = Some(cursor).filter(|cursor| *cursor != Cursor::default());
    }

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

    /// The device has everything up to `delivered`. What nobody took for it, it can't have: a higher number counts for all that was taken.
    /// Returns what is to be passed on now.
    pub(super) fn acknowledge(&mut self, now: Millis, delivered: Seq) -> Option<Cursor> {
        let last = self.last?;
        if delivered > last.position.seq && self.epoch_changed {
            return None;
        }
        let cursor = if delivered >= last.position.seq {
            self.last = None;
            self.earlier = VecDeque::new();
            last
        } else {
            let upto = self.earlier.partition_point(|earlier| earlier.seq <= delivered);
            let Earlier { seq, time, began } = self.earlier.drain(..upto).next_back()?;
            Cursor { began, ..Cursor::of_entry(Position { epoch: last.position.epoch, seq, time }) }
        };
        self.acknowledged = cursor.position;
        self.waiting = Some(cursor);
        self.tick(now)
    }

    /// What is to be passed on, if it is time.
    pub(super) fn tick(&mut self, now: Millis) -> Option<Cursor> {
        if now < self.next || self.waiting.is_none() {
            return None;
        }
        self.next = now.plus(EVERY);
        self.finish()
    }

    /// What is still to be passed on.
    pub(super) fn finish(&mut self) -> Option<Cursor> {
        self.waiting.take()
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.waiting.map(|_| self.next)
    }
}
