//! A test by random histories, with a model to hold the results against: whatever the role's core writes of acknowledgements and read
//! marks is held against a list of all that was said. Two workers that take the same items in any order and write beside each other, each
//! with what it remembers, crashes and takeovers between two writes, items that come again, acknowledgements that are lost on their way,
//! power losses that take back the log and STATE.
//!
//! Each [`Plant`] is a simpler rule in the place of one of the core's, or of the order in which its decisions are carried out; the same
//! histories show that it breaks.

mod judge;
mod op;
mod plant;
mod record;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use dunlin_schema::{
    Cursor, Epoch, Millis, Position, RegionName, Sender, Seq, Span, Spans, StreamTime, UserName, record::Senders,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestError, TestRunner},
};

use self::{
    op::{Op, op},
    plant::Plant,
    record::{Change, Key, Record},
};
use super::core::{
    claims::{Claims, Highest, Known, Unread},
    is_higher,
    marks::{Raise, cover},
    pace::Merge,
};

const SENDERS: [&str; 2] = ["alice", "carol"];
const DEVICES: usize = 2;
const WORKERS: usize = 2;

#[derive(Clone, Debug)]
enum Item {
    Delivered { device: usize, cursor: Cursor, claims: Claims },
    Read { with: usize, upto: Seq, epoch: Epoch },
}

/// What a worker has taken of one lane.
#[derive(Clone, Debug)]
struct Job {
    item: Item,
    ids: Vec<usize>,
    /// What is to be written, in this order; `None` until what is stored was looked at.
    writes: Option<VecDeque<(Key, Change)>>,
    /// What the first of them is to be made of.
    loaded: Option<(Record, u64)>,
    /// Whether that is what STATE said.
    is_sure: bool,
}

#[derive(Default)]
struct Worker {
    jobs: Vec<Job>,
    remembered: HashMap<Key, (Record, u64)>,
}

#[derive(Clone, Copy)]
struct Stored {
    /// `None` where bob sent it himself.
    sender: Option<usize>,
    time: u64,
}

/// A device, and the run of entries that it is given.
#[derive(Clone, Copy, Default)]
struct Device {
    began: u64,
    given: u64,
    /// Where its session began, or up to where it acknowledged over it.
    acknowledged: u64,
}

struct World {
    plant: Option<Plant>,
    log: Vec<Stored>,
    /// Up to here the log's entries were dropped to make room.
    evicted: u64,
    clock: u64,
    epoch: u64,
    writes: Vec<(Key, Record)>,
    state: HashMap<Key, (Record, u64)>,
    devices: [Device; DEVICES],
    queue: BTreeMap<usize, Item>,
    items: usize,
    workers: [Worker; WORKERS],
    /// What devices acknowledged: sender and order, by epoch.
    acknowledged: BTreeSet<(u64, usize, u64)>,
    /// What people said to have read, by epoch and sender: above what, and up to where.
    read: Vec<(u64, usize, Span)>,
    /// What is owed in this epoch, by sender: an order that was acknowledged, and one that was read.
    owed: BTreeMap<usize, (u64, u64)>,
    /// What came to devices in this epoch, sender and order, and was said on a way on which nothing was lost.
    came: BTreeSet<(usize, u64)>,
    broken: Option<String>,
}

fn region() -> RegionName {
    "local".parse().unwrap()
}

fn name(sender: usize) -> UserName {
    SENDERS[sender].parse().unwrap()
}

fn number(name: &UserName) -> usize {
    SENDERS.iter().position(|sender| *sender == name.as_str()).unwrap()
}

impl World {
    fn new(plant: Option<Plant>) -> World {
        World {
            plant,
            log: vec![],
            evicted: 0,
            clock: 1,
            epoch: 1,
            writes: vec![],
            state: HashMap::new(),
            devices: Default::default(),
            queue: BTreeMap::new(),
            items: 0,
            workers: Default::default(),
            acknowledged: BTreeSet::new(),
            read: vec![],
            owed: BTreeMap::new(),
            came: BTreeSet::new(),
            broken: None,
        }
    }

    fn is(&self, plant: Plant) -> bool {
        self.plant == Some(plant)
    }

