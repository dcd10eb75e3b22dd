//! A test by random histories, with a model to hold the results against: what the cores of the reader and of `deliver` promise must agree
//! with a plain list of everything that was ever stored. Two readers, any order of answers, failed and doubtful writes, erased entries,
//! crashes, stops, power losses and restored folders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use dunlin_schema::{
    Epoch, Millis, Peer, Position, Seq, StreamTime, heads::HeadsAnswer, live::LiveEntry, read::ReadFrom,
    record::ReaderRecord,
};
use proptest::prelude::*;

use super::core::Deliver;
use crate::reader::{
    core::{Compared, DoubtId, Epochs, Event, Input, Output, Reader as Core, Setup, Stored},
    ownership::Looked,
};

#[derive(Clone, Debug)]
enum Op {
    Append(u8),
    Erase(u8),
    Step(u8),
    Answer(u8),
    /// The oldest question of NATS fails; a write may have been stored all the same.
    Fail(u8, bool),
    Pass(u16),
    Ask(u8),
    Verify(u8),
    Interrupt(u8),
    Crash(u8),
    Stop(u8),
    /// Power is lost: the log keeps so many entries, STATE so many writes, and perhaps the readers live on another machine.
    PowerLoss(u8, u8, bool),
    /// The log is put back below the saved position.
    Restore(u8),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        16 => (0..4u8).prop_map(Op::Append),
        3 => any::<u8>().prop_map(Op::Erase),
        30 => (0..2u8).prop_map(Op::Step),
        25 => (0..2u8).prop_map(Op::Answer),
        3 => (0..2u8, any::<bool>()).prop_map(|(reader, stored)| Op::Fail(reader, stored)),
        8 => (100..1_500u16).prop_map(Op::Pass),
        6 => (0..2u8).prop_map(Op::Ask),
        2 => (0..2u8).prop_map(Op::Verify),
        2 => (0..2u8).prop_map(Op::Interrupt),
        2 => (0..2u8).prop_map(Op::Crash),
        1 => (0..2u8).prop_map(Op::Stop),
        1 => (any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(log, state, alive)| Op::PowerLoss(log, state, alive)),
        1 => any::<u8>().prop_map(Op::Restore),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    time: u64,
    /// 3 is a group.
    user: u8,
    there: bool,
}

/// A log as it was ever: the entry of sequence n is at n - 1.
type Log = Vec<Item>;

struct Consumer {
    from: ReadFrom,
    opened: bool,
}

/// What NATS is asked.
enum Question {
    Look,
    Compare(Seq),
    Save { record: ReaderRecord, expected: Seq },
}

struct Reader {
    core: Core,
    deliver: Deliver,
    asked: VecDeque<Question>,
    consumer: Option<Consumer>,
    /// Published, and not known to have reached the server.
    in_flight: Vec<(Seq, StreamTime)>,
}

struct World {
    log: Log,
    lost_logs: Vec<Log>,
    state: Vec<(ReaderRecord, u64, u64)>,
    revisions: u64,
    boot: u32,
    restored: bool,
    now: u64,
    clock: u64,
    runs: u32,
    readers: Vec<Reader>,
    published: BTreeMap<Epoch, BTreeMap<Seq, StreamTime>>,
    arrived: BTreeSet<(Seq, StreamTime)>,
}

fn user(n: u8) -> Peer {
    Peer::User(format!("u{n}").parse().unwrap())
}

impl World {
    fn new() -> World {
        let mut world = World {
            log: Vec::new(),
            lost_logs: Vec::new(),
            state: Vec::new(),
            revisions: 0,
            boot: 1,
            restored: false,
            now: 0,
            clock: 1_000,
            runs: 0,
            readers: Vec::new(),
            published: BTreeMap::new(),
            arrived: BTreeSet::new(),
        };
        for _ in 0..2 {
            let reader = world.reader();
            world.readers.push(reader);
        }
        world
    }

    fn reader(&mut self) -> Reader {
        self.runs += 1;
        let epochs = Epochs::Begins { replicas: 1, sync_always: false };
        Reader {
            core: Core::new(Setup { owner: format!("run {}", self.runs), epochs }),
            deliver: Deliver::new(2),
            asked: VecDeque::new(),
            consumer: None,
            in_flight: Vec::new(),
        }
    }

