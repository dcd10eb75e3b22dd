//! What late appends have read of a log, kept for the next one.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use dunlin_schema::{Entry, Log, Seq, StreamTime, read::StoredEntry};

use super::place::Place;

/// The end of a log, as it was read.
///
/// In the life of the log in which `head` is at its place: each entry stored since `since` and up to `head` was read, but for those evicted
/// before; where it is `whole`, there are none of these. It says nothing of a log in which another entry, or none, stands at `head`'s
/// place, and an id that is found here may have left the log since.
///
/// An entry that was erased before it could be read has its tombstone behind it, which may not have been read yet: a log that goes back can
/// lose the tombstone and have the entry again. So only what is [`Known::closed`] outlives its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// From when on each entry was read, but for those evicted before.
    pub since: StreamTime,
    pub(super) whole: bool,
    pub(super) head: Place,
    /// The last entry behind which nothing stood when all up to it had been read.
    closed: Option<Place>,
    read: VecDeque<Read>,
    seqs: HashMap<u64, Seq>,
}

/// An entry that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Read {
    place: Place,
    /// Of what can't be read none.
    mark: Option<u64>,
    weight: u8,
}

impl Known {
    /// Everything stored since `since` up to `first`, which is the first such entry.
    pub(super) fn beginning(since: StreamTime, first: &StoredEntry) -> Known {
        Known { since, whole: false, head: first.into(), closed: None, read: VecDeque::new(), seqs: HashMap::new() }
    }

    /// The log's next entry was read; `None` for one that can't be. Of more than `most` the oldest are forgotten.
    pub(super) fn add(&mut self, log: &Log, found: &StoredEntry, entry: Option<&Entry>, most: u64) {
        let place = Place::from(found);
        self.head = place;
        let mark = entry.map(|entry| mark(log, entry));
        if let Some(mark) = mark {
            self.seqs.insert(mark, place.seq);
        }
        let weight = if entry.is_some_and(Entry::is_tombstone) { 2 } else { 1 };
        self.read.push_back(Read { place, mark, weight });
        while self.read.len() as u64 > most {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(Read { place, mark, .. }) = self.read.pop_front() else { return };
        self.since = self.since.max(place.time.next());
        if let Some(mark) = mark.filter(|mark| self.seqs.get(mark) == Some(&place.seq)) {
            self.seqs.remove(&mark);
        }
    }

    /// Nothing stands behind it. Of fewer entries than a log keeps, none was evicted.
    pub(super) fn close(&mut self, mailbox_entries: u64) {
        self.whole = self.whole || self.weight(StreamTime(0)) < mailbox_entries;
        self.closed = Some(self.head);
    }

    /// What stays true of a log that goes back, as long as it has `head`.
    pub(super) fn closed(mut self) -> Option<Known> {
        let head = self.closed.filter(|_| self.whole)?;
        while let Some(Read { place, mark, .. }) = self.read.pop_back_if(|read| read.place.seq > head.seq) {
            if let Some(mark) = mark.filter(|mark| self.seqs.get(mark) == Some(&place.seq)) {
                match self.read.iter().rfind(|read| read.mark == Some(mark)) {
                    Some(earlier) => self.seqs.insert(mark, earlier.place.seq),
                    None => self.seqs.remove(&mark),
                };
            }
        }
        self.head = head;
        Some(self)
    }

    /// Where the item, or a tombstone that names it, was read. Another item may be taken for it, never the other way about.
    pub(super) fn find(&self, log: &Log, item: &Entry) -> Option<Seq> {
        self.seqs.get(&mark(log, item)).copied()
    }

    /// What was read of what is stored since `since`, tombstones counted twice.
    pub(super) fn weight(&self, since: StreamTime) -> u64 {
        self.read.iter().filter(|read| read.place.time >= since).map(|read| u64::from(read.weight)).sum()
    }

    /// The lowest sequence from which on every entry of the log is known.
    pub(super) fn lowest(&self) -> Seq {
        self.read.front().map_or(self.head.seq, |read| read.place.seq)
    }

    /// The last entry that was read.
    pub fn head(&self) -> Place {
        self.head
    }

    /// How many entries it holds.
    pub fn ids(&self) -> usize {
        self.read.len()
    }
}

/// What stands for an item in eight bytes. Two that share one cost a read, no more: what is found is read again.
fn mark(log: &Log, entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    (entry.item(), entry.copy_to(log)).hash(&mut hasher);
    hasher.finish()
}
