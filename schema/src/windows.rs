//! Which entries of a group's log somebody may read: those between joining and leaving, each time they were a member.

use serde::{Deserialize, Serialize};

use crate::{
    Address, Content, Open, Peer, Sender, Seq,
    content::{Change, GroupChange},
    limits,
};

/// One time of being a member. Both ends are inside: whoever is removed gets the entry that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// From this order on.
    pub from: Seq,
    /// Up to this order; `None` while they are a member.
    pub until: Option<Seq>,
}

/// The windows of one person in one log: in rising order, none of them touching another. Of more than [`limits::WINDOWS`] the earliest are
/// forgotten.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Somebody who may read from this order on.
    pub fn open_from(from: Seq) -> Windows {
        Windows(vec![Window { from, until: None }])
    }

    /// Whether they may read the entry of this order.
    pub fn contain(&self, order: Seq) -> bool {
        self.0.iter().rev().any(|window| window.from <= order && window.until.is_none_or(|until| order <= until))
    }

    /// Whether they are a member as far as this says.
    pub fn are_open(&self) -> bool {
        self.0.last().is_some_and(|window| window.until.is_none())
    }

    /// The first order that they may read; `None` of somebody who never was a member.
    pub fn first(&self) -> Option<Seq> {
        self.0.first().map(|window| window.from)
    }

    /// The last order that they may read; `None` where there is none, since they are a member, or never were one.
    pub fn last(&self) -> Option<Seq> {
        self.0.last().and_then(|window| window.until)
    }

    /// Each of them, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.0.iter()
    }

    /// They may read from this order on; where they may already, nothing changes.
    pub fn open(&mut self, from: Seq) {
        match self.0.last_mut() {
            Some(Window { until: None, .. }) => {}
            // What they may read of before is one with what they may read from now on.
            Some(Window { until: until @ Some(_), .. }) if until.is_some_and(|until| from <= until.next()) => {
                *until = None;
            }
            Some(_) | None => self.0.push(Window { from, until: None }),
        }
        if self.0.len() > limits::WINDOWS {
            self.0.remove(0);
        }
    }

    /// The entry of this order does this to them. `history`: whether the group lets those who join read what was written before.
    pub fn turn(&mut self, at: Seq, turn: Turn, history: bool) {
        match turn {
            Turn::Joins if self.are_open() => {}
            Turn::Joins if history => *self = Windows::open_from(Seq(0)),
            Turn::Joins => self.open(at),
            Turn::Goes => self.close(at),
        }
    }

    /// The log ends there: of what it holds behind that from now on they may read nothing of where they have left.
    pub fn end_by(&mut self, end: Seq) {
        self.0.iter_mut().filter_map(|window| window.until.as_mut()).for_each(|until| *until = end.min(*until));
    }

    /// They may read up to this order; where they may not read any more, nothing changes.
    pub fn close(&mut self, at: Seq) {
        if let Some(Window { until: until @ None, .. }) = self.0.last_mut() {
            *until = Some(at);
        }
    }
}

/// What an entry of a group's log does to what somebody may read of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// They are a member from here on.
    Joins,
    /// They are no member any more, or the group is no more.
    Goes,
}

