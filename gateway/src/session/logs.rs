//! The logs that one session follows, and what they share: turns at the socket, reads that may be under way at once, one question a shard.
//!
//! Each log has its own queue, cursor and acknowledgements, so what overflows, fails or is in doubt in one log touches no other.

use std::collections::VecDeque;

use dunlin_schema::{Epoch, LogName, Millis, Position, Seq, Shard, limits::Bounds, read::ReadAnswer};

use super::{
    Author, NoAnswer, Output, ReadFailed, Start,
    acks::Acks,
    around::{Around, SentHere, Wants},
    asking::{Reads, Verifying},
    follow::{Follow, InStep},
    named::Named,
    queue::{LogQueue, Share, Taken},
    reach::{Reach, Sight},
    tail::{Outgoing, TailEntry},
};

/// The logs of a session. All questions about one are by its index, which holds until another log is added.
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// By name: the mailbox is first.
    list: Vec<Followed>,
    /// The logs with frames to take, in the order of their turns.
    turns: VecDeque<usize>,
    reads: Reads,
    verifying: Verifying,
    /// How many logs read on once what was taken is written.
    draining: usize,
    /// How many logs wait until one read less is under way.
    in_line: usize,
    /// How often windows were looked up.
    looks: u32,
    /// No log has a deadline before this time. It may be too early, and is then set anew by a tick.
    tick_at: Option<Millis>,
}

/// A log, and what the socket is owed of it.
#[derive(Debug)]
struct Followed {
    named: Named,
    follower: Follower,
    acks: Acks,
    queue: LogQueue,
    reach: Reach,
}

/// The bytes of a log in step, beside its name.
#[cfg(test)]
pub(super) const FOLLOWED: usize = size_of::<Followed>();

/// How a log is followed. Most followers are in step most of the time, and then hold little.
#[derive(Debug)]
enum Follower {
    InStep(InStep),
    Apart(Box<Follow>),
}

impl Follower {
    /// Lets something happen to it: in step it is a follower like any other for as long as that takes.
    fn with(&mut self, around: &mut Around<'_>, what: impl FnOnce(&mut Follow, &mut Around<'_>)) {
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

    fn reads(&self) -> bool {
        match self {
            Follower::InStep(_) => false,
            Follower::Apart(follow) => follow.reads(),
        }
    }

    fn has_ended(&self) -> bool {
        match self {
            Follower::InStep(_) => false,
            Follower::Apart(follow) => follow.has_ended(),
        }
    }

    /// What the writer has taken, where nothing is missing behind it.
    fn stands(&self) -> Option<Seq> {
        match self {
            Follower::InStep(step) => Some(step.sent.position.seq),
            Follower::Apart(_) => None,
        }
    }

    fn waits_for_drain(&self) -> bool {
        match self {
            Follower::InStep(_) => false,
            Follower::Apart(follow) => follow.waits_for_drain(),
        }
    }

    fn waits_in_line(&self) -> bool {
        match self {
            Follower::InStep(_) => false,
            Follower::Apart(follow) => follow.waits_in_line(),
        }
    }
}

/// What is counted over all logs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    queued: bool,
    drains: bool,
    in_line: bool,
}

impl Followed {
    fn state(&self) -> State {
        let queued = !self.queue.is_empty();
        State { queued, drains: !queued && self.follower.waits_for_drain(), in_line: self.follower.waits_in_line() }
    }

    fn deadline(&self, bounds: &Bounds) -> Option<Millis> {
        let follower = match &self.follower {
            Follower::InStep(step) => Some(step.deadline(&self.queue, bounds)),
            Follower::Apart(follow) => follow.deadline(bounds),
        };
        follower.into_iter().chain(self.acks.deadline()).min()
    }
}

/// What a session hands to its logs with each input.
pub(super) struct Handing<'a> {
    pub(super) now: Millis,
    pub(super) bounds: &'a Bounds,
    pub(super) sent: SentHere<'a>,
    pub(super) out: &'a mut Vec<Output>,
}

impl Logs {
    /// Follows one more log; one that is followed already goes on as it is, and one that has ended from where it stands.
    pub(super) fn follow(&mut self, named: Named, start: Start, now: Millis) {
        let at = match self.find(&named.log) {
            Ok(at) => {
                let Followed { follower, reach, .. } = &mut self.list[at];
                if let Follower::Apart(follow) = follower
                    && follow.has_ended()
                {
                    follow.begin_again();
                    reach.doubt();
                }
                return;
            }
            Err(at) => at,
        };
        self.turns.iter_mut().filter(|turn| **turn >= at).for_each(|turn| *turn += 1);
        let acks = Acks::new(&start, now);
        let follower = Follower::Apart(Box::new(Follow::new(start, now)));
        let reach = Reach::of(&named.log);
        // Most sessions follow a mailbox and nothing else.
        self.list.reserve_exact(1);
        self.list.insert(at, Followed { named, follower, acks, queue: LogQueue::default(), reach });
    }

