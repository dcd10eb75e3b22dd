//! Who sent what a device acknowledges, as far as the session saw it: a hint that saves the receipts worker reading the mailbox. Where it
//! says less than all, it says so by its bounds.

use std::collections::VecDeque;

use dunlin_schema::{Cursor, Sender, Seq, limits, record::Senders};

/// Entries whose senders are remembered until they are acknowledged. When there are more, the older half is forgotten.
const REMEMBERED: usize = limits::READ_ENTRIES;

/// An acknowledgement, as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The device has everything up to here, as far back as the cursor says.
    pub cursor: Cursor,
    /// Of a mailbox, who sent what lies below it; `None` where that is not known.
    pub senders: Option<Senders>,
}

impl Acknowledged {
    /// Whether an earlier one says nothing that this one does not: both are of one run of entries.
    pub(crate) fn continues(&self, earlier: &Acknowledged) -> bool {
        (self.cursor.position.epoch, self.cursor.began) == (earlier.cursor.position.epoch, earlier.cursor.began)
    }

    /// The same with what an earlier one of the same run knew beside it. Where there is a place between the two of which neither knows
    /// anything, the later one alone is true of its bounds.
    pub(crate) fn with_earlier(mut self, earlier: Acknowledged) -> Acknowledged {
        if let (Some(senders), Some(before)) = (&mut self.senders, earlier.senders)
            && senders.from <= earlier.cursor.position.seq
        {
            senders.from = senders.from.min(before.from);
            for (sender, order) in before.highest {
                raise(&mut senders.highest, sender, order);
            }
            if senders.highest.len() > limits::SENDERS_HINTED {
                self.senders = None;
            }
        }
        self
    }
}

fn raise(highest: &mut Vec<(Sender, Seq)>, sender: Sender, order: Seq) {
    match highest.iter_mut().find(|(known, _)| *known == sender) {
        Some((_, known)) => *known = order.max(*known),
        None => highest.push((sender, order)),
    }
}

/// The senders of entries that were taken and are not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Rising.
    taken: VecDeque<(Seq, Sender, Seq)>,
    /// Up to here some may be forgotten.
    forgotten: Seq,
}

impl Record {
    /// Somebody's entry was taken, which has this order.
    pub(super) fn push(&mut self, seq: Seq, sender: Sender, order: Seq) {
        if self.taken.len() == REMEMBERED {
            let mut half = self.taken.drain(..REMEMBERED / 2);
            self.forgotten = half.next_back().map_or(self.forgotten, |(seq, ..)| seq);
        }
        self.taken.push_back((seq, sender, order));
    }

    pub(super) fn clear(&mut self) {
        *self = Record::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Takes out those of the entries above `from`, up to `upto`; `None` where they are too many, or not known.
    pub(super) fn take(&mut self, from: Seq, upto: Seq) -> Option<Senders> {
        let count = self.taken.partition_point(|(seq, ..)| *seq <= upto);
        let from = from.max(self.forgotten);
        let mut senders = Senders { from, highest: Vec::new() };
        for (_, sender, order) in self.taken.drain(..count).filter(|(seq, ..)| *seq > from) {
            raise(&mut senders.highest, sender, order);
        }
        (from <= upto && senders.highest.len() <= limits::SENDERS_HINTED).then_some(senders)
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Epoch, Position, StreamTime};

    use super::*;

    fn sender(number: usize) -> Sender {
        Sender { user: format!("u{number}").parse().unwrap(), region: "local".parse().unwrap() }
    }

    fn acknowledged(seq: u64, from: u64, orders: &[(usize, u64)]) -> Acknowledged {
        let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
        let highest = orders.iter().map(|(number, order)| (sender(*number), Seq(*order))).collect();
        Acknowledged { cursor: Cursor::of_entry(position), senders: Some(Senders { from: Seq(from), highest }) }
    }

    #[test]
    fn what_is_merged_is_true_of_its_bounds() {
        let cases = [
            // What the earlier one knew, what the later one knows, both as one.
            (acknowledged(5, 2, &[(1, 5)]), acknowledged(9, 5, &[(2, 9)]), acknowledged(9, 2, &[(2, 9), (1, 5)])),
            (acknowledged(5, 2, &[(1, 5)]), acknowledged(9, 4, &[(1, 9)]), acknowledged(9, 2, &[(1, 9)])),
            (acknowledged(5, 3, &[(1, 5)]), acknowledged(9, 1, &[(1, 4)]), acknowledged(9, 1, &[(1, 5)])),
            // Nobody knows of 6.
            (acknowledged(5, 2, &[(1, 5)]), acknowledged(9, 6, &[(2, 9)]), acknowledged(9, 6, &[(2, 9)])),
        ];
        for (earlier, later, expected) in cases {
            assert!(later.continues(&earlier));
            assert_eq!(later.with_earlier(earlier), expected);
        }
        let (unknown, known) =
            (Acknowledged { senders: None, ..acknowledged(5, 2, &[]) }, acknowledged(9, 5, &[(2, 9)]));
        assert_eq!(known.clone().with_earlier(unknown.clone()), known, "which says nothing of what lies below 5");
        let unknown = Acknowledged { senders: None, ..acknowledged(9, 5, &[]) };
        assert_eq!(unknown.clone().with_earlier(acknowledged(5, 2, &[(1, 5)])), unknown);
    }

    #[test]
    fn too_many_senders_are_not_known() {
        let orders = |numbers: std::ops::Range<usize>| numbers.map(|number| (number, 9)).collect::<Vec<_>>();
        let (earlier, later) = (acknowledged(5, 2, &orders(0..40)), acknowledged(9, 5, &orders(30..94)));
        assert_eq!(later.with_earlier(earlier.clone()).senders, None);
        let as_many = acknowledged(9, 5, &orders(0..64)).with_earlier(earlier);
        assert_eq!(as_many.senders.unwrap().highest.len(), limits::SENDERS_HINTED);
        let mut record = Record::default();
        (0..65).for_each(|number| record.push(Seq(10 + number as u64), sender(number), Seq(10)));
        assert_eq!(record.take(Seq(9), Seq(74)), None);
    }

    #[test]
    fn what_is_forgotten_is_out_of_bounds() {
        let mut record = Record::default();
        (1..=REMEMBERED as u64 + 1).for_each(|seq| record.push(Seq(seq), sender(1), Seq(seq)));
        let half = REMEMBERED as u64 / 2;
        assert_eq!(record.take(Seq(0), Seq(half - 1)), None, "all of it is forgotten");
        let highest = vec![(sender(1), Seq(half + 2))];
        assert_eq!(record.take(Seq(0), Seq(half + 2)), Some(Senders { from: Seq(half), highest }));
    }
}
