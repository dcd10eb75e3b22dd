//! Ids that rise, in the server's time.

use dunlin_schema::{MessageId, Millis, limits};

/// Makes ids: each is above the one before.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    last: Option<MessageId>,
}

impl Ids {
    /// A gateway's clock shows `server`.
    pub(crate) fn corrected(&mut self, server: Millis) {
        // After a clock that was far ahead, ids that go on from there would be refused for hours.
        self.last = self.last.filter(|last| last.time().since(server) < Millis(limits::CLOCK_SKEW.0 / 2));
    }

    /// The next id at `time`. `random` gives 80 bits; an id of the same millisecond is the last one + 1.
    pub(crate) fn next(&mut self, time: Millis, random: u128) -> MessageId {
        let next = match self.last {
            Some(last) if last.time() >= time => {
                MessageId::from_bytes(u128::from_be_bytes(last.to_bytes()).wrapping_add(1).to_be_bytes())
            }
            Some(_) | None => MessageId::from_parts(time, random),
        };
        self.last = Some(next);
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_rise_whatever_the_clock_does() {
        let mut ids = Ids::default();
        let made = [(500_000, 5), (500_000, 3), (499_999, 1), (500_007, 0), (500_006, u128::MAX)]
            .map(|(time, random)| ids.next(Millis(time), random));
        assert!(made.is_sorted_by(|a, b| a < b), "{made:?}");
        assert_eq!(made[0].time(), Millis(500_000));
        assert_eq!(made[3].time(), Millis(500_007));
    }

    #[test]
    fn the_last_random_number_of_a_millisecond_is_followed_by_the_next_millisecond() {
        let mut ids = Ids::default();
        let last = ids.next(Millis(7), u128::MAX);
        let next = ids.next(Millis(7), 0);
        assert!(next > last);
        assert_eq!(next.time(), Millis(8));
    }

    #[test]
    fn a_clock_that_was_far_ahead_does_not_spoil_the_ids_after_it() {
        let mut ids = Ids::default();
        let ahead = ids.next(Millis(9_000_000), 1);
        assert_eq!(ahead.time(), Millis(9_000_000));
        ids.corrected(Millis(1_000_000));
        assert_eq!(ids.next(Millis(1_000_010), 1).time(), Millis(1_000_010));
    }
}
