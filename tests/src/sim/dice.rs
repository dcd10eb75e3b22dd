//! The schedule's only source of chance: the same seed gives the same schedule.

use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Seeded chance.
#[derive(Debug)]
pub(crate) struct Dice(SmallRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(SmallRng::seed_from_u64(seed))
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        if low >= high { low } else { self.0.random_range(low..=high) }
    }

    /// An index below `count`, which is at least 1.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// Whether something happens that does so `per_mille` times in a thousand. Nothing is drawn for what never happens.
    pub(crate) fn chance(&mut self, per_mille: u32) -> bool {
        per_mille > 0 && self.0.random_range(0..1_000) < per_mille
    }

    /// 128 random bits.
    pub(crate) fn bits(&mut self) -> u128 {
        self.0.random()
    }

    /// One of `choices`, each as likely as its weight says. The weights are not all 0.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(u32, T)]) -> T {
        let total: u32 = choices.iter().map(|choice| choice.0).sum();
        let mut drawn = self.0.random_range(0..total);
        for &(weight, choice) in choices {
            if drawn < weight {
                return choice;
            }
            drawn -= weight;
        }
        unreachable!("the draw is below the sum of the weights")
    }
}
