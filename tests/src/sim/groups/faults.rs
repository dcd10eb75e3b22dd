//! The steps of a schedule: what people do in a group, and what goes wrong meanwhile; and its end, at which nothing fails any more.

use dunlin_schema::{
    Content,
    group::{GroupCommand, GroupRole, GroupSettingsChange},
};

use super::{
    World,
    event::{Event, Thread},
    rule::Rule,
};
use crate::sim::{
    stream::{Publish, nanos},
    units::{MS, SECOND},
};

/// How long a shard is still somebody's who says no more that it is.
const LEASE: u64 = 3 * SECOND;

impl World {
    /// The group is made, by the first with some of the others.
    pub(super) fn is_created(&mut self) {
        let users = self.people[1..].iter().map(|person| person.user.clone());
        let users: Vec<_> = users.filter(|_| self.dice.chance(500)).collect();
        let history = Some(self.shape.history);
        let settings = GroupSettingsChange { history, ..GroupSettingsChange::default() };
        self.wants(0, GroupCommand::Create { title: None, settings, users });
    }

    /// One step of a schedule.
    pub(super) fn act(&mut self) {
        let faults = self.faults;
        if self.fault(faults.burst) {
            (0..8).for_each(|_| self.says());
        } else {
            self.does();
        }
        self.servers_fail();
        self.processes_fail();
        let device = self.dice.index(self.devices.len());
        if self.dice.chance(200) {
            self.says_what_it_has(device);
        }
        if self.fault(faults.broken) {
            self.breaks(device);
        }
        if self.dice.chance(150) {
            self.others_say();
        }
        if self.fault(faults.long_wait) {
            let span = self.dice.between(SECOND, nanos(self.shape.bounds.retention) * 5 / 4);
            self.run_until(self.now + span);
        }
    }

    fn says(&mut self) {
        let by = self.dice.index(self.people.len());
        let text = Some(self.requests.len().to_string());
        let content = Content::Message { text, data: None, attachments: vec![], reply_to: None, mentions: vec![] };
        self.wants(by, GroupCommand::Say(content));
    }

    /// Somebody does something in the group, whether they may or not.
    fn does(&mut self) {
        let (by, whom) = (self.dice.index(self.people.len()), self.dice.index(self.people.len()));
        // Mostly those who may.
        let by = if self.dice.chance(500) { 0 } else { by };
        let user = self.people[whom].user.clone();
        let role = [GroupRole::Member, GroupRole::Admin, GroupRole::Owner][self.dice.index(3)];
        match self.dice.weighted(&[(10, 0), (8, 1), (6, 2), (2, 3), (4, 4), (1, 5)]) {
            0 => self.says(),
            1 => self.wants(by, GroupCommand::Add(vec![user])),
            2 => self.wants(by, GroupCommand::Remove(vec![user])),
            3 => self.wants(whom, GroupCommand::Leave),
            4 => self.wants(by, GroupCommand::Role { user, role }),
            _ if self.dice.chance(self.shape.deletes) => self.wants(by, GroupCommand::Delete),
            _ => {
                let settings = GroupSettingsChange { history: Some(self.dice.chance(300)), ..Default::default() };
                self.wants(by, GroupCommand::Set { title: None, settings });
            }
        }
    }

    /// Something is stored in the shard that is of another log.
    fn others_say(&mut self) {
        let message_id = format!("{}", self.dice.bits());
        let publish = Publish { log: 1, payload: bytes::Bytes::from_static(b"?"), message_id, expect: None };
        if self.server_answers() {
            self.stream.publish(self.now, publish);
            self.after(MS, Event::Delivers);
        }
    }

    fn servers_fail(&mut self) {
        let faults = self.faults;
        let restarts = self.fault(faults.server_restart);
        let power = self.fault(faults.power_loss);
        if !restarts && !power {
            return;
        }
        self.notice_gone();
        self.server.start += 1;
        self.server.up_since = self.now;
        let span = self.dice.between(MS, 3 * SECOND);
        self.server.away_until = self.now + span;
        if power {
            let lost = self.dice.between(1, 5).min(self.stream.changes() as u64) as usize;
            self.stream.lose(self.now, lost);
            let lost_writes = self.dice.between(0, 2 * lost as u64) as usize;
            self.state.lose(lost_writes);
            let kept = self.stream.kept_births();
            self.note(|_| format!("power loss: {lost} entries and {lost_writes} records are gone"));
            let applied = self.group_record().map_or_else(Default::default, |record| record.applied.time);
            self.judge.lost(kept, self.now, applied);
            self.reader_is_to_begin();
        } else {
            self.note(|_| "the server restarts".to_owned());
            self.stream.restart(self.now);
        }
        self.after(span, Event::Back);
    }

    fn processes_fail(&mut self) {
        let faults = self.faults;
        let worker = self.dice.index(self.workers.len());
        let gateway = self.dice.index(self.gateways.len());
        if self.fault(faults.worker_crash) && !self.workers[worker].dead {
            self.note(|_| format!("worker {worker} dies"));
            if self.workers[worker].holds(self.now) {
                self.free_at = self.now + LEASE;
            }
            self.workers[worker].die();
            let span = self.dice.between(MS, 5 * SECOND);
            self.after(span, Event::Restart { worker });
            self.after(LEASE, Event::Takes);
        }
        if self.fault(faults.worker_pause) {
            let span = self.dice.between(MS, 30 * SECOND);
            self.stands_still(worker, span);
        }
        if self.fault(faults.lapses) {
            self.gives_up(worker);
        }
        if self.fault(faults.gateway_crash) {
            self.crash_gateway(gateway);
        }
        if self.fault(faults.gateway_crash) {
            let span = self.dice.between(MS, 40 * SECOND);
            self.cut_gateway(gateway, span);
        }
        if self.fault(faults.reader_restart) {
            self.reader_is_replaced();
        }
    }

