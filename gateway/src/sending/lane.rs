//! The sends to one address: one on its way, step by step, the others behind it, so that an author's order is kept.

use std::collections::VecDeque;

use dunlin_schema::{Entry, MessageId, Millis, Peer, Seq};

use super::{Answer, Append, AppendFailure, Author, Do, Key, Step, Stored, route::Route, weight};

/// The sends to one address.
#[derive(Debug)]
pub(super) struct Lane {
    route: Route,
    id: MessageId,
    bytes: usize,
    first_try: bool,
    way: Way,
    waiting: VecDeque<Entry>,
}

/// How far the lane's first has come.
#[derive(Clone, Copy, Debug)]
enum Way {
    Storing,
    /// The recipient's log has it.
    Copying {
        order: Seq,
        time: Millis,
    },
}

/// What follows from the outcome of a step.
pub(super) enum After {
    /// The next step.
    Do(Do),
    /// The item's end.
    Answer(Answer),
}

impl Lane {
    /// Puts an item on its way.
    pub(super) fn begin(route: Route, entry: Entry, first_try: bool, waiting: VecDeque<Entry>) -> (Lane, Do) {
        let (id, bytes) = (entry.id, weight(&entry));
        let Route::Mailbox(log) = &route;
        let key = Key { to: entry.to.clone(), id, step: Step::Store };
        let append = Append { key, log: log.clone(), entry, first_try, copy_of_new: false };
        (Lane { route, id, bytes, first_try, way: Way::Storing, waiting }, Do::Append(Box::new(append)))
    }

    /// Whether an item of this id is on its way or waits.
    pub(super) fn holds(&self, id: MessageId) -> bool {
        self.id == id || self.waiting.iter().any(|before| before.id == id)
    }

    /// An item waits behind the others.
    pub(super) fn push(&mut self, entry: Entry) {
        self.waiting.push_back(entry);
    }

    /// What the first one holds.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The first one is done: where the lane leads, and what waits.
    pub(super) fn end(self) -> (Route, VecDeque<Entry>) {
        (self.route, self.waiting)
    }

    /// Takes the outcome of an append; `None` where it is no answer to what the lane waits for.
    pub(super) fn appended(
        &mut self,
        author: &Author,
        key: &Key,
        outcome: Result<Stored, AppendFailure>,
    ) -> Option<After> {
        if key.id != self.id {
            return None;
        }
        match (self.way, key.step) {
            (Way::Storing, Step::Store) => Some(self.stored(author, key, outcome)),
            (Way::Copying { order, time }, Step::Copy) => Some(After::Answer(copied(self.id, order, time, outcome))),
            (Way::Storing, Step::Copy) | (Way::Copying { .. }, Step::Store) => None,
        }
    }

    fn stored(&mut self, author: &Author, key: &Key, outcome: Result<Stored, AppendFailure>) -> After {
        let id = self.id;
        let Stored { seq, entry, repeat } = match outcome {
            Ok(stored) => stored,
            Err(failure) => return After::Answer(Answer::failed(id, failure)),
        };
        if entry.is_tombstone() {
            return After::Answer(Answer::Accepted { id, order: entry.order.unwrap_or(seq), time: entry.time });
        }
        let (order, time) = (entry.order.unwrap_or(seq), entry.time);
        // A note to oneself is one entry in one mailbox.
        if !author.copies || key.to.peer == Peer::User(author.user.clone()) {
            return After::Answer(Answer::Accepted { id, order, time });
        }
        self.way = Way::Copying { order, time };
        let key = Key { step: Step::Copy, ..key.clone() };
        let (log, first_try) = (author.mailbox(&author.user), self.first_try);
        let entry = Entry { order: Some(order), ..entry };
        After::Do(Do::Append(Box::new(Append { key, log, entry, first_try, copy_of_new: !repeat })))
    }
}

/// The recipient's log has the item: whatever became of the copy, "no" would be a lie.
fn copied(id: MessageId, order: Seq, time: Millis, outcome: Result<Stored, AppendFailure>) -> Answer {
    match outcome {
        // What this mailbox held when an earlier try stored the recipient's is gone, that try's copy with it: a repeat could not help.
        Ok(_) | Err(AppendFailure::TooOld) => Answer::Accepted { id, order, time },
        Err(AppendFailure::FromTheFuture | AppendFailure::Full | AppendFailure::TooLarge | AppendFailure::Unknown) => {
            Answer::unknown(id)
        }
    }
}