    fn blame(&mut self, why: String) {
        self.broken.get_or_insert(why);
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Store(sender) => {
                self.clock += 1;
                self.log.push(Stored { sender: (sender < SENDERS.len()).then_some(sender), time: self.clock });
            }
            Op::Connect(device, how) => self.connect(device, how),
            Op::Give(device, count) => {
                let Device { began, given, .. } = &mut self.devices[device];
                if *given < self.evicted {
                    // A gap.
                    (*began, *given) = (self.evicted, self.evicted);
                }
                *given = (*given + u64::from(count)).min(self.log.len() as u64);
            }
            Op::Evict(count) => self.evicted = (self.evicted + u64::from(count)).min(self.log.len() as u64),
            Op::Acknowledge { device, less, hint, lost } => self.acknowledge(device, less.into(), hint, lost),
            Op::Read(with, upto) => self.reads(with, upto),
            Op::Take(worker, item) => self.take(worker, item.into()),
            Op::Step(worker, job) => {
                let jobs = self.workers[worker].jobs.len();
                if jobs > 0 {
                    self.step(worker, usize::from(job) % jobs);
                }
            }
            Op::Crash(worker) => self.workers[worker] = Worker::default(),
            Op::PowerLoss(log, state) => self.lose_power(log.into(), state.into()),
        }
    }

    fn connect(&mut self, device: usize, how: u8) {
        let end = self.log.len() as u64;
        let before = self.devices[device];
        let (began, given) = match how {
            0 => (end, end),
            1 => (self.evicted, self.evicted),
            _ => (before.began, before.given),
        };
        self.devices[device] = Device { began, given, acknowledged: given };
    }

    fn acknowledge(&mut self, device: usize, less: u64, hint: Option<u8>, lost: bool) {
        let Device { began, given, acknowledged } = self.devices[device];
        let upto = given.saturating_sub(less);
        if upto <= began {
            return;
        }
        let entries = |above: u64| (above + 1..=upto).filter_map(|seq| Some((self.log[seq as usize - 1].sender?, seq)));
        let said: Vec<_> = entries(began).collect();
        let hint = hint.map(|more| acknowledged.max(began) + u64::from(more)).filter(|from| *from <= upto);
        let senders = hint.map(|from| {
            let highest: BTreeMap<_, _> = entries(from).collect();
            let of = |(sender, order)| (Sender { user: name(sender), region: region() }, Seq(order));
            let from = if self.is(Plant::HintsWithoutBounds) { began } else { from };
            Senders { from: Seq(from), highest: highest.into_iter().map(of).collect() }
        });
        let time = StreamTime(self.log[upto as usize - 1].time);
        let position = Position { epoch: Epoch(self.epoch), seq: Seq(upto), time };
        let cursor = Cursor { position, at: Millis(time.0), began: Seq(began) };
        let said_to_cover = match self.plant {
            Some(Plant::CoversAllBelow) => Cursor { began: Seq(0), ..cursor },
            Some(Plant::SaysItsOwnAlone) => Cursor { began: Seq(acknowledged.min(upto)), ..cursor },
            Some(_) | None => cursor,
        };
        let claims = Claims::of(&said_to_cover, senders.as_ref(), &region());
        self.devices[device].acknowledged = acknowledged.max(upto);
        for (sender, order) in said {
            self.acknowledged.insert((self.epoch, sender, order));
            if !lost {
                let owed = self.owed.entry(sender).or_default();
                owed.0 = owed.0.max(order);
                self.came.insert((sender, order));
            }
        }
        if !lost {
            self.enqueue(Item::Delivered { device, cursor, claims });
        }
    }

    fn reads(&mut self, with: usize, upto: u8) {
        let upto = if upto > 200 { Seq::MAX } else { Seq(u64::from(upto) % (self.log.len() as u64 + 1)) };
        self.read.push((self.epoch, with, Span { above: Seq(self.evicted), upto }));
        if let Some(order) = self.last_of(with, Seq(0), upto) {
            let owed = self.owed.entry(with).or_default();
            *owed = (owed.0.max(order.0), owed.1.max(order.0));
            let theirs = (self.evicted + 1..=order.0).filter(|seq| self.log[*seq as usize - 1].sender == Some(with));
            self.came.extend(theirs.map(|order| (with, order)));
        }
        self.enqueue(Item::Read { with, upto, epoch: Epoch(self.epoch) });
    }

    fn enqueue(&mut self, item: Item) {
        self.queue.insert(self.items, item);
        self.items += 1;
    }

    fn last_of(&self, with: usize, above: Seq, upto: Seq) -> Option<Seq> {
        let of_them = |seq: &u64| self.log[*seq as usize - 1].sender == Some(with);
        let upto = upto.0.min(self.log.len() as u64);
        (above.0.max(self.evicted) + 1..=upto).rev().find(of_them).map(Seq)
    }

    /// Another worker may have taken it as well: it comes again where nobody has said for a while that it is done.
    fn take(&mut self, worker: usize, chosen: usize) {
        let Some((&id, item)) = self.queue.iter().nth(chosen % self.queue.len().max(1)) else { return };
        let (item, jobs) = (item.clone(), &mut self.workers[worker].jobs);
        // What waits in a lane is brought together.
        for job in jobs.iter_mut().filter(|job| job.writes.is_none() && !job.ids.contains(&id)) {
            match (&mut job.item, &item) {
                (
                    Item::Delivered { device, cursor, claims },
                    Item::Delivered { device: of, cursor: said, claims: more },
                ) if device == of => {
                    if is_higher(*said, *cursor) {
                        *cursor = *said;
                    }
                    claims.merge(more.clone());
                    job.ids.push(id);
                    return;
                }
                (Item::Delivered { .. } | Item::Read { .. }, Item::Delivered { .. } | Item::Read { .. }) => {}
            }
        }
        jobs.push(Job { item, ids: vec![id], writes: None, loaded: None, is_sure: false });
    }

    fn fetch(&self, key: Key) -> (Record, u64) {
        self.state.get(&key).cloned().unwrap_or((Record::none(key), 0))
    }

    fn load(&mut self, worker: usize, key: Key) -> (Record, u64, bool) {
        if let Some((record, revision)) = self.workers[worker].remembered.get(&key).cloned() {
            return (record, revision, false);
        }
        let (record, revision) = self.fetch(key);
        self.workers[worker].remembered.insert(key, (record.clone(), revision));
        (record, revision, true)
    }

    /// One look at STATE, or one write of it.
    fn step(&mut self, worker: usize, at: usize) {
        let mut job = self.workers[worker].jobs.remove(at);
        match job.writes.as_mut().map(|writes| writes.front().cloned()) {
            None => job.writes = Some(self.decide(worker, &job.item)),
            Some(None) => {
                for id in job.ids {
                    self.queue.remove(&id);
                }
                return;
            }
            Some(Some((key, change))) => self.write(worker, &mut job, key, &change),
        }
        self.workers[worker].jobs.push(job);
    }

    fn decide(&mut self, worker: usize, item: &Item) -> VecDeque<(Key, Change)> {
        match item {
            Item::Delivered { device, cursor, claims } => {
                let (Record::Device(stored), ..) = self.load(worker, Key::Device(*device)) else { unreachable!() };
                let known = stored.cursor.map(|cursor| match self.plant {
                    Some(Plant::AboveOwnIsNew) => Cursor { began: Seq(0), ..cursor },
                    Some(_) | None => cursor,
                });
                let news = claims.news(known.as_ref());
                let mut writes: VecDeque<_> = news
                    .known
                    .into_iter()
                    .map(|Known { sender, epoch, order, run }| (number(&sender), Raise::delivered(epoch, order, run)))
                    .chain(news.unread.into_iter().flat_map(|unread| self.senders(unread)))
                    .map(|(sender, raise)| (Key::Sent(sender), Change::Raise(raise)))
                    .collect();
                let own = (Key::Device(*device), Change::Acknowledged(*cursor));
                if self.is(Plant::OwnFirst) {
                    writes.push_front(own)
                } else {
                    writes.push_back(own)
                }
                writes
            }
            Item::Read { with, upto, epoch } => {
                let (Record::Read(stored), ..) = self.load(worker, Key::Read(*with)) else { unreachable!() };
                let above = if stored.epoch == *epoch { stored.order } else { Seq(0) };
                if *epoch < stored.epoch || *upto <= above {
                    return VecDeque::new();
                }
                let Some(order) = self.last_of(*with, above, *upto) else { return VecDeque::new() };
                let mut readable = Span { above, upto: order };
                if !self.covers(worker, *with, *epoch, readable) && !self.is(Plant::ReadsWhatIsGone) {
                    readable.above = above.max(Seq(self.evicted));
                }
                let pair = (Key::Sent(*with), Change::Raise(Raise::read(*epoch, order, readable)));
                [pair, (Key::Read(*with), Change::ReadOn(*epoch, order))].into()
            }
        }
    }

    fn covers(&mut self, worker: usize, with: usize, epoch: Epoch, span: Span) -> bool {
        let (Record::Sent(stored), ..) = self.load(worker, Key::Sent(with)) else { unreachable!() };
        cover(&stored, epoch, span)
    }

    /// What the mailbox says of a part that nobody has said anything of.
    fn senders(&self, Unread { epoch, span, time, run }: Unread) -> Vec<(usize, Raise)> {
        let mut highest = Highest::new();
        for seq in span.above.0.max(self.evicted) + 1..=span.upto.0.min(self.log.len() as u64) {
            let entry = self.log[seq as usize - 1];
            if let Some(sender) = entry.sender
                && (entry.time <= time.0 || self.is(Plant::AnyEntryBelow))
            {
                super::core::claims::raise(&mut highest, name(sender), Seq(seq));
            }
        }
        highest.into_iter().map(|(sender, order)| (number(&sender), Raise::delivered(epoch, order, run))).collect()
    }

    fn write(&mut self, worker: usize, job: &mut Job, key: Key, change: &Change) {
        let Some((stored, revision)) = job.loaded.take() else {
            let (record, revision, is_sure) = self.load(worker, key);
            (job.loaded, job.is_sure) = (Some((record, revision)), is_sure || !matches!(key, Key::Device(_)));
            return;
        };
        let done = |job: &mut Job| job.writes.as_mut().and_then(VecDeque::pop_front);
        let Some(changed) = change.of(&stored) else {
            if job.is_sure {
                done(job);
            } else {
                (job.loaded, job.is_sure) = (Some(self.fetch(key)), true);
            }
            return;
        };
        if self.fetch(key).1 != revision && !self.is(Plant::NoCompareAndSet) {
            let fetched = self.fetch(key);
            self.workers[worker].remembered.insert(key, fetched.clone());
            (job.loaded, job.is_sure) = (Some(fetched), true);
            return;
        }
        let revision = self.store(key, changed.clone());
        self.workers[worker].remembered.insert(key, (changed, revision));
        done(job);
    }

    /// Stores a record, and sees that it is none that must not be.
    fn store(&mut self, key: Key, mut record: Record) -> u64 {
        if let Record::Sent(marks) = &mut record
            && self.is(Plant::PassesOver)
        {
            marks.missing = Spans::default();
        }
        let before = self.fetch(key).0.height();
        let (epoch, first, second) = record.height();
        if before.0 > epoch || before.0 == epoch && (before.1 > first || before.2 > second) {
            self.blame(format!("{record:?} lowers {before:?}"));
        }
        if let Some(why) = self.claims_too_much(key, &record) {
            self.blame(why);
        }
        self.writes.push((key, record.clone()));
        self.state.insert(key, (record, self.writes.len() as u64));
        self.writes.len() as u64
    }

    /// A new epoch: devices are told of a gap, and go on behind all that is there. Connections are lost, and with them what was asked over
    /// them: revisions are used again.
    fn lose_power(&mut self, log: usize, state: usize) {
        self.log.truncate(self.log.len().saturating_sub(log));
        self.writes.truncate(self.writes.len().saturating_sub(state));
        self.state = HashMap::new();
        for (at, (key, record)) in self.writes.iter().enumerate() {
            self.state.insert(*key, (record.clone(), at as u64 + 1));
        }
        self.epoch += 1;
        self.clock += 1;
        self.owed.clear();
        self.came.clear();
        self.evicted = self.evicted.min(self.log.len() as u64);
        let end = self.log.len() as u64;
        self.devices = [Device { began: end, given: end, acknowledged: end }; DEVICES];
        self.workers.iter_mut().flat_map(|worker| &mut worker.jobs).for_each(|job| job.loaded = None);
        if !self.is(Plant::RemembersForEver) {
            self.workers.iter_mut().for_each(|worker| worker.remembered.clear());
        }
    }

    /// What has been taken is done, and what nobody has taken by another worker.
    fn settle(&mut self) {
        for worker in 0..WORKERS {
            while !self.workers[worker].jobs.is_empty() {
                self.step(worker, 0);
            }
        }
        while !self.queue.is_empty() {
            self.take(0, 0);
            while !self.workers[0].jobs.is_empty() {
                self.step(0, 0);
            }
        }
        self.is_owed_nothing();
    }
}