    // Workers.

    /// Somebody takes the shard, where it is nobody's.
    pub(super) fn somebody_takes_it(&mut self) {
        let is_held = self.workers.iter().any(|worker| worker.holds(self.now));
        let is_able = |worker: &usize| !self.workers[*worker].dead && !self.workers[*worker].paused;
        let able: Vec<usize> = (0..self.workers.len()).filter(is_able).collect();
        if is_held || self.now < self.free_at || able.is_empty() {
            return;
        }
        let worker = able[self.dice.index(able.len())];
        self.note(|_| format!("worker {worker} takes the shard for its own"));
        // What it knew of before is of no worth.
        self.workers[worker].lose();
        self.workers[worker].lease = u64::MAX;
        self.step_soon(worker, Thread::Applies, MS);
    }

    /// A worker can't say any more that the shard is its own.
    fn gives_up(&mut self, worker: usize) {
        if self.workers[worker].lease < u64::MAX {
            return;
        }
        let span = self.dice.between(MS, LEASE);
        self.note(|_| format!("worker {worker} has the shard for {} ms yet", span / MS));
        self.workers[worker].lease = self.now + span;
        self.after(span, Event::Notices { worker });
        let longer = self.dice.between(0, 5 * SECOND);
        self.after(span + longer, Event::Takes);
    }

    /// It sees that the shard is not its own.
    pub(super) fn notices(&mut self, worker: usize) {
        if !self.workers[worker].paused && !self.workers[worker].holds(self.now) {
            self.workers[worker].lose();
        }
    }

    /// A worker does nothing for so long.
    fn stands_still(&mut self, worker: usize, span: u64) {
        if self.workers[worker].paused || self.workers[worker].dead {
            return;
        }
        self.note(|_| format!("worker {worker} stands still for {} ms", span / MS));
        self.gives_up(worker);
        self.workers[worker].paused = true;
        self.after(span, Event::Continue { worker });
    }

    /// A worker may stand still between what it has decided and what it sends: for so long.
    pub(super) fn stands_still_before(&mut self, worker: usize) -> u64 {
        let stops_between = self.faults.stops_between;
        if !self.fault(stops_between) {
            return 0;
        }
        let span = self.dice.between(MS, 20 * SECOND);
        self.stands_still(worker, span);
        span
    }

    pub(super) fn starts(&mut self, worker: usize) {
        self.workers[worker].dead = false;
        self.somebody_takes_it();
    }

    /// A worker that stood still goes on where it was, until it sees what has become of it.
    pub(super) fn continues(&mut self, worker: usize) {
        self.workers[worker].paused = false;
        let waiting = std::mem::take(&mut self.workers[worker].waiting);
        waiting.into_iter().for_each(|event| self.after(MS / 10, event));
        let span = self.dice.between(MS, 50 * MS);
        self.after(span, Event::Notices { worker });
        self.after(span + MS, Event::Takes);
    }

    // The end.

    /// Nothing fails any more, everybody comes back; then all must be well.
    pub(super) fn calm_down(&mut self) {
        self.note(|_| "from here on nothing fails".to_owned());
        self.calm = true;
        self.heal_gateways();
        for worker in 0..self.workers.len() {
            if self.workers[worker].paused {
                self.continues(worker);
            }
        }
        for device in 0..self.devices.len() {
            self.reads_again(device);
        }
        let mut open = None;
        for span in [10, 20, 40, 60, 90] {
            self.run_until(self.now + span * SECOND);
            self.somebody_takes_it();
            self.wake_appliers();
            (0..self.devices.len()).for_each(|device| self.connect(device));
            if self.judge.violation.is_some() {
                return;
            }
            open = self.unsettled();
            if open.is_none() {
                return;
            }
        }
        if let Some((rule, text)) = open {
            self.judge.blame(rule, || text);
        }
    }

    /// What is not as it must be in the end.
    fn unsettled(&mut self) -> Option<(Rule, String)> {
        if let Some(open) = self.requests.iter().find(|request| !request.is_answered) {
            return Some((Rule::Stalled, format!("{:?} is not answered", open.wanted)));
        }
        self.notice_gone();
        let (group, last) = (self.group_record(), self.judge.last_change());
        let applied = group.as_ref().map_or(0, |group| group.applied.seq.0);
        let differs = self.judge.differs(group.as_ref(), |user| (self.member_record(user), self.follows_record(user)));
        if let Some(text) = differs {
            return Some((Rule::StateDiffers, format!("{text}; the last change is at {last:?}, applied is {applied}")));
        }
        if let Some((at, _)) = self.ending_record() {
            return Some((Rule::StateDiffers, format!("it is still to be ended by {at:?}")));
        }
        (0..self.devices.len()).find_map(|device| self.lacks(device))
    }
}
