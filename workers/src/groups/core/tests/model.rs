//! Whatever is asked in whatever order: the group is what a list of who came and went makes of it, and what may be read is what lies
//! between.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{Seq, group::GroupRole};
use proptest::{collection, prelude::*, sample};

use super::{PLACES, Team, name};
use crate::groups::core::{Becomes, Joining, Meaning, member};

const USERS: [&str; 5] = ["alice", "ann", "bob", "carol", "dave"];

/// Something that somebody wants, mostly what changes members.
pub(super) fn wish() -> impl Strategy<Value = (&'static str, String)> {
    let user = || sample::select(&USERS[..]);
    let what = prop_oneof![
        3 => (user(), user()).prop_map(|(one, other)| format!("add {one} {other}")),
        2 => user().prop_map(|user| format!("remove {user}")),
        2 => Just("leave".to_owned()),
        3 => (user(), sample::select(GroupRole::ALL)).prop_map(|(user, role)| format!("role {user} {role}")),
        1 => Just("open".to_owned()),
        2 => Just("say".to_owned()),
    ];
    (user(), what)
}

/// Who came and went, told entry by entry and by nothing else.
#[derive(Default)]
struct Model {
    roles: BTreeMap<String, GroupRole>,
    read: BTreeSet<(String, u64)>,
}

impl Model {
    fn entry(&mut self, order: u64, meaning: &Meaning) {
        let before: Vec<String> = self.roles.keys().cloned().collect();
        for (user, becomes) in meaning.named() {
            match becomes.after(self.roles.get(user.as_str()).copied()) {
                Some(role) => self.roles.insert(user.to_string(), role),
                None => self.roles.remove(user.as_str()),
            };
        }
        // Who comes and who goes has that entry.
        self.read.extend(self.roles.keys().cloned().chain(before).map(|user| (user, order)));
    }
}

proptest! {
    #[test]
    fn a_group_has_an_owner_and_everybody_reads_what_was_said_while_they_were_in_it(wishes in collection::vec(wish(), 1..40)) {
        let (mut team, mut model) = (Team::new(), Model::default());
        team.ask("alice", "create ann bob").unwrap();
        for (by, what) in wishes {
            let before = team.log.len();
            let stored = team.ask(by, &what);
            prop_assert_eq!(stored.unwrap_or(0), team.log.len() - before, "what is refused leaves no entry");
            prop_assert!(!team.group.members.is_empty() && team.group.owners > 0);
        }
        for (at, entry) in &team.log {
            let meaning = Meaning::of(entry);
            model.entry(at.seq.0, &meaning);
            prop_assert!(model.roles.values().any(|role| *role == GroupRole::Owner), "at every entry");
            prop_assert!(model.roles.contains_key(entry.from.user.as_str()) || is_leaving(&meaning), "whoever acts is in it");
        }
        let roles: Vec<_> = model.roles.iter().map(|(user, role)| format!("{user} {role}")).collect();
        prop_assert_eq!(team.roles(), roles);
        for user in USERS {
            let mut record = dunlin_schema::record::MemberRecord::default();
            for (at, entry) in &team.log {
                let joining = Joining { at: *at, time: entry.time, history: false };
                for (_, becomes) in Meaning::of(entry).named().into_iter().filter(|(named, _)| *named == name(user)) {
                    record = member(&record, &joining, becomes).unwrap();
                }
            }
            let all = 1..=team.log.len() as u64;
            let read: Vec<_> = all.map(|number| PLACES * number).filter(|order| record.windows.contain(Seq(*order))).collect();
            let expected: Vec<_> = model.read.iter().filter(|(reader, _)| reader == user).map(|(_, order)| *order).collect();
            prop_assert_eq!(read, expected, "{}", user);
        }
    }
}

fn is_leaving(meaning: &Meaning) -> bool {
    meaning
        .named()
        .iter()
        .any(|(_, becomes)| becomes.after(Some(GroupRole::Member)).is_none() && *becomes != Becomes::Founder)
}
