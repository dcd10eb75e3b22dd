//! Which entries of a group's log somebody may read: those between joining and leaving, each time they were a member.

use serde::{Deserialize, Serialize};

use crate::{Seq, limits};

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

    /// They may read up to this order; where they may not read any more, nothing changes.
    pub fn close(&mut self, at: Seq) {
        if let Some(Window { until: until @ None, .. }) = self.0.last_mut() {
            *until = Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        windows.close(Seq(30));
        windows.open(Seq(31));
        assert_eq!(windows.iter().count(), 2, "nothing is missing between 30 and 31");
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
