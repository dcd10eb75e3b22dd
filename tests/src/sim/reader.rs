//! Deliver readers: the real cores, their consumer and their record.

mod ends;

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;
use dunlin_schema::{
    Millis, Position, Seq, StreamTime,
    heads::Verified,
    read::ReadFrom,
    record::{LEADER, ReaderRecord},
    subject,
};
use dunlin_workers::{
    deliver::core::Deliver,
    reader::{
        core::{Compared, DoubtId, Epochs, Event as Happened, Input, Output, Reader as Core, Setup, Stored},
        ownership::Looked,
    },
};

use super::{
    Rule, World,
    event::{AtReader, Event},
    plant::{Plant, SimplerHeads},
    units::{MS, SECOND},
};

/// One worker's reader.
#[derive(Debug)]
struct Reader {
    core: Core,
    deliver: Deliver,
    /// Its clock does not tell the time of day.
    started: u64,
    tick_at: u64,
    paused: bool,
    /// What came while it was stopped.
    waiting: VecDeque<AtReader>,
    consumer: Option<Consumer>,
    consumers: u32,
    /// When its last publish reaches the server: a connection keeps their order.
    pipe: u64,
    /// What a simpler rule would know of heads.
    simpler: SimplerHeads,
    /// What it published last for each user, since it last began to read.
    published: HashMap<usize, Position>,
}

#[derive(Debug)]
struct Consumer {
    number: u32,
    from: ReadFrom,
    /// The next sequence, once it stands.
    next: Option<Seq>,
    delivered: bool,
    replica: usize,
    woken: bool,
}

/// All readers; those that died are `None`.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    list: Vec<Option<Reader>>,
    /// Counts the readers that began, ended or were no longer live: who answers is another one from then on.
    changes: u32,
}

/// What every live reader had published for a user, while none of them changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Published {
    pub(crate) last: Position,
    changes: u32,
}

impl World {
    pub(crate) fn add_reader(&mut self) {
        let number = self.readers.list.len();
        let epochs = Epochs::Begins { replicas: self.shape.replicas as u8, sync_always: self.shape.sync_always };
        self.note(|_| format!("reader {number} starts"));
        self.readers.list.push(Some(Reader {
            core: Core::new(Setup { owner: format!("reader-{number}"), epochs }),
            deliver: Deliver::new(self.shape.bounds.heads_map),
            started: self.now,
            tick_at: u64::MAX,
            paused: false,
            waiting: VecDeque::new(),
            consumer: None,
            consumers: 0,
            pipe: 0,
            simpler: SimplerHeads::default(),
            published: HashMap::new(),
        }));
        self.after(MS, Event::Reader { reader: number, what: AtReader::Told(Box::new(Input::Tick)) });
    }

    fn living(&self) -> Vec<usize> {
        let readers = self.readers.list.iter().enumerate();
        readers.filter(|(_, reader)| reader.is_some()).map(|(number, _)| number).collect()
    }

    /// The reader that a question about heads happens to reach.
    pub(crate) fn some_reader(&mut self) -> Option<usize> {
        let living = self.living();
        let live: Vec<usize> = living
            .iter()
            .copied()
            .filter(|number| self.readers.list[*number].as_ref().is_some_and(|reader| reader.core.is_live()))
            .collect();
        let from = if live.is_empty() || self.fault(50) { living } else { live };
        (!from.is_empty()).then(|| from[self.dice.index(from.len())])
    }

    /// What every live reader has published for a user.
    pub(crate) fn published_for(&self, user: usize) -> Option<Published> {
        let live = self.readers.list.iter().flatten().filter(|reader| reader.core.is_live());
        let lasts: Option<Vec<Position>> = live.map(|reader| reader.published.get(&user).copied()).collect();
        let last = lasts?.into_iter().min_by_key(|last| (last.epoch, last.seq))?;
        Some(Published { last, changes: self.readers.changes })
    }

    /// Whether the readers of then are the readers of now.
    pub(crate) fn still_published(&self, published: &Published) -> bool {
        published.changes == self.readers.changes
    }

    pub(crate) fn happen_at_reader(&mut self, number: usize, what: AtReader) {
        match what {
            AtReader::Asked { question } => self.reader_asked(number, question),
            AtReader::Told(input) => self.tell_reader(number, *input),
            AtReader::Tick { at } => self.reader_tick(number, at),
            AtReader::Opened { consumer } => self.opened(number, consumer),
            AtReader::Consume { consumer } => self.consume(number, consumer),
        }
    }

