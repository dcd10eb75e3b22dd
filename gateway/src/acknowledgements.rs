//! What devices acknowledge, and users have read, on its way to RECEIPTS: the newest of each device and log, and of each conversation; a
//! bounded number at once.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

use dunlin_nats::Receipts;
use dunlin_schema::{Address, DeviceName, Epoch, Millis, Peer, Seq, Shard, UserName, record::Receipt};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
    session::Acknowledged,
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
    /// Where the run of entries began that is acknowledged: none of another run says anything of this one.
    pub(crate) began: Seq,
}

/// What is the newest of its kind where it waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// What a device has.
    Delivered(Who),
    /// What a user has read of a conversation.
    Read { user: UserName, with: Address },
}

/// What is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Delivered(Acknowledged),
    Read { upto: Seq, epoch: Epoch },
}

impl Said {
    /// What stays of two. Marks only rise: an older one never takes the place of a newer one, and adds what it knows of senders.
    fn with(self, other: Said) -> Said {
        match (self, other) {
            (Said::Delivered(said), Said::Delivered(other)) => {
                let rises = other.cursor.position.above(&said.cursor.position);
                let (earlier, later) = if rises { (said, other) } else { (other, said) };
                Said::Delivered(if later.continues(&earlier) { later.with_earlier(earlier) } else { later })
            }
            (Said::Read { upto, epoch }, Said::Read { upto: other, epoch: of }) => {
                let (epoch, upto) = (epoch, upto).max((of, other));
                Said::Read { upto, epoch }
            }
            (said @ Said::Delivered(_), Said::Read { .. }) | (said @ Said::Read { .. }, Said::Delivered(_)) => said,
        }
    }
}

impl Key {
    fn user(&self) -> &UserName {
        match self {
            Key::Delivered(Who { user, .. }) | Key::Read { user, .. } => user,
        }
    }

    /// The item that says it.
    fn receipt(&self, said: &Said) -> Option<Receipt> {
        match (self.clone(), said.clone()) {
            (Key::Delivered(Who { device, log, opened, .. }), Said::Delivered(Acknowledged { cursor, senders })) => {
                Some(Receipt::Delivered { device, log, cursor, opened, senders })
            }
            (Key::Read { with, .. }, Said::Read { upto, epoch }) => Some(Receipt::Read { with, upto, epoch }),
            (Key::Delivered(_), Said::Read { .. }) | (Key::Read { .. }, Said::Delivered(_)) => None,
        }
    }
}

/// What waits to be stored.
#[derive(Default)]
pub(crate) struct Acknowledgements {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    newest: HashMap<Key, (Shard, Said)>,
    order: VecDeque<Key>,
    /// On their way.
    publishing: usize,
}

impl Waiting {
    /// Gives whether there was room.
    fn put(&mut self, key: Key, shard: Shard, said: Said) -> bool {
        let full = self.newest.len() >= WAITING;
        match self.newest.entry(key) {
            Entry::Occupied(mut waits) => {
                let (_, waiting) = waits.get_mut();
                *waiting = waiting.clone().with(said);
            }
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(free) => {
                self.order.push_back(free.key().clone());
                free.insert((shard, said));
            }
        }
        true
    }

    fn take(&mut self) -> Option<(Key, Shard, Said)> {
        let key = self.order.pop_front()?;
        let (shard, said) = self.newest.remove(&key)?;
        self.publishing += 1;
        Some((key, shard, said))
    }
}

impl Acknowledgements {
    /// A device has everything of a log up to a cursor, or a user has read something. The shard is the user's.
    pub(crate) fn put(&self, metrics: &Metrics, key: Key, shard: Shard, said: Said) {
        if self.waiting.lock().put(key, shard, said) {
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
    fn came_back(&self, metrics: &Metrics, key: Key, shard: Shard, said: Said, stored: bool) {
        let mut waiting = self.waiting.lock();
        waiting.publishing -= 1;
        if stored {
            metrics.acknowledged.inc();
        } else if waiting.put(key, shard, said) {
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
                let Some((key, shard, said)) = self.waiting.lock().take() else { break };
                publishing.push(async move {
                    let Some(receipt) = key.receipt(&said) else { return (key, shard, said, true) };
                    let stored = receipts.publish(shard, key.user(), &receipt).await;
                    if let Err(error) = &stored {
                        tracing::debug!(%error, user = %key.user(), "an acknowledgement is tried again");
                        tokio::time::sleep(PAUSE).await;
                    }
                    (key, shard, said, stored.is_ok())
                });
            }
            tokio::select! {
                Some((key, shard, said, stored)) = publishing.next() => {
                    self.came_back(metrics, key, shard, said, stored);
                }
                () = self.more.notified(), if publishing.len() < AT_ONCE => {}
                _ = beats.tick() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Cursor, Position, StreamTime};

    use super::*;

    fn who(user: &str) -> Key {
        Key::Delivered(connection(user))
    }

    fn connection(user: &str) -> Who {
        let user = UserName::new(user).unwrap();
        let (log, device, opened) = (Peer::User(user.clone()), DeviceName::new("phone").unwrap(), Millis(1));
        Who { user, device, log, opened, began: Seq(0) }
    }

    fn cursor(epoch: u64, seq: u64) -> Said {
        let position = Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(1) };
        Said::Delivered(Acknowledged { cursor: Cursor::of_entry(position), senders: None })
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
        let later = Key::Delivered(Who { opened: Millis(2), ..connection("alice") });
        assert!(waiting.put(who("alice"), Shard(0), cursor(1, 9)));
        assert!(waiting.put(later.clone(), Shard(0), cursor(1, 3)));
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).collect();
        assert_eq!(taken, [(who("alice"), Shard(0), cursor(1, 9)), (later, Shard(0), cursor(1, 3))]);
    }

    #[test]
    fn of_many_reads_of_one_conversation_the_newest_is_stored() {
        let mut waiting = Waiting::default();
        let bob = UserName::new("bob").unwrap();
        let read = |with: &str| Key::Read { user: bob.clone(), with: with.parse().unwrap() };
        for upto in (0..10_000).chain([7]) {
            waiting.put(read("alice@eu"), Shard(0), Said::Read { upto: Seq(upto), epoch: Epoch(1) });
        }
        waiting.put(read("carol@eu"), Shard(0), Said::Read { upto: Seq(3), epoch: Epoch(1) });
        let taken: Vec<_> = std::iter::from_fn(|| waiting.take()).map(|(key, _, said)| (key, said)).collect();
        let said = |upto| Said::Read { upto: Seq(upto), epoch: Epoch(1) };
        assert_eq!(taken, [(read("alice@eu"), said(9_999)), (read("carol@eu"), said(3))]);
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
