//! How the marks of a pair rise, and those of a reader. Marks only rise within an epoch; in a newer one they begin anew.
//!
//! What a mark passes over is missing below it, apart from the runs of entries that are said to have come: so the first acknowledgement
//! of a device that began in the middle raises the mark, and claims nothing of what was before.

use dunlin_schema::{
    Epoch, Millis, Seq, Span, Spans,
    limits::MARK_CHANGES,
    record::{MarkChange, MarkKind, ReadMark, SentMarks},
};

use super::pace::Merge;

/// What is said of everything that somebody sent to a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raise {
    /// The epoch of that person's log.
    pub epoch: Epoch,
    /// Up to this order it was delivered.
    pub delivered: Option<Seq>,
    /// Up to this order it was read, and so delivered.
    pub read: Option<Seq>,
    /// What of the log a device has, or its person could read.
    pub given: Spans,
}

impl Raise {
    /// It was delivered up to this order to a device that has this run of entries.
    pub fn delivered(epoch: Epoch, order: Seq, run: Span) -> Raise {
        Raise { epoch, delivered: Some(order), read: None, given: Spans::from_iter([run]) }
    }

    /// It was read up to this order by somebody who could read this.
    pub fn read(epoch: Epoch, order: Seq, readable: Span) -> Raise {
        Raise { epoch, delivered: Some(order), read: Some(order), given: Spans::from_iter([readable]) }
    }
}

impl Merge for Raise {
    fn merge(&mut self, other: Raise) {
        if other.epoch > self.epoch {
            *self = other;
        } else if other.epoch == self.epoch {
            self.delivered = self.delivered.max(other.delivered);
            self.read = self.read.max(other.read);
            other.given.iter().for_each(|span| self.given.add(span));
        }
    }
}

/// What must be stored of a pair; `None` when what is stored is as high already.
pub fn risen(stored: &SentMarks, said: &Raise, now: Millis) -> Option<SentMarks> {
    if said.epoch < stored.epoch {
        return None;
    }
    let mut marks = if said.epoch == stored.epoch {
        stored.clone()
    } else {
        SentMarks { epoch: said.epoch, ..SentMarks::default() }
    };
    let passed = marks.delivered.unwrap_or_default();
    // Another worker's clock may be behind.
    let time = marks.changes.last().map_or(now, |last| last.time.max(now));
    let mut rises = false;
    let orders = [(MarkKind::Delivered, said.delivered.max(said.read)), (MarkKind::Read, said.read)];
    for (kind, order) in orders.into_iter().filter_map(|(kind, order)| Some((kind, order?))) {
        let mark = match kind {
            MarkKind::Delivered => &mut marks.delivered,
            MarkKind::Read => &mut marks.read,
        };
        if mark.is_none_or(|mark| order > mark) {
            *mark = Some(order);
            marks.changes.push(MarkChange { time, kind, order });
            rises = true;
        }
    }
    while marks.changes.len() > MARK_CHANGES {
        forget_one(&mut marks.changes);
    }
    let before = marks.missing.clone();
    marks.missing.add(Span { above: passed, upto: marks.delivered.unwrap_or_default() });
    said.given.iter().for_each(|span| marks.missing.remove(span));
    marks.missing.bound();
    (rises || marks.missing != before).then_some(marks)
}

/// Whether the marks say of everything in the span that it was delivered.
pub fn cover(stored: &SentMarks, epoch: Epoch, span: Span) -> bool {
    let reach = stored.epoch == epoch && stored.delivered >= Some(span.upto);
    reach && !stored.missing.iter().any(|missing| missing.overlaps(span))
}

/// Forgets the oldest change that has a newer one of its kind.
fn forget_one(changes: &mut Vec<MarkChange>) {
    let is_followed = |at: &usize| changes[at + 1..].iter().any(|later| later.kind == changes[*at].kind);
    let oldest = (0..changes.len()).find(is_followed).unwrap_or(0);
    changes.remove(oldest);
}

