//! The last entry of each log that a reader has seen, in bounded memory.
//!
//! Two generations of half the bound each: what is touched lives in the young one; when that is full, the old one is forgotten, the
//! young one grows old, and the floor rises to where the old one ended. So no log that is not in the map has an entry above the
//! floor, and neither an order of eviction nor a pass over the map is needed.

use std::collections::HashMap;

use dunlin_schema::{Peer, Seq, heads::Head};

/// The map and its floor.
#[derive(Clone, Debug)]
pub struct Heads {
    young: HashMap<Peer, Head>,
    old: HashMap<Peer, Head>,
    /// The last entry that the old generation may hold.
    old_ends: Seq,
    /// The last entry that either may hold.
    last: Seq,
    floor: Seq,
    generation: usize,
}

impl Heads {
    /// An empty map that is complete from `floor` on, for at most `logs` (at least 2).
    pub fn new(floor: Seq, logs: usize) -> Heads {
        Heads {
            young: HashMap::new(),
            old: HashMap::new(),
            old_ends: floor,
            last: floor,
            floor,
            generation: (logs / 2).max(1),
        }
    }

    /// Forgets everything: from now on complete from `floor` on.
    pub fn clear(&mut self, floor: Seq) {
        *self = Heads { generation: self.generation, ..Heads::new(floor, 0) };
    }

    /// A log that is not in the map has no entry above this one.
    pub fn floor(&self) -> Seq {
        self.floor
    }

    /// The last entry of a log, if it is in the map.
    pub fn get(&self, owner: &Peer) -> Option<Head> {
        self.young.get(owner).or_else(|| self.old.get(owner)).copied()
    }

    /// How many logs are in the map; one that is in both generations counts twice.
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Whether no log is in the map.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A log's new last entry, above all before it. Returns the sequence above which the log had nothing until now.
    pub fn rise(&mut self, owner: Peer, head: Head) -> Seq {
        let full = self.young.len() >= self.generation;
        let after = match self.young.get_mut(&owner) {
            Some(known) => std::mem::replace(known, head).seq,
            None => {
                let after = self.old.get(&owner).map_or(self.floor, |known| known.seq);
                if full {
                    self.floor = self.old_ends;
                    self.old_ends = self.last;
                    self.old = std::mem::take(&mut self.young);
                }
                self.young.insert(owner, head);
                after
            }
        };
        self.last = head.seq;
        after
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::StreamTime;

    use super::*;

    fn rise(heads: &mut Heads, user: &str, seq: u64) -> u64 {
        heads.rise(Peer::User(user.parse().unwrap()), Head { seq: Seq(seq), time: StreamTime(seq) }).0
    }

    #[test]
    fn forgetting_raises_the_floor_over_what_was_forgotten() {
        let mut heads = Heads::new(Seq(10), 4);
        let steps = [
            // user, its entry, nothing between this and the entry, the floor afterwards
            ("a", 11, 10, 10),
            ("b", 12, 10, 10),
            ("c", 13, 10, 10), // a and b grow old
            ("a", 14, 11, 10), // a is young again
            ("d", 15, 10, 12), // b (12) and the old a are forgotten, c and a grow old
            ("b", 16, 12, 12),
            ("e", 17, 12, 14), // c and a (13, 14) are forgotten
            ("c", 18, 14, 14),
            ("b", 19, 16, 16), // the old b and d are forgotten
        ];
        for (user, seq, after, floor) in steps {
            assert_eq!((rise(&mut heads, user, seq), heads.floor().0), (after, floor), "{user} {seq}");
            assert!(heads.len() <= 4);
        }
    }
}
