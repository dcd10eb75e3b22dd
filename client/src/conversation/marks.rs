//! How far what one has said has come, in each life of the peer's log: in each of them orders begin anew, and so do marks.

use dunlin_schema::{Millis, Seq, Spans, limits};

use crate::Receipt;

/// Lives that are told apart: what only older ones had shown is not known any more.
const LIVES: usize = 8;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Storage,
    Device,
    Eyes,
}

#[derive(Debug, Default)]
struct Life {
    since: Option<Millis>,
    delivered: Seq,
    read: Seq,
    missing: Spans,
    /// When the marks rose last.
    time: Millis,
}

impl Life {
    fn reached(&self, order: Seq) -> Reached {
        if self.missing.holds(order) {
            Reached::Storage
        } else if order <= self.read {
            Reached::Eyes
        } else if order <= self.delivered {
            Reached::Device
        } else {
            Reached::Storage
        }
    }
}

/// The marks of the last lives, the one heard of last at the end.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<Life>);

impl Marks {
    /// Takes what is told of a life; what is lower than what was told of it before changes nothing.
    pub(super) fn raise(&mut self, Receipt { delivered, read, time, since, missing, .. }: &Receipt) {
        let known = self.0.iter().position(|life| life.since == *since);
        if known.is_none() {
            if self.0.len() == LIVES {
                self.0.remove(0);
            }
            self.0.push(Life { since: *since, time: *time, ..Life::default() });
        }
        let last = self.0.len() - 1;
        let life = &mut self.0[known.unwrap_or(last)];
        let read = Seq(read.unwrap_or_default());
        let reached = Seq(delivered.unwrap_or_default()).max(read);
        life.read = life.read.max(read);
        if reached >= life.delivered {
            (life.delivered, life.missing) = (reached, missing.clone());
        }
        life.time = life.time.max(*time);
    }

    /// How far the message has come that was accepted at `at` with this order. Marks that last rose before, by more than clocks differ,
    /// are of another message that had the same order in an earlier life.
    pub(super) fn reached(&self, order: Seq, at: Millis) -> Reached {
        let lives = self.0.iter().filter(|life| at <= life.time.plus(limits::CLOCK_SKEW));
        lives.map(|life| life.reached(order)).max().unwrap_or(Reached::Storage)
    }
}
