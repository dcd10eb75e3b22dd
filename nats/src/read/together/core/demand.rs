//! When reads of a shard are answered together: when those that went alone have lately cost about as much.
//!
//! A read that goes alone makes nats-server step over every entry of the shard between the first and the last that it gives, within a
//! block, and the leader answer two questions where evidence is wanted; read together, each entry of the shard is sent to this process,
//! once.

use std::collections::VecDeque;

use dunlin_schema::{Millis, Seq};

/// What it costs to step over an entry, to send one here, and to have the leader's evidence: CPU of both sides, in nanoseconds, about as
/// profiles with nats-server 2.15.2 show them.
const STEP: u64 = 450;
const SEND: u64 = 12_000;
const EVIDENCE: u64 = 150_000;
/// So many reads that went alone, each of at least this cost, within this time, are a crowd.
const CROWD: usize = 3;
const COSTLY: u64 = 100_000;
const LATELY: Millis = Millis(1_000);
/// How many times as many reads as there were lately are believed to come.
const EXPECTED: u64 = 16;

/// How a read is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::read::together) enum Way {
    /// By a batch of its own.
    Alone,
    /// Out of a window that begins here.
    Together(Seq),
}

/// The reads of a shard, as far as they tell how the next one should go.
#[derive(Debug, Default)]
pub(in crate::read::together) struct Demand {
    lately: VecDeque<SingleRead>,
    window: Option<Seq>,
}

/// A read that went alone.
#[derive(Debug)]
struct SingleRead {
    when: Millis,
    from: Seq,
    cost: u64,
}

impl Demand {
    /// How a read from `from` goes. Where it is the one that finds a crowd, the window is considered open from here on.
    pub(in crate::read::together) fn way(&mut self, now: Millis, from: Seq) -> Way {
        if let Some(open) = self.window {
            return if open <= from { Way::Together(open) } else { Way::Alone };
        }
        self.forget(now);
        let lowest = self.lately.iter().map(|read| read.from).min();
        match lowest {
            Some(lowest) if self.lately.len() >= CROWD => {
                let lowest = lowest.min(from);
                self.window = Some(lowest);
                Way::Together(lowest)
            }
            Some(_) | None => Way::Alone,
        }
    }

    /// A read from `from` went alone, over so many entries of the shard, and perhaps wants evidence.
    pub(in crate::read::together) fn went_alone(&mut self, now: Millis, from: Seq, steps: u64, evidence: bool) {
        let cost = steps.saturating_mul(STEP) + if evidence { EVIDENCE } else { 0 };
        if cost < COSTLY {
            return;
        }
        self.forget(now);
        self.lately.push_back(SingleRead { when: now, from, cost });
        // Lower than the window: in time it is worth one that begins lower.
        if self.window.is_some() && self.lately.iter().filter(|read| self.window > Some(read.from)).count() >= CROWD {
            self.window = None;
        }
    }

    /// Whether a window that will hold so many entries is worth it.
    pub(in crate::read::together) fn is_worth(&self, entries: u64) -> bool {
        let alone: u64 = self.lately.iter().map(|read| read.cost).sum();
        entries.saturating_mul(SEND) <= alone.saturating_mul(EXPECTED)
    }

    /// The window is gone: what comes goes alone until there is a crowd again.
    pub(in crate::read::together) fn close(&mut self) {
        self.window = None;
        self.lately.clear();
    }

    fn forget(&mut self, now: Millis) {
        let old = self.lately.iter().take_while(|read| now.since(read.when) > LATELY).count();
        self.lately.drain(..old.max(self.lately.len().saturating_sub(4 * CROWD)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(reads: &[(u64, u64, u64)]) -> Demand {
        let mut demand = Demand::default();
        for (when, from, steps) in reads {
            assert_eq!(demand.way(Millis(*when), Seq(*from)), Way::Alone);
            demand.went_alone(Millis(*when), Seq(*from), *steps, false);
        }
        demand
    }

    #[test]
    fn a_crowd_is_three_costly_reads_within_a_second() {
        let far = 10_000;
        for (reads, way) in [
            (vec![(0, 5, far), (1, 6, far)], Way::Alone),
            (vec![(0, 5, far), (1, 6, far), (2, 7, far)], Way::Together(Seq(5))),
            (vec![(0, 50, far), (1, 60, far), (2, 70, far)], Way::Together(Seq(20))),
            (vec![(0, 5, far), (1, 6, far), (2, 7, 200)], Way::Alone),
        ] {
            assert_eq!(demand(&reads).way(Millis(900), Seq(20)), way, "{reads:?}");
        }
        assert_eq!(demand(&[(0, 5, far), (1, 6, far), (2, 7, far)]).way(Millis(1_002), Seq(20)), Way::Alone);
    }

    #[test]
    fn reads_that_want_evidence_are_costly_however_little_they_step_over() {
        let mut demand = Demand::default();
        for from in [5, 6, 7] {
            demand.went_alone(Millis(0), Seq(from), 0, true);
        }
        assert!(demand.is_worth(100) && !demand.is_worth(1_000));
        assert_eq!(demand.way(Millis(1), Seq(9)), Way::Together(Seq(5)));
    }

    #[test]
    fn a_window_serves_who_is_not_below_it_until_it_is_closed() {
        let mut demand = demand(&[(0, 5, 10_000), (1, 6, 10_000), (2, 7, 10_000)]);
        assert_eq!(demand.way(Millis(3), Seq(8)), Way::Together(Seq(5)));
        assert_eq!(demand.way(Millis(9_000), Seq(5)), Way::Together(Seq(5)));
        assert_eq!(demand.way(Millis(9_000), Seq(4)), Way::Alone);
        demand.close();
        assert_eq!(demand.way(Millis(9_000), Seq(8)), Way::Alone);
    }

    #[test]
    fn a_crowd_below_the_window_opens_a_lower_one() {
        let mut demand = demand(&[(0, 50, 10_000), (1, 60, 10_000), (2, 70, 10_000)]);
        assert_eq!(demand.way(Millis(3), Seq(80)), Way::Together(Seq(50)));
        for from in [10, 12, 11] {
            assert_eq!(demand.way(Millis(4), Seq(from)), Way::Alone);
            demand.went_alone(Millis(4), Seq(from), 20_000, false);
        }
        assert_eq!(demand.way(Millis(5), Seq(30)), Way::Together(Seq(10)));
    }

    #[test]
    fn a_window_is_worth_it_where_reads_step_over_much() {
        let dense = demand(&[(0, 5, 10_000), (1, 6, 10_000), (2, 7, 10_000)]);
        assert!(dense.is_worth(10_000) && !dense.is_worth(20_000));
        let sparse = demand(&[(0, 5, 1_000), (1, 6, 1_000), (2, 7, 1_000)]);
        assert!(!sparse.is_worth(10_000));
    }
}
