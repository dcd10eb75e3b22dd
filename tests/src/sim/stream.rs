//! JetStream, as far as a shard's log depends on it: a leader and followers that lag, a bound for each subject, expiry, interior
//! deletes, the duplicate window, and a power loss that takes the log back so that its numbers are used again.
//!
//! Facts are those of a real nats-server: the duplicate window belongs to the stream and is rebuilt after a restart from what is still
//! stored; a repeat with a stale expected sequence is a conflict on one replica and a duplicate on three.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use dunlin_schema::{Millis, Seq, StreamTime, limits, read::StoredEntry};

/// The number of an entry among all that were ever stored, in every life of the log.
pub(crate) type Birth = usize;

/// An entry as a server stores it.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) log: usize,
    pub(crate) seq: Seq,
    pub(crate) time: StreamTime,
    pub(crate) payload: Bytes,
    pub(crate) birth: Birth,
    message_id: String,
}

impl Stored {
    pub(crate) fn read(&self) -> StoredEntry {
        StoredEntry { seq: self.seq, time: self.time, payload: self.payload.clone() }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Append(Stored),
    Delete(Seq),
}

/// One server's copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    entries: VecDeque<Stored>,
    last: Seq,
    applied: usize,
    /// How far this server's clock is ahead, in nanoseconds.
    ahead: i64,
}

/// Why an entry is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Evicted,
    Expired,
    Erased,
}

/// What a publish is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    Stored(Seq, StreamTime, Birth),
    Duplicate(Seq),
    /// 10071: another last sequence than the expected one.
    Conflict,
    /// 10077: no room.
    Full,
}

/// What a publish asks for.
#[derive(Clone, Debug)]
pub(crate) struct Publish {
    pub(crate) log: usize,
    pub(crate) payload: Bytes,
    pub(crate) message_id: String,
    pub(crate) expect: Option<Seq>,
}

/// A shard's stream.
#[derive(Debug)]
pub(crate) struct Stream {
    changes: Vec<Change>,
    replicas: Vec<Replica>,
    leader: usize,
    window: HashMap<String, (Seq, u64)>,
    entries_per_log: usize,
    retention: u64,
    births: usize,
    /// What left the leader's copy since the world last asked, oldest first.
    pub(crate) gone: Vec<(Birth, Gone)>,
    /// Refuses everything: no room.
    pub(crate) full: bool,
}

impl Stream {
    pub(crate) fn new(replicas: usize, bounds: &limits::Bounds) -> Stream {
        Stream {
            changes: Vec::new(),
            replicas: vec![Replica::default(); replicas],
            leader: 0,
            window: HashMap::new(),
            entries_per_log: bounds.mailbox_entries as usize,
            retention: StreamTime::from(bounds.retention).0,
            births: 0,
            gone: Vec::new(),
            full: false,
        }
    }

    /// Stores, or says why not. `now` is the true time in nanoseconds; the leader stamps with its own clock.
    pub(crate) fn publish(&mut self, now: u64, publish: Publish) -> Published {
        self.settle(now);
        let window = StreamTime::from(limits::DUPLICATE_WINDOW).0;
        let repeat = self
            .window
            .get(&publish.message_id)
            .filter(|(_, stored)| now < stored + window)
            .map(|&(seq, _)| Published::Duplicate(seq));
        let last = self.leader().last_of(publish.log);
        let conflict = publish.expect.filter(|expected| *expected != last).map(|_| Published::Conflict);
        let (first, second) = if self.replicas.len() > 1 { (repeat, conflict) } else { (conflict, repeat) };
        if let Some(answer) = first.or(second) {
            return answer;
        }
        if self.full {
            return Published::Full;
        }
        let leader = self.leader();
        let time = StreamTime(now.saturating_add_signed(leader.ahead));
        let (seq, birth) = (leader.last.next(), self.births);
        self.births += 1;
        self.window.insert(publish.message_id.clone(), (seq, now));
        let Publish { log, payload, message_id, .. } = publish;
        self.changes.push(Change::Append(Stored { log, seq, time, payload, birth, message_id }));
        self.settle(now);
        Published::Stored(seq, time, birth)
    }

    /// Deletes one entry, wherever it stands.
    pub(crate) fn delete(&mut self, now: u64, seq: Seq) {
        self.settle(now);
        if self.leader().entries.iter().any(|entry| entry.seq == seq) {
            self.changes.push(Change::Delete(seq));
            self.settle(now);
        }
    }

    /// The leader's copy as it is at `now`.
    pub(crate) fn truth(&mut self, now: u64) -> &Replica {
        self.settle(now);
        self.leader()
    }

    /// Some server's copy, which may lag by `lag` changes; a server never goes back.
    pub(crate) fn lagging(&mut self, now: u64, replica: usize, lag: usize) -> &Replica {
        let replica = replica % self.replicas.len();
        if replica == self.leader {
            return self.truth(now);
        }
        let upto = self.changes.len().saturating_sub(lag);
        let (bound, retention) = (self.entries_per_log, self.retention);
        let copy = &mut self.replicas[replica];
        copy.apply(&self.changes, upto, bound, &mut Vec::new());
        copy.expire(now, retention, &mut Vec::new());
        &self.replicas[replica]
    }

