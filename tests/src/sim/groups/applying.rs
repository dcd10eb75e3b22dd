//! A worker's pass over the shard: it writes the records that the real core makes of each entry of the group's log, one write after the
//! other. Between any two of them it may stand still or die, and so may whoever does the same beside it. The members of a group that is no
//! more are ended beside all else.

use std::collections::VecDeque;

use dunlin_schema::{
    Entry, Millis, Position, Seq, UserName,
    content::Change,
    group::GroupRole,
    record::{EndingRecord, Follows, GroupRecord, MemberRecord, ReaderRecord},
    subject,
};
use dunlin_workers::groups::core::{self, Becomes, EndingIs, Joining, Meaning};

use super::{
    World,
    event::{Event, Thread},
    plant::Plant,
    shape::NOTED_EVERY,
};
use crate::sim::units::{MS, SECOND};

/// The name under which it is saved how far the log was read.
const ROLE: &str = "groups";

/// How far a worker has come in the shard.
#[derive(Debug, Default)]
pub(super) struct Applier {
    /// `None`: it does not read.
    position: Option<Position>,
    applying: Option<Applying>,
    /// Work on the members of the group, once it is no more.
    ending: Option<Applying>,
    /// How many entries were read since the group's record was written.
    unnoted: Option<u32>,
    /// It has read all, and is woken when there is more.
    is_idle: bool,
}

/// Work on the records of one entry.
#[derive(Debug)]
struct Applying {
    at: Position,
    time: Millis,
    meaning: Meaning,
    /// It is done beside all else.
    is_beside: bool,
    /// The group's record before.
    group: Option<Option<GroupRecord>>,
    people: Option<VecDeque<(UserName, Becomes)>>,
    /// Whose membership is written, and that they follow it is not yet.
    following: Option<(UserName, Position, bool)>,
    /// A write of which the answer is awaited.
    writes: bool,
    is_done: bool,
}

impl World {
    /// The next step of a worker's pass.
    pub(super) fn applies(&mut self, number: usize) {
        if !self.workers[number].holds(self.now) {
            return;
        }
        let wait = self.dice.weighted(&[(8, 3 * MS), (2, 100 * MS), (1, 2 * SECOND)]);
        let span = self.dice.between(MS, wait);
        let read_fails = self.faults.read_fails;
        if self.server_answers() && !self.log_went_back() && !self.fault(read_fails) {
            self.workers[number].applier.is_idle = false;
            self.goes_on(number);
        }
        let Applier { applying, ending, is_idle, .. } = &self.workers[number].applier;
        let writes = applying.iter().chain(ending).any(|applying| applying.writes);
        if !writes && (!is_idle || ending.is_some()) {
            self.step_soon(number, Thread::Applies, span);
        }
    }

    /// There may be something to read for those who have read all.
    pub(super) fn wake_appliers(&mut self) {
        for number in 0..self.workers.len() {
            let applier = &mut self.workers[number].applier;
            if std::mem::take(&mut applier.is_idle) && applier.ending.is_none() {
                self.step_soon(number, Thread::Applies, MS);
            }
        }
    }

    fn goes_on(&mut self, number: usize) {
        let Some(epoch) = self.leader_epoch() else { return };
        let saved = self.saved();
        let position = self.workers[number].applier.position;
        match position {
            None => self.workers[number].applier.position = Some(saved),
            Some(position) if position.epoch < epoch => {
                // The shard is read anew: STATE may have gone back as well.
                let of = if self.plant == Some(Plant::GoesOnFromMemory) { position } else { Position::default() };
                let position = Some(Position { epoch, ..of });
                self.workers[number].applier = Applier { position, ..Applier::default() };
            }
            Some(_) if self.is_ended_beside(number) => {
                self.turn_aside(number);
                self.work_on(number);
                self.turn_aside(number);
            }
            Some(position) if self.workers[number].applier.applying.is_none() => self.next_entry(number, position),
            Some(_) => self.work_on(number),
        }
    }

