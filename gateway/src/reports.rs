//! What devices acknowledge, what people have read and when they were seen, on its way to RECEIPTS: the newest of each device and log, of
//! each conversation and of each person; a bounded number at once.

use std::time::Duration;

use dunlin_nats::Receipts;
use dunlin_schema::{Address, DeviceName, Epoch, Millis, Peer, Seq, UserName, record::Receipt};
use futures_util::{StreamExt, stream::FuturesUnordered};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::Notify,
    time::{interval, sleep},
};

use crate::{
    directory::Directory,
    metrics::Metrics,
    newest::{Merge, Newest},
    services::{BEAT_EVERY, Pulse},
    session::Acknowledged,
};

/// Devices, conversations and people that may wait, of each so many. Above it a report is let go: a device may get something again, a
/// client repeats what was read, and somebody is seen again soon.
const WAITING: usize = 200_000;
const AT_ONCE: usize = 64;
const PAUSE: Duration = Duration::from_millis(500);

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

/// Who has read a conversation, and with whom it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Reader {
    pub(crate) user: UserName,
    pub(crate) with: Address,
}

/// Up to where a conversation was read: of two the later one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadUpTo {
    pub(crate) epoch: Epoch,
    pub(crate) upto: Seq,
}

/// One that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// What a device has.
    Delivered(Who, Acknowledged),
    /// What a person has read of a conversation.
    Read(Reader, ReadUpTo),
    /// When a person was here.
    Seen(UserName, Millis),
}

impl Report {
    fn user(&self) -> &UserName {
        match self {
            Report::Delivered(Who { user, .. }, _) | Report::Read(Reader { user, .. }, _) | Report::Seen(user, _) => {
                user
            }
        }
    }

    /// The item that says it.
    fn receipt(&self) -> Receipt {
        match self.clone() {
            Report::Delivered(Who { device, log, opened, .. }, Acknowledged { cursor, senders }) => {
                Receipt::Delivered { device, log, cursor, opened, senders }
            }
            Report::Read(Reader { with, .. }, ReadUpTo { epoch, upto }) => Receipt::Read { with, upto, epoch },
            Report::Seen(_, at) => Receipt::Seen { at },
        }
    }
}

impl Merge for Acknowledged {
    /// Marks only rise: an older one never takes the place of a newer one, and adds what it knows of senders.
    fn with(self, other: Acknowledged) -> Acknowledged {
        let rises = other.cursor.position.above(&self.cursor.position);
        let (earlier, later) = if rises { (self, other) } else { (other, self) };
        if later.continues(&earlier) { later.with_earlier(earlier) } else { later }
    }
}

impl Merge for ReadUpTo {
    fn with(self, other: ReadUpTo) -> ReadUpTo {
        self.max(other)
    }
}

impl Merge for Millis {
    fn with(self, other: Millis) -> Millis {
        self.max(other)
    }
}

/// What waits to be stored.
#[derive(Default)]
pub(crate) struct Reports {
    waiting: Mutex<Waiting>,
    more: Notify,
}

struct Waiting {
    delivered: Newest<Who, Acknowledged>,
    read: Newest<Reader, ReadUpTo>,
    seen: Newest<UserName, Millis>,
    /// On their way.
    publishing: usize,
}

impl Default for Waiting {
    fn default() -> Waiting {
        let (delivered, read, seen) = (Newest::new(WAITING), Newest::new(WAITING), Newest::new(WAITING));
        Waiting { delivered, read, seen, publishing: 0 }
    }
}

impl Waiting {
    /// Gives whether there was room.
    fn put(&mut self, report: Report) -> bool {
        match report {
            Report::Delivered(who, acknowledged) => self.delivered.put(who, acknowledged),
            Report::Read(reader, upto) => self.read.put(reader, upto),
            Report::Seen(user, at) => self.seen.put(user, at),
        }
    }

    /// What people wait for goes first: when somebody was seen is asked once they are gone.
    fn take(&mut self) -> Option<Report> {
        let read = self.read.take().map(|(reader, upto)| Report::Read(reader, upto));
        let delivered = || self.delivered.take().map(|(who, acknowledged)| Report::Delivered(who, acknowledged));
        let seen = || self.seen.take().map(|(user, at)| Report::Seen(user, at));
        let taken = read.or_else(delivered).or_else(seen)?;
        self.publishing += 1;
        Some(taken)
    }

    fn is_empty(&self) -> bool {
        self.delivered.is_empty() && self.read.is_empty() && self.seen.is_empty() && self.publishing == 0
    }
}

impl Reports {
    /// Has one stored.
    pub(crate) fn put(&self, metrics: &Metrics, report: Report) {
        let dropped = dropped(metrics, &report);
        if self.waiting.lock().put(report) {
            self.more.notify_one();
        } else {
            dropped.inc();
        }
    }

    /// Whether all is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// One was stored, or is to be tried again: with those that wait, where there is room by now.
    fn came_back(&self, metrics: &Metrics, report: Report, stored: bool) {
        let mut waiting = self.waiting.lock();
        waiting.publishing -= 1;
        // Of these it is counted alone how many were let go.
        let seen = matches!(report, Report::Seen(..));
        let dropped = dropped(metrics, &report);
        if stored {
            metrics.acknowledged.inc_by(u64::from(!seen));
        } else if waiting.put(report) {
            metrics.acknowledge_retries.inc_by(u64::from(!seen));
        } else {
            dropped.inc();
        }
    }

