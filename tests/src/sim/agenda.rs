//! What is to happen, by time; at the same time in the order in which it was entered.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, binary_heap::PeekMut},
};

#[derive(Debug)]
struct Due<T> {
    at: u64,
    order: u64,
    what: T,
}

impl<T> PartialEq for Due<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}
impl<T> Eq for Due<T> {}
impl<T> PartialOrd for Due<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Due<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// Everything that is to happen.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Due<T>>>,
    entered: u64,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Agenda<T> {
        Agenda { heap: BinaryHeap::with_capacity(128), entered: 0 }
    }

    /// `at` is in nanoseconds.
    pub(crate) fn enter(&mut self, at: u64, what: T) {
        self.entered += 1;
        self.heap.push(Reverse(Due { at, order: self.entered, what }));
    }

    /// The next thing that is due at `until` at the latest, with its time.
    pub(crate) fn next(&mut self, until: u64) -> Option<(u64, T)> {
        let next = self.heap.peek_mut()?;
        (next.0.at <= until).then(|| {
            let Reverse(due) = PeekMut::pop(next);
            (due.at, due.what)
        })
    }
}
