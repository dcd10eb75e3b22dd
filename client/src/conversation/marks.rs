//! How far what one has said has come, in each life of the peer's log: in each of them orders begin anew, and so do marks.

use dunlin_schema::{Millis, Seq, limits};

/// Lives that are told apart: what only older ones had shown is not known any more.
const LIVES: usize = 8;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reached {
    Storage,
    Device,
    Eyes,
}

#[derive(Debug)]
struct Life {
    since: Option<Millis>,
    delivered: Seq,
    read: Seq,
    /// When the marks rose last.
    time: Millis,
}

impl Life {
    fn reached(&self, order: Seq) -> Reached {
        if order <= self.read {
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
    /// Marks of the life that began `since` were raised to this at `time`; what is lower changes nothing.
    pub(super) fn raise(&mut self, since: Option<Millis>, delivered: Option<Seq>, read: Option<Seq>, time: Millis) {
        let known = self.0.iter().position(|life| life.since == since);
        if known.is_none() {
            if self.0.len() == LIVES {
                self.0.remove(0);
            }
            self.0.push(Life { since, delivered: Seq(0), read: Seq(0), time });
        }
        let last = self.0.len() - 1;
        let life = &mut self.0[known.unwrap_or(last)];
        life.read = life.read.max(read.unwrap_or_default());
        life.delivered = life.delivered.max(delivered.unwrap_or_default()).max(life.read);
        life.time = life.time.max(time);
    }

    /// How far the message has come that was accepted at `at` with this order. Marks that last rose before, by more than clocks differ,
    /// are of another message that had the same order in an earlier life.
    pub(super) fn reached(&self, order: Seq, at: Millis) -> Reached {
        let lives = self.0.iter().filter(|life| at <= life.time.plus(limits::CLOCK_SKEW));
        lives.map(|life| life.reached(order)).max().unwrap_or(Reached::Storage)
    }
}