    /// Another server leads; it has everything that was acknowledged.
    pub(crate) fn elect(&mut self, now: u64, leader: usize) {
        self.settle(now);
        self.leader = leader % self.replicas.len();
        self.settle(now);
    }

    /// Sets how far a server's clock is ahead, in nanoseconds.
    pub(crate) fn set_clock(&mut self, replica: usize, ahead: i64) {
        let count = self.replicas.len();
        self.replicas[replica % count].ahead = ahead;
    }

    /// A restart of the one server: the duplicate window is rebuilt from what is still stored.
    pub(crate) fn restart(&mut self, now: u64) {
        self.settle(now);
        let window = StreamTime::from(limits::DUPLICATE_WINDOW).0;
        let leader = &self.replicas[self.leader];
        self.window = leader
            .entries
            .iter()
            .filter(|entry| entry.time.0 + window > now)
            .map(|entry| (entry.message_id.clone(), (entry.seq, entry.time.0)))
            .collect();
    }

    /// Power loss of the one server: the last `lost` changes never happened. Afterwards every entry that is there counts as present,
    /// and every other one is told by its absence.
    pub(crate) fn lose(&mut self, now: u64, lost: usize) {
        let kept = self.changes.len().saturating_sub(lost);
        self.changes.truncate(kept);
        let ahead = self.replicas[self.leader].ahead;
        self.replicas[self.leader] = Replica { ahead, ..Replica::default() };
        self.gone.clear();
        self.restart(now);
    }

    /// Every entry stored before this birth is one that the last power loss left alone.
    pub(crate) fn kept_births(&self) -> Birth {
        let appended = self.changes.iter().rev().find_map(|change| match change {
            Change::Append(entry) => Some(entry.birth + 1),
            Change::Delete(_) => None,
        });
        appended.unwrap_or(0)
    }

    /// How many changes there were: what a power loss can take.
    pub(crate) fn changes(&self) -> usize {
        self.changes.len()
    }

    /// The last sequence that was given out, or was to be before the leader applied it.
    pub(crate) fn end(&self) -> Seq {
        self.leader().last
    }

    fn leader(&self) -> &Replica {
        &self.replicas[self.leader]
    }

    fn settle(&mut self, now: u64) {
        let (bound, retention, upto) = (self.entries_per_log, self.retention, self.changes.len());
        let leader = &mut self.replicas[self.leader];
        leader.apply(&self.changes, upto, bound, &mut self.gone);
        leader.expire(now, retention, &mut self.gone);
    }
}

impl Replica {
    /// The last sequence that was given out.
    pub(crate) fn last(&self) -> Seq {
        self.last
    }

    /// Everything stored, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &Stored> {
        self.entries.iter()
    }

    /// The entries of a log, oldest first.
    pub(crate) fn of(&self, log: usize) -> impl DoubleEndedIterator<Item = &Stored> {
        self.entries.iter().filter(move |entry| entry.log == log)
    }

    /// The entry with a sequence.
    pub(crate) fn at(&self, seq: Seq) -> Option<&Stored> {
        let index = self.entries.binary_search_by_key(&seq, |entry| entry.seq).ok()?;
        self.entries.get(index)
    }

    /// The last sequence of a log; 0 when it has no entry.
    pub(crate) fn last_of(&self, log: usize) -> Seq {
        self.of(log).next_back().map_or(Seq(0), |entry| entry.seq)
    }

    fn apply(&mut self, changes: &[Change], upto: usize, bound: usize, gone: &mut Vec<(Birth, Gone)>) {
        while self.applied < upto {
            match &changes[self.applied] {
                Change::Append(entry) => {
                    self.last = entry.seq;
                    self.entries.push_back(entry.clone());
                    if self.of(entry.log).count() > bound {
                        let oldest = self.entries.iter().position(|other| other.log == entry.log);
                        if let Some(evicted) = oldest.and_then(|index| self.entries.remove(index)) {
                            gone.push((evicted.birth, Gone::Evicted));
                        }
                    }
                }
                Change::Delete(seq) => {
                    if let Ok(index) = self.entries.binary_search_by_key(seq, |entry| entry.seq)
                        && let Some(erased) = self.entries.remove(index)
                    {
                        gone.push((erased.birth, Gone::Erased));
                    }
                }
            }
            self.applied += 1;
        }
    }

    fn expire(&mut self, now: u64, retention: u64, gone: &mut Vec<(Birth, Gone)>) {
        // The oldest stand first but for the clocks of several leaders, which differ by seconds.
        while self.entries.front().is_some_and(|entry| entry.time.0 + retention <= now) {
            if let Some(expired) = self.entries.pop_front() {
                gone.push((expired.birth, Gone::Expired));
            }
        }
    }
}

/// A span in nanoseconds.
pub(crate) const fn nanos(span: Millis) -> u64 {
    span.0 * 1_000_000
}
