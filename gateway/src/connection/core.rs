//! A session and what its task does for it, decided without I/O: when the task is woken, what it has to carry out, and what time brings.
//!
//! Drive it: give what happens to [`Core::handle`]. Where it then [`Core::has_work`], let the task carry out [`Core::take_outputs`] and
//! write what [`Core::take`] gives; when all of that is written, [`Core::drained`]. Give it the time with [`Core::keep_time`], at
//! [`Core::next_deadline`] or soon after.

use dunlin_schema::{LogName, Millis, frame::ServerFrame, limits};

use crate::{
    clock::{Moment, Uptime},
    session::{Input, Outgoing, Output, Session},
};

/// How long the comparison of heads may take over a question. It is longer than all that it waits for itself: whoever waits longer waits
/// for somebody who is gone.
pub(super) const HEADS_WITHIN: Millis = Millis(5 * limits::HEADS_TIMEOUT.0);

/// A session, and what its task is to do for it.
#[derive(Debug)]
pub struct Core {
    session: Session,
    /// What the session wants done, in order, until the task takes it.
    outputs: Vec<Output>,
    /// When a question about a log's head counts as unanswered, where one is under way.
    heads_by: Vec<(LogName, Uptime)>,
}

impl Core {
    /// Of a session that follows nothing yet.
    pub fn new(session: Session) -> Core {
        Core { session, outputs: Vec::new(), heads_by: Vec::new() }
    }

    /// Something happened.
    pub fn handle(&mut self, moment: Moment, input: Input) {
        if let Input::Heads(log, _) | Input::HeadsUnanswered(log) | Input::Unfollow(log) = &input {
            self.heads_by.retain(|(asked, _)| asked != log);
            // A connection asks when it begins, and then keeps no room for it.
            if self.heads_by.is_empty() {
                self.heads_by = Vec::new();
            }
        }
        self.session.handle(moment.wall, input, &mut self.outputs);
    }

    /// A question about a log's head is on its way to whoever compares them.
    pub fn asks_heads(&mut self, moment: Moment, log: LogName) {
        self.heads_by.push((log, moment.uptime.plus(HEADS_WITHIN)));
    }

    /// What time brings: the session's tick, and the end of the wait for answers about heads, of which it returns how many ended.
    pub fn keep_time(&mut self, moment: Moment) -> usize {
        let late: Vec<_> = self.heads_by.extract_if(.., |(_, by)| *by <= moment.uptime).collect();
        let count = late.len();
        for (log, _) in late {
            self.handle(moment, Input::HeadsUnanswered(log));
        }
        if self.next_deadline(moment) <= moment.uptime {
            self.handle(moment, Input::Tick);
        }
        count
    }

    /// Whether the task has something to write or to carry out.
    pub fn has_work(&self) -> bool {
        self.session.has_outgoing() || self.session.waits_for_drain() || !self.outputs.is_empty()
    }

    /// When [`Core::keep_time`] has something to do.
    pub fn next_deadline(&self, moment: Moment) -> Uptime {
        let tick = self.session.next_deadline().map_or(Uptime::NEVER, |deadline| moment.when(deadline));
        self.heads_by.iter().fold(tick, |earliest, (_, by)| earliest.min(*by))
    }

    /// What is to be done, in order.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Everything that was taken is written. Returns whether the session had waited for that.
    pub fn drained(&mut self, moment: Moment) -> bool {
        let waited = self.session.waits_for_drain();
        if waited {
            self.handle(moment, Input::Drained);
        }
        waited
    }

    /// Queues an answer of the gateway's own.
    pub fn answer(&mut self, frame: ServerFrame) {
        self.session.answer(frame);
    }

    /// The next answer of the session's to write: what comes before the answers to questions, `welcome` above all.
    pub fn take_answer(&mut self) -> Option<Outgoing> {
        self.session.take_answer()
    }

    /// The next frame to write.
    pub fn take(&mut self) -> Option<Outgoing> {
        self.session.take()
    }

    /// Whether frames wait to be taken.
    pub fn has_outgoing(&self) -> bool {
        self.session.has_outgoing()
    }

    /// Whether frames of the client may be read.
    pub fn wants_input(&self) -> bool {
        self.session.wants_input()
    }
}
