//! The real session, deliver and append cores in a world without time, against everything that can go wrong: see [`dunlin_tests::sim`].
//!
//! `DUNLIN_SIM_SCHEDULES` says how many schedules are run (100,000 take a quarter to half an hour), `DUNLIN_SIM_FIRST` from which seed on,
//! and `DUNLIN_SIM_SEED` replays one and prints what happened in it. So it is of groups: [`groups`].

mod groups;

use dunlin_tests::sim::{self, Plant, Rule};

/// Schedules in an ordinary run.
const SCHEDULES: u64 = 30_000;
/// Schedules within which each planted rule is caught.
const CAUGHT_WITHIN: u64 = 6_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {text:?}")))
}

#[test]
fn no_schedule_breaks_a_promise() {
    if let Some(seed) = number("DUNLIN_SIM_SEED") {
        let (outcome, trace) = sim::replay(seed, None);
        assert!(
            outcome.violation.is_none(),
            "{trace}\n{}",
            outcome.violation.map(|it| it.to_string()).unwrap_or_default()
        );
        return;
    }
    let (first, count) = (number("DUNLIN_SIM_FIRST").unwrap_or(0), number("DUNLIN_SIM_SCHEDULES").unwrap_or(SCHEDULES));
    let (found, events) = sim::search(first..first + count, Rule::ALL, Rule::Panicked, |seed| sim::run(seed, None));
    if let Some((seed, violation)) = found {
        panic!(
            "seed {seed}: {violation}\nto see how: DUNLIN_SIM_SEED={seed} cargo test -p dunlin-tests --test suites no_schedule_breaks_a_promise"
        );
    }
    assert!(events > count * 100, "{count} schedules in which {events} things happened: the world stands still");
}

#[test]
fn a_schedule_is_its_seed() {
    for seed in 0..20 {
        let (first, trace) = sim::replay(seed, None);
        assert_eq!((sim::run(seed, None).events, sim::replay(seed, None).1), (first.events, trace), "seed {seed}");
    }
}

#[test]
fn every_simpler_rule_is_caught() {
    use Plant::*;
    let missed: Vec<String> = Plant::ALL
        .iter()
        .filter_map(|&plant| {
            let breaks: &[Rule] = match plant {
                MessageIdWithoutLog => &[Rule::NotStored],
                PublishesWaitForTheLink | LateWithoutExpectation | NotFoundMeansNotStored | FreshForAMinute => {
                    &[Rule::StoredTwice]
                }
                ErasedWithoutTombstone => &[Rule::Risen],
                RememberedIsStored | RememberedInAnyLog => &[Rule::NotStored],
                RememberedEndIsASequence | RemembersAnotherLog | RemembersEverything => &[Rule::StoredTwice],
                LateExpectsTheEndOfTheRange => &[Rule::Stalled],
                LookEndsWhereAnyReplicaDoes => &[Rule::Overlooked],
                CopyInParallel => &[Rule::WrongOrder],
                AfterReachesDown | EvictionLeavesTheFloor | HoleSaysNothing => &[Rule::Lost],
                MissingOwnEntryIsAGap | HeadBelowSentIsAGap => &[Rule::FalseGap],
                FromTheBeginningAfterAGap => &[Rule::Repeated],
                NothingSeenMissingIsNoGap | AtIsNow | TombstonesCountOnce | SentIsWhatWasQueued | ProofOnce => {
                    &[Rule::Lost]
                }
                NoProofAtZero | OrderByTime | OlderEntryIsAProof | AtAfterTheLossIsFine => &[Rule::Lost],
                PositionIsASequence | HeadIsASequence | NoBoot | CleanStopSparesTheEpoch => {
                    &[Rule::Lost, Rule::NotRepeated]
                }
                LiveEntryIsAHead => &[Rule::Early],
                ReadersClockNamesTheEpoch => &[Rule::FalseEpoch],
                RepeatsSinceTheGap | UnansweredAtTheGapIsFine => &[Rule::NotRepeated],
            };
            let run = |seed| sim::run(seed, Some(plant));
            let caught = sim::search(0..CAUGHT_WITHIN, breaks, Rule::Panicked, run).0;
            caught.is_none().then(|| format!("{plant:?} breaks none of {breaks:?} in {CAUGHT_WITHIN} schedules"))
        })
        .collect();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
