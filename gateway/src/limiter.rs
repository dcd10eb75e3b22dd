//! How much a user may do: one account a user and kind, whatever the number of its devices.

use std::{num::NonZeroU32, time::Duration};

use dunlin_schema::{Millis, UserName, limits};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    state::keyed::DefaultKeyedStateStore,
};

use crate::{
    config::Limits,
    services::{BEAT_EVERY, Pulse},
};

type Accounts = RateLimiter<UserName, DefaultKeyedStateStore<UserName>, DefaultClock>;

/// The accounts of all users that did something lately. Accounts that are full again are forgotten: see [`Limiter::run`].
pub(crate) struct Limiter {
    sends: Accounts,
    connects: Accounts,
    asks: Accounts,
    signals: Accounts,
    reads: Accounts,
    groups: Accounts,
    added: Accounts,
    /// As how many a costly send counts: never more than an account holds.
    late: NonZeroU32,
    clock: DefaultClock,
}

const FORGET_EVERY: Duration = Duration::from_secs(10);

fn positive(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn accounts(per_second: u32, burst: u32) -> Accounts {
    RateLimiter::keyed(Quota::per_second(positive(per_second)).allow_burst(positive(burst)))
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Limiter {
        Limiter {
            sends: accounts(limits.sends_per_second, limits.sends_burst),
            connects: accounts(limits.connects_per_second, limits.connects_burst),
            asks: accounts(limits::ASKS_PER_SECOND, limits::ASKS_BURST),
            signals: accounts(limits::SIGNALS_PER_SECOND, limits::SIGNALS_BURST),
            reads: accounts(limits::READS_PER_SECOND, limits::READS_BURST),
            groups: accounts(limits::GROUPS_MADE_PER_SECOND, limits::GROUPS_MADE_BURST),
            added: accounts(limits::ADDED_PER_SECOND, limits::ADDED_BURST),
            late: positive(limits::LATE_SEND_COUNTS.min(limits.sends_burst)),
            clock: DefaultClock::default(),
        }
    }

    /// Whether the user may send something, which may be costly: see [`crate::sending::is_costly`]. Errors: when to try again.
    pub(crate) fn send(&self, user: &UserName, costly: bool) -> Result<(), Millis> {
        let count = if costly { self.late } else { NonZeroU32::MIN };
        self.check(&self.sends, user, count).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    /// Whether the user may connect. Errors: when to try again.
    pub(crate) fn connect(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.connects, user, NonZeroU32::MIN)
    }

    /// Whether the user may ask something. An account of its own: whoever asks much can still send, and the other way round. Errors: when
    /// to try again.
    pub(crate) fn ask(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.asks, user, NonZeroU32::MIN).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    /// Whether the user may tell somebody a signal. Errors: when to try again.
    pub(crate) fn signal(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.signals, user, NonZeroU32::MIN).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    /// Whether the user may say what was read. Errors: when to try again.
    pub(crate) fn read(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.reads, user, NonZeroU32::MIN).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    /// Whether the user may make a group. Errors: when to try again.
    pub(crate) fn make_group(&self, user: &UserName) -> Result<(), Millis> {
        self.check(&self.groups, user, NonZeroU32::MIN).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    /// Whether the user may add so many people to groups: one command names no more than an account holds. Errors: when to try again.
    pub(crate) fn add(&self, user: &UserName, people: usize) -> Result<(), Millis> {
        let people = positive(u32::try_from(people).unwrap_or(u32::MAX).min(limits::ADDED_BURST));
        self.check(&self.added, user, people).map_err(|wait| wait.max(limits::SHARE_RETRY_AFTER))
    }

    fn check(&self, accounts: &Accounts, user: &UserName, count: NonZeroU32) -> Result<(), Millis> {
        let checked = accounts.check_key_n(user, count).expect("no count is above what an account holds");
        checked.map_err(|until| {
            let wait = until.wait_time_from(self.clock.now());
            Millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1))
        })
    }

    /// Forgets full accounts until it is dropped.
    pub(crate) async fn run(&self, pulse: &Pulse) {
        let mut times = tokio::time::interval(FORGET_EVERY);
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            pulse.beat();
            tokio::select! {
                _ = times.tick() => {}
                _ = beats.tick() => continue,
            }
            let Limiter { sends, connects, asks, signals, reads, groups, added, late: _, clock: _ } = self;
            for accounts in [sends, connects, asks, signals, reads, groups, added] {
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
        let passed = (0..50).filter(|_| limiter.send(&alice, false).is_ok()).count();
        assert!((20..25).contains(&passed), "{passed}");
        assert_eq!(limiter.send(&alice, false), Err(limits::SHARE_RETRY_AFTER), "though there is room before");
        assert_eq!(limiter.send(&bob, false), Ok(()));
        assert_eq!(limiter.connect(&alice), Ok(()), "connecting has its own account");
        let asked = (0..2 * limits::ASKS_BURST).filter(|_| limiter.ask(&alice).is_ok()).count();
        assert!((limits::ASKS_BURST as usize..).contains(&asked), "and so has asking: {asked}");
        assert_eq!(limiter.ask(&alice), Err(limits::SHARE_RETRY_AFTER));
    }

    #[test]
    fn groups_and_whom_one_adds_have_accounts_of_their_own() {
        let limiter = Limiter::new(&Limits::default());
        let alice = UserName::new("alice").unwrap();
        let made = (0..2 * limits::GROUPS_MADE_BURST).filter(|_| limiter.make_group(&alice).is_ok()).count();
        assert!((limits::GROUPS_MADE_BURST as usize..).contains(&made), "{made}");
        assert_eq!(limiter.make_group(&alice), Err(limits::SHARE_RETRY_AFTER));
        let commands = (0..1_000).filter(|_| limiter.add(&alice, limits::GROUP_USERS).is_ok()).count();
        assert!((78..100).contains(&commands), "{commands}");
        assert_eq!(limiter.add(&alice, limits::GROUP_USERS), Err(limits::SHARE_RETRY_AFTER));
        assert_eq!((limiter.send(&alice, true), limiter.ask(&alice)), (Ok(()), Ok(())));
    }

    #[test]
    fn what_is_costly_counts_for_more_and_never_for_too_much() {
        let name = |name: &str| UserName::new(name).unwrap();
        for (burst, costly, expected) in [(50, false, 50), (50, true, 5), (5, true, 1)] {
            let limits = Limits { sends_per_second: 1, sends_burst: burst, ..Limits::default() };
            let limiter = Limiter::new(&limits);
            let passed = (0..100).filter(|_| limiter.send(&name("alice"), costly).is_ok()).count();
            assert_eq!(passed, expected, "of {burst}, costly: {costly}");
        }
    }
}