    /// What a reader can take now; what it can't waits, or is for nobody.
    pub(crate) fn held_up(&mut self, number: usize, what: AtReader) -> Option<AtReader> {
        let reader = self.readers.list[number].as_mut()?;
        if reader.paused {
            reader.waiting.push_back(what);
            return None;
        }
        Some(what)
    }

    fn tell_reader(&mut self, number: usize, input: Input) {
        self.tell_reader_of(number, input, None);
    }

    /// `entry` is whose mailbox holds the entry that the input is, and what it says.
    fn tell_reader_of(&mut self, number: usize, input: Input, entry: Option<(usize, Bytes)>) {
        let Some(reader) = &mut self.readers.list[number] else { return };
        let now = Millis((self.now - reader.started) / MS);
        let mut outputs = Vec::new();
        if self.trace.is_some() && input != Input::Tick {
            self.note(|_| format!("reader {number} <- {input:?}"));
        }
        let told_the_time = input == Input::Tick;
        if let Some(reader) = &mut self.readers.list[number] {
            let live = reader.core.is_live();
            reader.core.handle(now, input, &mut outputs);
            if reader.core.is_live() != live {
                self.readers.changes += 1;
                reader.published.clear();
            }
            if let Some(at) = reader.core.deadline().filter(|at| told_the_time && *at <= now) {
                self.history.blame(Rule::Restless, || format!("reader {number} asks for {at:?}, and it is {now:?}"));
            }
        }
        for output in outputs {
            self.carry_out_for(number, output, entry.as_ref());
        }
        self.settle_reader(number);
    }

    fn settle_reader(&mut self, number: usize) {
        let now = self.now;
        let Some(reader) = &mut self.readers.list[number] else { return };
        let deadline = reader.core.deadline().map(|at| (reader.started + at.0 * MS).max(now + MS));
        if let Some(at) = deadline.filter(|at| *at < reader.tick_at) {
            reader.tick_at = at;
            self.agenda.enter(at, Event::Reader { reader: number, what: AtReader::Tick { at } });
        }
        self.wake_consumer(number);
    }

    fn reader_tick(&mut self, number: usize, at: u64) {
        if let Some(reader) = &mut self.readers.list[number]
            && reader.tick_at == at
        {
            reader.tick_at = u64::MAX;
            self.tell_reader(number, Input::Tick);
        }
    }

    fn carry_out_for(&mut self, number: usize, output: Output, entry: Option<&(usize, Bytes)>) {
        self.note(|_| format!("reader {number} -> {output:?}"));
        let latency = self.latency();
        let faults = self.faults;
        match output {
            Output::Look => self.after(latency, Event::ReaderLooks { reader: number }),
            Output::Compare(seq) => self.after(latency, Event::ReaderCompares { reader: number, seq }),
            Output::Save { record, expected } => {
                let (lost, unheard) = (self.fault(faults.save_fails), self.fault(faults.save_fails));
                if lost {
                    self.after(
                        SECOND,
                        Event::Reader { reader: number, what: AtReader::Told(Box::new(Input::Stored(None))) },
                    );
                } else {
                    self.after(latency, Event::ReaderSaves { reader: number, record, expected, answered: !unheard });
                }
            }
            Output::Open(from) => {
                let replica = self.dice.index(self.shape.replicas);
                let Some(reader) = &mut self.readers.list[number] else { return };
                if let Some(plant) = self.plant {
                    reader.simpler.opened(plant, reader.core.position().seq);
                }
                reader.consumers += 1;
                let consumer = reader.consumers;
                reader.consumer =
                    Some(Consumer { number: consumer, from, next: None, delivered: false, replica, woken: false });
                self.after(latency, Event::Reader { reader: number, what: AtReader::Opened { consumer } });
            }
            Output::Close => {
                if let Some(reader) = &mut self.readers.list[number] {
                    reader.consumer = None;
                }
            }
            Output::AskEpoch => unreachable!("a reader that begins epochs knows them"),
            Output::Begin(position) => {
                if let Some(reader) = &mut self.readers.list[number] {
                    reader.deliver.begin(position);
                }
            }
            Output::Entry { position, after_hole } => {
                let (user, payload) = entry.expect("an entry that counts was given").clone();
                self.reader_publishes(number, user, position, after_hole, payload);
            }
            Output::Verified { doubt: DoubtId(question), position } => {
                self.doubt_answered(question as usize, Verified { position });
            }
            Output::Event(Happened::SteppedDown(_)) => {
                if let Some(reader) = &mut self.readers.list[number] {
                    reader.deliver.lost();
                }
            }
            Output::Declined(_)
            | Output::Event(
                Happened::Hole { .. }
                | Happened::TookOver { .. }
                | Happened::EpochBegun { .. }
                | Happened::EpochFollowed { .. },
            ) => {}
            Output::Stopped => self.reader_ends(number),
        }
    }

