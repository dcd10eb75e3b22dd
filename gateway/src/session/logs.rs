//! The logs that one session follows, and what they share: turns at the socket, reads that may be under way at once, one question a shard.
//!
//! Each log has its own queue, cursor and acknowledgements, so what overflows, fails or is in doubt in one log touches no other.

use std::collections::VecDeque;

use dunlin_schema::{Epoch, LogName, Millis, Peer, Position, Seq, Shard, limits::Bounds, read::ReadAnswer};

use super::{
    Author, NoAnswer, Output, ReadFailed, Start,
    around::{Around, SentHere, Wants},
    asking::{Reads, Verifying},
    follow::Follow,
    followed::{Active, Followed, Follower, State},
    named::Named,
    queue::{Share, Taken},
    reach::Sight,
    tail::{Outgoing, TailEntry},
};

/// Logs that have ended, and of which it is remembered where: their devices may yet acknowledge what they were given.
const ENDED: usize = 32;
/// Room for so many logs more is made at once.
const SEVERAL: usize = 8;

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

/// What a session hands to its logs with each input.
pub(super) struct Handing<'a> {
    pub(super) now: Millis,
    pub(super) bounds: &'a Bounds,
    pub(super) sent: SentHere<'a>,
    pub(super) out: &'a mut Vec<Output>,
}

impl Logs {
    /// Follows one more log; one that is followed already goes on as it is, and one that has ended from where it stands.
    pub(super) fn follow(&mut self, named: Named, start: Start, now: Millis, out: &mut Vec<Output>) {
        if let Ok(at) = self.find(&named.log) {
            let (_, Active { follower, reach, .. }) = self.list[at].active();
            if let Follower::Apart(follow) = follower
                && follow.has_ended()
            {
                follow.begin_again();
                reach.doubt();
            }
            return;
        }
        self.forget_ended(out);
        let at = self.find(&named.log).unwrap_or_else(|at| at);
        self.turns.iter_mut().filter(|turn| **turn >= at).for_each(|turn| *turn += 1);
        // Most sessions follow a mailbox and nothing else, and those who are in groups are in several.
        if self.list.len() == self.list.capacity() {
            self.list.reserve_exact(if self.list.is_empty() { 1 } else { SEVERAL });
        }
        self.list.insert(at, Followed::new(named, start, now));
    }

    /// Of many logs that have ended one is forgotten, of which nothing waits.
    fn forget_ended(&mut self, out: &mut Vec<Output>) {
        let is_over = |followed: &&Followed| followed.has_ended() && !followed.state().queued;
        if self.list.iter().filter(is_over).count() > ENDED {
            let log = self.list.iter().find(is_over).map(|followed| followed.named.log.clone());
            log.iter().for_each(|log| self.unfollow(log, out));
        }
    }

