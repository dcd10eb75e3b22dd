//! What devices acknowledge, what people have read and when they were seen, on its way to RECEIPTS: the newest of each device and log, of
//! each conversation and of each person; a bounded number at once. What members of groups say is `gathered` by group.

mod gathered;

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

use self::gathered::{Gathered, OfGroup, OfMember};
use crate::{
    clock::Uptime,
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
    /// What members of a group have, and have read.
    Group(OfGroup),
}

impl Report {
    /// Whose it is: a person's, or a group's.
    fn of(&self) -> Peer {
        match self {
            Report::Delivered(Who { user, .. }, _) | Report::Read(Reader { user, .. }, _) | Report::Seen(user, _) => {
                Peer::User(user.clone())
            }
            Report::Group(OfGroup { group, .. }) => Peer::Group(group.clone()),
        }
    }

    /// How many things it says of those that are counted.
    fn count(&self) -> u64 {
        match self {
            Report::Delivered(..) | Report::Read(..) => 1,
            // Of these it is counted alone how many were let go.
            Report::Seen(..) => 0,
            Report::Group(OfGroup { things, .. }) => things.len() as u64,
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
            Report::Group(item) => item.receipt(),
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
    groups: Gathered,
    /// On their way.
    publishing: usize,
}

impl Default for Waiting {
    fn default() -> Waiting {
        let (delivered, read, seen) = (Newest::new(WAITING), Newest::new(WAITING), Newest::new(WAITING));
        Waiting { delivered, read, seen, groups: Gathered::default(), publishing: 0 }
    }
}

impl Waiting {
    /// Gives how many things of it found no room.
    fn put(&mut self, now: Uptime, report: Report) -> u64 {
        let found_room = match report {
            Report::Delivered(who, said) => match who.log.clone() {
                Peer::User(_) => self.delivered.put(who, said),
                Peer::Group(group) => self.groups.put(now, &group, OfMember::Acknowledged(who, said)),
            },
            Report::Read(reader, upto) => match reader.with.peer.clone() {
                Peer::User(_) => self.read.put(reader, upto),
                Peer::Group(group) => self.groups.put(now, &group, OfMember::Read(reader, upto)),
            },
            Report::Seen(user, at) => self.seen.put(user, at),
            Report::Group(OfGroup { group, things }) => {
                let dropped = things.into_iter().filter(|thing| !self.groups.put(now, &group, thing.clone()));
                return dropped.count() as u64;
            }
        };
        u64::from(!found_room)
    }

    /// What people wait for goes first: when somebody was seen is asked once they are gone.
    fn take(&mut self, now: Uptime) -> Option<Report> {
        let read = self.read.take().map(|(reader, upto)| Report::Read(reader, upto));
        let delivered = || self.delivered.take().map(|(who, acknowledged)| Report::Delivered(who, acknowledged));
        let seen = || self.seen.take().map(|(user, at)| Report::Seen(user, at));
        let group = || self.groups.take(now).map(Report::Group);
        let taken = read.or_else(delivered).or_else(group).or_else(seen)?;
        self.publishing += 1;
        Some(taken)
    }

    fn is_empty(&self) -> bool {
        let nothing_waits = self.delivered.is_empty() && self.read.is_empty() && self.seen.is_empty();
        nothing_waits && self.groups.is_empty() && self.publishing == 0
    }
}

impl Reports {
    /// Has one stored.
    pub(crate) fn put(&self, metrics: &Metrics, report: Report) {
        let dropped = dropped(metrics, &report);
        let no_room = self.waiting.lock().put(Uptime::now(), report);
        dropped.inc_by(no_room);
        self.more.notify_one();
    }

    /// Whether all is stored.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.lock().is_empty()
    }

    /// One was stored, or is to be tried again: with those that wait, where there is room by now.
    fn came_back(&self, metrics: &Metrics, report: Report, stored: bool) {
        let mut waiting = self.waiting.lock();
        waiting.publishing -= 1;
        if let Report::Group(item) = &report {
            waiting.groups.done(item);
        }
        let (dropped, count) = (dropped(metrics, &report), report.count());
        if stored {
            metrics.acknowledged.inc_by(count);
        } else {
            let no_room = waiting.put(Uptime::now(), report);
            dropped.inc_by(no_room);
            metrics.acknowledge_retries.inc_by(count.saturating_sub(no_room));
        }
    }

    /// Stores what waits until it is dropped.
    pub(crate) async fn run(&self, directory: &Directory, receipts: &Receipts, metrics: &Metrics, pulse: &Pulse) {
        let mut publishing = FuturesUnordered::new();
        let mut beats = interval(BEAT_EVERY);
        loop {
            pulse.beat();
            while publishing.len() < AT_ONCE {
                let Some(report) = self.waiting.lock().take(Uptime::now()) else { break };
                let of = report.of();
                let shard = directory.shard_of(&of);
                publishing.push(async move {
                    let stored = match &of {
                        Peer::User(user) => receipts.publish(shard, user, &report.receipt()).await,
                        Peer::Group(group) => receipts.publish_group(shard, group, &report.receipt()).await,
                    };
                    if let Err(error) = &stored {
                        tracing::debug!(%error, of = of.as_str(), "what a gateway reports is tried again");
                        sleep(PAUSE).await;
                    }
                    (report, stored.is_ok())
                });
            }
            let due = self.waiting.lock().groups.next_due().filter(|_| publishing.len() < AT_ONCE);
            let due = due.map(|due| Duration::from_millis(due.since(Uptime::now()).0));
            tokio::select! {
                Some((report, stored)) = publishing.next() => self.came_back(metrics, report, stored),
                () = self.more.notified(), if publishing.len() < AT_ONCE => {}
                () = sleep(due.unwrap_or_default()), if due.is_some() => {}
                _ = beats.tick() => {}
            }
        }
    }
}

/// What counts reports of its kind that are let go.
fn dropped<'a>(metrics: &'a Metrics, report: &Report) -> &'a Counter {
    match report {
        Report::Delivered(..) | Report::Read(..) | Report::Group(_) => &metrics.acknowledge_dropped,
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

    /// Puts it there; gives whether there was room.
    fn put(waiting: &mut Waiting, report: Report) -> bool {
        waiting.put(Uptime(0), report) == 0
    }

    fn all(waiting: &mut Waiting) -> Vec<Report> {
        std::iter::from_fn(|| waiting.take(Uptime(0))).collect()
    }

    #[test]
    fn the_newest_of_each_device_is_what_is_stored() {
        let mut waiting = Waiting::default();
        for (name, epoch, seq) in [("alice", 1, 5), ("bob", 1, 1), ("alice", 1, 9), ("alice", 1, 7), ("bob", 2, 1)] {
            assert!(put(&mut waiting, delivered(name, epoch, seq)));
        }
        assert_eq!(all(&mut waiting), [delivered("alice", 1, 9), delivered("bob", 2, 1)]);
        put(&mut waiting, delivered("alice", 1, 12));
        put(&mut waiting, delivered("alice", 1, 9));
        let taken = all(&mut waiting);
        assert_eq!(taken, [delivered("alice", 1, 12)], "a failed older one that comes back does not lower the mark");
    }

    #[test]
    fn connections_of_one_device_wait_apart() {
        let mut waiting = Waiting::default();
        let Report::Delivered(who, acknowledged) = delivered("alice", 1, 3) else { unreachable!() };
        let later = Report::Delivered(Who { opened: Millis(2), ..who }, acknowledged);
        assert!(put(&mut waiting, delivered("alice", 1, 9)) && put(&mut waiting, later.clone()));
        assert_eq!(all(&mut waiting), [delivered("alice", 1, 9), later]);
    }

    #[test]
    fn of_many_reads_of_one_conversation_the_newest_is_stored() {
        let mut waiting = Waiting::default();
        for upto in (0..10_000).chain([7]) {
            put(&mut waiting, read("alice@eu", upto));
        }
        put(&mut waiting, read("carol@eu", 3));
        assert_eq!(all(&mut waiting), [read("alice@eu", 9_999), read("carol@eu", 3)]);
    }

    #[test]
    fn of_each_person_it_is_stored_when_they_were_seen_last_behind_all_else() {
        let mut waiting = Waiting::default();
        let seen = |name, at| Report::Seen(user(name), Millis(at));
        for (name, at) in [("alice", 5), ("bob", 1), ("alice", 9), ("alice", 7)] {
            assert!(put(&mut waiting, seen(name, at)));
        }
        assert!(put(&mut waiting, delivered("alice", 1, 1)) && put(&mut waiting, read("alice", 1)));
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
        let alice = reports.waiting.lock().take(Uptime(0)).unwrap();
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
        let first = reports.waiting.lock().take(Uptime(0)).unwrap();
        reports.came_back(&metrics, first, false);
        assert_eq!(dropped(), (2, 1, 1));
    }
}
