//! When a comparison has a round: at first, again and again, and twice after a loss.

use dunlin_schema::{Millis, limits};

use crate::clock::Uptime;

/// How long after a loss the round is repeated: what was lost while the interest was being restored shows up then.
pub(crate) const AFTER_LOSS: Millis = Millis(1_000);

/// When the next rounds are due.
#[derive(Debug)]
pub(crate) struct Timetable {
    round_at: Uptime,
    /// When the round after a loss is repeated.
    again_at: Option<Uptime>,
}

/// Which rounds are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// The regular one.
    pub(crate) regular: bool,
    /// The one that repeats a round after a loss.
    pub(crate) repeated: bool,
}

impl Timetable {
    /// The first round is at `now`.
    pub(crate) fn new(now: Uptime) -> Timetable {
        Timetable { round_at: now, again_at: None }
    }

    /// Something may have been lost: besides the round of now there is one a moment later.
    pub(crate) fn lost(&mut self, now: Uptime) {
        self.again_at = Some(now.plus(AFTER_LOSS));
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Uptime {
        self.round_at.min(self.again_at.unwrap_or(self.round_at))
    }

    /// What is due now. The next regular round comes `earlier` than it might, by chance, so that gateways do not ask in step.
    pub(crate) fn due(&mut self, now: Uptime, earlier: Millis) -> Due {
        let regular = now >= self.round_at;
        if regular {
            self.round_at = now.plus(limits::HEADS_EVERY.minus(earlier));
        }
        Due { regular, repeated: self.again_at.take_if(|at| now >= *at).is_some() }
    }
}
