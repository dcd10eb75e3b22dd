//! What people are in groups, watched: one watch a shard, without a snapshot. What may have been missed is read again.

use dunlin_nats::{Records, Watch, WatchEvent};
use dunlin_schema::{GroupAddress, LogName, RegionName, Shard, subject};
use futures_util::future::join_all;

use crate::{directory::Directory, services::Pulse};

/// Tells the devices here of what their users are in groups, until it is dropped.
pub(crate) async fn run(region: &RegionName, directory: &Directory, records: &Records, pulse: &Pulse) {
    let watches = directory.shards().map(|shard| {
        let changes = records.watch_changes(shard, subject::shard_follows(region, shard));
        watch(shard, directory, changes)
    });
    tokio::join!(join_all(watches), pulse.beats());
}

async fn watch(shard: Shard, directory: &Directory, mut changes: Watch) {
    loop {
        match changes.next().await {
            WatchEvent::Began => {}
            WatchEvent::Complete => directory.any_groups_changed(shard),
            WatchEvent::Record(subject, _) => match subject::parse_follows(&subject) {
                Some((user, group)) => {
                    directory.groups_changed(&user, &LogName::group(GroupAddress { group, region: None }));
                }
                None => tracing::debug!(subject, "a record of a group that nobody is in"),
            },
        }
    }
}
