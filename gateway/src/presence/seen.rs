//! Those who are here are seen now and then, so that a gateway that is killed leaves no time behind that is hours old.

use std::time::Duration;

use dunlin_schema::limits;
use tokio::time::interval;

use crate::{
    clock,
    directory::Directory,
    metrics::Metrics,
    reports::{Report, Reports},
    services::{BEAT_EVERY, Pulse},
};

/// Reports those who are here by and by, one shard after the other, until it is dropped.
pub(crate) async fn run(directory: &Directory, reports: &Reports, metrics: &Metrics, pulse: &Pulse) {
    let mut shards = directory.shards().collect::<Vec<_>>().into_iter().cycle();
    let each = limits::SEEN_EVERY.0 / directory.shards().count().max(1) as u64;
    let mut looks = interval(Duration::from_millis(each.max(1)));
    // The first look would come at once, when nobody is here.
    looks.reset();
    let mut beats = interval(BEAT_EVERY);
    loop {
        pulse.beat();
        tokio::select! {
            _ = looks.tick() => {
                for user in shards.next().map(|shard| directory.people(shard)).unwrap_or_default() {
                    reports.put(metrics, Report::Seen(user, clock::now()));
                }
            }
            _ = beats.tick() => {}
        }
    }
}