    /// Stores what waits until it is dropped.
    pub(crate) async fn run(&self, directory: &Directory, receipts: &Receipts, metrics: &Metrics, pulse: &Pulse) {
        let mut publishing = FuturesUnordered::new();
        let mut beats = interval(BEAT_EVERY);
        loop {
            pulse.beat();
            while publishing.len() < AT_ONCE {
                let Some(report) = self.waiting.lock().take() else { break };
                let shard = directory.shard_of(report.user());
                publishing.push(async move {
                    let stored = receipts.publish(shard, report.user(), &report.receipt()).await;
                    if let Err(error) = &stored {
                        tracing::debug!(%error, user = %report.user(), "what a gateway reports is tried again");
                        sleep(PAUSE).await;
                    }
                    (report, stored.is_ok())
                });
            }
            tokio::select! {
                Some((report, stored)) = publishing.next() => self.came_back(metrics, report, stored),
                () = self.more.notified(), if publishing.len() < AT_ONCE => {}
                _ = beats.tick() => {}
            }
        }
    }
}

/// What counts reports of its kind that are let go.
fn dropped<'a>(metrics: &'a Metrics, report: &Report) -> &'a Counter {
    match report {
        Report::Delivered(..) | Report::Read(..) => &metrics.acknowledge_dropped,
        Report::Seen(..) => &metrics.seen_dropped,
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{Cursor, Position, StreamTime};

    use super::*;

    fn user(name: &str) -> UserName {
        UserName::new(name).unwrap()
    }

    fn who(name: &str) -> Who {
        let (user, device) = (user(name), DeviceName::new("phone").unwrap());
        Who { log: Peer::User(user.clone()), user, device, opened: Millis(1), began: Seq(0) }
    }

    fn delivered(name: &str, epoch: u64, seq: u64) -> Report {
        let position = Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(1) };
        Report::Delivered(who(name), Acknowledged { cursor: Cursor::of_entry(position), senders: None })
    }

    fn read(with: &str, upto: u64) -> Report {
        let reader = Reader { user: user("bob"), with: with.parse().unwrap() };
        Report::Read(reader, ReadUpTo { epoch: Epoch(1), upto: Seq(upto) })
    }

    fn all(waiting: &mut Waiting) -> Vec<Report> {
        std::iter::from_fn(|| waiting.take()).collect()
    }

    #[test]
    fn the_newest_of_each_device_is_what_is_stored() {
        let mut waiting = Waiting::default();
        for (name, epoch, seq) in [("alice", 1, 5), ("bob", 1, 1), ("alice", 1, 9), ("alice", 1, 7), ("bob", 2, 1)] {
            assert!(waiting.put(delivered(name, epoch, seq)));
        }
        assert_eq!(all(&mut waiting), [delivered("alice", 1, 9), delivered("bob", 2, 1)]);
        waiting.put(delivered("alice", 1, 12));
        waiting.put(delivered("alice", 1, 9));
        let taken = all(&mut waiting);
        assert_eq!(taken, [delivered("alice", 1, 12)], "a failed older one that comes back does not lower the mark");
    }

    #[test]
    fn connections_of_one_device_wait_apart() {
        let mut waiting = Waiting::default();
        let Report::Delivered(who, acknowledged) = delivered("alice", 1, 3) else { unreachable!() };
        let later = Report::Delivered(Who { opened: Millis(2), ..who }, acknowledged);
        assert!(waiting.put(delivered("alice", 1, 9)) && waiting.put(later.clone()));
        assert_eq!(all(&mut waiting), [delivered("alice", 1, 9), later]);
    }

    #[test]
    fn of_many_reads_of_one_conversation_the_newest_is_stored() {
        let mut waiting = Waiting::default();
        for upto in (0..10_000).chain([7]) {
            waiting.put(read("alice@eu", upto));
        }
        waiting.put(read("carol@eu", 3));
        assert_eq!(all(&mut waiting), [read("alice@eu", 9_999), read("carol@eu", 3)]);
    }

    #[test]
    fn of_each_person_it_is_stored_when_they_were_seen_last_behind_all_else() {
        let mut waiting = Waiting::default();
        let seen = |name, at| Report::Seen(user(name), Millis(at));
        for (name, at) in [("alice", 5), ("bob", 1), ("alice", 9), ("alice", 7)] {
            assert!(waiting.put(seen(name, at)));
        }
        assert!(waiting.put(delivered("alice", 1, 1)) && waiting.put(read("alice", 1)));
        let expected = [read("alice", 1), delivered("alice", 1, 1), seen("alice", 9), seen("bob", 1)];
        assert_eq!(all(&mut waiting), expected);
        assert!(!waiting.is_empty(), "what is on its way is not stored");
    }

    #[test]
    fn one_that_finds_no_room_is_counted_as_dropped() {
        let (reports, metrics) = (Reports::default(), Metrics::new());
        let dropped =
            || (metrics.acknowledge_dropped.get(), metrics.acknowledge_retries.get(), metrics.seen_dropped.get());
        reports.put(&metrics, delivered("alice", 1, 1));
        let alice = reports.waiting.lock().take().unwrap();
        for number in 0..WAITING {
            reports.put(&metrics, delivered(&number.to_string(), 1, 1));
            reports.put(&metrics, Report::Seen(user(&number.to_string()), Millis(1)));
        }
        reports.came_back(&metrics, alice, false);
        assert_eq!(dropped(), (1, 0, 0));
        reports.put(&metrics, delivered("carol", 1, 1));
        assert_eq!(dropped(), (2, 0, 0), "as is a new one");
        reports.put(&metrics, Report::Seen(user("carol"), Millis(1)));
        assert_eq!(dropped(), (2, 0, 1));
        reports.put(&metrics, delivered("7", 1, 2));
        assert_eq!(dropped(), (2, 0, 1), "a device that waits already needs no room");
        let first = reports.waiting.lock().take().unwrap();
        reports.came_back(&metrics, first, false);
        assert_eq!(dropped(), (2, 1, 1));
    }
}
