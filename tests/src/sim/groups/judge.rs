//! The judge: it knows everything that was ever stored in the group's log, what each of it made of the group, and who may read it, and
//! holds what devices are given, what is answered and what is written down against that.
//!
//! What a power loss takes is as if it had never been. Where that changed who is in the group, the records may still say so, and nobody
//! is to be blamed for taking that for true: from then on it is judged only what does not depend on who is in the group.

use std::collections::HashMap;

use dunlin_schema::{
    Entry, GroupName, MessageId, Position, RegionName, Seq, StreamTime, UserName,
    group::{GroupAnswer, GroupRefusal, GroupRequest, GroupRole},
    record::{Follows, GroupRecord, MemberRecord},
};
use dunlin_workers::groups::core::{Facts, Group, Meaning};

use super::{answering::willing, rule::Rule};
use crate::sim::{
    rule::Violation,
    stream::{Birth, Gone},
};

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Present,
    Gone,
    /// By a power loss.
    Lost,
}

/// An entry that was stored in the group's log.
#[derive(Debug)]
struct Fact {
    birth: Birth,
    at: (Seq, StreamTime),
    entry: Entry,
    fate: Fate,
    /// Since when each person may read it.
    readable: Vec<Option<u64>>,
}

/// Who is what in the group, as the log says.
type Roles = HashMap<UserName, GroupRole>;

/// What happened, and the first thing that must not have.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) violation: Option<Violation<Rule>>,
    people: Vec<UserName>,
    facts: Vec<Fact>,
    group: Group,
    roles: Roles,
    history: bool,
    is_made: bool,
    is_deleted: bool,
    /// What the group was, from when on.
    versions: Vec<(u64, Group)>,
    /// Whether a power loss took something that the records may still say.
    is_uncertain: bool,
    anything_gone: bool,
    refused: HashMap<MessageId, GroupRefusal>,
    answered: HashMap<MessageId, Seq>,
}

impl Judge {
    pub(super) fn new(region: RegionName, name: GroupName, people: Vec<UserName>) -> Judge {
        let group = Group::of(region, name, None);
        Judge {
            violation: None,
            people,
            facts: Vec::new(),
            versions: vec![(0, group.clone())],
            group,
            roles: Roles::new(),
            history: false,
            is_made: false,
            is_deleted: false,
            is_uncertain: false,
            anything_gone: false,
            refused: HashMap::new(),
            answered: HashMap::new(),
        }
    }

