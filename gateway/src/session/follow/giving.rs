//! How a log's entries come to the device: queued in order, and dropped when the socket does not keep up.

use dunlin_schema::{Cursor, Millis, Position, Seq, frame::ServerFrame};

use super::{
    Around, Follow, InStep,
    mode::{Carried, Footing, Mode, Then, WaitsFor},
};
use crate::session::{
    around::SentHere,
    queue::{LogQueue, Share},
    reach::Reach,
    tail::{Outgoing, TailEntry, Told},
};

impl InStep {
    /// Gives the entry that comes next, which is all that a live entry is to most followers: this costs them a look at their cursor.
    /// Returns false, and does nothing, where it may be more than that, and [`Follow::live`] decides.
    pub(in crate::session) fn live(
        &mut self,
        live: &TailEntry,
        queue: &mut LogQueue,
        share: Share,
        sent: &mut SentHere<'_>,
        reach: &Reach,
    ) -> bool {
        let TailEntry { position, after, bytes, told } = live;
        let before = self.given(queue);
        let given = before.position;
        let comes_next = position.epoch == given.epoch
            && given.seq > Seq(0)
            && position.seq > given.seq
            && position.time >= given.time
            && *after <= given.seq.max(self.covers.seq);
        let is_plain = |told: &&Told| reach.is_plain() && told.of_members().is_none();
        let is_room = comes_next && queue.has_room(*bytes, share);
        let Some(told) = told.as_ref().filter(is_plain).filter(|_| is_room) else { return false };
        if position.seq >= self.covers.seq {
            self.covers = *position;
        }
        self.sent = give(before.on_to(*position), told, true, *bytes, queue, sent).unwrap_or(self.sent);
        true
    }
}

/// Gives an entry. Returns where the log stands if no frame carries that: what the device need not see moves the cursor alone.
fn give(
    cursor: Cursor,
    told: &Told,
    may_see: bool,
    bytes: usize,
    queue: &mut LogQueue,
    here: &mut SentHere<'_>,
) -> Option<Cursor> {
    match told {
        Told::Content(sent) if may_see && !here.is_own_copy(sent) => {
            queue.push(Outgoing::Entry(sent.clone()), bytes, cursor);
            None
        }
        Told::Content(_) | Told::Nothing => (!queue.pass(cursor)).then_some(cursor),
    }
}

impl Follow {
    pub(super) fn give_live(&mut self, live: &TailEntry, around: &mut Around<'_>) {
        let TailEntry { position, bytes, told, .. } = live;
        if !around.queue.has_room(*bytes, around.share) {
            return self.overflow(around);
        }
        match told {
            Some(told) => {
                self.give(*position, told, *bytes, around);
                self.ends(around);
            }
            // The log has the last word.
            None => self.read(Footing::Given, false, around),
        }
    }

    /// The socket does not keep up: what is queued is dropped, and read again once it does.
    pub(super) fn overflow(&mut self, around: &mut Around<'_>) {
        around.wants.overflowed();
        let carried = Carried { owes_caught_up: around.queue.clear(), failures: 0 };
        self.given = self.sent;
        // Where it stands at a time, an entry may have been taken for one of before.
        if self.given.position.seq == Seq(0) {
            around.reach.doubt();
        }
        let plan = self.plan(Footing::Given, false, carried);
        self.mode = Mode::Reading { plan, waits_for: WaitsFor::Drain };
    }

    /// Gives an entry, in order.
    pub(super) fn give(&mut self, position: Position, told: &Told, bytes: usize, around: &mut Around<'_>) {
        let cursor = self.given.on_to(position);
        self.given = cursor;
        let may_see = around.reach.takes(position.seq, told, around.sent.me);
        self.sent = give(cursor, told, may_see, bytes, around.queue, &mut around.sent).unwrap_or(self.sent);
    }

    pub(super) fn push_gap(&mut self, from: Millis, to: Millis, then: Cursor, around: &mut Around<'_>) {
        self.given = then;
        let (log, cursor) = (around.named.log.clone().into(), around.named.cursor(then));
        let frame = ServerFrame::Gap { log, from, to, cursor };
        around.queue.push(Outgoing::own(frame), 0, then);
        around.reach.doubt();
    }

    /// Everything is given. `complete`: when the read began that showed that the log has nothing more; `None` when the reader's word
    /// shows it.
    pub(super) fn settle(&mut self, carried: Carried, complete: Option<Millis>, around: &mut Around<'_>) {
        if !around.reach.is_known() {
            return self.look(Then::Settle(carried), around);
        }
        if around.reach.is_closed() {
            return self.end(around);
        }
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
        around.queue.push(Outgoing::own(frame), 0, self.given);
    }
}
