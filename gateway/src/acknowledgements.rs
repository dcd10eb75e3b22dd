//! What devices acknowledge, on its way to RECEIPTS: the newest of each device and log, a bounded number at once.

use std::collections::{HashMap, VecDeque};

use dunlin_nats::Receipts;
use dunlin_schema::{Cursor, DeviceName, Millis, Peer, Shard, UserName, record::Receipt};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
};

/// Devices that may wait. Above it an acknowledgement is let go: its device may get something again.
const WAITING: usize = 200_000;
const AT_ONCE: usize = 64;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Whose acknowledgement, of which log, and over which connection: a device may be removed between two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub(crate) user: UserName,
    pub(crate) device: DeviceName,
    /// The log's owner.
    pub(crate) log: Peer,
    /// When the connection was opened.
    pub(crate) opened: Millis,
}

/// What waits to be stored.
#[derive(Default)]
pub(crate) struct Acknowledgements {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    newest: HashMap<Who, (Shard, Cursor)>,
    order: VecDeque<Who>,
    /// On their way.
    publishing: usize,
}

impl Waiting {
    /// Marks only rise: an older cursor never takes the place of a newer one. Gives whether there was room.
    fn put(&mut self, who: Who, shard: Shard, cursor: Cursor) -> bool {
        let full = self.newest.len() >= WAITING;
        match self.newest.get_mut(&who) {
            Some((_, waiting)) if cursor.position.above(&waiting.position) => *waiting = cursor,
            Some(_) => {}
            None if full => return false,
            None => {
                self.order.push_back(who.clone());
                self.newest.insert(who, (shard, cursor));
            }
        }
        true
    }

    fn take(&mut self) -> Option<(Who, Shard, Cursor)> {
        let who = self.order.pop_front()?;
        let (shard, cursor) = self.newest.remove(&who)?;
        self.publishing += 1;
        Some((who, shard, cursor))
    }
}

impl Acknowledgements {
    /// A device has everything of a log up to the cursor. The shard is the user's.
    pub(crate) fn put(&self, metrics: &Metrics, who: Who, shard: Shard, cursor: Cursor) {
        if self.waiting.lock().put(who, shard, cursor) {
            self.more.notify_one();
        } else {
            metrics.acknowledge_dropped.inc();
        }
    }

    /// Whether all is stored.
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.waiting.lock();
        waiting.newest.is_empty() && waiting.publishing == 0
    }

    /// An acknowledgement was stored, or is to be tried again: with those that wait, where there is room by now.
    fn came_back(&self, metrics: &Metrics, who: Who, shard: Shard, cursor: Cursor, stored: bool) {
        let mut waiting = self.waiting.lock();
        waiting.publishing -= 1;
        if stored {
            metrics.acknowledged.inc();
        } else if waiting.put(who, shard, cursor) {
            metrics.acknowledge_retries.inc();
        } else {
            metrics.acknowledge_dropped.inc();
        }
    }

    /// Stores what waits until it is dropped.
    pub(crate) async fn run(&self, receipts: &Receipts, metrics: &Metrics, pulse: &Pulse) {
        let mut publishing = FuturesUnordered::new();
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            pulse.beat();
            while publishing.len() < AT_ONCE {
                let Some((who, shard, cursor)) = self.waiting.lock().take() else { break };
                publishing.push(async move {
                    let Who { device, log, opened, .. } = who.clone();
                    let receipt = Receipt::Delivered { device, log, cursor, opened, senders: None };
                    let stored = receipts.publish(shard, &who.user, &receipt).await;
                    if let Err(error) = &stored {
                        tracing::debug!(%error, user = %who.user, "an acknowledgement is tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                    (who, shard, cursor, stored.is_ok())
                });
            }
            tokio::select! {
                Some((who, shard, cursor, stored)) = publishing.next() => {
                    self.came_back(metrics, who, shard, cursor, stored);
                }
                () = self.more.notified(), if publishing.len() < AT_ONCE => {}
                _ = beats.tick() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Epoch, Position, Seq, StreamTime};

    use super::*;

    fn who(user: &str) -> Who {
        let user = UserName::new(user).unwrap();
        let (log, device, opened) = (Peer::User(user.clone()), DeviceName::new("phone").unwrap(), Millis(1));
        Who { user, device, log, opened }
    }

    fn cursor(epoch: u64, seq: u64) -> Cursor {
        Cursor {
            position: Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(1) },
            at: Millis(1),
            began: Seq(0),
        }
    }

    #[test]
    fn the_newest_of_each_device_is_what_is_stored() {
        let mut waiting = Waiting::default();
        for (user, epoch, seq) in [("alice", 1, 5), ("bob", 1, 1), ("alice", 1, 9), ("alice", 1, 7), ("bob", 2, 1)] {
            assert!(waiting.put(who(user), Shard(0), cursor(epoch, seq)));
        }
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).collect();
        let expected = [(who("alice"), Shard(0), cursor(1, 9)), (who("bob"), Shard(0), cursor(2, 1))];
        assert_eq!(taken, expected);
        waiting.put(who("alice"), Shard(0), cursor(1, 12));
        waiting.put(who("alice"), Shard(0), cursor(1, 9));
        assert_eq!(
            waiting.take().unwrap().2,
            cursor(1, 12),
            "a failed older one that comes back does not lower the mark"
        );
    }

    #[test]
    fn connections_of_one_device_wait_apart() {
        let mut waiting = Waiting::default();
        let later = Who { opened: Millis(2), ..who("alice") };
        assert!(waiting.put(who("alice"), Shard(0), cursor(1, 9)));
        assert!(waiting.put(later.clone(), Shard(0), cursor(1, 3)));
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).collect();
        assert_eq!(taken, [(who("alice"), Shard(0), cursor(1, 9)), (later, Shard(0), cursor(1, 3))]);
    }

    #[test]
    fn one_that_finds_no_room_is_counted_as_dropped() {
        let (acknowledgements, metrics) = (Acknowledgements::default(), Metrics::new());
        acknowledgements.put(&metrics, who("alice"), Shard(0), cursor(1, 1));
        let (alice, shard, mark) = acknowledgements.waiting.lock().take().unwrap();
        for user in 0..WAITING {
            acknowledgements.put(&metrics, who(&user.to_string()), Shard(0), cursor(1, 1));
        }
        acknowledgements.came_back(&metrics, alice, shard, mark, false);
        assert_eq!((metrics.acknowledge_dropped.get(), metrics.acknowledge_retries.get()), (1, 0));
        acknowledgements.put(&metrics, who("carol"), Shard(0), cursor(1, 1));
        assert_eq!(metrics.acknowledge_dropped.get(), 2, "as is a new one");
        let (first, shard, mark) = acknowledgements.waiting.lock().take().unwrap();
        acknowledgements.came_back(&metrics, first, shard, mark, false);
        assert_eq!((metrics.acknowledge_dropped.get(), metrics.acknowledge_retries.get()), (2, 1));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut waiting = Waiting::default();
        for user in 0..WAITING {
            assert!(waiting.put(who(&user.to_string()), Shard(0), cursor(1, 1)));
        }
        assert!(!waiting.put(who("one-more"), Shard(0), cursor(1, 1)));
        assert!(waiting.put(who("7"), Shard(0), cursor(1, 2)), "a device that waits already needs no room");
    }
}