    /// Whether members are ended now, before it goes on in the log.
    fn is_ended_beside(&mut self, number: usize) -> bool {
        if self.workers[number].applier.ending.is_none()
            && let Some((at, revision)) = self.ending_record()
        {
            match self.ending_is(at) {
                EndingIs::Due => {
                    self.workers[number].applier.ending = Some(Applying::of(at, Millis(0), Meaning::Deleted, true));
                }
                EndingIs::ToCome => {}
                EndingIs::Over => {
                    let subject = subject::ending(&self.region, self.log.shard, &self.group);
                    self.state.erase(self.now, &subject, revision);
                }
            }
        }
        self.workers[number].applier.ending.is_some() && self.dice.chance(500)
    }

    fn ending_is(&self, at: Position) -> EndingIs {
        let group = self.group_record();
        let is_deleted = group.as_ref().is_some_and(|group| group.deleted);
        match core::ending_is(group.as_ref(), at, self.saved()) {
            EndingIs::Over if self.plant == Some(Plant::EndingOfDeletedAlone) && !is_deleted => EndingIs::ToCome,
            EndingIs::ToCome if self.plant == Some(Plant::EndingIsNotAwaited) => EndingIs::Over,
            is @ (EndingIs::Due | EndingIs::ToCome | EndingIs::Over) => is,
        }
    }

    /// Where the entry stands by which the group is to be ended, as long as that is written down.
    pub(super) fn ending_record(&self) -> Option<(Position, Seq)> {
        let value = self.state.get(&subject::ending(&self.region, self.log.shard, &self.group))?;
        Some((EndingRecord::decode(&value.bytes).expect("workers alone write it").at, value.revision))
    }

    fn turn_aside(&mut self, number: usize) {
        let Applier { applying, ending, .. } = &mut self.workers[number].applier;
        std::mem::swap(applying, ending);
    }

    fn next_entry(&mut self, number: usize, position: Position) {
        let truth = self.stream.truth(self.now);
        let is_next = |entry: &&crate::sim::stream::Stored| match position.seq {
            Seq(0) => entry.time > position.time,
            seq => entry.seq > seq,
        };
        let Some(next) = truth.all().find(is_next).cloned() else {
            self.workers[number].applier.is_idle = true;
            return self.save(position);
        };
        let at = Position { seq: next.seq, time: next.time, ..position };
        let applier = &mut self.workers[number].applier;
        applier.position = Some(at);
        if self.plant == Some(Plant::SavedBeforeApplied) {
            self.save(at);
        }
        let applier = &mut self.workers[number].applier;
        if next.log == 0 {
            let entry = Entry::decode(&next.payload).expect("the world stores entries alone");
            let meaning = Meaning::of(&entry);
            if meaning != Meaning::Nothing || applier.is_to_be_noted() {
                applier.applying = Some(Applying::of(at, entry.time, meaning, false));
                return;
            }
        }
        self.save(at);
    }

    fn work_on(&mut self, number: usize) {
        let record = self.group_record();
        let plant = self.plant;
        let Some(applying) = &mut self.workers[number].applier.applying else { return };
        if applying.is_done {
            let (at, is_beside) = (applying.at, applying.is_beside);
            self.workers[number].applier.applying = None;
            if !is_beside {
                self.save(at);
            }
            return;
        }
        if applying.group.is_none() {
            let is_applied = record.as_ref().is_some_and(|record| core::is_accounted(applying.at, record.applied));
            applying.is_done = is_applied && plant != Some(Plant::AppliesAnything);
            applying.group = Some(record);
            return;
        }
        if plant == Some(Plant::GroupRecordFirst) && applying.people.is_none() {
            self.concern(number);
            return self.write_group(number);
        }
        if applying.meaning == Meaning::Deleted && !applying.is_beside {
            return self.write_ending(number);
        }
        if applying.people.is_none() {
            return self.concern(number);
        }
        if let Some((user, at, is_member)) = applying.following.clone() {
            return self.write_follows(number, &user, at, is_member);
        }
        match applying.people.as_mut().and_then(VecDeque::pop_front) {
            Some((user, becomes)) => self.write_member(number, user, becomes),
            None if plant == Some(Plant::GroupRecordFirst) => applying.is_done = true,
            None => self.write_group(number),
        }
    }

