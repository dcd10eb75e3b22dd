//! What devices acknowledge, brought together without I/O, and what becomes of it when a device is removed.
//!
//! Drive it: [`Batch::add`] each item of the queue; then, for each of [`Batch::take`], read its record, write what
//! [`raised`] gives, if anything, and only then take the items off the queue. Marks only rise, so items that come twice, late or in
//! another order do no harm, nor do several workers at once. A removal writes what [`removed`] gives over each record of the device: what
//! older connections of it acknowledged and still waits in the queue changes nothing then.

use std::collections::HashMap;

use dunlin_schema::{Cursor, DeviceName, Millis, Peer, UserName, record::DeviceRecord};

/// The highest mark of each connection in each log, and the items that it answers.
#[derive(Debug)]
pub struct Batch<Item> {
    marks: HashMap<Whose, Acknowledged<Item>>,
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
    /// When the connection was opened that says so.
    pub opened: Millis,
}

/// A device's highest mark in a log, over one connection.
#[derive(Debug)]
pub struct Acknowledged<Item> {
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
        let mark = self.marks.entry(whose).or_insert_with(|| Acknowledged { cursor, items: Vec::new() });
        if is_higher(cursor, mark.cursor) {
            mark.cursor = cursor;
        }
        mark.items.push(item);
    }

    /// Each highest mark; the batch is empty afterwards.
    pub fn take(&mut self) -> impl Iterator<Item = (Whose, Acknowledged<Item>)> {
        self.marks.drain()
    }
}

/// What must be stored when a device says `said` over a connection that was opened at `opened`; `None` when what is stored is as high
/// already, or the device was removed since.
pub fn raised(stored: &DeviceRecord, said: Cursor, opened: Millis) -> Option<DeviceRecord> {
    if stored.removed.is_some_and(|removed| opened <= removed) {
        return None;
    }
    let rises = stored.cursor.is_none_or(|cursor| is_higher(said, cursor));
    rises.then_some(DeviceRecord { cursor: Some(said), removed: stored.removed })
}

/// What must be stored when the device is removed at `at`; `None` for a removal that is stored already: the device may have come back
/// since; and where nothing would be other than it is.
pub fn removed(stored: &DeviceRecord, at: Millis) -> Option<DeviceRecord> {
    let known = stored.removed == Some(at);
    let changed = DeviceRecord { cursor: None, removed: stored.removed.max(Some(at)) };
    (!known && changed != *stored).then_some(changed)
}

/// Whether one cursor is above another. An older epoch is always lower.
fn is_higher(said: Cursor, stored: Cursor) -> bool {
    let same = stored.position.at_or_below(&said.position);
    said.position.above(&stored.position) || same && said.at > stored.at
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Epoch, Millis, Position, Seq, StreamTime};

    use super::*;

    fn cursor(epoch: u64, seq: u64, at: u64) -> Cursor {
        Cursor {
            position: Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(seq) },
            at: Millis(at),
            began: Seq(0),
        }
    }

    #[test]
    fn marks_only_rise() {
        let cases = [
            // stored, said, whether that is stored
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
            let record = |cursor| DeviceRecord { cursor, removed: None };
            let expected = rises.then_some(record(Some(said)));
            assert_eq!(raised(&record(stored), said, Millis(1)), expected, "{stored:?} {said:?}");
        }
    }

    #[test]
    fn what_was_acknowledged_before_a_removal_counts_no_more() {
        type Step<'a> = &'a dyn Fn(&DeviceRecord) -> Option<DeviceRecord>;
        let steps: [(Step<'_>, _); 10] = [
            (&|record| removed(record, Millis(50)), (true, None, Some(50))),
            (&|record| raised(record, cursor(1, 10, 10), Millis(40)), (false, None, Some(50))), // it waited in the queue
            (&|record| raised(record, cursor(1, 10, 10), Millis(50)), (false, None, Some(50))),
            (&|record| raised(record, cursor(1, 3, 3), Millis(60)), (true, Some(3), Some(50))), // a new device
            (&|record| raised(record, cursor(1, 10, 10), Millis(40)), (false, Some(3), Some(50))), // it waited for long
            (&|record| removed(record, Millis(50)), (false, Some(3), Some(50))), // another worker, later than this one
            (&|record| removed(record, Millis(45)), (true, None, Some(50))),     // by a clock that is behind
            (&|record| raised(record, cursor(1, 4, 4), Millis(60)), (true, Some(4), Some(50))),
            (&|record| removed(record, Millis(70)), (true, None, Some(70))),
            (&|record| removed(record, Millis(65)), (false, None, Some(70))), // another one, at the same time
        ];
        let mut stored = DeviceRecord { cursor: Some(cursor(1, 9, 9)), removed: None };
        for (number, (step, expected)) in steps.into_iter().enumerate() {
            let change = step(&stored);
            let changes = change.is_some();
            stored = change.unwrap_or(stored);
            let seq = stored.cursor.map(|cursor| cursor.position.seq.0);
            assert_eq!((changes, seq, stored.removed.map(|at| at.0)), expected, "step {number}");
        }
    }

    #[test]
    fn a_batch_keeps_the_highest_mark_of_each_log_and_connection_and_every_item() {
        let (bob, team) = (|| Peer::User("bob".parse().unwrap()), || Peer::Group("team".parse().unwrap()));
        let over = |device: &str, log, opened| {
            let (user, device, opened) = ("bob".parse().unwrap(), device.parse().unwrap(), Millis(opened));
            Whose { user, device, log, opened }
        };
        let whose = |device, log| over(device, log, 1);
        let mut batch = Batch::default();
        let said = [
            (whose("phone", bob()), cursor(1, 7, 7)),
            (whose("web", bob()), cursor(1, 2, 2)),
            (whose("phone", bob()), cursor(2, 3, 3)),
            (whose("phone", bob()), cursor(1, 9, 9)),
            (whose("phone", team()), cursor(1, 8, 8)),
            (over("phone", bob(), 2), cursor(1, 1, 1)), // by itself: the device may have been removed in between
        ];
        for (item, (whose, cursor)) in said.into_iter().enumerate() {
            batch.add(whose, cursor, item);
        }
        let mut taken: Vec<_> = batch.take().map(|(whose, mark)| (whose, mark.cursor, mark.items)).collect();
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        let expected = [
            (whose("phone", bob()), cursor(2, 3, 3), vec![0, 2, 3]),
            (over("phone", bob(), 2), cursor(1, 1, 1), vec![5]),
            (whose("phone", team()), cursor(1, 8, 8), vec![4]),
            (whose("web", bob()), cursor(1, 2, 2), vec![1]),
        ];
        assert_eq!(taken, expected);
        assert_eq!(batch.take().count(), 0);
    }
}
