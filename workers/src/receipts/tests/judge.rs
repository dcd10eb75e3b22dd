//! What must hold of the records of a history.

use dunlin_schema::{Epoch, Seq};

use super::{
    SENDERS, World,
    record::{Key, Record},
};

impl World {
    /// What a record of marks says that nobody did.
    pub(super) fn claims_too_much(&self, key: Key, record: &Record) -> Option<String> {
        let (Key::Sent(sender) | Key::Read(sender)) = key else { return None };
        let (epoch, order, read) = record.height();
        let reads = || self.read.iter().filter(|(of, with, _)| (*of, *with) == (epoch.0, sender));
        let was_read = |order: Seq| reads().any(|(.., span)| order <= span.upto);
        let was_acknowledged = |order: Seq| self.acknowledged.contains(&(epoch.0, sender, order.0));
        let was_said = |order: Seq| was_acknowledged(order) || reads().any(|(.., span)| span.holds(order));
        if !order.is_none_or(|order| was_acknowledged(order) || was_read(order)) || !read.is_none_or(was_read) {
            return Some(format!("nobody said {record:?} of {}", SENDERS[sender]));
        }
        let Record::Sent(marks) = record else { return None };
        if epoch.0 != self.epoch {
            return None;
        }
        let below = (1..=order?.0.min(self.log.len() as u64)).map(Seq);
        let mut theirs = below.filter(|seq| self.log[seq.0 as usize - 1].sender == Some(sender));
        let order = theirs.find(|order| !marks.missing.holds(*order) && !was_said(*order))?;
        Some(format!("nobody said {order:?} of {}, that {record:?} passes over", SENDERS[sender]))
    }

    /// In the end nothing that was said in this epoch is missing, and no mark is lower.
    pub(super) fn is_owed_nothing(&mut self) {
        if self.evicted > 0 {
            // Nobody can tell who had sent what is gone.
            return;
        }
        for (sender, order) in self.came.clone() {
            if let Record::Sent(marks) = self.fetch(Key::Sent(sender)).0
                && marks.missing.holds(Seq(order))
            {
                self.blame(format!("{order} of {} came, and is missing of {marks:?}", SENDERS[sender]));
            }
        }
        for (sender, (acknowledged, read)) in self.owed.clone() {
            let (epoch, delivered, seen) = self.fetch(Key::Sent(sender)).0.height();
            let at_least = |mark: Option<Seq>, owed: u64| owed == 0 || mark >= Some(Seq(owed));
            let own = self.fetch(Key::Read(sender)).0.height();
            let reader = read == 0 || own >= (Epoch(self.epoch), Some(Seq(read)), None);
            if epoch.0 != self.epoch || !at_least(delivered, acknowledged) || !at_least(seen, read) || !reader {
                let marks = (epoch, delivered, seen);
                self.blame(format!(
                    "{}: {acknowledged} and {read} were said, {marks:?} and {own:?} are stored",
                    SENDERS[sender]
                ));
            }
        }
    }
}
