//! STATE: the last value of each subject, written by compare-and-set, taken back by a power loss like the log, but not by as much.

use std::collections::HashMap;

use bytes::Bytes;
use dunlin_schema::{Seq, StreamTime};

/// A value with its sequence and timestamp.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) bytes: Bytes,
    pub(crate) revision: Seq,
    pub(crate) stamp: StreamTime,
}

/// A shard's records.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// `None`: it was taken away.
    writes: Vec<(String, Option<Bytes>, StreamTime)>,
    values: HashMap<String, Value>,
}

impl State {
    pub(crate) fn get(&self, subject: &str) -> Option<&Value> {
        self.values.get(subject)
    }

    /// Stores when the subject's last sequence is `expected` (0: there is none), or whatever it is where nothing is expected.
    pub(crate) fn put(&mut self, now: u64, subject: &str, bytes: Bytes, expected: Option<Seq>) -> Option<Seq> {
        let found = self.values.get(subject).map_or(Seq(0), |value| value.revision);
        if expected.is_some_and(|expected| expected != found) {
            return None;
        }
        self.writes.push((subject.to_owned(), Some(bytes), StreamTime(now)));
        Some(self.apply(self.writes.len() - 1))
    }

    /// Takes a value away, if it is still that of this revision.
    pub(crate) fn erase(&mut self, now: u64, subject: &str, revision: Seq) {
        if self.get(subject).is_some_and(|value| value.revision == revision) {
            self.writes.push((subject.to_owned(), None, StreamTime(now)));
            self.apply(self.writes.len() - 1);
        }
    }

    /// How many writes there were: what a power loss can take.
    pub(crate) fn writes(&self) -> usize {
        self.writes.len()
    }

    /// The last `lost` writes never happened.
    pub(crate) fn lose(&mut self, lost: usize) {
        self.writes.truncate(self.writes.len().saturating_sub(lost));
        self.values.clear();
        for index in 0..self.writes.len() {
            self.apply(index);
        }
    }

    fn apply(&mut self, index: usize) -> Seq {
        let (subject, bytes, stamp) = &self.writes[index];
        let revision = Seq(index as u64 + 1);
        match bytes.clone() {
            Some(bytes) => _ = self.values.insert(subject.clone(), Value { bytes, revision, stamp: *stamp }),
            None => _ = self.values.remove(subject),
        }
        revision
    }
}