    fn reader_publishes(&mut self, number: usize, index: usize, position: Position, after_hole: bool, payload: Bytes) {
        self.notice_gone();
        let (owner, now) = (self.users[index].log.owner.clone(), self.now);
        let Some(reader) = &mut self.readers.list[number] else { return };
        let Some(mut live) = reader.deliver.entry(position, after_hole, Some(&owner), payload) else { return };
        if let Some(plant) = self.plant.filter(|plant| plant.breaks_promises()) {
            reader.simpler.live(plant, index, &mut live);
        } else {
            self.history.promised(index, live.after, live.position.seq, live.position, "live");
        }
        reader.published.insert(index, live.position);
        reader.pipe = reader.pipe.max(now + MS / 10);
        self.agenda.enter(reader.pipe, Event::Published { owner, live });
    }

    fn reader_asked(&mut self, number: usize, question: usize) {
        if self.is_doubt(question) {
            return self.tell_reader(number, Input::Doubted(DoubtId(question as u64)));
        }
        let Some(users) = self.asked_users(question) else { return };
        self.notice_gone();
        let logs: Vec<_> = users.iter().map(|user| self.users[*user].log.owner.clone()).collect();
        let Some(reader) = &self.readers.list[number] else { return };
        let now = Millis((self.now - reader.started) / MS);
        let Some(mut answer) = reader.deliver.heads(reader.core.live_at(now), &logs) else { return };
        self.note(|_| format!("reader {number} answers {answer:?}"));
        let Some(reader) = &self.readers.list[number] else { return };
        if let Some(plant) = self.plant.filter(|plant| plant.breaks_promises()) {
            reader.simpler.answer(plant, &users, &mut answer);
        } else {
            for (user, head) in users.into_iter().zip(&answer.heads) {
                let after = head.map_or(answer.floor, |head| head.seq);
                self.history.promised(user, after, answer.position.seq.next(), answer.position, "heads");
            }
        }
        self.heads_answered(question, answer);
    }

    // What a reader asks of the leader.

    pub(crate) fn reader_looks(&mut self, number: usize) {
        let latency = self.latency();
        let read_fails = self.faults.read_fails;
        let looked = if !self.server_answers() || self.fault(read_fails) {
            Looked::Failed
        } else {
            match self.state.get(&self.reader_record()) {
                None => Looked::Absent,
                Some(value) => Looked::Record {
                    record: ReaderRecord::decode(&value.bytes).expect("only readers write it"),
                    revision: value.revision,
                    stamp: value.stamp,
                },
            }
        };
        self.after(latency, Event::Reader { reader: number, what: AtReader::Told(Box::new(Input::Looked(looked))) });
    }

    pub(crate) fn reader_compares(&mut self, number: usize, seq: Seq) {
        let latency = self.latency();
        let read_fails = self.faults.read_fails;
        let compared = if !self.server_answers() || self.fault(read_fails) {
            None
        } else {
            self.notice_gone();
            let boot = self.boot();
            let truth = self.stream.truth(self.now);
            let mut compared =
                Compared { last: truth.last(), time: truth.at(seq).map(|entry| entry.time), boot, epoch: None };
            if let Some(plant) = self.plant {
                plant.compared(&mut compared);
            }
            Some(compared)
        };
        self.after(
            latency,
            Event::Reader { reader: number, what: AtReader::Told(Box::new(Input::Compared(compared))) },
        );
    }

    fn boot(&self) -> String {
        format!("boot-{}", self.server.boot)
    }

    fn reader_record(&self) -> String {
        subject::reader_record(&self.region, self.users[0].log.shard, LEADER)
    }

    pub(crate) fn reader_saves(&mut self, number: usize, record: &ReaderRecord, expected: Seq, answered: bool) {
        let latency = self.latency();
        let mut stored = None;
        let subject = self.reader_record();
        let replaced = self
            .state
            .get(&subject)
            .and_then(|value| ReaderRecord::decode(&value.bytes).ok().map(|record| record.epoch(value.stamp)));
        let stamp = self.plant.map_or(self.now, |plant| plant.stamp(self.now, number));
        if self.server_answers() {
            stored = self.state.put(stamp, &subject, record.encode().into(), Some(expected));
        }
        let stored = stored.map(|revision| Stored { revision, stamp: StreamTime(stamp) });
        if let Some(stored) = stored
            && let Some(after) = record.begins_after
        {
            let epoch = record.epoch(stored.stamp);
            self.note(|_| format!("{epoch:?} begins"));
            self.history.began(epoch, after, replaced.unwrap_or_default(), record.boot.clone());
        }
        let input = Input::Stored(stored.filter(|_| answered));
        let wait = if answered { latency } else { 2 * SECOND };
        self.after(wait, Event::Reader { reader: number, what: AtReader::Told(Box::new(input)) });
    }

