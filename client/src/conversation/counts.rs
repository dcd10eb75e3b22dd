//! To how many members of a group one's own messages came: of each, the last that was told.

use std::collections::BTreeMap;

use dunlin_schema::{Millis, Seq};

use crate::Receipt;

use super::Reached;

/// Messages of which it is remembered: above it, of the lowest order nothing is known any more.
const REMEMBERED: usize = 1_024;

/// To how many members of a group a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Members that have it.
    pub delivered: u64,
    /// Members that have read it.
    pub read: u64,
    /// Members that may read it, beside its sender.
    pub of: u32,
}

impl Counts {
    /// How far it has come where all of them are one.
    pub(super) fn reached(self) -> Reached {
        match u64::from(self.of) {
            0 => Reached::Storage,
            all if self.read >= all => Reached::Eyes,
            all if self.delivered >= all => Reached::Device,
            _ => Reached::Storage,
        }
    }
}

/// By order, with when it became so.
#[derive(Debug, Default)]
pub(super) struct Counted(BTreeMap<Seq, (Millis, Counts)>);

impl Counted {
    /// Takes what is told of a message; what became so before what is known changes nothing.
    pub(super) fn raise(&mut self, receipt: &Receipt) {
        let Receipt { order: Some(order), delivered, read, of: Some(of), time, .. } = receipt else { return };
        let counts = Counts { delivered: delivered.unwrap_or_default(), read: read.unwrap_or_default(), of: *of };
        if self.0.get(order).is_none_or(|(known, _)| known <= time) {
            self.0.insert(*order, (*time, counts));
        }
        if self.0.len() > REMEMBERED {
            self.0.pop_first();
        }
    }

    /// What is known of a message.
    pub(super) fn of(&self, order: Seq) -> Option<Counts> {
        self.0.get(&order).map(|(_, counts)| *counts)
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Open, Spans};

    use super::*;

    fn told(order: u64, time: u64, delivered: u64, read: u64, of: u32) -> Receipt {
        Receipt {
            by: None,
            to: Open::of_text("#team"),
            order: Some(Seq(order)),
            delivered: Some(delivered),
            read: Some(read),
            of: Some(of),
            time: Millis(time),
            since: None,
            missing: Spans::default(),
        }
    }

    #[test]
    fn of_each_message_the_last_counts_count() {
        let mut counted = Counted::default();
        // Also what comes before the answer to the send, and what is late.
        for receipt in [told(9, 5, 1, 0, 3), told(9, 7, 3, 2, 3), told(9, 5, 1, 0, 3), told(4, 6, 3, 3, 3)] {
            counted.raise(&receipt);
        }
        let of = |order| counted.of(Seq(order)).map(|counts| (counts.delivered, counts.read, counts.of));
        assert_eq!((of(9), of(4), of(5)), (Some((3, 2, 3)), Some((3, 3, 3)), None));
        for number in 10..10 + REMEMBERED as u64 {
            counted.raise(&told(number, 8, 0, 0, 3));
        }
        assert_eq!((counted.0.len(), counted.of(Seq(9))), (REMEMBERED, None));
    }

    #[test]
    fn a_message_has_come_so_far_once_it_came_to_all() {
        for (delivered, read, of, expected) in [
            (2, 0, 3, Reached::Storage),
            (3, 2, 3, Reached::Device),
            (3, 3, 3, Reached::Eyes),
            (0, 0, 0, Reached::Storage),
        ] {
            assert_eq!(Counts { delivered, read, of }.reached(), expected, "{delivered} {read} {of}");
        }
    }
}
