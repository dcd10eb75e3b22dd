//! What members of groups acknowledge and have read at this gateway, gathered by group: of a quiet group it is passed on at once, and then
//! now and then. So a thousand members who acknowledge together are one item.
//!
//! Drive it: [`Gathered::put`] what comes; pass on what [`Gathered::take`] gives, each with [`Gathered::done`] at its end; and look again
//! at [`Gathered::next_due`]. Of one group there is never more than one item on its way.

use std::collections::{BTreeSet, HashMap};

use dunlin_schema::{
    GroupName, limits,
    record::{GroupAck, GroupRead, Receipt},
};

use super::{ReadUpTo, Reader, WAITING, Who};
use crate::{clock::Uptime, newest::Newest, session::Acknowledged};

/// What waits, by group.
#[derive(Default)]
pub(super) struct Gathered {
    groups: HashMap<GroupName, Waits>,
    /// Groups of which nothing is on its way, by when something may be, or they are forgotten.
    due: BTreeSet<(Uptime, GroupName)>,
    waiting: usize,
    taken: usize,
}

/// What waits of one group.
struct Waits {
    acks: Newest<Who, Acknowledged>,
    reads: Newest<Reader, ReadUpTo>,
    not_before: Uptime,
    is_on_its_way: bool,
}

/// Something of a member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OfMember {
    /// A device has something of the log.
    Acknowledged(Who, Acknowledged),
    /// A member has read something.
    Read(Reader, ReadUpTo),
}

/// One item of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfGroup {
    pub(crate) group: GroupName,
    pub(crate) things: Vec<OfMember>,
}

impl Gathered {
    /// Gives whether there was room.
    pub(super) fn put(&mut self, now: Uptime, group: &GroupName, what: OfMember) -> bool {
        let due = &mut self.due;
        let waits = self.groups.entry(group.clone()).or_insert_with(|| {
            due.insert((now, group.clone()));
            let (acks, reads) = (Newest::new(WAITING), Newest::new(WAITING));
            Waits { acks, reads, not_before: now, is_on_its_way: false }
        });
        let before = waits.len();
        if self.waiting >= WAITING && !waits.has(&what) {
            return false;
        }
        match what {
            OfMember::Acknowledged(who, said) => waits.acks.put(who, said),
            OfMember::Read(reader, upto) => waits.reads.put(reader, upto),
        };
        self.waiting += waits.len() - before;
        true
    }

    /// The next item that may be passed on.
    pub(super) fn take(&mut self, now: Uptime) -> Option<OfGroup> {
        while self.next_due()? <= now {
            let (_, group) = self.due.pop_first()?;
            let waits = self.groups.get_mut(&group)?;
            let things: Vec<OfMember> = std::iter::from_fn(|| waits.take()).take(limits::GROUP_ITEM).collect();
            if things.is_empty() {
                self.groups.remove(&group);
                continue;
            }
            self.waiting -= things.len();
            self.taken += things.len();
            waits.is_on_its_way = true;
            // What one item does not hold goes behind it.
            waits.not_before = if waits.len() == 0 { now.plus(limits::GROUP_ITEM_EVERY) } else { now };
            return Some(OfGroup { group, things });
        }
        None
    }

    /// What was on its way of a group is there, or comes back.
    pub(super) fn done(&mut self, OfGroup { group, things }: &OfGroup) {
        self.taken -= things.len();
        if let Some(waits) = self.groups.get_mut(group).filter(|waits| waits.is_on_its_way) {
            waits.is_on_its_way = false;
            self.due.insert((waits.not_before, group.clone()));
        }
    }

    /// When [`Gathered::take`] is to be called again, if nothing else happens.
    pub(super) fn next_due(&self) -> Option<Uptime> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether nothing waits, and nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0 && self.taken == 0
    }
}

impl Waits {
    fn len(&self) -> usize {
        self.acks.len() + self.reads.len()
    }

    fn has(&self, what: &OfMember) -> bool {
        match what {
            OfMember::Acknowledged(who, _) => self.acks.has(who),
            OfMember::Read(reader, _) => self.reads.has(reader),
        }
    }

    /// What people wait for goes first.
    fn take(&mut self) -> Option<OfMember> {
        let read = self.reads.take().map(|(reader, upto)| OfMember::Read(reader, upto));
        read.or_else(|| self.acks.take().map(|(who, said)| OfMember::Acknowledged(who, said)))
    }
}

