//! How much a user may do: one account a user and kind, whatever the number of its devices.

use std::{num::NonZeroU32, time::Duration};

use dunlin_schema::{Millis, UserName};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};

use crate::config::Limits;

type Accounts = RateLimiter<UserName, DefaultKeyedStateStore<UserName>, DefaultClock>;

/// The accounts of all users that did something lately. Accounts that are full again are forgotten: see [`Limiter::run`].
pub(crate) struct Limiter {
    sends: Accounts,
    connects: Accounts,
    clock: DefaultClock,
}

const FORGET_EVERY: Duration = Duration::from_secs(10);

fn accounts(per_second: u32, burst: u32) -> Accounts {
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_second(positive(per_second)).allow_burst(positive(burst)))
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Limiter {
        Limiter {
            sends: accounts(limits.sends_per_second, limits.sends_burst),
            connects: accounts(limits.connects_per_second, limits.connects_burst),
            clock: DefaultClock::default(),
        }
    }

    /// Whether the user may send. Errors: when to try again.
    pub(crate) fn send(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.sends, user)
    }

    /// Whether the user may connect. Errors: when to try again.
    pub(crate) fn connect(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.connects, user)
    }

    fn check(&self, accounts: &Accounts, user: &UserName) -> Result<(), Millis> {
        accounts.check_key(user).map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
        })
    }

    /// Forgets full accounts until it is dropped.
    pub(crate) async fn run(&self) {
        let mut times = tokio::time::interval(FORGET_EVERY);
        loop {
            times.tick().await;
            for accounts in [&self.sends, &self.connects] {
                accounts.retain_recent();
                accounts.shrink_to_fit();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_everyone_waits_for_themselves() {
        let limits = Limits { sends_per_second: 10, sends_burst: 20, ..Limits::default() };
        let limiter = Limiter::new(&limits);
        let [alice, bob] = ["alice", "bob"].map(|name| UserName::new(name).unwrap());
        let passed = (0..50).filter(|_| limiter.send(&alice).is_ok()).count();
        assert!((20..25).contains(&passed), "{passed}");
        let wait = limiter.send(&alice).unwrap_err();
        assert!((1..=101).contains(&wait.0), "{wait:?}");
        assert_eq!(limiter.send(&bob), Ok(()));
        assert_eq!(limiter.connect(&alice), Ok(()), "connecting has its own account");
    }
}