    /// Follows a log no longer: what waits of it is dropped, and what its device acknowledged last is passed on.
    pub(super) fn unfollow(&mut self, log: &LogName, out: &mut Vec<Output>) {
        let Ok(at) = self.find(log) else { return };
        let Followed { named, follower, acks, queue, reach: _ } = self.list.remove(at);
        self.turns.retain(|turn| *turn != at);
        self.turns.iter_mut().filter(|turn| **turn > at).for_each(|turn| *turn -= 1);
        self.draining -= usize::from(queue.is_empty() && follower.waits_for_drain());
        self.in_line -= usize::from(follower.waits_in_line());
        if follower.reads() {
            self.reads.leave(named.log.clone());
        }
        out.extend(acks.finish().map(|said| Output::Acknowledge(named.log, said)));
    }

    /// Where a log is; the error is where it would be.
    pub(super) fn find(&self, log: &LogName) -> Result<usize, usize> {
        self.list.binary_search_by(|followed| followed.named.log.cmp(log))
    }

    /// Lets something happen to a log, if it is followed.
    pub(super) fn give(
        &mut self,
        log: &LogName,
        handing: &mut Handing<'_>,
        what: impl FnOnce(&mut Follow, &mut Around<'_>),
    ) {
        self.verifying.forget_new();
        if let Ok(at) = self.find(log) {
            self.with(at, handing, what);
        }
    }

    /// A live entry of a log.
    pub(super) fn live(&mut self, log: &LogName, live: &TailEntry, handing: &mut Handing<'_>) {
        let Ok(at) = self.find(log) else { return };
        let Followed { follower, queue, reach, .. } = &mut self.list[at];
        let queued = !queue.is_empty();
        let share = Share::beside(self.turns.len() - usize::from(queued), handing.bounds);
        // Whoever stays in step waits for nothing else, and for a later tick than before.
        if let Follower::InStep(step) = follower
            && step.live(live, queue, share, &mut handing.sent, reach)
        {
            if !queued && !queue.is_empty() {
                self.turns.push_back(at);
            }
            return;
        }
        self.verifying.forget_new();
        self.with(at, handing, |follow, around| follow.live(live, around));
    }

    fn with(&mut self, at: usize, handing: &mut Handing<'_>, what: impl FnOnce(&mut Follow, &mut Around<'_>)) {
        let Logs { list, turns, reads, verifying, looks, .. } = self;
        let followed = &mut list[at];
        let before = followed.state();
        let share = Share::beside(turns.len() - usize::from(before.queued), handing.bounds);
        let Followed { named, follower, queue, reach, .. } = followed;
        let Handing { now, bounds, sent, out } = handing;
        let sent = SentHere { me: sent.me, copies: &mut *sent.copies };
        let wants = Wants { named, reads, verifying, looks, out };
        follower.with(&mut Around { now: *now, bounds, named, queue, reach, share, wants, sent }, what);
        if let Some(seq) = follower.stands() {
            reach.forget_below(seq);
        }
        self.changed(at, before, handing.bounds);
    }

    /// Keeps the counts over all logs true after one of them changed.
    fn changed(&mut self, at: usize, before: State, bounds: &Bounds) {
        let followed = &self.list[at];
        let (after, deadline) = (followed.state(), followed.deadline(bounds));
        match (before.queued, after.queued) {
            (false, true) => self.turns.push_back(at),
            (true, false) => self.turns.retain(|turn| *turn != at),
            (true, true) | (false, false) => {}
        }
        self.draining = self.draining + usize::from(after.drains) - usize::from(before.drains);
        self.in_line = self.in_line + usize::from(after.in_line) - usize::from(before.in_line);
        self.tick_at = self.tick_at.into_iter().chain(deadline).min();
    }

    /// The answer to a read. The next log in line begins its own.
    pub(super) fn read(&mut self, log: &LogName, answer: Result<ReadAnswer, ReadFailed>, handing: &mut Handing<'_>) {
        if self.reads.end(log) {
            self.give(log, handing, |follow, around| follow.answered(answer, around));
        }
        let behind = self.find(log).map_or_else(|at| at, |at| at + 1);
        let count = self.list.len();
        for at in (0..count).map(|step| (behind + step) % count) {
            if self.in_line == 0 || self.reads.are_full() {
                return;
            }
            if self.list[at].follower.waits_in_line() {
                self.with(at, handing, Follow::next_in_line);
            }
        }
    }

    /// The windows of a log's person were looked up.
    pub(super) fn looked(
        &mut self,
        log: &LogName,
        number: u32,
        answer: Result<Sight, ReadFailed>,
        handing: &mut Handing<'_>,
    ) {
        self.give(log, handing, |follow, around| follow.looked(number, answer, around));
    }

