//! A circuit breaker, decided without I/O and without a clock: a store that is down is not asked again and again.
//!
//! Drive it: ask [`Breaker::ask`] before each try, and where it lets one through tell [`Breaker::tell`] how that ended. Times are since any
//! fixed moment. A probe that is never told of, because its caller went, holds nobody up: the next one follows when the wait is over.

use std::time::Duration;

/// How many tries in a row have to fail before the circuit opens.
const FAILURES: u32 = 5;

/// How long an open circuit waits for its first probe; each failed one doubles it, up to [`LONGEST`].
const WAIT: Duration = Duration::from_secs(1);

/// The longest time between two probes of an open circuit.
const LONGEST: Duration = Duration::from_secs(30);

/// The circuit to a store.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: State,
    counts: Counts,
}

#[derive(Debug)]
enum State {
    /// All may pass; so many tries in a row have failed.
    Closed { failures: u32 },
    /// None may pass before `until`, and then one: the probe, which moves `until` by `wait`.
    Open { until: Duration, wait: Duration },
}

impl Default for State {
    fn default() -> State {
        State::Closed { failures: 0 }
    }
}

/// What a try is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// One of many through a closed circuit.
    Usual,
    /// The one that finds out whether an open circuit may close.
    Probe,
}

/// What has happened since the beginning, for metrics.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Tries at which the store failed.
    pub failures: u64,
    /// How often the circuit opened.
    pub opened: u64,
    /// What was refused without a try, because the circuit was open.
    pub refused: u64,
}

impl Breaker {
    /// Whether a try may be made at `now`; where not, how long it takes until one may.
    pub(crate) fn ask(&mut self, now: Duration) -> Result<Pass, Duration> {
        match &mut self.state {
            State::Closed { .. } => Ok(Pass::Usual),
            State::Open { until, wait } if *until <= now => {
                *until = now + *wait;
                Ok(Pass::Probe)
            }
            State::Open { until, .. } => {
                self.counts.refused += 1;
                Err(*until - now)
            }
        }
    }

    /// How a try ended: whether the store worked. What was under way when the circuit opened says nothing of how it is now.
    pub(crate) fn tell(&mut self, now: Duration, pass: Pass, worked: bool) {
        self.counts.failures += u64::from(!worked);
        match (&mut self.state, pass, worked) {
            (State::Closed { failures }, _, true) => *failures = 0,
            (State::Closed { failures }, _, false) => {
                *failures += 1;
                if *failures == FAILURES {
                    self.counts.opened += 1;
                    self.state = State::Open { until: now + WAIT, wait: WAIT };
                }
            }
            (State::Open { .. }, Pass::Probe, true) => self.state = State::default(),
            (State::Open { until, wait }, Pass::Probe, false) => {
                *wait = LONGEST.min(*wait * 2);
                *until = now + *wait;
            }
            (State::Open { .. }, Pass::Usual, _) => {}
        }
    }

    /// Whether the circuit is open.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    /// What has happened since the beginning.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert_eq!(breaker.ask(s(0)), Ok(Pass::Usual));
            breaker.tell(s(0), Pass::Usual, false);
        }
        assert!(breaker.is_open());
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row() {
        let mut breaker = Breaker::default();
        for _ in 0..3 * FAILURES {
            breaker.tell(s(0), Pass::Usual, false);
            breaker.tell(s(0), Pass::Usual, true);
        }
        assert!(!breaker.is_open());
        assert_eq!(open().ask(Duration::ZERO), Err(WAIT));
    }

    #[test]
    fn one_probe_finds_out() {
        let mut breaker = open();
        assert_eq!(breaker.ask(s(1)), Ok(Pass::Probe));
        assert_eq!(breaker.ask(s(1)), Err(s(1)), "one at a time");
        breaker.tell(s(1), Pass::Usual, true);
        assert!(breaker.is_open(), "what was under way before says nothing");
        breaker.tell(s(1), Pass::Probe, true);
        assert_eq!(breaker.ask(s(1)), Ok(Pass::Usual));
        assert_eq!(breaker.counts(), Counts { failures: 5, opened: 1, refused: 1 });
    }

    #[test]
    fn the_waits_double_up_to_a_bound() {
        let mut breaker = open();
        let (mut now, mut waits) = (s(0), Vec::new());
        for _ in 0..7 {
            let wait = breaker.ask(now).expect_err("open");
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(breaker.ask(now), Ok(Pass::Probe));
            breaker.tell(now, Pass::Probe, false);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_probe_that_never_ends_holds_nobody_up() {
        let mut breaker = open();
        assert_eq!(breaker.ask(s(1)), Ok(Pass::Probe));
        assert_eq!(breaker.ask(s(2)), Ok(Pass::Probe));
    }
}
