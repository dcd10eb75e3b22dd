//! What waits its turn, of each key the newest alone, a bounded number of keys at once.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::Hash,
};

/// Two of the same key become one.
pub(crate) trait Merge {
    /// What stays of both, in whichever order they come.
    fn with(self, other: Self) -> Self;
}

/// Keys in the order in which they came, each with what is newest of it.
pub(crate) struct Newest<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
    room: usize,
}

impl<K: Clone + Eq + Hash, V: Merge> Newest<K, V> {
    /// None yet, of `room` keys at most.
    pub(crate) fn new(room: usize) -> Newest<K, V> {
        Newest { values: HashMap::new(), order: VecDeque::new(), room }
    }

    /// Gives whether there was room. One that waits already needs none.
    pub(crate) fn put(&mut self, key: K, value: V) -> bool {
        let full = self.values.len() >= self.room;
        match self.values.entry(key) {
            Entry::Occupied(waits) => {
                let (key, waiting) = waits.remove_entry();
                self.values.insert(key, waiting.with(value));
            }
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(free) => {
                self.order.push_back(free.key().clone());
                free.insert(value);
            }
        }
        true
    }

    /// The one that has waited longest.
    pub(crate) fn take(&mut self) -> Option<(K, V)> {
        let key = self.order.pop_front()?;
        self.values.remove_entry(&key)
    }

    /// Whether something of this key waits.
    pub(crate) fn has(&self, key: &K) -> bool {
        self.values.contains_key(key)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for u32 {
        fn with(self, other: u32) -> u32 {
            self.max(other)
        }
    }

    #[test]
    fn the_newest_of_each_is_taken_in_the_order_in_which_they_came_first() {
        let mut newest = Newest::new(2);
        for (key, value) in [("alice", 5), ("bob", 1), ("alice", 9), ("alice", 7)] {
            assert!(newest.put(key, value));
        }
        assert!(!newest.put("carol", 1), "there is room for two");
        assert!(newest.put("bob", 2), "who waits already needs no room");
        assert_eq!([newest.take(), newest.take(), newest.take()], [Some(("alice", 9)), Some(("bob", 2)), None]);
        assert!(newest.is_empty() && newest.put("carol", 1));
    }
}
