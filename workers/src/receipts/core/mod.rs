//! What becomes of what devices acknowledge and people read, decided without I/O.
//!
//! Marks only rise, so items that come twice, late or in another order do no harm, nor do several workers at once. An item of the queue is
//! taken off it when everything that it says is stored, in this order: the marks of the pairs that it is about ([`marks`]), by what is new
//! in it ([`claims`]); then the device's own record, by [`raised`], or the reader's. Whoever does it again after a crash finds by the last
//! record that it is not done yet. Each record is written now and then ([`pace`]). A removal writes what [`removed`] gives over each
//! record of the device: what older connections of it acknowledged and still waits in the queue changes nothing then.

pub mod changed;
pub mod claims;
pub mod marks;
pub mod members;
pub mod pace;
pub mod tally;

use dunlin_schema::{Cursor, DeviceName, Millis, Peer, UserName, device::NameDevice, record::DeviceRecord};

/// Who acknowledges, and which log.
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

impl Whose {
    /// Whether the log is the user's own mailbox.
    pub fn is_mailbox(&self) -> bool {
        matches!(&self.log, Peer::User(owner) if *owner == self.user)
    }
}

/// Whether what a connection says counts that was opened at `opened`: the device may have been removed since.
pub fn counts(stored: &DeviceRecord, opened: Millis) -> bool {
    stored.removed.is_none_or(|removed| removed < opened)
}

/// What must be stored when a device says `said` over a connection that was opened at `opened`; `None` when what is stored is as high
/// already, or the device was removed since.
pub fn raised(stored: &DeviceRecord, said: Cursor, opened: Millis) -> Option<DeviceRecord> {
    if !counts(stored, opened) {
        return None;
    }
    let rises = stored.cursor.is_none_or(|cursor| is_higher(said, cursor) || covers_more(said, cursor));
    rises.then(|| DeviceRecord { cursor: Some(said), seen: None, ..stored.clone() })
}

/// What must be stored when the device is removed at `at`; `None` for a removal that is stored already: the device may have come back
/// since; and where nothing would be other than it is.
pub fn removed(stored: &DeviceRecord, at: Millis) -> Option<DeviceRecord> {
    let known = stored.removed == Some(at);
    let changed = DeviceRecord { removed: stored.removed.max(Some(at)), ..DeviceRecord::default() };
    (!known && changed != *stored).then_some(changed)
}

/// There is no device to call something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotThere;

/// What must be stored, in place of what was stored at `stamp`, when the device is called something; `None` where it is called so already.
/// Errors: see [`NotThere`].
pub fn named(stored: &DeviceRecord, stamp: Millis, naming: &NameDevice) -> Result<Option<DeviceRecord>, NotThere> {
    let is_there = stored.is_there();
    if !(is_there || naming.connected && counts(stored, naming.at)) {
        return Err(NotThere);
    }
    // To be called something is not to be seen.
    let seen = is_there.then(|| stored.seen.unwrap_or(stamp));
    let changed = DeviceRecord { title: naming.title.clone(), seen, ..stored.clone() };
    Ok((changed.title != stored.title).then_some(changed))
}

/// Whether one cursor is above another. An older epoch is always lower.
pub fn is_higher(said: Cursor, stored: Cursor) -> bool {
    let same = stored.position.at_or_below(&said.position);
    said.position.above(&stored.position) || same && said.at > stored.at
}

/// Whether it says the same of more entries.
fn covers_more(said: Cursor, stored: Cursor) -> bool {
    said.position == stored.position && said.at == stored.at && said.began < stored.began
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
            let record = |cursor| DeviceRecord { cursor, ..DeviceRecord::default() };
            let expected = rises.then_some(record(Some(said)));
            assert_eq!(raised(&record(stored), said, Millis(1)), expected, "{stored:?} {said:?}");
        }
    }

    #[test]
    fn the_same_mark_of_a_longer_run_is_stored() {
        let run = |began, at| Cursor { began: Seq(began), ..cursor(1, 9, at) };
        for (said, rises) in [(run(2, 9), true), (run(5, 9), false), (run(7, 9), false), (run(2, 8), false)] {
            let record = |cursor| DeviceRecord { cursor: Some(cursor), ..DeviceRecord::default() };
            assert_eq!(raised(&record(run(5, 9)), said, Millis(1)), rises.then_some(record(said)), "{said:?}");
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
        let mut stored = DeviceRecord { cursor: Some(cursor(1, 9, 9)), ..DeviceRecord::default() };
        for (number, (step, expected)) in steps.into_iter().enumerate() {
            let change = step(&stored);
            let changes = change.is_some();
            stored = change.unwrap_or(stored);
            let seq = stored.cursor.map(|cursor| cursor.position.seq.0);
            assert_eq!((changes, seq, stored.removed.map(|at| at.0)), expected, "step {number}");
        }
    }
    fn naming(title: Option<&str>, connected: bool, at: u64) -> NameDevice {
        let title = title.map(|title| title.parse().unwrap());
        NameDevice { user: "bob".parse().unwrap(), device: "phone".parse().unwrap(), title, connected, at: Millis(at) }
    }

    #[test]
    fn what_a_device_is_called_goes_with_it_and_to_be_called_something_is_not_to_be_seen() {
        let record = |cursor, title: Option<&str>, seen: Option<u64>| DeviceRecord {
            cursor,
            removed: None,
            title: title.map(|title| title.parse().unwrap()),
            seen: seen.map(Millis),
        };
        let heard = Some(cursor(1, 5, 5));
        for (stored, given, expected) in [
            (record(heard, None, None), Some("TV"), Ok(Some(record(heard, Some("TV"), Some(7))))),
            (record(heard, Some("TV"), Some(7)), Some("Radio"), Ok(Some(record(heard, Some("Radio"), Some(7))))),
            (record(heard, Some("TV"), Some(7)), None, Ok(Some(record(heard, None, Some(7))))),
            (record(heard, Some("TV"), Some(3)), Some("TV"), Ok(None)),
            (record(heard, None, None), None, Ok(None)),
            (record(None, Some("TV"), None), Some("Radio"), Ok(Some(record(None, Some("Radio"), Some(7))))),
            (record(None, None, None), Some("TV"), Err(NotThere)),
        ] {
            assert_eq!(named(&stored, Millis(7), &naming(given, false, 9)), expected, "{stored:?} {given:?}");
        }
        let called = record(heard, Some("TV"), Some(7));
        assert_eq!(raised(&called, cursor(1, 6, 6), Millis(1)), Some(record(Some(cursor(1, 6, 6)), Some("TV"), None)));
        let gone = removed(&called, Millis(50)).unwrap();
        assert_eq!(gone, DeviceRecord { removed: Some(Millis(50)), ..DeviceRecord::default() });
        // Asked before the removal, and done after it: whoever was connected then is there no more.
        assert_eq!(named(&gone, Millis(60), &naming(Some("TV"), true, 50)), Err(NotThere));
        let back = DeviceRecord { title: "TV".parse().ok(), ..gone.clone() };
        assert_eq!(named(&gone, Millis(60), &naming(Some("TV"), true, 51)), Ok(Some(back)));
    }
}
