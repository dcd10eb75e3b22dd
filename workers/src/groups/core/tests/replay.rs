//! Records written by readers that die anywhere, begin again, and come late: whoever loads the group at any time has it as its log makes
//! it.

use std::collections::BTreeMap;

use dunlin_schema::{
    Entry, Position, UserName,
    record::{Follows, GroupRecord, MemberRecord},
};
use proptest::{collection, prelude::*, sample::Index};

use super::{
    super::{EndingIs, Group, Joining, Meaning, ending, ending_is, follows, group, member},
    Team,
    model::wish,
    nobodys_group, place,
};

/// STATE of one group.
#[derive(Clone, Debug, Default, PartialEq)]
struct State {
    group: Option<GroupRecord>,
    members: BTreeMap<UserName, MemberRecord>,
    follows: BTreeMap<UserName, Follows>,
}

impl State {
    /// Writes the first `writes` of the records that an entry changes. Who `slept` has looked at the group's record before others wrote it.
    fn apply(&mut self, at: Position, entry: &Entry, writes: usize, slept: bool) {
        if self.applied_at_least(at) && !slept {
            return;
        }
        let meaning = Meaning::of(entry);
        let joining = Joining { at, time: entry.time, history: false };
        let mut left = writes;
        for (user, becomes) in meaning.named() {
            for is_follows in [false, true] {
                if left == 0 {
                    return;
                }
                left -= 1;
                let stored = self.members.entry(user.clone()).or_default();
                match is_follows {
                    false => *stored = member(stored, &joining, becomes).unwrap_or(stored.clone()),
                    true => {
                        let followed = self.follows.entry(user.clone()).or_default();
                        *followed = follows(followed, stored.at, stored.role.is_some()).unwrap_or(*followed);
                    }
                }
            }
        }
        if left > 0 {
            let members = self.members.values().filter(|record| record.role.is_some()).count();
            self.group = group(self.group.as_ref(), at, &meaning, (members as u32, 0)).or(self.group.take());
        }
    }

    fn applied_at_least(&self, at: Position) -> bool {
        self.group.as_ref().is_some_and(|record| at.at_or_below(&record.applied))
    }

    /// The group as whoever loads it has it.
    fn loaded(&self, log: &[(Position, Entry)]) -> Group {
        let applied = self.group.as_ref().map_or_else(Position::default, |record| record.applied);
        let empty = nobodys_group();
        let mut group = Group::of(empty.region, empty.name, self.group.as_ref());
        for (user, record) in &self.members {
            group.put(user.clone(), record);
        }
        for (_, entry) in log.iter().filter(|(at, _)| at.above(&applied)) {
            group.fold(entry);
        }
        group
    }
}

/// A reader that slept between the two writes the second one behind those of others.
#[test]
fn that_somebody_follows_a_group_is_not_written_over_by_an_earlier_entry() {
    let stored = Follows { is_member: false, at: place(2) };
    for (at, written) in [(place(1), false), (place(2), false), (place(3), true)] {
        assert_eq!(follows(&stored, at, true).is_some(), written, "{at:?}");
    }
}

/// Its members are told beside all else that becomes of the shard.
#[test]
fn a_group_that_is_no_more_takes_account_of_nothing_but_its_end() {
    let mut team = Team::new();
    team.ask("alice", "create ann bob").unwrap();
    let stored = group(None, place(3), &Meaning::of(&team.log[0].1), (5, 1)).unwrap();
    assert_eq!(ending(&stored, place(3), 0), None, "it takes account of that entry");
    let began = ending(&stored, place(4), 0).unwrap();
    assert_eq!((began.deleted, began.members, began.applied), (true, 5, place(3)));
    for (record, at, read, is) in [
        (Some(&stored), 4, 3, EndingIs::ToCome),
        (Some(&began), 4, 3, EndingIs::Due),
        (Some(&began), 4, 5, EndingIs::Due),
        (Some(&began), 3, 3, EndingIs::Over),
        // The entry was lost, and the group with it.
        (Some(&stored), 4, 5, EndingIs::Over),
        (None, 4, 4, EndingIs::Over),
        (None, 4, 3, EndingIs::ToCome),
    ] {
        assert_eq!(ending_is(record, place(at), place(read)), is, "{record:?} {at} {read}");
    }
    assert_eq!(ending(&began, place(4), 0), None, "it says so");
    assert_eq!(ending(&began, place(4), 2).unwrap().members, 3);
    assert_eq!(group(Some(&began), place(5), &Meaning::Nothing, (5, 1)), None);
    let ended = group(Some(&began), place(4), &Meaning::Deleted, (0, 0)).unwrap();
    assert_eq!((ended.deleted, ended.members, ended.applied), (true, 0, place(4)));
    assert_eq!(ending_is(Some(&ended), place(4), place(3)), EndingIs::Over);
    assert_eq!(group(Some(&ended), place(5), &Meaning::Nothing, (0, 0)), None);
}

proptest! {
    #[test]
    fn a_group_is_loaded_as_it_is_however_far_its_records_are(
        wishes in collection::vec(wish(), 1..20),
        runs in collection::vec((any::<Index>(), any::<Index>(), 0usize..12, any::<bool>()), 1..12),
    ) {
        let mut team = Team::new();
        team.ask("alice", "create ann bob").unwrap();
        for (by, what) in wishes {
            let _ = team.ask(by, &what);
        }
        let (mut state, mut begun) = (State::default(), 0);
        for (from, upto, writes, slept) in runs {
            let before = state.clone();
            // A reader that goes on from where one before it has come to, or from before that, and dies in the midst of an entry.
            let from = from.index(begun + 1);
            let upto = from + upto.index(team.log.len() - from);
            for (at, entry) in &team.log[from..upto] {
                state.apply(*at, entry, usize::MAX, slept);
            }
            let (at, entry) = &team.log[upto];
            state.apply(*at, entry, writes, slept);
            prop_assert!(before.group.is_none_or(|record| state.applied_at_least(record.applied)), "it goes back");
            for (user, followed) in &before.follows {
                prop_assert!(state.follows[user].at.seq >= followed.at.seq, "it goes back");
            }
            begun = begun.max(upto);
            prop_assert_eq!(&state.loaded(&team.log), &team.group);
        }
        for (at, entry) in &team.log[begun..] {
            state.apply(*at, entry, usize::MAX, false);
        }
        let mut straight = State::default();
        for (at, entry) in &team.log {
            straight.apply(*at, entry, usize::MAX, false);
        }
        prop_assert_eq!(&state, &straight);
        prop_assert_eq!(state.group.as_ref().map(|record| record.members as usize), Some(team.group.members.len()));
        for (user, followed) in &state.follows {
            prop_assert_eq!(followed.is_member, team.group.members.contains_key(user));
        }
    }
}