    /// Follows a log no longer: what waits of it is dropped, and what its device acknowledged last is passed on.
    pub(super) fn unfollow(&mut self, log: &LogName, out: &mut Vec<Output>) {
        let Ok(at) = self.find(log) else { return };
        let State { drains, in_line, .. } = self.list[at].state();
        let (named, active) = self.list.remove(at).into_parts();
        self.turns.retain(|turn| *turn != at);
        self.turns.iter_mut().filter(|turn| **turn > at).for_each(|turn| *turn -= 1);
        self.draining -= usize::from(drains);
        self.in_line -= usize::from(in_line);
        if active.follower.apart().is_some_and(Follow::reads) {
            self.reads.leave(named.log.clone());
        }
        out.extend(active.acks.finish().map(|said| Output::Acknowledge(named.log, said)));
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
        let (_, Active { follower, queue, reach, .. }) = self.list[at].active();
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
        let (named, active) = followed.active();
        let Active { follower, queue, reach, .. } = active;
        let Handing { now, bounds, sent, out } = handing;
        let sent = SentHere { me: sent.me, copies: sent.copies.as_deref_mut() };
        let wants = Wants { named, reads, verifying, looks, out };
        follower.with(&mut Around { now: *now, bounds, named, queue, reach, share, wants, sent }, what);
        active.forget_windows();
        self.list[at].calm(*now);
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
            if self.list[at].waits_in_line() {
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
        self.find(log).is_ok_and(|at| !self.list[at].has_ended())
    }

    /// Whether what is signalled to the user, or in a group, may be told, as far as is known.
    pub(super) fn hears(&self, to: &Peer) -> bool {
        self.list.iter().any(|followed| match (&followed.named.log, to) {
            (LogName::Group(address), Peer::Group(group)) => address.group == *group && followed.is_open(),
            (LogName::Mailbox, Peer::User(_)) => true,
            (LogName::Group(_) | LogName::Mailbox, _) => false,
        })
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
            if self.list[at].deadline(handing.bounds).is_none_or(|at| handing.now < at) {
                continue;
            }
            self.with(at, handing, Follow::tick);
            let (named, Active { acks, .. }) = self.list[at].active();
            handing.out.extend(acks.tick(handing.now).map(|said| Output::Acknowledge(named.log.clone(), said)));
            self.list[at].calm(handing.now);
        }
        self.tick_at = self.list.iter().filter_map(|followed| followed.deadline(handing.bounds)).min();
    }

    /// The device has everything of a log up to `delivered`. Returns false where the log is not followed.
    pub(super) fn acknowledge(&mut self, log: &LogName, delivered: Seq, handing: &mut Handing<'_>) -> bool {
        let Ok(at) = self.find(log) else { return false };
        let followed = &mut self.list[at];
        let before = followed.state();
        let acknowledged = followed.active().1.acks.acknowledge(handing.now, delivered);
        handing.out.extend(acknowledged.into_iter().map(|said| Output::Acknowledge(log.clone(), said)));
        followed.calm(handing.now);
        self.changed(at, before, handing.bounds);
        true
    }

    /// The epoch in which a log is given.
    pub(super) fn epoch(&self, log: &LogName) -> Option<Epoch> {
        let at = self.find(log).ok()?;
        Some(self.list[at].epoch())
    }

    /// The next frame: a frame of each log in turn.
    pub(super) fn take(&mut self, me: &Author, bounds: &Bounds) -> Option<Outgoing> {
        let at = self.turns.pop_front()?;
        if self.turns.is_empty() && self.turns.capacity() > SEVERAL {
            self.turns = VecDeque::new();
        }
        let (named, active) = self.list[at].active();
        let Taken { frame, to, then } = active.queue.take()?;
        match &mut active.follower {
            Follower::InStep(step) => step.taken(then),
            Follower::Apart(follow) => follow.taken(then),
        }
        active.forget_windows();
        let sent = match (&frame, &named.log) {
            (Outgoing::Entry(sent), LogName::Mailbox) => sent.sent_by_others(me),
            (Outgoing::Entry(_) | Outgoing::Own(_), LogName::Mailbox | LogName::Group(_)) => None,
        };
        active.acks.taken(to, sent);
        let frame = match frame {
            Outgoing::Entry(sent) if to.began > Seq(0) => Outgoing::own(sent.with_cursor(named.cursor(to))),
            frame @ (Outgoing::Entry(_) | Outgoing::Own(_)) => frame,
        };
        let before = State { queued: false, drains: false, in_line: self.list[at].waits_in_line() };
        // What may be passed on only at some time waits for that to come.
        self.list[at].calm(Millis(0));
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
        let is_apart = |followed: &&Followed| followed.seen().is_some_and(|active| active.follower.apart().is_some());
        self.list.iter().filter(is_apart).map(|followed| &followed.named.log).collect()
    }

    /// How many logs hold little.
    #[cfg(test)]
    pub(super) fn quiet(&self) -> usize {
        self.list.iter().filter(|followed| followed.seen().is_none()).count()
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
        self.find(log).map_or(0, |at| self.list[at].seen().map_or(0, |active| active.queue.len()))
    }
}