    /// The first thing that must not be is kept.
    pub(super) fn blame(&mut self, rule: Rule, text: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { rule, text: text() });
        }
    }

    // The log.

    /// Something was stored in the group's log.
    pub(super) fn stored(&mut self, now: u64, birth: Birth, (seq, time): (Seq, StreamTime), entry: Entry) {
        let by = &entry.from.user;
        let twice = self.facts.iter().find(|fact| fact.entry.item() == entry.item() && fact.fate != Fate::Lost);
        if let Some(first) = twice.map(|first| first.at.0) {
            self.blame(Rule::StoredTwice, || format!("{} is stored at {first:?} and at {seq:?}", entry.id));
        }
        if let Some(refusal) = self.refused.get(&entry.id).copied() {
            self.blame(Rule::RefusedAndStored, || {
                format!("{} was refused ({refusal}) and is stored at {seq:?}", entry.id)
            });
        }
        if !self.is_uncertain && !self.is_allowed(&entry) {
            let role = self.roles.get(by).copied();
            self.blame(Rule::Admitted, || format!("{by}, who is {role:?}, is let in at {seq:?}: {:?}", entry.body));
        }
        let before: Vec<bool> = self.people.iter().map(|user| self.is_member(user)).collect();
        self.fold(&entry);
        let readable = self.people.iter().zip(&before).map(|(user, was)| (*was || self.is_member(user)).then_some(now));
        let readable: Vec<_> = readable.collect();
        self.facts.push(Fact { birth, at: (seq, time), entry, fate: Fate::Present, readable });
        // Where the group shows its history those who join may read all of it.
        for (person, was) in before.iter().enumerate() {
            if self.history && !was && self.is_member(&self.people[person]) {
                for fact in &mut self.facts {
                    fact.readable[person].get_or_insert(now);
                }
            }
        }
        self.versions.push((now, self.group.clone()));
        let has_owner = self.roles.values().any(|role| *role == GroupRole::Owner);
        if self.is_made && !self.is_deleted && !has_owner && !self.is_uncertain {
            self.blame(Rule::NoOwner, || format!("from {seq:?} on"));
        }
    }

    fn is_member(&self, user: &UserName) -> bool {
        !self.is_deleted && self.roles.contains_key(user)
    }

    fn is_allowed(&self, entry: &Entry) -> bool {
        let role = self.roles.get(&entry.from.user).copied().filter(|_| !self.is_deleted);
        let meaning = Meaning::of(entry);
        let named = meaning.named();
        match &meaning {
            Meaning::Created { .. } => !self.is_made,
            Meaning::Nothing => role.is_some(),
            Meaning::Deleted => role >= Some(GroupRole::Owner),
            Meaning::Changed { .. } => role >= Some(GroupRole::Admin),
            Meaning::Members { .. } => {
                let leaves = named.iter().all(|(user, _)| *user == entry.from.user);
                role.is_some() && (leaves || role >= Some(GroupRole::Admin))
            }
        }
    }

    fn fold(&mut self, entry: &Entry) {
        let meaning = Meaning::of(entry);
        for (user, becomes) in meaning.named() {
            match becomes.after(self.roles.get(&user).copied()) {
                Some(role) => self.roles.insert(user, role),
                None => self.roles.remove(&user),
            };
        }
        match &meaning {
            Meaning::Created { settings, .. } => (self.is_made, self.history) = (true, settings.history),
            Meaning::Changed { settings, .. } => self.history = settings.history,
            Meaning::Deleted => self.is_deleted = true,
            Meaning::Nothing | Meaning::Members { .. } => {}
        }
        self.group.fold(entry);
    }

    /// These left the log by its bounds.
    pub(super) fn gone(&mut self, gone: &[(Birth, Gone)]) {
        for (birth, _) in gone {
            if let Some(fact) = self.facts.iter_mut().find(|fact| fact.birth == *birth) {
                fact.fate = Fate::Gone;
                self.anything_gone = true;
            }
        }
    }

    /// A power loss has left alone what was stored before this birth.
    pub(super) fn lost(&mut self, kept: Birth, now: u64, applied: StreamTime) {
        self.anything_gone = true;
        // Of STATE no more is lost than the log can make good.
        self.is_uncertain |= self.facts.iter().any(|fact| fact.fate == Fate::Gone && fact.at.1 > applied);
        let lost: Vec<usize> = (0..self.facts.len()).filter(|at| self.facts[*at].birth >= kept).collect();
        for at in &lost {
            let fact = &mut self.facts[*at];
            fact.fate = Fate::Lost;
            self.is_uncertain |= Meaning::of(&fact.entry) != Meaning::Nothing;
            self.refused.remove(&fact.entry.id);
            self.answered.remove(&fact.entry.id);
        }
        // What the log makes of the group without them.
        let entries: Vec<Entry> =
            self.facts.iter().filter(|fact| fact.fate != Fate::Lost).map(|fact| fact.entry.clone()).collect();
        let (roles, is_made, is_deleted) = Default::default();
        (self.roles, self.is_made, self.is_deleted, self.group) =
            (roles, is_made, is_deleted, self.versions[0].1.clone());
        entries.iter().for_each(|entry| self.fold(entry));
        self.versions.push((now, self.group.clone()));
    }

    // Answers.

    /// A request was answered that its worker had taken at `began`.
    pub(super) fn answer(&mut self, wanted: &GroupRequest, began: u64, answer: &GroupAnswer) {
        let id = wanted.id;
        let stands =
            self.facts.iter().rev().find(|fact| fact.entry.item() == (&wanted.by, id) && fact.fate != Fate::Lost);
        let stands = stands.map(|fact| fact.at.0);
        match answer {
            GroupAnswer::Stored { order: Seq(0), .. } => {}
            GroupAnswer::Stored { order, .. } => {
                let is = |fact: &&Fact| fact.entry.id == id && fact.at.0 == *order;
                // Of a worker that stood still when the power went.
                if self.facts.iter().filter(is).any(|fact| fact.fate == Fate::Lost) {
                    return;
                }
                let first = *self.answered.entry(id).or_insert(*order);
                if first != *order || stands != Some(*order) {
                    self.blame(Rule::WrongAnswer, || {
                        format!("{id} stands at {stands:?}, and is said to at {order:?}, first {first:?}")
                    });
                }
            }
            GroupAnswer::Refused(GroupRefusal::Busy | GroupRefusal::TooOld | GroupRefusal::FromTheFuture)
            | GroupAnswer::Unknown => {}
            GroupAnswer::Refused(refusal) => {
                if let Some(order) = stands {
                    self.blame(Rule::RefusedAndStored, || {
                        format!("{id} stands at {order:?} and is refused: {refusal}")
                    });
                }
                if !self.is_uncertain && !self.was_so(wanted, began) {
                    self.blame(Rule::Unjustified, || {
                        format!("{:?} of {} is refused: {refusal}", wanted.what, wanted.by)
                    });
                }
            }
        }
    }

    /// Whoever asked was told that it is refused: they ask no more.
    pub(super) fn told(&mut self, id: MessageId, refusal: GroupRefusal) {
        if matches!(refusal, GroupRefusal::TooOld) {
            return;
        }
        self.refused.insert(id, refusal);
        if self.facts.iter().any(|fact| fact.entry.id == id && fact.fate != Fate::Lost) {
            self.blame(Rule::RefusedAndStored, || format!("{id} is stored, and told to be refused: {refusal}"));
        }
    }

    /// Whether the group was such, at some moment since then, that this had to be refused.
    fn was_so(&self, wanted: &GroupRequest, since: u64) -> bool {
        let last_before = self.versions.partition_point(|(at, _)| *at <= since).saturating_sub(1);
        let willing = willing(wanted);
        let facts = Facts { authors: None, willing: Some(&willing) };
        self.versions[last_before..].iter().any(|(_, group)| group.decide(wanted, facts).is_err())
    }

    // Records.

    /// A record is written over another.
    pub(super) fn written(&mut self, kind: &str, before: Option<Position>, after: Position) {
        if let Some(before) = before.filter(|before| before.above(&after)) {
            self.blame(Rule::Backwards, || format!("{kind}: {before:?}, then {after:?}"));
        }
    }

    /// At the end: how the records differ from what the log makes of the group.
    pub(super) fn differs(
        &self,
        group: Option<&GroupRecord>,
        of: impl Fn(&UserName) -> (Option<MemberRecord>, Option<Follows>),
    ) -> Option<String> {
        if self.is_uncertain {
            return None;
        }
        for (person, user) in self.people.iter().enumerate() {
            let (record, follows) = of(user);
            let is = self.roles.get(user).copied().filter(|_| !self.is_deleted);
            let record = record.unwrap_or_default();
            if record.role != is || follows.is_some_and(|follows| follows.is_member) != is.is_some() {
                return Some(format!("{user} is {is:?}, and by the records {:?}, {follows:?}", record.role));
            }
            let present = self.facts.iter().filter(|fact| fact.fate == Fate::Present);
            for fact in present {
                let (may, seq) = (fact.readable[person].is_some(), fact.at.0);
                if record.windows.contain(seq) != may {
                    return Some(format!("{user} may read {seq:?}: {may}, and by the record {:?}", record.windows));
                }
            }
        }
        let members = if self.is_deleted { 0 } else { self.roles.len() };
        let counted = group.map_or(0, |group| group.members as usize);
        (counted != members).then(|| format!("{members} members, and by the record {counted}"))
    }

    /// The last entry that made something of the group.
    pub(super) fn last_change(&self) -> Seq {
        let changes = self.facts.iter().rev().filter(|fact| fact.fate != Fate::Lost);
        changes
            .filter(|fact| Meaning::of(&fact.entry) != Meaning::Nothing)
            .map(|fact| fact.at.0)
            .next()
            .unwrap_or_default()
    }

    // Devices.

    /// An entry is given to somebody.
    pub(super) fn given(&mut self, person: usize, at: Position) {
        let user = &self.people[person];
        if self.is_uncertain {
            return;
        }
        let fact = self.facts.iter().rev().find(|fact| fact.at == (at.seq, at.time));
        if fact.is_none_or(|fact| fact.readable[person].is_none()) {
            let text = format!("{user} is given {at:?}: {:?}", fact.map(|fact| &fact.entry.body));
            self.blame(Rule::Outside, || text);
        }
    }

    /// A device that keeps its cursor is told of a gap.
    pub(super) fn gap(&mut self, who: impl FnOnce() -> String) {
        if !self.anything_gone {
            self.blame(Rule::FalseGap, who);
        }
    }

    /// A device that stood there is brought there, by an entry or not.
    pub(super) fn follows(
        &mut self,
        person: usize,
        from: Position,
        to: Position,
        is_entry: bool,
        began: u64,
        who: impl Fn() -> String,
    ) {
        let goes_back = from.seq > Seq(0) && to.seq > Seq(0) && (to.seq < from.seq || (is_entry && to.seq == from.seq));
        if from.epoch == to.epoch && goes_back {
            self.blame(Rule::Disorder, || format!("{}: {to:?} behind {from:?}", who()));
        }
        if from.epoch != to.epoch && from != Position::default() {
            return self.blame(Rule::Lost, || format!("{}: {to:?} behind {from:?} without a gap", who()));
        }
        let behind = |fact: &&Fact| is_behind(fact, from) && !reaches(to, fact, is_entry);
        let missing = self.facts.iter().filter(|fact| fact.fate != Fate::Lost).filter(behind);
        self.misses(
            missing.filter(|fact| may_have_read(fact, person, began)).map(|fact| fact.at.0).next(),
            person,
            who,
        );
    }

    /// A device that never had anything is brought there: what was there and is there still comes before.
    pub(super) fn begins(&mut self, person: usize, to: Position, is_entry: bool, began: u64, who: impl Fn() -> String) {
        let present = self.facts.iter().filter(|fact| fact.fate == Fate::Present && !reaches(to, fact, is_entry));
        self.misses(
            present.filter(|fact| may_have_read(fact, person, began)).map(|fact| fact.at.0).next(),
            person,
            who,
        );
    }

    fn misses(&mut self, missed: Option<Seq>, person: usize, who: impl Fn() -> String) {
        if let Some(seq) = missed.filter(|_| !self.is_uncertain) {
            self.blame(Rule::Lost, || format!("{} of person {person} is not given {seq:?}", who()));
        }
    }

    /// At the end: what somebody's device that stands there lacks.
    pub(super) fn last_lacked(&self, person: usize, from: Position) -> Option<String> {
        if self.is_uncertain {
            return None;
        }
        let present = self.facts.iter().filter(|fact| fact.fate == Fate::Present && fact.readable[person].is_some());
        let last = present.last().filter(|fact| is_behind(fact, from))?;
        Some(format!("{:?}: {:?}", last.at, last.entry.body))
    }
}

/// Whether an entry stands behind a position.
fn is_behind(fact: &Fact, from: Position) -> bool {
    let (seq, time) = fact.at;
    if from.seq > Seq(0) { seq > from.seq && time > from.time } else { time > from.time }
}

/// Whether an entry stands behind what brings a device there.
fn reaches(to: Position, fact: &Fact, is_entry: bool) -> bool {
    let (seq, time) = fact.at;
    // What is stored after a power loss may have the sequence of what was lost.
    match to.seq {
        _ if time > to.time => true,
        Seq(0) => false,
        to if is_entry => seq >= to,
        to => seq > to,
    }
}

/// Whether somebody could read an entry before a session began.
fn may_have_read(fact: &Fact, person: usize, began: u64) -> bool {
    let stored = fact.at.1.0;
    fact.readable[person].is_some_and(|since| since <= began || since == stored)
}