    // Consumers.

    fn opened(&mut self, number: usize, consumer: u32) {
        let now = self.now;
        if !self.server_answers() {
            return self.after(500 * MS, Event::Reader { reader: number, what: AtReader::Opened { consumer } });
        }
        let Some(found) = self.consumer(number, consumer) else { return };
        let (from, replica) = (found.from, found.replica);
        let copy = self.stream.lagging(now, replica, 0);
        let first_at = |time| copy.all().find(|entry| entry.time >= time).map_or(copy.last().next(), |entry| entry.seq);
        let next = match from {
            // A start above the stream's end is taken for the end.
            ReadFrom::Seq(seq) => seq.min(copy.last().next()),
            ReadFrom::Time(time) => first_at(time),
        };
        if let Some(found) = self.consumer(number, consumer) {
            found.next = Some(next);
        }
        self.tell_reader(number, Input::Opened);
    }

    fn consumer(&mut self, number: usize, consumer: u32) -> Option<&mut Consumer> {
        self.readers.list[number].as_mut()?.consumer.as_mut().filter(|found| found.number == consumer)
    }

    /// Every consumer is lost and made anew by itself, from behind what it delivered last.
    pub(crate) fn interrupt_consumers(&mut self) {
        for number in self.living() {
            let Some(reader) = &mut self.readers.list[number] else { continue };
            let Some(old) = reader.consumer.take() else { continue };
            reader.consumers += 1;
            let consumer = reader.consumers;
            let from = match old.next {
                Some(next) if old.delivered => ReadFrom::Seq(next),
                Some(_) | None => old.from,
            };
            let replica = self.dice.index(self.shape.replicas);
            reader.consumer =
                Some(Consumer { number: consumer, from, next: None, delivered: old.delivered, replica, woken: false });
            let span = self.dice.between(MS, SECOND);
            self.after(span, Event::Reader { reader: number, what: AtReader::Opened { consumer } });
        }
    }

    pub(crate) fn wake_consumers(&mut self) {
        for number in 0..self.readers.list.len() {
            self.wake_consumer(number);
        }
    }

    fn wake_consumer(&mut self, number: usize) {
        let now = self.now;
        let Some(reader) = &mut self.readers.list[number] else { return };
        if !reader.core.reading() {
            return;
        }
        let Some(consumer) = &mut reader.consumer else { return };
        let Some(next) = consumer.next else { return };
        if consumer.woken || self.stream.end() < next {
            return;
        }
        consumer.woken = true;
        let event = Event::Reader { reader: number, what: AtReader::Consume { consumer: consumer.number } };
        self.agenda.enter(now + MS / 4, event);
    }

    fn consume(&mut self, number: usize, consumer: u32) {
        let now = self.now;
        let read_lags = self.faults.read_lags;
        let lag = if self.fault(read_lags) { self.dice.between(1, 4) as usize } else { 0 };
        match self.consumer(number, consumer) {
            Some(found) => found.woken = false,
            None => return,
        }
        if !self.server_answers() {
            return;
        }
        self.notice_gone();
        loop {
            if !self.readers.list[number].as_ref().is_some_and(|reader| reader.core.reading()) {
                return;
            }
            let Some(found) = self.consumer(number, consumer) else { return };
            let (Some(next), replica) = (found.next, found.replica) else { return };
            let Some(entry) = self.stream.lagging(now, replica, lag).all().find(|entry| entry.seq >= next).cloned()
            else {
                break;
            };
            if let Some(found) = self.consumer(number, consumer) {
                found.next = Some(entry.seq.next());
                found.delivered = true;
            }
            let input = Input::Entry { seq: entry.seq, time: entry.time };
            self.tell_reader_of(number, input, Some((entry.log, entry.payload)));
        }
        if lag > 0 {
            self.after(200 * MS, Event::Reader { reader: number, what: AtReader::Consume { consumer } });
        }
    }

    /// A publish of a reader reaches the server.
    pub(crate) fn published(&mut self, owner: &dunlin_schema::Peer, live: &dunlin_schema::live::LiveEntry) {
        if let Some(user) = self.users.iter().position(|known| known.log.owner == *owner) {
            self.fan_out(user, live);
        }
    }
}