    fn time(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn logs(&self) -> impl Iterator<Item = &Log> {
        self.lost_logs.iter().chain([&self.log])
    }

    fn log_with(&self, position: Position) -> Option<&Log> {
        self.logs().find(|log| holds(log, position.seq, position.time))
    }

    fn give(&mut self, reader: usize, input: Input) {
        self.give_entry(reader, input, 3);
    }

    /// `of` says whose entry it is, if it is one.
    fn give_entry(&mut self, reader: usize, input: Input, of: u8) {
        let mut out = Vec::new();
        self.readers[reader].core.handle(Millis(self.now), input, &mut out);
        for output in out {
            self.carry_out(reader, output, of);
        }
    }

    fn carry_out(&mut self, reader: usize, output: Output, of: u8) {
        match output {
            Output::Look => self.readers[reader].asked.push_back(Question::Look),
            Output::Compare(seq) => self.readers[reader].asked.push_back(Question::Compare(seq)),
            Output::Save { record, expected } => {
                self.readers[reader].asked.push_back(Question::Save { record, expected });
            }
            Output::Open(from) => self.readers[reader].consumer = Some(Consumer { from, opened: false }),
            Output::Close => self.readers[reader].consumer = None,
            Output::Begin(position) => self.readers[reader].deliver.begin(position),
            Output::Entry { position, after_hole } => {
                let owner = (of < 3).then(|| user(of));
                let deliver = &mut self.readers[reader].deliver;
                let live = deliver.entry(position, after_hole, owner.as_ref(), Bytes::new());
                if let (Some(live), Some(owner)) = (live, owner) {
                    self.publish(reader, &owner, &live);
                }
            }
            Output::Event(Event::SteppedDown(_)) => self.readers[reader].deliver.lost(),
            Output::AskEpoch => unreachable!("a reader that begins epochs knows them"),
            Output::Verified { .. } | Output::Declined(_) | Output::Event(_) => {}
            Output::Stopped => {
                self.arrive(reader);
                self.readers[reader] = self.reader();
            }
        }
    }

    fn publish(&mut self, reader: usize, to: &Peer, live: &LiveEntry) {
        let Position { epoch, seq, time } = live.position;
        let log = self.log_with(live.position).expect("what is published was stored");
        assert_eq!(user(log[seq.0 as usize - 1].user), *to);
        let between = log[live.after.0 as usize..seq.0 as usize].iter().rev().skip(1);
        assert!(between.into_iter().all(|item| user(item.user) != *to), "{live:?} passes over an entry of {to}");
        let of_epoch = self.published.get(&epoch).cloned().unwrap_or_default();
        for (other, other_time) in &of_epoch {
            let together = self.logs().any(|log| holds(log, seq, time) && holds(log, *other, *other_time));
            assert!(together, "epoch {epoch:?} holds {seq:?} and {other:?} of two lives of the log");
        }
        self.published.entry(epoch).or_default().insert(seq, time);
        self.readers[reader].in_flight.push((seq, time));
    }

    fn answered(&self, answer: &HeadsAnswer) {
        let Some(log) = self.log_with(answer.position) else {
            assert_eq!(answer.position.seq, Seq(0), "an answer's position is an entry that was read");
            return;
        };
        for (n, head) in answer.heads.iter().enumerate() {
            let above = head.map_or(answer.floor, |head| head.seq).0 as usize;
            assert!(head.is_none_or(|head| holds(log, head.seq, head.time)));
            let missed = log[above.min(answer.position.seq.0 as usize)..answer.position.seq.0 as usize].iter();
            assert!(missed.into_iter().all(|item| item.user != n as u8), "{answer:?} passes over an entry of {n}");
        }
    }

    fn arrive(&mut self, reader: usize) {
        let in_flight = std::mem::take(&mut self.readers[reader].in_flight);
        self.arrived.extend(in_flight);
    }

    fn answer(&mut self, reader: usize) {
        let Some(asked) = self.readers[reader].asked.pop_front() else { return };
        let input = match asked {
            Question::Look => Input::Looked(match self.state.last() {
                None => Looked::Absent,
                Some((record, revision, stamp)) => {
                    Looked::Record { record: record.clone(), revision: Seq(*revision), stamp: StreamTime(*stamp) }
                }
            }),
            Question::Compare(seq) => {
                let item = (seq.0 as usize).checked_sub(1).and_then(|at| self.log.get(at));
                let time = item.filter(|item| item.there).map(|item| StreamTime(item.time));
                Input::Compared(Some(Compared {
                    last: Seq(self.log.len() as u64),
                    time,
                    boot: self.boot.to_string(),
                    epoch: None,
                }))
            }
            Question::Save { record, expected } => Input::Stored(self.save(reader, record, expected)),
        };
        self.give(reader, input);
    }

    fn save(&mut self, reader: usize, record: ReaderRecord, expected: Seq) -> Option<Stored> {
        self.arrive(reader);
        if self.state.last().map_or(0, |(_, revision, _)| *revision) != expected.0 {
            return None;
        }
        let stamp = self.time();
        self.revisions += 1;
        self.state.push((record, self.revisions, stamp));
        Some(Stored { revision: Seq(self.revisions), stamp: StreamTime(stamp) })
    }

    fn fail(&mut self, reader: usize, stored: bool) {
        let Some(asked) = self.readers[reader].asked.pop_front() else { return };
        let input = match asked {
            Question::Look => Input::Looked(Looked::Failed),
            Question::Compare(_) => Input::Compared(None),
            Question::Save { record, expected } => {
                if stored {
                    self.save(reader, record, expected);
                }
                Input::Stored(None)
            }
        };
        self.give(reader, input);
    }

    /// One event of the reader's consumer. Whether there was one.
    fn step(&mut self, reader: usize) -> bool {
        if !self.readers[reader].core.reading() {
            return false;
        }
        let end = self.log.len() as u64;
        let Some(consumer) = &mut self.readers[reader].consumer else { return false };
        if !consumer.opened {
            consumer.opened = true;
            // A sequence above the end is taken for the end, as nats-server does.
            if let ReadFrom::Seq(seq) = &mut consumer.from {
                *seq = Seq(seq.0.min(end + 1));
            }
            self.give(reader, Input::Opened);
            return true;
        }
        let from = consumer.from;
        let found = self.log.iter().enumerate().find(|(at, item)| {
            item.there
                && match from {
                    ReadFrom::Seq(seq) => *at as u64 + 1 >= seq.0,
                    ReadFrom::Time(time) => item.time >= time.0,
                }
        });
        let Some((at, item)) = found else { return false };
        let (seq, item) = (Seq(at as u64 + 1), *item);
        consumer.from = ReadFrom::Seq(seq.next());
        self.give_entry(reader, Input::Entry { seq, time: StreamTime(item.time) }, item.user);
        true
    }

    /// The log keeps its first `keep` entries, and the server was restarted.
    fn go_back(&mut self, keep: usize) {
        if keep < self.log.len() {
            self.lost_logs.push(self.log.clone());
            self.log.truncate(keep);
        }
        for reader in &mut self.readers {
            if let Some(consumer) = &mut reader.consumer {
                consumer.opened = false;
            }
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Append(user) => {
                let time = self.time();
                self.log.push(Item { time, user, there: true });
            }
            // What marks the end of a life can't be missed unless it is erased before anybody looks: out of this model's reach.
            Op::Erase(at) if !self.restored && !self.log.is_empty() => {
                let at = at as usize % self.log.len();
                self.log[at].there = false;
            }
            Op::Erase(_) => {}
            Op::Step(reader) => {
                self.step(reader.into());
            }
            Op::Answer(reader) => self.answer(reader.into()),
            Op::Fail(reader, stored) => self.fail(reader.into(), stored),
            Op::Pass(span) => self.pass(span),
            Op::Ask(reader) => {
                let Reader { core, deliver, .. } = &self.readers[usize::from(reader)];
                let users: Vec<_> = (0..3).map(user).collect();
                if let Some(answer) = deliver.heads(core.live_at(Millis(self.now)), &users) {
                    self.answered(&answer);
                }
            }
            Op::Verify(reader) => self.give(reader.into(), Input::Doubted(DoubtId(0))),
            Op::Interrupt(reader) => {
                if let Some(consumer) = &mut self.readers[usize::from(reader)].consumer {
                    consumer.opened = false;
                }
            }
            Op::Crash(reader) => self.readers[usize::from(reader)] = self.reader(),
            Op::Stop(reader) => self.give(reader.into(), Input::Stop),
            Op::PowerLoss(log, state, readers_live) => {
                self.boot += 1;
                let keep = self.state.len() * usize::from(state) / 255;
                self.state.truncate(keep);
                self.go_back(self.log.len() * usize::from(log) / 255);
                if !readers_live {
                    for reader in 0..2 {
                        self.readers[reader] = self.reader();
                    }
                }
            }
            Op::Restore(log) => {
                let Some((record, _, _)) = self.state.last() else { return };
                let position = record.position;
                if holds_there(&self.log, position.seq, position.time) {
                    self.restored = true;
                    self.go_back((position.seq.0 as usize - 1) * usize::from(log) / 255);
                }
            }
        }
    }

    fn pass(&mut self, span: u16) {
        self.now += u64::from(span);
        for reader in 0..2 {
            if self.readers[reader].core.deadline().is_some_and(|at| at <= Millis(self.now)) {
                self.give(reader, Input::Tick);
            }
        }
    }

    /// One answer or one event. Whether there was one.
    fn advance(&mut self, reader: usize) -> bool {
        if self.readers[reader].asked.is_empty() {
            return self.step(reader);
        }
        self.answer(reader);
        true
    }

    /// Without any more faults, everything that is stored gets to whoever waits for it.
    fn settle(&mut self) {
        for _ in 0..60 {
            self.pass(250);
            let mut left = 10_000;
            while (0..2).any(|reader| self.advance(reader)) {
                left -= 1;
                assert!(left > 0, "it never comes to rest");
            }
        }
        for reader in 0..2 {
            self.arrive(reader);
        }
        assert!(self.readers.iter().any(|reader| reader.core.is_live()), "nobody reads");
        for (at, item) in self.log.iter().enumerate().filter(|(_, item)| item.there && item.user < 3) {
            let arrived = self.arrived.contains(&(Seq(at as u64 + 1), StreamTime(item.time)));
            assert!(arrived, "entry {} was published by nobody", at + 1);
        }
    }
}

fn holds(log: &Log, seq: Seq, time: StreamTime) -> bool {
    seq > Seq(0) && log.get(seq.0 as usize - 1).is_some_and(|item| item.time == time.0)
}

fn holds_there(log: &Log, seq: Seq, time: StreamTime) -> bool {
    holds(log, seq, time) && log[seq.0 as usize - 1].there
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_promised_is_so(ops in proptest::collection::vec(op(), 1..200)) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.settle();
    }
}
