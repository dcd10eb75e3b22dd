//! The records that are written in a history, and what is to become of them.

use dunlin_schema::{
    Cursor, Epoch, Millis, Seq,
    record::{DeviceRecord, ReadMark, SentMarks},
};

use crate::receipts::core::{
    marks::{Raise, read_on, risen},
    raised,
};

/// A record of STATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Device(usize),
    Sent(usize),
    Read(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Record {
    Device(DeviceRecord),
    Sent(SentMarks),
    Read(ReadMark),
}

impl Record {
    pub(super) fn none(key: Key) -> Record {
        match key {
            Key::Device(_) => Record::Device(DeviceRecord::default()),
            Key::Sent(_) => Record::Sent(SentMarks::default()),
            Key::Read(_) => Record::Read(ReadMark::default()),
        }
    }

    /// What only rises: the epoch, and two orders.
    pub(super) fn height(&self) -> (Epoch, Option<Seq>, Option<Seq>) {
        match self {
            Record::Device(record) => {
                let position = record.cursor.map(|cursor| cursor.position).unwrap_or_default();
                (position.epoch, Some(position.seq), None)
            }
            Record::Sent(marks) => (marks.epoch, marks.delivered, marks.read),
            Record::Read(mark) => (mark.epoch, Some(mark.order), None),
        }
    }
}

/// What a record is to become.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Acknowledged(Cursor),
    Raise(Raise),
    ReadOn(Epoch, Seq),
}

impl Change {
    pub(super) fn of(&self, stored: &Record) -> Option<Record> {
        let now = Millis(1);
        match (self, stored) {
            (Change::Acknowledged(cursor), Record::Device(stored)) => raised(stored, *cursor, now).map(Record::Device),
            (Change::Raise(raise), Record::Sent(stored)) => risen(stored, raise, now).map(Record::Sent),
            (Change::ReadOn(epoch, order), Record::Read(stored)) => {
                read_on(stored, *epoch, *order, now).map(Record::Read)
            }
            (Change::Acknowledged(_) | Change::Raise(_) | Change::ReadOn(..), other) => panic!("{self:?} of {other:?}"),
        }
    }
}