impl Turn {
    /// What such an entry, in a group of the user's region, does to a user.
    pub fn of(content: &Content, user: &Sender) -> Option<Turn> {
        let is_user = |other: &Address| match &other.peer {
            Peer::User(name) => *name == user.user && other.region.as_ref().is_none_or(|of| *of == user.region),
            Peer::Group(_) => false,
        };
        match content {
            Content::Membership(membership) => match &membership.change {
                Open::Known(change) if membership.users.iter().any(is_user) => match change {
                    Change::Added => Some(Turn::Joins),
                    Change::Removed | Change::Left => Some(Turn::Goes),
                    Change::Member | Change::Admin | Change::Owner => None,
                },
                Open::Known(_) | Open::Unknown(_) => None,
            },
            Content::Settings(settings) => match &settings.change {
                Open::Known(GroupChange::Created) => {
                    let joins = is_user(&settings.by) || settings.users.iter().any(is_user);
                    joins.then_some(Turn::Joins)
                }
                Open::Known(GroupChange::Deleted) => Some(Turn::Goes),
                Open::Known(GroupChange::Changed) | Open::Unknown(_) => None,
            },
            Content::Message { .. }
            | Content::Edit { .. }
            | Content::Delete { .. }
            | Content::React { .. }
            | Content::Failed(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        content::{Membership, Settings},
        group::GroupSettings,
    };

    #[test]
    fn of_one_who_comes_and_goes_the_pieces_between_are_missing() {
        let mut windows = Windows::open_from(Seq(10));
        windows.close(Seq(12));
        windows.close(Seq(13));
        windows.open(Seq(20));
        windows.open(Seq(21));
        let read = (9..23).filter(|&order| windows.contain(Seq(order))).collect::<Vec<_>>();
        assert_eq!(read, [10, 11, 12, 20, 21, 22]);
        assert_eq!((windows.first(), windows.last(), windows.are_open()), (Some(Seq(10)), None, true));
        let mut back = windows.clone();
        back.end_by(Seq(11));
        assert_eq!((9..23).filter(|&order| back.contain(Seq(order))).collect::<Vec<_>>(), [10, 11, 20, 21, 22]);
        windows.close(Seq(30));
        back.close(Seq(30));
        back.end_by(Seq(15));
        assert_eq!((9..40).filter(|&order| back.contain(Seq(order))).collect::<Vec<_>>(), [10, 11]);
        windows.open(Seq(31));
        assert_eq!(windows.iter().count(), 2, "nothing is missing between 30 and 31");
    }

    #[test]
    fn an_entry_opens_and_closes_windows_of_those_whom_it_names() {
        let sender = |user: &str| Sender { user: user.parse().unwrap(), region: "eu".parse().unwrap() };
        let names = |users: &[&str]| users.iter().map(|user| user.parse().unwrap()).collect::<Vec<Address>>();
        let membership = |change: Change, users: &[&str]| {
            let group = "#team@eu".parse().unwrap();
            let by = "alice".parse().unwrap();
            Content::Membership(Box::new(Membership { group, users: names(users), change: change.into(), by }))
        };
        let settings = |change: GroupChange, users: &[&str]| {
            let (group, by) = ("#team@eu".parse().unwrap(), "alice".parse().unwrap());
            let (title, settings, users) = (None, GroupSettings::default(), names(users));
            Content::Settings(Box::new(Settings { group, change: change.into(), title, settings, users, by }))
        };
        for (content, alice, bob) in [
            (membership(Change::Added, &["carol", "bob@eu"]), None, Some(Turn::Joins)),
            (membership(Change::Added, &["carol", "bob@us"]), None, None),
            (membership(Change::Removed, &["bob", "carol"]), None, Some(Turn::Goes)),
            (membership(Change::Left, &["alice"]), Some(Turn::Goes), None),
            (membership(Change::Owner, &["alice", "bob"]), None, None),
            (settings(GroupChange::Created, &["bob"]), Some(Turn::Joins), Some(Turn::Joins)),
            (settings(GroupChange::Changed, &["bob"]), None, None),
            (settings(GroupChange::Deleted, &[]), Some(Turn::Goes), Some(Turn::Goes)),
        ] {
            let found = (Turn::of(&content, &sender("alice")), Turn::of(&content, &sender("bob")));
            assert_eq!(found, (alice, bob), "{content:?}");
        }
    }

    #[test]
    fn where_a_group_shows_its_history_those_who_join_read_all_of_it() {
        let mut windows = Windows::default();
        windows.turn(Seq(10), Turn::Joins, false);
        windows.turn(Seq(20), Turn::Goes, true);
        assert_eq!(windows.iter().count(), 1);
        windows.turn(Seq(30), Turn::Joins, true);
        assert!((0..40).all(|order| windows.contain(Seq(order))));
        windows.turn(Seq(35), Turn::Joins, false);
        assert!(windows.contain(Seq(3)), "whoever is there does not join");
    }

    #[test]
    fn of_too_many_the_earliest_are_forgotten() {
        let mut windows = Windows::default();
        for order in (1..=limits::WINDOWS as u64 + 3).map(|n| 10 * n) {
            windows.open(Seq(order));
            windows.close(Seq(order + 1));
        }
        assert_eq!(windows.iter().count(), limits::WINDOWS);
        assert!(!windows.contain(Seq(30)) && windows.contain(Seq(40)));
    }
}