fn judged(ops: &[Op], plant: Option<Plant>) -> Result<(), TestCaseError> {
    let mut world = World::new(plant);
    ops.iter().for_each(|op| world.apply(op));
    world.settle();
    world.broken.map_or(Ok(()), |why| Err(TestCaseError::fail(why)))
}

fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config(5_000))]

    #[test]
    fn marks_say_what_was_said_whoever_wrote_them(ops in proptest::collection::vec(op(0), 1..150)) {
        judged(&ops, None)?;
    }

    #[test]
    fn marks_claim_nothing_that_nobody_said_where_entries_make_room(ops in proptest::collection::vec(op(2), 1..150)) {
        judged(&ops, None)?;
    }
}

#[test]
fn every_simpler_rule_is_caught() {
    for plant in [
        Plant::OwnFirst,
        Plant::HintsWithoutBounds,
        Plant::AboveOwnIsNew,
        Plant::CoversAllBelow,
        Plant::AnyEntryBelow,
        Plant::RemembersForEver,
        Plant::NoCompareAndSet,
        Plant::SaysItsOwnAlone,
        Plant::PassesOver,
        Plant::ReadsWhatIsGone,
    ] {
        let mut runner = TestRunner::new(Config { max_shrink_iters: 0, ..config(20_000) });
        let evictions = if plant == Plant::ReadsWhatIsGone { 2 } else { 0 };
        let found = runner.run(&proptest::collection::vec(op(evictions), 1..150), |ops| judged(&ops, Some(plant)));
        assert!(matches!(found, Err(TestError::Fail(..))), "{plant:?} breaks nothing");
    }
}
