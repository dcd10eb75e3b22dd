//! A group and what may be done in it, decided without I/O.
//!
//! Drive it: make a [`Group`] of what STATE says ([`Group::of`], then [`Group::put`] for each member's record), give it what the log has
//! above the position that STATE has applied, in order ([`Group::fold`]), and every further entry of the log from then on; ask
//! [`Group::decide`] for each request. A record that takes account of some of these entries already comes to the same. What is decided
//! holds as long as nobody else has stored anything in the log since the last entry that was folded: whoever stores a decision makes that a
//! condition.
//!
//! | room | what lives there |
//! |---|---|
//! | `meaning` | what an entry does with its group, the same for all who read it |
//! | `decide` | who may do what, and the entry that it becomes |
//! | `records` | what an entry makes of the records of STATE |
//! | `pace` | how fast things may be said in a group |
//! | `known` | which ids the end of the log holds |

mod decide;
mod known;
mod meaning;
mod pace;
mod records;
#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
};

use dunlin_schema::{
    Address, Entry, GroupAddress, GroupName, Millis, Peer, RegionName, Sender, Title, UserName,
    group::{GroupRole, GroupSettings},
    record::{GroupRecord, MemberRecord},
};

pub use self::{
    decide::{Decision, Facts},
    known::{Known, Said},
    meaning::{Becomes, Meaning},
    pace::Pace,
    records::{EndingIs, Joining, ending, ending_is, ends_for, follows, group, is_accounted, member, shortened},
};

/// A group as far as its log was folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: GroupName,
    region: RegionName,
    /// Whether it was ever made.
    was_made: bool,
    is_deleted: bool,
    title: Option<Title>,
    settings: GroupSettings,
    members: HashMap<UserName, Member>,
    owners: usize,
}

/// Somebody who is in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// What they are.
    pub role: GroupRole,
    /// When they joined.
    pub joined: Millis,
}

impl Group {
    /// The group as its record says, without its members; one that was never made, where there is no record.
    pub fn of(region: RegionName, name: GroupName, record: Option<&GroupRecord>) -> Group {
        Group {
            name,
            region,
            was_made: record.is_some(),
            is_deleted: record.is_some_and(|record| record.deleted),
            title: record.and_then(|record| record.title.clone()),
            settings: record.map_or_else(GroupSettings::default, |record| record.settings.clone()),
            members: HashMap::new(),
            owners: 0,
        }
    }

    /// Takes somebody's record.
    pub fn put(&mut self, user: UserName, record: &MemberRecord) {
        self.set(user, record.role.map(|role| Member { role, joined: record.joined }));
    }

    /// The log's next entry.
    pub fn fold(&mut self, entry: &Entry) {
        let meaning = Meaning::of(entry);
        for (user, becomes) in meaning.named() {
            self.change(user, entry.time, becomes);
        }
        match meaning {
            Meaning::Created { title, settings, .. } => {
                (self.was_made, self.title, self.settings) = (true, title, settings);
            }
            Meaning::Changed { title, settings } => (self.title, self.settings) = (title, settings),
            Meaning::Deleted => self.is_deleted = true,
            Meaning::Nothing | Meaning::Members { .. } => {}
        }
    }

    /// How much it takes in memory, in members.
    pub fn weight(&self) -> usize {
        self.members.len()
    }

    fn change(&mut self, user: UserName, time: Millis, becomes: Becomes) {
        let before = self.members.get(&user).copied();
        let joined = before.map_or(time, |before| before.joined);
        let role = becomes.after(before.map(|before| before.role));
        self.set(user, role.map(|role| Member { role, joined }));
    }

    fn set(&mut self, user: UserName, member: Option<Member>) {
        let is_owner = |member: &Member| usize::from(member.role == GroupRole::Owner);
        self.owners += member.as_ref().map_or(0, is_owner);
        let before = match member {
            Some(member) => self.members.insert(user, member),
            None => self.members.remove(&user),
        };
        self.owners -= before.as_ref().map_or(0, is_owner);
    }

    /// What somebody is in the group; `None` of everybody where it is no more, or not there, whatever was left of its members' records by
    /// a power loss that took the group.
    fn role(&self, who: &Sender) -> Option<GroupRole> {
        let is_ours = who.region == self.region && self.was_made && !self.is_deleted;
        self.members.get(&who.user).filter(|_| is_ours).map(|member| member.role)
    }

    /// Who becomes an owner where the last one leaves: the highest, of these who joined first.
    fn heir(&self, leaving: &UserName) -> Option<&UserName> {
        let others = self.members.iter().filter(|(user, _)| *user != leaving);
        others.min_by_key(|(user, member)| (Reverse(member.role), member.joined, *user)).map(|(user, _)| user)
    }

    /// Those of these people, each once, of whom it is so.
    fn those(&self, users: &[UserName], is_so: impl Fn(Option<&Member>) -> bool) -> Vec<UserName> {
        let mut seen = HashSet::new();
        let those = users.iter().filter(|user| seen.insert(*user) && is_so(self.members.get(*user)));
        those.cloned().collect()
    }

    /// The group's address, as entries have it.
    pub fn address(&self) -> GroupAddress {
        GroupAddress { group: self.name.clone(), region: Some(self.region.clone()) }
    }

    fn person(&self, user: &UserName) -> Address {
        Address { peer: Peer::User(user.clone()), region: Some(self.region.clone()) }
    }
}
