//! When people were last seen here, on its way to RECEIPTS: when their last device left, and now and then while they are connected, so that
//! a gateway that is killed leaves no time behind that is hours old.

use std::{collections::BTreeMap, time::Duration};

use dunlin_nats::Receipts;
use dunlin_schema::{Millis, Shard, UserName, limits, record::Receipt};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{interval, sleep},
};

use crate::{
    clock,
    directory::Directory,
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
};

/// People who may wait; of further ones it is let go when they were seen.
const WAITING: usize = 200_000;
const AT_ONCE: usize = 16;
const PAUSE: Duration = Duration::from_millis(500);

/// When people were seen, and that is not stored yet.
#[derive(Default)]
pub(crate) struct Seen {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    latest: BTreeMap<UserName, Millis>,
    publishing: usize,
}

impl Waiting {
    /// The latest time of each counts. Gives whether there was room.
    fn put(&mut self, user: UserName, at: Millis) -> bool {
        let is_full = self.latest.len() >= WAITING;
        match self.latest.get_mut(&user) {
            Some(latest) => *latest = at.max(*latest),
            None if is_full => return false,
            None => {
                self.latest.insert(user, at);
            }
        }
        true
    }

    fn take(&mut self) -> Option<(UserName, Millis)> {
        let taken = self.latest.pop_first()?;
        self.publishing += 1;
        Some(taken)
    }
}

impl Seen {
    /// Somebody was here just now.
    pub(super) fn now(&self, metrics: &Metrics, user: UserName) {
        self.put(metrics, user, clock::now());
    }

    fn put(&self, metrics: &Metrics, user: UserName, at: Millis) {
        if self.waiting.lock().put(user, at) {
            self.more.notify_one();
        } else {
            metrics.seen_dropped.inc();
        }
    }

    /// Whether all is stored.
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.latest.is_empty() && waiting.publishing == 0
    }

    /// Stores what waits until it is dropped. Those who are here are seen by and by, one shard after the other.
    pub(crate) async fn run(&self, directory: &Directory, receipts: &Receipts, metrics: &Metrics, pulse: &Pulse) {
        let mut shards = directory.shards().collect::<Vec<_>>().into_iter().cycle();
        let each = limits::SEEN_EVERY.0 / directory.shards().count().max(1) as u64;
        let mut looks = interval(Duration::from_millis(each.max(1)));
        // The first look would come at once, when nobody is here.
        looks.reset();
        let mut publishing = FuturesUnordered::new();
        let mut beats = interval(BEAT_EVERY);
        loop {
            pulse.beat();
            while publishing.len() < AT_ONCE {
                let Some((user, at)) = self.waiting.lock().take() else { break };
                let shard = directory.shard_of(&user);
                publishing.push(async move {
                    let is_stored = publish(receipts, shard, &user, at).await;
                    (user, at, is_stored)
                });
            }
            tokio::select! {
                Some((user, at, is_stored)) = publishing.next() => {
                    self.waiting.lock().publishing -= 1;
                    if !is_stored {
                        self.put(metrics, user, at);
                    }
                }
                () = self.more.notified(), if publishing.len() < AT_ONCE => {}
                _ = looks.tick() => {
                    for user in shards.next().map(|shard| directory.people(shard)).unwrap_or_default() {
                        self.now(metrics, user);
                    }
                }
                _ = beats.tick() => {}
            }
        }
    }
}

/// Whether it is stored.
async fn publish(receipts: &Receipts, shard: Shard, user: &UserName, at: Millis) -> bool {
    let stored = receipts.publish(shard, user, &Receipt::Seen { at }).await;
    if let Err(error) = &stored {
        tracing::debug!(%error, %user, "it is tried again to store when somebody was seen");
        sleep(PAUSE).await;
    }
    stored.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_time_of_each_is_what_is_stored_and_what_waits_is_bounded() {
        let user = |name: &str| UserName::new(name).unwrap();
        let mut waiting = Waiting::default();
        for (name, at) in [("alice", 5), ("bob", 1), ("alice", 9), ("alice", 7)] {
            assert!(waiting.put(user(name), Millis(at)));
        }
        assert_eq!(waiting.take(), Some((user("alice"), Millis(9))));
        assert_eq!((waiting.take(), waiting.publishing), (Some((user("bob"), Millis(1))), 2));
        assert_eq!((waiting.take(), waiting.publishing), (None, 2));
        for number in 0..WAITING {
            assert!(waiting.put(user(&number.to_string()), Millis(1)));
        }
        assert!(!waiting.put(user("one-more"), Millis(1)));
        assert!(waiting.put(user("7"), Millis(2)), "who waits already needs no room");
        let (seen, metrics) = (Seen { waiting: Mutex::new(waiting), more: Notify::new() }, Metrics::new());
        seen.now(&metrics, user("one-more"));
        assert_eq!((metrics.seen_dropped.get(), seen.is_empty()), (1, false));
    }
}