    /// Whether a log is followed, and has not ended.
    pub(super) fn goes_on(&self, log: &LogName) -> bool {
        self.find(log).is_ok_and(|at| !self.list[at].follower.has_ended())
    }

    /// A shard's reader compared itself with the stream, or did not answer.
    pub(super) fn verified(&mut self, shard: Shard, answer: Result<Position, NoAnswer>, handing: &mut Handing<'_>) {
        self.verifying.end(shard);
        self.verifying.forget_new();
        for at in 0..self.list.len() {
            if self.list[at].named.shard == shard {
                self.with(at, handing, |follow, around| follow.verified(answer, around));
            }
        }
    }

    /// Everything that was taken is written.
    pub(super) fn drained(&mut self, handing: &mut Handing<'_>) {
        for at in 0..self.list.len() {
            if self.list[at].state().drains {
                self.with(at, handing, Follow::drained);
            }
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, handing: &mut Handing<'_>) {
        if self.tick_at.is_none_or(|at| handing.now < at) {
            return;
        }
        self.verifying.forget_new();
        for at in 0..self.list.len() {
            self.with(at, handing, Follow::tick);
            let Followed { named, acks, .. } = &mut self.list[at];
            handing.out.extend(acks.tick(handing.now).map(|said| Output::Acknowledge(named.log.clone(), said)));
        }
        self.tick_at = self.list.iter().filter_map(|followed| followed.deadline(handing.bounds)).min();
    }

    /// The device has everything of a log up to `delivered`. Returns false where the log is not followed.
    pub(super) fn acknowledge(&mut self, log: &LogName, delivered: Seq, handing: &mut Handing<'_>) -> bool {
        let Ok(at) = self.find(log) else { return false };
        let followed = &mut self.list[at];
        let before = followed.state();
        let acknowledged = followed.acks.acknowledge(handing.now, delivered);
        handing.out.extend(acknowledged.into_iter().map(|said| Output::Acknowledge(log.clone(), said)));
        self.changed(at, before, handing.bounds);
        true
    }

    /// The epoch in which a log is given.
    pub(super) fn epoch(&self, log: &LogName) -> Option<Epoch> {
        let at = self.find(log).ok()?;
        Some(match &self.list[at].follower {
            Follower::InStep(step) => step.sent.position.epoch,
            Follower::Apart(follow) => follow.epoch(),
        })
    }

    /// The next frame: a frame of each log in turn.
    pub(super) fn take(&mut self, me: &Author, bounds: &Bounds) -> Option<Outgoing> {
        let at = self.turns.pop_front()?;
        let followed = &mut self.list[at];
        let Taken { frame, to, then } = followed.queue.take()?;
        match &mut followed.follower {
            Follower::InStep(step) => {
                step.taken(then);
                followed.reach.forget_below(then.position.seq);
            }
            Follower::Apart(follow) => follow.taken(then),
        }
        let sent = match (&frame, &followed.named.log) {
            (Outgoing::Entry(sent), LogName::Mailbox) => sent.sent_by_others(me),
            (Outgoing::Entry(_) | Outgoing::Own(_), LogName::Mailbox | LogName::Group(_)) => None,
        };
        followed.acks.taken(to, sent);
        let frame = match frame {
            Outgoing::Entry(sent) if to.began > Seq(0) => Outgoing::own(sent.with_cursor(followed.named.cursor(to))),
            frame @ (Outgoing::Entry(_) | Outgoing::Own(_)) => frame,
        };
        let before = State { queued: false, drains: false, in_line: followed.follower.waits_in_line() };
        self.changed(at, before, bounds);
        Some(frame)
    }

    /// Whether [`Logs::take`] has a frame.
    pub(super) fn has_frames(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whether a log reads on once what was taken is written.
    pub(super) fn wait_for_drain(&self) -> bool {
        self.draining > 0
    }

    /// When a tick is wanted.
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.tick_at
    }

    /// The logs whose follower is not in step.
    #[cfg(test)]
    pub(super) fn apart(&self) -> Vec<&LogName> {
        let apart = self.list.iter().filter(|followed| matches!(followed.follower, Follower::Apart(_)));
        apart.map(|followed| &followed.named.log).collect()
    }

    /// Whether what is counted over all logs is what each of them says.
    #[cfg(test)]
    pub(super) fn adds_up(&self) -> bool {
        let states: Vec<State> = self.list.iter().map(Followed::state).collect();
        let mut turns: Vec<usize> = self.turns.iter().copied().collect();
        turns.sort_unstable();
        turns.into_iter().eq((0..states.len()).filter(|at| states[*at].queued))
            && self.draining == states.iter().filter(|state| state.drains).count()
            && self.in_line == states.iter().filter(|state| state.in_line).count()
    }

    /// How many frames of a log wait.
    #[cfg(test)]
    pub(super) fn waits(&self, log: &LogName) -> usize {
        self.find(log).map_or(0, |at| self.list[at].queue.len())
    }
}