impl OfGroup {
    /// The item that says it.
    pub(super) fn receipt(&self) -> Receipt {
        let (mut acks, mut reads) = (Vec::new(), Vec::new());
        for thing in self.things.iter().cloned() {
            match thing {
                OfMember::Acknowledged(Who { user, device, opened, .. }, Acknowledged { cursor, .. }) => {
                    acks.push(GroupAck { user, device, cursor, opened });
                }
                OfMember::Read(Reader { user, .. }, ReadUpTo { epoch, upto }) => {
                    reads.push(GroupRead { user, epoch, upto });
                }
            }
        }
        Receipt::Group { acks, reads }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Cursor, Epoch, Millis, Peer, Position, Seq, StreamTime, UserName};

    use super::*;

    fn group(name: &str) -> GroupName {
        name.parse().unwrap()
    }

    fn ack(name: &str, seq: u64) -> OfMember {
        let user: UserName = name.parse().unwrap();
        let (device, log) = ("phone".parse().unwrap(), Peer::Group(group("team")));
        let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(1) };
        let who = Who { user, device, log, opened: Millis(1), began: Seq(0) };
        OfMember::Acknowledged(who, Acknowledged { cursor: Cursor::of_entry(position), senders: None })
    }

    fn read(name: &str, upto: u64) -> OfMember {
        let reader = Reader { user: name.parse().unwrap(), with: "#team@eu".parse().unwrap() };
        OfMember::Read(reader, ReadUpTo { epoch: Epoch(1), upto: Seq(upto) })
    }

    fn taken(gathered: &mut Gathered, now: u64) -> Option<Vec<OfMember>> {
        gathered.take(Uptime(now)).map(|item| item.things)
    }

    fn done(gathered: &mut Gathered, things: Vec<OfMember>) {
        gathered.done(&OfGroup { group: group("team"), things });
    }

    #[test]
    fn a_quiet_group_is_passed_on_at_once_and_a_busy_one_now_and_then() {
        let mut gathered = Gathered::default();
        let team = group("team");
        assert!(gathered.put(Uptime(5), &team, ack("alice", 3)));
        assert_eq!(gathered.next_due(), Some(Uptime(5)));
        assert_eq!(taken(&mut gathered, 5), Some(vec![ack("alice", 3)]));
        for (name, seq) in [("bob", 3), ("alice", 4), ("bob", 5), ("bob", 4)] {
            assert!(gathered.put(Uptime(6), &team, ack(name, seq)));
        }
        assert!(gathered.put(Uptime(6), &team, read("alice", 4)) && gathered.put(Uptime(6), &team, read("alice", 2)));
        assert_eq!(taken(&mut gathered, 2_000), None, "one is on its way");
        done(&mut gathered, vec![ack("alice", 3)]);
        assert_eq!(taken(&mut gathered, 1_004), None);
        let all = vec![read("alice", 4), ack("bob", 5), ack("alice", 4)];
        assert_eq!(taken(&mut gathered, 1_005), Some(all.clone()), "of each the newest, and what was read first");
        assert!(!gathered.is_empty(), "what is on its way is not stored");
        done(&mut gathered, all);
        assert!(gathered.is_empty());
        assert_eq!((taken(&mut gathered, 9_000), gathered.next_due()), (None, None), "it is forgotten");
    }

    #[test]
    fn what_one_item_does_not_hold_goes_behind_it() {
        let mut gathered = Gathered::default();
        let team = group("team");
        for number in 0..limits::GROUP_ITEM + 1 {
            assert!(gathered.put(Uptime(0), &team, ack(&format!("u{number}"), 1)));
        }
        let first = taken(&mut gathered, 0).unwrap();
        assert_eq!(first.len(), limits::GROUP_ITEM);
        assert!(gathered.put(Uptime(0), &group("other"), ack("alice", 1)));
        assert_eq!(taken(&mut gathered, 0).map(|things| things.len()), Some(1), "another group waits for nobody");
        done(&mut gathered, first);
        assert_eq!(taken(&mut gathered, 0), Some(vec![ack(&format!("u{}", limits::GROUP_ITEM), 1)]));
    }

    #[test]
    fn of_too_many_who_wait_already_needs_no_room() {
        let mut gathered = Gathered::default();
        let team = group("team");
        for number in 0..WAITING {
            assert!(gathered.put(Uptime(0), &team, ack(&number.to_string(), 1)));
        }
        assert!(!gathered.put(Uptime(0), &group("other"), ack("alice", 1)));
        assert!(gathered.put(Uptime(0), &team, ack("7", 2)));
    }
}
