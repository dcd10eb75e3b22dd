//! What is asked: each question once, over one connection. It is over with its answer or refusal, with its connection, or with its time;
//! whoever asked decides whether to ask again.

use std::collections::{BTreeMap, VecDeque};

use dunlin_schema::{
    Code, Millis, Open,
    frame::{Answer, Ask, Extensible, Question},
    limits,
};

use super::outbox::RequestId;
use crate::error::{AskError, Ended};

/// How a question ends.
pub(crate) type Answered = (RequestId, Result<Answer, AskError>);

#[derive(Debug)]
struct Asked {
    request: RequestId,
    until: Millis,
}

/// The questions of one client.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    /// For a connection, or for their turn.
    waiting: VecDeque<(Asked, Question)>,
    /// On their way, each under its number.
    asked: BTreeMap<u64, Asked>,
    /// The last number. A number is never used again, so that a late answer is nobody's.
    last: u64,
}

impl Asks {
    /// Takes a question that is over at this time of the steady clock.
    pub(crate) fn ask(&mut self, request: RequestId, what: Question, until: Millis) {
        self.waiting.push_back((Asked { request, until }, what));
    }

    /// Asks what waits, as many as a gateway takes at once.
    pub(crate) fn pump(&mut self, mut write: impl FnMut(Ask)) {
        while self.asked.len() < limits::ASKS_IN_FLIGHT
            && let Some((asked, what)) = self.waiting.pop_front()
        {
            self.last += 1;
            self.asked.insert(self.last, asked);
            write(Ask { reference: self.last, what });
        }
    }

    /// An answer came. `None` where nobody waits for it any more.
    pub(crate) fn answered(&mut self, reference: u64, what: Extensible<Answer>) -> Option<Answered> {
        let Asked { request, .. } = self.asked.remove(&reference)?;
        Some((
            request,
            match what {
                Extensible::Known(answer) => Ok(answer),
                Extensible::Unknown(newer) => Err(AskError::Newer(newer.kind().to_owned())),
            },
        ))
    }

    /// A refusal came. `None` where nobody waits for it any more.
    pub(crate) fn refused(
        &mut self,
        reference: u64,
        code: Open<Code>,
        message: String,
        retry_after: Option<Millis>,
    ) -> Option<Answered> {
        let Asked { request, .. } = self.asked.remove(&reference)?;
        Some((request, Err(AskError::Refused { code, message, retry_after })))
    }

    /// The connection is lost, and what was on its way over it.
    pub(crate) fn lost(&mut self) -> Vec<Answered> {
        let lost = std::mem::take(&mut self.asked).into_values();
        lost.map(|asked| (asked.request, Err(AskError::Disconnected))).collect()
    }

    /// What is over at this time.
    pub(crate) fn expired(&mut self, now: Millis) -> Vec<Answered> {
        if self.next_deadline().is_none_or(|next| next > now) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        let mut stays = |asked: &Asked| {
            let stays = asked.until > now;
            if !stays {
                expired.push((asked.request, Err(AskError::TimedOut)));
            }
            stays
        };
        self.waiting.retain(|(asked, _)| stays(asked));
        self.asked.retain(|_, asked| stays(asked));
        expired
    }

    /// The client is over.
    pub(crate) fn end(&mut self, why: &Ended) -> Vec<Answered> {
        let waiting = std::mem::take(&mut self.waiting).into_iter().map(|(asked, _)| asked);
        let all = waiting.chain(std::mem::take(&mut self.asked).into_values());
        all.map(|asked| (asked.request, Err(AskError::Ended(why.clone())))).collect()
    }

    /// Whether an answer may come.
    pub(crate) fn waited_for(&self) -> bool {
        !self.asked.is_empty()
    }

    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let waiting = self.waiting.iter().map(|(asked, _)| asked.until);
        waiting.chain(self.asked.values().map(|asked| asked.until)).min()
    }
}
