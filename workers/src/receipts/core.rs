//! What devices acknowledge, brought together without I/O.
//!
//! Drive it: [`Batch::add`] each item of the queue; then, for each of [`Batch::take`], read its record, write what
//! [`raised`] gives, if anything, and only then take the items off the queue. Marks only rise, so items that come twice, late or in
//! another order do no harm, nor do several workers at once.

use std::collections::HashMap;

use dunlin_schema::{Cursor, DeviceName, Peer, UserName};

/// The highest mark of each device in each log, and the items that it answers.
#[derive(Debug)]
pub struct Batch<Item> {
    marks: HashMap<Whose, Mark<Item>>,
}

/// Whose mark, and of which log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whose {
    /// The user.
    pub user: UserName,
    /// Which of the user's devices.
    pub device: DeviceName,
    /// The log's owner.
    pub log: Peer,
}

/// A device's highest mark in a log.
#[derive(Debug)]
pub struct Mark<Item> {
    /// Up to where the device has everything.
    pub cursor: Cursor,
    /// What is done once that is stored.
    pub items: Vec<Item>,
}

impl<Item> Default for Batch<Item> {
    fn default() -> Self {
        Batch { marks: HashMap::new() }
    }
}

impl<Item> Batch<Item> {
    /// An item says that the device has everything of the log up to the cursor.
    pub fn add(&mut self, whose: Whose, cursor: Cursor, item: Item) {
        let mark = self.marks.entry(whose).or_insert_with(|| Mark { cursor, items: Vec::new() });
        mark.cursor = raised(Some(mark.cursor), cursor).unwrap_or(mark.cursor);
        mark.items.push(item);
    }

    /// Each highest mark; the batch is empty afterwards.
    pub fn take(&mut self) -> impl Iterator<Item = (Whose, Mark<Item>)> {
        self.marks.drain()
    }
}

/// What must be stored when a device says `said`; `None` when `stored` is as high already. An older epoch is always lower.
pub fn raised(stored: Option<Cursor>, said: Cursor) -> Option<Cursor> {
    let Some(stored) = stored else { return Some(said) };
    if said.position.above(&stored.position) {
        return Some(said);
    }
    let same = stored.position.at_or_below(&said.position);
    (same && said.at > stored.at).then_some(said)
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Epoch, Millis, Position, Seq, StreamTime};

    use super::*;

    fn cursor(epoch: u64, seq: u64, at: u64) -> Cursor {
        Cursor { position: Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(seq) }, at: Millis(at) }
    }

    #[test]
    fn marks_only_rise() {
        let cases = [
            // stored, said, whether it is stored
            (None, cursor(1, 5, 5), true),
            (Some(cursor(1, 5, 5)), cursor(1, 6, 6), true),
            (Some(cursor(1, 5, 5)), cursor(1, 4, 9), false),
            (Some(cursor(1, 5, 5)), cursor(1, 5, 5), false),
            (Some(cursor(1, 5, 5)), cursor(1, 5, 9), true), // the same entry, known to be the last for longer
            (Some(cursor(1, 5, 9)), cursor(1, 5, 5), false),
            (Some(cursor(2, 5, 5)), cursor(1, 900, 900), false), // from before the log went back
            (Some(cursor(1, 900, 900)), cursor(2, 5, 5), true),
        ];
        for (stored, said, rises) in cases {
            assert_eq!(raised(stored, said), rises.then_some(said), "{stored:?} {said:?}");
        }
    }

    #[test]
    fn a_batch_keeps_the_highest_mark_of_each_log_and_every_item() {
        let (bob, team) = (|| Peer::User("bob".parse().unwrap()), || Peer::Group("team".parse().unwrap()));
        let whose = |device: &str, log| Whose { user: "bob".parse().unwrap(), device: device.parse().unwrap(), log };
        let mut batch = Batch::default();
        let said = [
            (whose("phone", bob()), cursor(1, 7, 7)),
            (whose("web", bob()), cursor(1, 2, 2)),
            (whose("phone", bob()), cursor(2, 3, 3)),
            (whose("phone", bob()), cursor(1, 9, 9)),
            (whose("phone", team()), cursor(1, 8, 8)),
        ];
        for (item, (whose, cursor)) in said.into_iter().enumerate() {
            batch.add(whose, cursor, item);
        }
        let mut taken: Vec<_> = batch.take().map(|(whose, mark)| (whose, mark.cursor, mark.items)).collect();
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            (whose("phone", bob()), cursor(2, 3, 3), vec![0, 2, 3]),
            (whose("phone", team()), cursor(1, 8, 8), vec![4]),
            (whose("web", bob()), cursor(1, 2, 2), vec![1]),
        ];
        assert_eq!(taken, expected);
        assert_eq!(batch.take().count(), 0);
    }
}
