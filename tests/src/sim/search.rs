//! Many schedules, on as many threads as there are processors.

use std::{
    ops::Range,
    panic,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use super::{Outcome, Violation};

/// Runs the schedules of these seeds until one breaks one of `rules`, of which one is `panicked`. Returns its seed and what must not have
/// been; and how many events there were.
pub fn search<R: Copy + PartialEq + Send + Sync>(
    seeds: Range<u64>,
    rules: &[R],
    panicked: R,
    run: impl Fn(u64) -> Outcome<R> + Sync,
) -> (Option<(u64, Violation<R>)>, u64) {
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, found, events) = (AtomicU64::new(seeds.start), AtomicBool::new(false), AtomicU64::new(0));
    let search = || {
        let mut worst = None;
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if !seeds.contains(&seed) {
                break;
            }
            let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| run(seed))).unwrap_or_else(|_| Outcome {
                violation: Some(Violation { rule: panicked, text: "see above".to_owned() }),
                events: 0,
            });
            events.fetch_add(outcome.events, Ordering::Relaxed);
            if let Some(violation) = outcome.violation.filter(|violation| rules.contains(&violation.rule)) {
                found.store(true, Ordering::Relaxed);
                worst = Some((seed, violation));
            }
        }
        worst
    };
    let worst = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        let found = threads.into_iter().filter_map(|thread| thread.join().expect("panics are caught"));
        found.min_by_key(|(seed, _)| *seed)
    });
    (worst, events.into_inner())
}
