//! How fast things may be said in one group, whoever says them: a group that is busier than its members can read takes its shard's time
//! from all others.
//!
//! Drive it: ask [`Pace::take`] for each thing that is said, with the time.

use dunlin_schema::Millis;

use crate::group_limits::GroupLimits;

/// One group's account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// When it is full again, in microseconds.
    full: u64,
}

impl Pace {
    /// Takes one thing from it. Errors: it is empty, and has one again in so long.
    pub fn take(&mut self, now: Millis, limits: &GroupLimits) -> Result<(), Millis> {
        let now = now.0.saturating_mul(1_000);
        let each = 1_000_000 / u64::from(limits.messages_per_second.clamp(1, 1_000_000));
        let most = each * u64::from(limits.messages_burst.max(1));
        // Of a clock that was put back nobody waits for what is beyond it.
        let full = self.full.clamp(now, now.saturating_add(most)).saturating_add(each);
        let over = full.saturating_sub(now).saturating_sub(most);
        if over > 0 {
            return Err(Millis(over.div_ceil(1_000)));
        }
        self.full = full;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_so_many_a_second() {
        let limits = GroupLimits { messages_per_second: 10, messages_burst: 3 };
        let mut pace = Pace::default();
        for (now, expected) in [
            (5_000, Ok(())),
            (5_000, Ok(())),
            (5_000, Ok(())),
            (5_000, Err(Millis(100))),
            (5_099, Err(Millis(1))),
            (5_100, Ok(())),
            (5_100, Err(Millis(100))),
            (9_000, Ok(())),
            (9_000, Ok(())),
            (9_000, Ok(())),
            (9_000, Err(Millis(100))),
            (1_000, Err(Millis(100))),
            (1_100, Err(Millis(100))),
            (9_100, Ok(())),
        ] {
            assert_eq!(pace.take(Millis(now), &limits), expected, "{now}");
        }
        let none = GroupLimits { messages_per_second: 0, messages_burst: 0 };
        assert_eq!(Pace::default().take(Millis(7), &none), Ok(()), "no group is silenced for ever");
    }
}
