//! What is known of many logs: a bounded store, of which the least recently used goes first.

use std::collections::{BTreeMap, HashMap};

use dunlin_schema::{Log, Millis};

use super::known::Known;

/// The bounds of a [`Memory`].
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Logs.
    pub logs: usize,
    /// Ids of all logs together.
    pub ids: usize,
    /// How long something is kept that nobody asks for.
    pub unused: Millis,
}

/// What is known of logs by late appends over one connection. Times are of a clock that never goes back.
#[derive(Debug)]
pub struct Memory {
    room: Room,
    connection: u64,
    logs: HashMap<Log, Kept>,
    /// From the least to the most recently used.
    order: BTreeMap<u64, Log>,
    next: u64,
    ids: usize,
}

#[derive(Debug)]
struct Kept {
    known: Known,
    order: u64,
    used: Millis,
}

impl Memory {
    /// An empty one.
    pub fn new(room: Room) -> Memory {
        Memory { room, connection: 0, logs: HashMap::new(), order: BTreeMap::new(), next: 0, ids: 0 }
    }

    /// Takes out what is known of a log, for an append over this connection: what was learned over another one is forgotten.
    pub fn take(&mut self, now: Millis, connection: u64, log: &Log) -> Option<Known> {
        self.sweep(now);
        if connection != self.connection {
            *self = Memory { connection, ..Memory::new(self.room) };
        }
        self.remove(log)
    }

    /// Keeps what an append over this connection knows of a log.
    pub fn put(&mut self, now: Millis, connection: u64, log: Log, known: Known) {
        if connection != self.connection {
            return;
        }
        self.remove(&log);
        self.ids += known.ids();
        self.order.insert(self.next, log.clone());
        self.logs.insert(log, Kept { known, order: self.next, used: now });
        self.next += 1;
        while self.logs.len() > self.room.logs || self.ids > self.room.ids {
            self.forget_least_used();
        }
        self.sweep(now);
    }

    /// Forgets what nobody has asked for lately. Gives whether there is anything left.
    pub fn sweep(&mut self, now: Millis) -> bool {
        while let Some(log) = self.order.first_entry() {
            let unused = self.logs.get(log.get()).is_none_or(|kept| now.since(kept.used) >= self.room.unused);
            if !unused {
                return true;
            }
            self.forget_least_used();
        }
        false
    }

    fn forget_least_used(&mut self) {
        if let Some((_, log)) = self.order.pop_first() {
            self.remove(&log);
        }
    }

    fn remove(&mut self, log: &Log) -> Option<Known> {
        let Kept { known, order, .. } = self.logs.remove(log)?;
        self.order.remove(&order);
        self.ids -= known.ids();
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use dunlin_schema::{RegionName, Seq, StreamTime, UserName, read::StoredEntry};

    use super::*;

    fn log(name: &str) -> Log {
        Log::mailbox(&RegionName::new("eu").unwrap(), 1, &UserName::new(name).unwrap())
    }

    fn known(seq: u64) -> Known {
        let first = StoredEntry { seq: Seq(seq), time: StreamTime(0), payload: Bytes::new() };
        Known::beginning(StreamTime(0), &first)
    }

    const ROOM: Room = Room { logs: 2, ids: 10, unused: Millis(100) };

    #[test]
    fn the_least_recently_used_goes_when_there_are_too_many() {
        let mut memory = Memory::new(ROOM);
        for (seq, name) in [(1, "a"), (2, "b"), (3, "a"), (4, "c")] {
            memory.put(Millis(0), 0, log(name), known(seq));
        }
        assert_eq!(memory.take(Millis(0), 0, &log("b")), None);
        for (seq, name) in [(3, "a"), (4, "c")] {
            assert_eq!(memory.take(Millis(0), 0, &log(name)), Some(known(seq)));
            assert_eq!(memory.take(Millis(0), 0, &log(name)), None, "it was taken out");
        }
    }

    #[test]
    fn what_is_unused_goes() {
        let mut memory = Memory::new(ROOM);
        memory.put(Millis(0), 0, log("a"), known(1));
        memory.put(Millis(50), 0, log("b"), known(2));
        assert!(memory.sweep(Millis(100)));
        assert_eq!(memory.take(Millis(100), 0, &log("a")), None);
        assert_eq!(memory.take(Millis(149), 0, &log("b")), Some(known(2)));
        memory.put(Millis(149), 0, log("b"), known(2));
        assert!(!memory.sweep(Millis(249)));
    }

    #[test]
    fn what_was_learned_over_another_connection_is_forgotten() {
        let mut memory = Memory::new(ROOM);
        memory.put(Millis(0), 0, log("a"), known(1));
        assert_eq!(memory.take(Millis(0), 1, &log("a")), None);
        memory.put(Millis(0), 0, log("a"), known(1));
        assert_eq!(memory.take(Millis(0), 1, &log("a")), None, "one that began before brings nothing back");
        memory.put(Millis(0), 1, log("a"), known(1));
        assert_eq!(memory.take(Millis(0), 1, &log("a")), Some(known(1)));
    }
}