    /// That members are to be ended, then that the group is no more.
    fn write_ending(&mut self, number: usize) {
        let stored = self.group_record();
        let Some(applying) = &mut self.workers[number].applier.applying else { return };
        let (subject, at) = (subject::ending(&self.region, self.log.shard, &self.group), applying.at);
        let record = EndingRecord { at }.encode();
        if self.state.get(&subject).is_none_or(|value| value.bytes != record) {
            return self.write(number, subject, record);
        }
        match stored.as_ref().and_then(|stored| core::ending(stored, at, 0)) {
            Some(record) => {
                let subject = subject::group_record(&self.region, self.log.shard, &self.group);
                self.write(number, subject, record.encode());
            }
            None => applying.is_done = true,
        }
    }

    /// Whom the entry concerns, in any order.
    fn concern(&mut self, number: usize) {
        let members = self.member_records();
        let Some(applying) = &mut self.workers[number].applier.applying else { return };
        let mut people: Vec<_> = match applying.meaning {
            Meaning::Deleted => {
                let at = applying.at;
                let is_in_it = self.plant == Some(Plant::EndsWhoIsInIt);
                let concerned = members.into_iter().filter(|(_, record)| match is_in_it {
                    true => record.role.is_some(),
                    false => core::ends_for(record, at),
                });
                concerned.map(|(user, _)| (user, Becomes::By(Change::Removed))).collect()
            }
            Meaning::Nothing | Meaning::Changed { .. } | Meaning::Created { .. } | Meaning::Members { .. } => {
                applying.meaning.named()
            }
        };
        if people.len() > 1 {
            let by = self.dice.index(people.len());
            people.rotate_left(by);
        }
        applying.people = Some(people.into());
    }

    fn write_member(&mut self, number: usize, user: UserName, becomes: Becomes) {
        let mut stored = self.member_record(&user).unwrap_or_default();
        if self.plant == Some(Plant::AppliesAnything) {
            stored.at = Position::default();
        }
        let Some(applying) = &mut self.workers[number].applier.applying else { return };
        let settings = match (&applying.meaning, &applying.group) {
            (Meaning::Created { settings, .. }, _) => Some(settings),
            (_, Some(Some(group))) => Some(&group.settings),
            (_, Some(None) | None) => None,
        };
        let history = settings.is_some_and(|settings| settings.history);
        let joining = Joining { at: applying.at, time: applying.time, history };
        let record = core::member(&stored, &joining, becomes);
        let subject = subject::member_record(&self.region, self.log.shard, &self.group, &user);
        let is_blind = self.plant.is_some_and(Plant::is_blind);
        if record.is_none() || is_blind {
            let MemberRecord { role, at, .. } = *record.as_ref().unwrap_or(&stored);
            applying.following = Some((user, at, role.is_some()));
        } else if let Some(people) = &mut applying.people {
            // It is looked at again: somebody else may be faster.
            people.push_front((user, becomes));
        }
        if let Some(record) = record {
            self.write(number, subject, record.encode());
        }
    }

    fn write_follows(&mut self, number: usize, user: &UserName, at: Position, is_member: bool) {
        let subject = subject::follows(&self.region, self.log.shard, user, &self.group);
        let stored = self.follows_record(user).unwrap_or_default();
        let record = core::follows(&stored, at, is_member);
        if (record.is_none() || self.plant.is_some_and(Plant::is_blind))
            && let Some(applying) = &mut self.workers[number].applier.applying
        {
            applying.following = None;
        }
        if let Some(record) = record {
            self.write(number, subject, record.encode());
        }
    }

