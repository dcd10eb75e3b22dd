//! Ranges of sequences, and sets of them.

use serde::{Deserialize, Serialize};

use crate::{Seq, limits};

/// The sequences above one, up to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Span {
    /// Not this one.
    pub above: Seq,
    /// This one too.
    pub upto: Seq,
}

impl Span {
    /// Whether it has no sequence.
    pub fn is_empty(self) -> bool {
        self.upto <= self.above
    }

    /// Whether it has this one.
    pub fn holds(self, seq: Seq) -> bool {
        self.above < seq && seq <= self.upto
    }

    /// Whether some sequence is in both.
    pub fn overlaps(self, other: Span) -> bool {
        self.above.max(other.above) < self.upto.min(other.upto)
    }

    /// Whether both together are one.
    pub fn meets(self, other: Span) -> bool {
        self.above <= other.upto && other.above <= self.upto
    }

    /// From the lower beginning to the higher end of the two.
    pub fn with(self, other: Span) -> Span {
        Span { above: self.above.min(other.above), upto: self.upto.max(other.upto) }
    }

    /// What the other one has as well.
    pub fn within(self, other: Span) -> Span {
        Span { above: self.above.max(other.above), upto: self.upto.min(other.upto) }
    }

    /// What the other one has not.
    pub fn without(self, other: Span) -> impl Iterator<Item = Span> {
        let below = Span { above: self.above, upto: self.upto.min(other.above) };
        let beyond = Span { above: self.above.max(other.upto), upto: self.upto };
        [below, beyond].into_iter().filter(|span| !span.is_empty())
    }
}

/// A set of sequences: spans in rising order that do not meet. From outside it is taken as it comes, and need not be so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Whether it has no sequence.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|span| span.is_empty())
    }

    /// Whether it has this one.
    pub fn holds(&self, seq: Seq) -> bool {
        self.0.iter().any(|span| span.holds(seq))
    }

    /// Adds what a span has.
    pub fn add(&mut self, mut span: Span) {
        if span.is_empty() {
            return;
        }
        self.0.retain(|known| {
            let apart = !known.meets(span);
            if !apart {
                span = span.with(*known);
            }
            apart
        });
        let at = self.0.partition_point(|known| known.above < span.above);
        self.0.insert(at, span);
    }

    /// Takes out what a span has.
    pub fn remove(&mut self, span: Span) {
        if span.is_empty() {
            return;
        }
        self.0 = self.0.iter().flat_map(|known| known.without(span)).collect();
    }

    /// The spans.
    pub fn iter(&self) -> impl Iterator<Item = Span> {
        self.0.iter().copied()
    }

    /// Has no more than so many spans: the lowest are forgotten.
    pub fn keep_highest(&mut self, most: usize) {
        self.0.drain(..self.0.len().saturating_sub(most));
    }

    /// Has no more than [`limits::MARK_SPANS`] spans, by adding what lies between those that are nearest to each other.
    pub fn bound(&mut self) {
        while self.0.len() > limits::MARK_SPANS {
            let between = |at: &usize| self.0[*at].above.0 - self.0[at - 1].upto.0;
            let Some(at) = (1..self.0.len()).min_by_key(between) else { return };
            self.0[at - 1].upto = self.0[at].upto;
            self.0.remove(at);
        }
    }
}

impl FromIterator<Span> for Spans {
    fn from_iter<I: IntoIterator<Item = Span>>(spans: I) -> Spans {
        let mut set = Spans::default();
        spans.into_iter().for_each(|span| set.add(span));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(above: u64, upto: u64) -> Span {
        Span { above: Seq(above), upto: Seq(upto) }
    }

    fn ends(spans: &Spans) -> Vec<(u64, u64)> {
        spans.iter().map(|span| (span.above.0, span.upto.0)).collect()
    }

    #[test]
    fn a_set_has_what_was_added_and_not_taken_out() {
        let mut set = Spans::default();
        for (is_added, of, expected) in [
            (true, span(5, 5), vec![]),
            (true, span(10, 20), vec![(10, 20)]),
            (true, span(2, 4), vec![(2, 4), (10, 20)]),
            (true, span(4, 6), vec![(2, 6), (10, 20)]),
            (false, span(12, 14), vec![(2, 6), (10, 12), (14, 20)]),
            (false, span(13, 13), vec![(2, 6), (10, 12), (14, 20)]),
            (true, span(5, 14), vec![(2, 20)]),
            (false, span(0, 3), vec![(3, 20)]),
            (false, span(0, 99), vec![]),
        ] {
            if is_added {
                set.add(of)
            } else {
                set.remove(of)
            }
            assert_eq!(ends(&set), expected, "{of:?}");
            for seq in 0..25 {
                let holds = expected.iter().any(|(above, upto)| *above < seq && seq <= *upto);
                assert_eq!(set.holds(Seq(seq)), holds, "{seq} of {expected:?}");
            }
        }
    }

    #[test]
    fn where_there_are_too_many_the_nearest_are_one() {
        let spans = |most: usize| (0..most as u64).map(|at| span(10 * at, 10 * at + 1));
        let mut set = Spans::from_iter(spans(limits::MARK_SPANS).chain([span(105, 106)]));
        set.bound();
        let mut expected = ends(&Spans::from_iter(spans(limits::MARK_SPANS)));
        expected[10] = (100, 106);
        assert_eq!(ends(&set), expected);
    }
}
