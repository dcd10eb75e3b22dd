//! Work that is brought together: of each kind at once where it has been quiet, and at most once in a while after that.
//!
//! Drive it: [`Paced::add`] what comes; carry out what [`Paced::take`] gives, each with [`Paced::done`] at its end; and look again at
//! [`Paced::next_due`]. Of one key there is never more than one piece of work under way.

use std::{
    collections::{BTreeSet, HashMap},
    hash::Hash,
};

use dunlin_schema::Millis;

/// What can be brought together.
pub trait Merge {
    /// Adds what came later.
    fn merge(&mut self, later: Self);
}

/// Work by key. Times are of any clock that only goes forward.
#[derive(Debug)]
pub struct Paced<K, W> {
    lanes: HashMap<K, Lane<W>>,
    /// Lanes where nothing is under way, by when they may begin, or be forgotten.
    due: BTreeSet<(Millis, K)>,
    waiting: usize,
}

#[derive(Debug)]
struct Lane<W> {
    waiting: Option<W>,
    is_working: bool,
}

impl<K, W> Default for Paced<K, W> {
    fn default() -> Paced<K, W> {
        Paced { lanes: HashMap::new(), due: BTreeSet::new(), waiting: 0 }
    }
}

impl<K: Clone + Ord + Hash, W: Merge> Paced<K, W> {
    /// More work of a key.
    pub fn add(&mut self, now: Millis, key: K, work: W) {
        let due = &mut self.due;
        let lane = self.lanes.entry(key).or_insert_with_key(|key| {
            due.insert((now, key.clone()));
            Lane { waiting: None, is_working: false }
        });
        match &mut lane.waiting {
            Some(waiting) => waiting.merge(work),
            None => {
                lane.waiting = Some(work);
                self.waiting += 1;
            }
        }
    }

    /// The next work that may begin. It is under way until it is [`Paced::done`].
    pub fn take(&mut self, now: Millis) -> Option<(K, W)> {
        while self.next_due()? <= now {
            let (_, key) = self.due.pop_first()?;
            let lane = self.lanes.get_mut(&key)?;
            match lane.waiting.take() {
                Some(work) => {
                    self.waiting -= 1;
                    lane.is_working = true;
                    return Some((key, work));
                }
                None => {
                    self.lanes.remove(&key);
                }
            }
        }
        None
    }

    /// What was under way of a key is done, and nothing more of it begins before this time.
    pub fn done(&mut self, key: &K, not_before: Millis) {
        if let Some(lane) = self.lanes.get_mut(key).filter(|lane| lane.is_working) {
            lane.is_working = false;
            self.due.insert((not_before, key.clone()));
        }
    }

    /// When [`Paced::take`] is to be called again, if nothing else happens.
    pub fn next_due(&self) -> Option<Millis> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Keys of which something waits.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Keys that are kept in mind.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether nothing has come for a while.
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Merge for Vec<u32> {
        fn merge(&mut self, later: Vec<u32>) {
            self.extend(later);
        }
    }

    enum Step {
        Add(u64, &'static str, u32),
        Take(u64, Option<(&'static str, Vec<u32>)>),
        Done(&'static str),
        Due(Option<u64>),
    }

    #[test]
    fn a_quiet_key_begins_at_once_and_a_busy_one_now_and_then() {
        use Step::{Add, Done, Due, Take};
        let steps = [
            Due(None),
            Add(10, "a", 1),
            Due(Some(10)),
            Take(10, Some(("a", vec![1]))),
            Take(10, None),
            // While it is under way, and afterwards until its time has come.
            Add(20, "a", 2),
            Take(400, None),
            Done("a"),
            Due(Some(260)),
            Add(401, "a", 3),
            Take(401, Some(("a", vec![2, 3]))),
            Done("a"),
            Add(402, "a", 4),
            Add(403, "a", 5),
            Take(650, None),
            Due(Some(651)),
            // Another key waits for nobody.
            Add(650, "b", 6),
            Take(650, Some(("b", vec![6]))),
            Take(651, Some(("a", vec![4, 5]))),
            Done("b"),
            Done("a"),
            // It was quiet, and so is forgotten.
            Take(2_000, None),
            Due(None),
            Add(2_001, "a", 7),
            Take(2_001, Some(("a", vec![7]))),
        ];
        let (mut paced, mut not_before) = (Paced::default(), Millis(0));
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Add(now, key, work) => paced.add(Millis(now), key, vec![work]),
                Take(now, expected) => {
                    if expected.is_some() {
                        not_before = Millis(now + 250);
                    }
                    assert_eq!(paced.take(Millis(now)), expected, "step {number}");
                }
                Done(key) => paced.done(&key, not_before),
                Due(expected) => assert_eq!(paced.next_due(), expected.map(Millis), "step {number}"),
            }
        }
    }

    #[test]
    fn a_thousand_a_second_are_four() {
        let mut paced = Paced::default();
        let mut taken = Vec::new();
        for now in 0..1_000 {
            paced.add(Millis(now), "bob", vec![now as u32]);
            while let Some((key, work)) = paced.take(Millis(now)) {
                taken.push(work);
                paced.done(&key, Millis(now + 250));
            }
        }
        assert_eq!(taken.iter().map(Vec::len).collect::<Vec<_>>(), [1, 250, 250, 250]);
        assert_eq!((paced.len(), paced.waiting()), (1, 1));
    }
}