    fn write_group(&mut self, number: usize) {
        let (mut stored, members) = (self.group_record(), self.member_records());
        if self.plant == Some(Plant::AppliesAnything)
            && let Some(stored) = &mut stored
        {
            stored.applied = Position::default();
        }
        let roles: Vec<_> = members.iter().filter_map(|(_, record)| record.role).collect();
        let owners = roles.iter().filter(|role| **role == GroupRole::Owner).count();
        let Some(applying) = &mut self.workers[number].applier.applying else { return };
        let counted = (roles.len() as u32, owners as u32);
        let record = core::group(stored.as_ref(), applying.at, &applying.meaning, counted);
        let is_last = applying.people.as_ref().is_none_or(VecDeque::is_empty);
        applying.is_done = is_last && (record.is_none() || self.plant.is_some_and(Plant::is_blind));
        if let Some(record) = record {
            let subject = subject::group_record(&self.region, self.log.shard, &self.group);
            self.write(number, subject, record.encode());
        }
    }

    /// A record is on its way to STATE.
    fn write(&mut self, number: usize, subject: String, bytes: Vec<u8>) {
        let expected = self.state.get(&subject).map_or(Seq(0), |value| value.revision);
        let expected = (self.plant != Some(Plant::NoCompareAndSet)).then_some(expected);
        if let Some(applying) = &mut self.workers[number].applier.applying {
            applying.writes = true;
        }
        let (life, step) = (self.workers[number].life, self.workers[number].next_step(Thread::Applies));
        let publish_late = self.faults.publish_late;
        let late = self.fault(publish_late);
        let span = if late { self.dice.between(MS, 3 * SECOND) } else { self.latency() };
        let span = span + self.stands_still_before(number);
        let (server, bytes) = (self.server.start, bytes.into());
        self.after(span, Event::Record { worker: number, life, step, subject, bytes, expected, server });
    }

    /// A write has come to STATE, or not: whoever wrote it looks at what stands there then.
    pub(super) fn written(&mut self, number: usize) {
        let Applier { applying, ending, .. } = &mut self.workers[number].applier;
        applying.iter_mut().chain(ending).for_each(|applying| applying.writes = false);
        self.step_soon(number, Thread::Applies, MS);
    }

    /// That somebody is in the group, or was.
    pub(super) fn follows_record(&self, user: &UserName) -> Option<Follows> {
        let value = self.state.get(&subject::follows(&self.region, self.log.shard, user, &self.group))?;
        Some(Follows::decode(&value.bytes).expect("workers alone write it"))
    }

    fn saved(&self) -> Position {
        let value = self.state.get(&subject::reader_record(&self.region, self.log.shard, ROLE));
        value.map_or_else(Position::default, |value| {
            ReaderRecord::decode(&value.bytes).expect("workers alone write it").position
        })
    }

    /// Now and then it is written down how far the log was read.
    fn save(&mut self, position: Position) {
        let is_soon = self.plant == Some(Plant::SavedBeforeApplied);
        if !is_soon && !self.calm && !self.dice.chance(300) {
            return;
        }
        let (owner, boot, begins_after) = ("worker".to_owned(), "boot".to_owned(), None);
        let record = ReaderRecord { owner, position, boot, begins_after };
        let subject = subject::reader_record(&self.region, self.log.shard, ROLE);
        self.state.put(self.now, &subject, record.encode().into(), None);
    }
}

impl Applying {
    fn of(at: Position, time: Millis, meaning: Meaning, is_beside: bool) -> Applying {
        let (group, people, following) = Default::default();
        Applying { at, time, meaning, is_beside, group, people, following, writes: false, is_done: false }
    }
}

impl Applier {
    /// Whether it is time to write down how far the log was read. Nobody knows how many of its entries an earlier worker has read.
    fn is_to_be_noted(&mut self) -> bool {
        let unnoted = self.unnoted.map_or(0, |unnoted| (unnoted + 1) % NOTED_EVERY);
        self.unnoted = Some(unnoted);
        unnoted == 0
    }
}
