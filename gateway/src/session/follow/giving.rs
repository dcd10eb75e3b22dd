//! How a log's entries come to the device: queued in order, and dropped when the socket does not keep up.

use dunlin_schema::{Cursor, Millis, Position, frame::ServerFrame};

use super::{
    Around, Follow,
    mode::{Carried, Footing, Mode, WaitsFor},
};
use crate::session::tail::{Outgoing, TailEntry, Told};

impl Follow {
    pub(super) fn give_live(&mut self, live: &TailEntry, around: &mut Around<'_>) {
        let TailEntry { position, bytes, told, .. } = live;
        if !around.queue.has_room(*bytes, around.share) {
            return self.overflow(around);
        }
        match told {
            Some(told) => self.give(*position, told, *bytes, around),
            // The log has the last word.
            None => self.read(Footing::Given, false, around),
        }
    }

    /// The socket does not keep up: what is queued is dropped, and read again once it does.
    pub(super) fn overflow(&mut self, around: &mut Around<'_>) {
        around.wants.overflowed();
        let carried = Carried { owes_caught_up: around.queue.clear(), failures: 0 };
        self.given = self.sent;
        let plan = self.plan(Footing::Given, false, carried);
        self.mode = Mode::Reading { plan, waits_for: WaitsFor::Drain };
    }

    /// Gives an entry, in order. What the device need not see moves the cursor alone.
    pub(super) fn give(&mut self, position: Position, told: &Told, bytes: usize, around: &mut Around<'_>) {
        let cursor = Cursor::of_entry(position);
        self.given = cursor;
        match told {
            Told::Content(sent) if !around.sent.is_own_copy(sent) => {
                around.queue.push(Outgoing::Entry(sent.clone()), bytes, cursor);
            }
            Told::Content(_) | Told::Nothing => {
                if !around.queue.pass(cursor) {
                    self.sent = cursor;
                }
            }
        }
    }

    pub(super) fn push_gap(&mut self, from: Millis, to: Millis, then: Cursor, around: &mut Around<'_>) {
        self.given = then;
        let (log, cursor) = (around.named.log.clone().into(), around.named.cursor(then));
        let frame = ServerFrame::Gap { log, from, to, cursor };
        around.queue.push(Outgoing::Own(frame), 0, then);
    }

    /// Everything is given. `complete`: when the read began that showed that the log has nothing more; `None` when the reader's word
    /// shows it.
    pub(super) fn settle(&mut self, carried: Carried, complete: Option<Millis>, around: &mut Around<'_>) {
        let carried = Carried { failures: 0, ..carried };
        if !carried.owes_caught_up {
            self.mode = Mode::Live;
            return;
        }
        let known = complete.unwrap_or(self.covers.time.millis()).max(self.given.at);
        let old = around.now.since(known) >= around.bounds.cursor_refreshed_every;
        if old && complete.is_none() {
            // A shard in which nobody wrote for long: its reader's position is no news.
            return self.go_on(self.plan(Footing::Given, true, carried), around);
        }
        self.mode = Mode::Live;
        self.given.at = known;
        let (log, cursor) = (around.named.log.clone().into(), around.named.cursor(self.given));
        let frame = ServerFrame::CaughtUp { log, seq: self.given.position.seq, cursor };
        around.queue.push(Outgoing::Own(frame), 0, self.given);
    }
}
