//! The real cores of groups, in a group of a few people: see [`dunlin_tests::sim::groups`].

use dunlin_tests::sim::{
    self,
    groups::{self, Plant, Rule},
};

use super::number;

/// Schedules in an ordinary run.
const SCHEDULES: u64 = 2_500;
/// Schedules within which each planted rule is caught.
const CAUGHT_WITHIN: u64 = 4_000;

#[test]
fn no_schedule_of_a_group_breaks_a_promise() {
    if let Some(seed) = number("DUNLIN_SIM_SEED") {
        let (outcome, trace) = groups::replay(seed, None);
        let text = outcome.violation.as_ref().map(ToString::to_string).unwrap_or_default();
        assert!(outcome.violation.is_none(), "{trace}\n{text}");
        return;
    }
    let (first, count) = (number("DUNLIN_SIM_FIRST").unwrap_or(0), number("DUNLIN_SIM_SCHEDULES").unwrap_or(SCHEDULES));
    let run = |seed| groups::run(seed, None);
    let (found, events) = sim::search(first..first + count, Rule::ALL, Rule::Panicked, run);
    if let Some((seed, violation)) = found {
        panic!(
            "seed {seed}: {violation}\nto see how: DUNLIN_SIM_SEED={seed} cargo test -p dunlin-tests --test suites no_schedule_of_a_group_breaks_a_promise"
        );
    }
    assert!(events > count * 100, "{count} schedules in which {events} things happened: the world stands still");
}

#[test]
fn a_schedule_of_a_group_is_its_seed() {
    for seed in 0..20 {
        let (first, trace) = groups::replay(seed, None);
        let again = (groups::run(seed, None).events, groups::replay(seed, None).1);
        assert_eq!(again, (first.events, trace), "seed {seed}");
    }
}

#[test]
fn every_simpler_rule_of_groups_is_caught() {
    let missed = Plant::ALL.iter().filter(|plant| {
        let run = |seed| groups::run(seed, Some(**plant));
        sim::search(0..CAUGHT_WITHIN, plant.breaks(), Rule::Panicked, run).0.is_none()
    });
    let missed: Vec<_> = missed.map(|plant| format!("{plant:?} breaks none of {:?}", plant.breaks())).collect();
    assert!(missed.is_empty(), "in {CAUGHT_WITHIN} schedules\n{}", missed.join("\n"));
}
