//! How a log's entries come to the device: queued in order, and dropped when the socket does not keep up.

use dunlin_schema::{
    Cursor, Entry, Millis, Position,
    entry::Body,
    frame::{EntryFrame, ServerFrame},
};

use super::{
    Around, Follow,
    mode::{Carried, Footing, Mode, WaitsFor},
};

impl Follow {
    pub(super) fn give_live(&mut self, position: Position, bytes: &[u8], around: &mut Around<'_>) {
        if !around.queue.has_room(bytes.len(), around.share) {
            return self.overflow(around);
        }
        match Entry::decode(bytes) {
            Ok(entry) => self.give(position, entry, bytes.len(), around),
            // The log has the last word.
            Err(_) => self.read(Footing::Given, false, around),
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
    pub(super) fn give(&mut self, position: Position, entry: Entry, bytes: usize, around: &mut Around<'_>) {
        let cursor = Cursor::of_entry(position);
        self.given = cursor;
        let own = around.sent.is_own_copy(&entry);
        let Entry { id, from, to, order, time, body } = entry;
        match body {
            Body::Content(content) if !own => {
                let region = around.sent.region();
                let frame = EntryFrame {
                    log: around.named.log.clone(),
                    seq: position.seq,
                    cursor: around.named.cursor(cursor),
                    time,
                    id,
                    from: from.seen_from(region),
                    to: to.seen_from(region),
                    order: order.or(Some(position.seq)),
                    content,
                };
                around.queue.push(ServerFrame::Entry(Box::new(frame)), bytes, cursor);
            }
            Body::Content(_) | Body::Tombstone { .. } => {
                if !around.queue.pass(cursor) {
                    self.sent = cursor;
                }
            }
        }
    }

    pub(super) fn push_gap(&mut self, from: Millis, to: Millis, then: Cursor, around: &mut Around<'_>) {
        self.given = then;
        let (log, cursor) = (around.named.log.clone(), around.named.cursor(then));
        let frame = ServerFrame::Gap { log, from, to, cursor };
        around.queue.push(frame, 0, then);
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
        let (log, cursor) = (around.named.log.clone(), around.named.cursor(self.given));
        let frame = ServerFrame::CaughtUp { log, seq: self.given.position.seq, cursor };
        around.queue.push(frame, 0, self.given);
    }
}
