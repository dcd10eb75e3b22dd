//! What the device says it has: sequences, turned back into cursors that were taken for it.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, Millis, Position, Seq};

use super::Output;

/// Cursors remembered for acknowledgements. When there are more, every other one is forgotten: an acknowledgement then counts for a
/// little less than it says, and a device that resumes by it gets a few entries again.
const REMEMBERED: usize = 16;
/// The span between two acknowledgements that are passed on.
const EVERY: Millis = Millis(1_000);

/// What was taken for the device, and what it acknowledged.
#[derive(Debug)]
pub(super) struct Acks {
    /// Taken and not acknowledged: one epoch, rising.
    taken: VecDeque<Cursor>,
    /// The highest that was passed on, or where the session began.
    acknowledged: Position,
    waiting: Option<Cursor>,
    next: Millis,
    /// Whether the log was in another epoch before: then a sequence above all may be one of that epoch.
    epoch_changed: bool,
}

impl Acks {
    pub(super) fn new(from: Position) -> Acks {
        Acks { taken: VecDeque::new(), acknowledged: from, waiting: None, next: Millis(0), epoch_changed: false }
    }

    /// The writer has taken a frame that brings the device to `cursor`.
    pub(super) fn taken(&mut self, cursor: Cursor) {
        let before = self.taken.back().map_or(self.acknowledged, |last| last.position);
        if before.epoch != cursor.position.epoch {
            self.epoch_changed |= before != Position::default();
            self.taken.clear();
        } else if before.seq == cursor.position.seq {
            self.taken.pop_back();
        }
        if self.taken.len() == REMEMBERED {
            let mut keep = false;
            self.taken.retain(|_| {
                keep = !keep;
                keep
            });
        }
        if cursor.position.seq > Seq(0) {
            self.taken.push_back(cursor);
        }
    }

    /// The device has everything up to `delivered`. What nobody took for it, it can't have: a higher number counts for all that was taken.
    pub(super) fn acknowledge(&mut self, now: Millis, delivered: Seq, out: &mut Vec<Output>) {
        let Some(last) = self.taken.back() else { return };
        if delivered > last.position.seq && self.epoch_changed {
            return;
        }
        let upto = self.taken.partition_point(|cursor| cursor.position.seq <= delivered);
        let Some(cursor) = self.taken.drain(..upto).next_back() else { return };
        if self.taken.is_empty() {
            self.taken = VecDeque::new();
        }
        self.acknowledged = cursor.position;
        self.waiting = Some(cursor);
        self.tick(now, out);
    }

    /// Passes on what waits, if it is time.
    pub(super) fn tick(&mut self, now: Millis, out: &mut Vec<Output>) {
        if now >= self.next && self.waiting.is_some() {
            self.next = now.plus(EVERY);
            self.finish(out);
        }
    }

    /// Passes on what waits.
    pub(super) fn finish(&mut self, out: &mut Vec<Output>) {
        out.extend(self.waiting.take().map(Output::Acknowledge));
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.waiting.map(|_| self.next)
    }
}
