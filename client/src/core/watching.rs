//! Who is watched, over all connections: a watch counts from its `done` on, and is set again over each new connection. What is known of
//! somebody waits while the application leaves no room: the newest of each.

use std::collections::BTreeMap;

use dunlin_schema::{
    Address, Millis, Open,
    frame::{Answer, Question},
    presence::Presence,
};

use super::outbox::RequestId;
use crate::error::AskError;

/// The question that sets the watch again: the application waits for no answer to it.
pub(super) const OWN: RequestId = RequestId(u64::MAX);
/// The pause before it is asked again, where the gateway names none.
const AGAIN: Millis = Millis(1_000);
/// How long its answer is waited for.
const WITHIN: Millis = Millis(10_000);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    users: Vec<String>,
    /// What the application has asked for, without an answer yet.
    asked: BTreeMap<RequestId, Vec<String>>,
    /// When the watch is set again, where that is due.
    again_at: Option<Millis>,
    waiting: BTreeMap<Open<Address>, Presence>,
}

impl Watching {
    /// The application asks something.
    pub(crate) fn asks(&mut self, request: RequestId, what: &Question) {
        if let Question::Watch { users } = what {
            self.asked.insert(request, users.clone());
        }
    }

    /// A question is over.
    pub(crate) fn settled(&mut self, now: Millis, request: RequestId, answer: &Result<Answer, AskError>) {
        let asked = self.asked.remove(&request);
        match answer {
            Ok(_) => {
                if let Some(users) = asked {
                    self.waiting.clear();
                    self.users = users;
                    self.again_at = None;
                }
            }
            // Nobody knows which of the two the gateway has.
            Err(_) if asked.is_some() => self.again(now),
            Err(AskError::Refused { retry_after, .. }) if request == OWN => {
                if let Some(pause) = *retry_after {
                    self.again(now.plus(pause));
                }
            }
            Err(AskError::TimedOut) if request == OWN => self.again(now.plus(AGAIN)),
            Err(_) => {}
        }
    }

    /// A connection is there that knows nothing yet.
    pub(crate) fn connected(&mut self, now: Millis) {
        self.again(now);
    }

    fn again(&mut self, at: Millis) {
        self.again_at = (!self.users.is_empty()).then_some(at);
    }

    /// The question that sets the watch again, where that is due, and until when it is waited for.
    pub(crate) fn due(&mut self, now: Millis) -> Option<(RequestId, Question, Millis)> {
        self.next_deadline().filter(|at| *at <= now)?;
        self.again_at = None;
        Some((OWN, Question::Watch { users: self.users.clone() }, now.plus(WITHIN)))
    }

    /// When the watch is to be set again. Not while the application has asked for another one.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.again_at.filter(|_| self.asked.is_empty())
    }

    /// How somebody is, for when there is room.
    pub(crate) fn keep(&mut self, user: Open<Address>, presence: Presence) {
        self.waiting.insert(user, presence);
    }

    /// What was kept.
    pub(crate) fn take(&mut self) -> BTreeMap<Open<Address>, Presence> {
        std::mem::take(&mut self.waiting)
    }
}
