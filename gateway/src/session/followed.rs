//! One log of a session, and what its socket is owed of it. Most are quiet most of the time, and then hold little.

use dunlin_schema::{Cursor, Epoch, LogName, Millis, Position, Seq, StreamTime, limits::Bounds};

use super::{
    Start,
    acks::{Acks, Resting},
    around::Around,
    follow::{Follow, InStep},
    named::Named,
    queue::LogQueue,
    reach::Reach,
};

/// A log that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) named: Named,
    keeps: Keeps,
}

/// The bytes of a quiet log, beside its name.
#[cfg(test)]
pub(super) const QUIET: usize = size_of::<Followed>();

#[derive(Debug)]
enum Keeps {
    Little(Quiet),
    All(Box<Active>),
}

/// What is left of a log that lacks nothing, and of which nothing waits for the socket. Its epoch is the
/// one of `sent`.
#[derive(Clone, Copy, Debug)]
struct Quiet {
    sent: Cursor,
    covers: (Seq, StreamTime),
    unanswered: u32,
    acks: Resting,
}

/// A log with all that following it can need.
#[derive(Debug)]
pub(super) struct Active {
    pub(super) follower: Follower,
    pub(super) acks: Acks,
    pub(super) queue: LogQueue,
    pub(super) reach: Reach,
}

/// How a log is followed.
#[derive(Debug)]
pub(super) enum Follower {
    InStep(InStep),
    Apart(Box<Follow>),
}

/// What is counted over all logs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) queued: bool,
    pub(super) drains: bool,
    pub(super) in_line: bool,
}

impl Followed {
    pub(super) fn new(named: Named, start: Start, now: Millis) -> Followed {
        let follower = Follower::Apart(Box::new(Follow::new(start, now)));
        let (acks, queue, reach) = (Acks::new(&start, now), LogQueue::default(), Reach::of(&named.log));
        Followed { named, keeps: Keeps::All(Box::new(Active { follower, acks, queue, reach })) }
    }

    /// Its name, and all that following it can need.
    pub(super) fn active(&mut self) -> (&Named, &mut Active) {
        if let Keeps::Little(quiet) = self.keeps {
            self.keeps = Keeps::All(Box::new(quiet.active(&self.named.log)));
        }
        match &mut self.keeps {
            Keeps::All(active) => (&self.named, active),
            Keeps::Little(_) => unreachable!("it has just been made active"),
        }
    }

    /// It holds little from here on, if it needs no more.
    pub(super) fn calm(&mut self, now: Millis) {
        if let Keeps::All(active) = &self.keeps
            && let Some(quiet) = active.quiet(now)
        {
            self.keeps = Keeps::Little(quiet);
        }
    }

    /// The name and what is left to be passed on, of a log that is followed no more.
    pub(super) fn into_parts(mut self) -> (Named, Box<Active>) {
        self.active();
        match self.keeps {
            Keeps::All(active) => (self.named, active),
            Keeps::Little(_) => unreachable!("it has just been made active"),
        }
    }

    pub(super) fn state(&self) -> State {
        match &self.keeps {
            Keeps::Little(_) => State::default(),
            Keeps::All(active) => active.state(),
        }
    }

    pub(super) fn deadline(&self, bounds: &Bounds) -> Option<Millis> {
        match &self.keeps {
            Keeps::Little(quiet) => Some(quiet.deadline(bounds)),
            Keeps::All(active) => active.deadline(bounds),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        match &self.keeps {
            Keeps::All(active) => matches!(&active.follower, Follower::Apart(follow) if follow.has_ended()),
            Keeps::Little(_) => false,
        }
    }

    /// Whether what comes next may be given, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        match &self.keeps {
            Keeps::All(active) => active.reach.is_known() && !active.reach.is_closed(),
            Keeps::Little(_) => true,
        }
    }

    /// The epoch in which it is given.
    pub(super) fn epoch(&self) -> Epoch {
        match &self.keeps {
            Keeps::Little(quiet) => quiet.sent.position.epoch,
            Keeps::All(active) => match &active.follower {
                Follower::InStep(step) => step.sent.position.epoch,
                Follower::Apart(follow) => follow.epoch(),
            },
        }
    }

    pub(super) fn waits_in_line(&self) -> bool {
        self.state().in_line
    }

    /// What there is of it, where it is more than a quiet log's.
    #[cfg(test)]
    pub(super) fn seen(&self) -> Option<&Active> {
        match &self.keeps {
            Keeps::All(active) => Some(active),
            Keeps::Little(_) => None,
        }
    }
}

impl Quiet {
    fn step(&self) -> InStep {
        let Quiet { sent, covers: (seq, time), unanswered, acks: _ } = *self;
        InStep { sent, covers: Position { epoch: sent.position.epoch, seq, time }, unanswered }
    }

    fn deadline(&self, bounds: &Bounds) -> Millis {
        let refreshed = self.step().deadline(&LogQueue::default(), bounds);
        self.acks.deadline(&self.sent).map_or(refreshed, |passed_on| passed_on.min(refreshed))
    }

    fn active(&self, log: &LogName) -> Active {
        let reach = match log {
            LogName::Mailbox => Reach::Everything,
            LogName::Group(_) => Reach::Onwards,
        };
        let acks = Acks::of(self.acks, &self.sent);
        Active { follower: Follower::InStep(self.step()), acks, queue: LogQueue::default(), reach }
    }
}

impl Active {
    fn quiet(&self, now: Millis) -> Option<Quiet> {
        let Active { follower, acks, queue, reach } = self;
        let Follower::InStep(InStep { sent, covers, unanswered }) = *follower else { return None };
        if !queue.is_empty() || !reach.is_plain() {
            return None;
        }
        let acks = acks.resting(&sent, now)?;
        Some(Quiet { sent, covers: (covers.seq, covers.time), unanswered, acks })
    }

    pub(super) fn state(&self) -> State {
        let (queued, apart) = (!self.queue.is_empty(), self.follower.apart());
        let drains = !queued && apart.is_some_and(Follow::waits_for_drain);
        State { queued, drains, in_line: apart.is_some_and(Follow::waits_in_line) }
    }

    fn deadline(&self, bounds: &Bounds) -> Option<Millis> {
        let follower = match &self.follower {
            Follower::InStep(step) => Some(step.deadline(&self.queue, bounds)),
            Follower::Apart(follow) => follow.deadline(bounds),
        };
        follower.into_iter().chain(self.acks.deadline()).min()
    }

    /// The windows that the writer has left behind are forgotten.
    pub(super) fn forget_windows(&mut self) {
        if let Follower::InStep(step) = &self.follower {
            self.reach.forget_below(step.sent.position.seq);
        }
    }
}

impl Follower {
    /// Lets something happen to it: in step it is a follower like any other for as long as that takes.
    pub(super) fn with(&mut self, around: &mut Around<'_>, what: impl FnOnce(&mut Follow, &mut Around<'_>)) {
        match self {
            Follower::InStep(step) => {
                let mut follow = step.follow(around.queue);
                what(&mut follow, around);
                *self = match follow.in_step(around.queue) {
                    Some(step) => Follower::InStep(step),
                    None => Follower::Apart(Box::new(follow)),
                };
            }
            Follower::Apart(follow) => {
                what(follow, around);
                if let Some(step) = follow.in_step(around.queue) {
                    *self = Follower::InStep(step);
                }
            }
        }
    }

    /// The follower, where it is not in step.
    pub(super) fn apart(&self) -> Option<&Follow> {
        match self {
            Follower::InStep(_) => None,
            Follower::Apart(follow) => Some(follow),
        }
    }
}