/// What must be stored of a reader who has read up to this order; `None` when what is stored is as high already.
pub fn read_on(stored: &ReadMark, epoch: Epoch, order: Seq, now: Millis) -> Option<ReadMark> {
    let rises = (epoch, order) > (stored.epoch, stored.order);
    rises.then_some(ReadMark { epoch, order, time: now })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(epoch: u64, delivered: u64, read: u64) -> SentMarks {
        let some = |order: u64| (order > 0).then_some(Seq(order));
        SentMarks { epoch: Epoch(epoch), delivered: some(delivered), read: some(read), ..SentMarks::default() }
    }

    fn said(epoch: u64, delivered: u64, read: u64) -> Raise {
        let SentMarks { epoch, delivered, read, .. } = marks(epoch, delivered, read);
        Raise { epoch, delivered, read, given: Spans::from_iter([span(0, 1_000)]) }
    }

    fn span(above: u64, upto: u64) -> Span {
        Span { above: Seq(above), upto: Seq(upto) }
    }

    #[test]
    fn marks_only_rise() {
        let cases = [
            // stored, said, stored then
            (marks(0, 0, 0), said(1, 5, 0), Some(marks(1, 5, 0))),
            (marks(1, 5, 0), said(1, 5, 0), None),
            (marks(1, 5, 0), said(1, 4, 0), None),
            (marks(1, 5, 0), said(1, 6, 0), Some(marks(1, 6, 0))),
            (marks(1, 5, 0), said(1, 0, 3), Some(marks(1, 5, 3))),
            (marks(1, 5, 3), said(1, 0, 9), Some(marks(1, 9, 9))), // what was read was delivered
            (marks(1, 9, 9), said(1, 9, 4), None),
            (marks(1, 9, 9), said(2, 3, 0), Some(marks(2, 3, 0))), // orders begin anew
            (marks(2, 3, 0), said(1, 900, 900), None),
            (marks(2, 3, 0), said(2, 0, 0), None),
        ];
        for (stored, said, expected) in cases {
            let stored_then = risen(&stored, &said, Millis(1)).map(|marks| SentMarks { changes: Vec::new(), ..marks });
            assert_eq!(stored_then, expected, "{stored:?} {said:?}");
        }
        for (stored, epoch, order, rises) in [
            ((0, 0), 1, 5, true),
            ((1, 5), 1, 5, false),
            ((1, 5), 1, 4, false),
            ((1, 5), 2, 1, true),
            ((2, 1), 1, 9, false),
        ] {
            let stored = ReadMark { epoch: Epoch(stored.0), order: Seq(stored.1), time: Millis(1) };
            let expected = rises.then_some(ReadMark { epoch: Epoch(epoch), order: Seq(order), time: Millis(7) });
            assert_eq!(read_on(&stored, Epoch(epoch), Seq(order), Millis(7)), expected, "{stored:?}");
        }
    }

    #[test]
    fn what_a_mark_passes_over_is_missing_until_it_comes() {
        let mut stored = SentMarks::default();
        for (said, mark, missing) in [
            // A first device, live behind 10; then one that has some of what was before, and the rest.
            (Raise::delivered(Epoch(1), Seq(15), span(10, 20)), 15, vec![(0, 10)]),
            (Raise::delivered(Epoch(1), Seq(6), span(2, 8)), 15, vec![(0, 2), (8, 10)]),
            (Raise::delivered(Epoch(1), Seq(15), span(12, 20)), 15, vec![(0, 2), (8, 10)]),
            (Raise::delivered(Epoch(1), Seq(25), span(18, 30)), 25, vec![(0, 2), (8, 10), (15, 18)]),
            (Raise::delivered(Epoch(1), Seq(5), span(0, 17)), 25, vec![(17, 18)]),
            // What was evicted before anybody had it is no more read than delivered.
            (Raise::read(Epoch(1), Seq(50), span(40, 50)), 50, vec![(17, 18), (25, 40)]),
            (Raise::read(Epoch(1), Seq(50), span(17, 50)), 50, vec![]),
            (Raise::delivered(Epoch(2), Seq(4), span(3, 4)), 4, vec![(0, 3)]),
            (Raise::delivered(Epoch(1), Seq(4), span(0, 9)), 4, vec![(0, 3)]),
        ] {
            stored = risen(&stored, &said, Millis(1)).unwrap_or(stored);
            let found: Vec<_> = stored.missing.iter().map(|span| (span.above.0, span.upto.0)).collect();
            assert_eq!((stored.delivered, found), (Some(Seq(mark)), missing), "{said:?}");
            assert_eq!(risen(&stored, &said, Millis(2)), None, "{said:?} once more");
        }
        let covered = |epoch, above, upto| cover(&stored, Epoch(epoch), span(above, upto));
        assert!(covered(2, 3, 4));
        assert!(!covered(2, 2, 4) && !covered(2, 3, 5) && !covered(1, 3, 4));
    }

    #[test]
    fn of_what_is_said_together_the_highest_counts() {
        for (one, other, both) in [
            (said(1, 5, 0), said(1, 3, 2), said(1, 5, 2)),
            (said(1, 900, 900), said(2, 3, 0), said(2, 3, 0)),
            (said(2, 0, 0), said(2, 3, 0), said(2, 3, 0)),
        ] {
            let (mut there, mut back) = (one.clone(), other.clone());
            there.merge(other);
            back.merge(one);
            assert_eq!((there, back), (both.clone(), both));
        }
    }

    #[test]
    fn the_last_changes_are_kept_with_the_newest_of_each_kind() {
        let mut stored =
            risen(&SentMarks::default(), &Raise::read(Epoch(1), Seq(1), span(0, 1)), Millis(1_000)).unwrap();
        for order in 2..200 {
            stored = risen(&stored, &Raise::delivered(Epoch(1), Seq(order), span(0, order)), Millis(order)).unwrap();
            assert!(stored.changes.len() <= MARK_CHANGES);
        }
        let kinds = |kind| stored.changes.iter().filter(move |change| change.kind == kind);
        let read: Vec<_> = kinds(MarkKind::Read).map(|change| (change.order, change.time)).collect();
        assert_eq!(read, [(Seq(1), Millis(1_000))]);
        let delivered: Vec<u64> = kinds(MarkKind::Delivered).map(|change| change.order.0).collect();
        assert_eq!(delivered, (200 - MARK_CHANGES as u64 + 1..200).collect::<Vec<_>>());
        assert!(stored.changes.is_sorted_by_key(|change| change.time), "times do not go back");
        // A newer life of the log forgets the orders of the one before.
        let anew = risen(&stored, &Raise::delivered(Epoch(2), Seq(3), span(0, 3)), Millis(5)).unwrap();
        assert_eq!(anew.changes, [MarkChange { time: Millis(5), kind: MarkKind::Delivered, order: Seq(3) }]);
    }
}
