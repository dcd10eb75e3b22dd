//! The simulation of a group: two workers that may both take its shard for theirs, gateways with the devices of people who come and go as
//! its members, and everything between them that may be lost, late, killed or stopped.
//!
//! | room | what lives there |
//! |---|---|
//! | [`shape`], [`event`] | what a schedule is made of; what can be under way |
//! | [`answering`], [`loading`] | workers that decide and store, by the real group core |
//! | [`applying`] | workers that write the records, by the real record core |
//! | [`reader`] | the deliver reader of the shard, by the real deliver core |
//! | [`gateway`], [`looking`] | the real sessions, and what is read for them |
//! | [`device`] | clients: cursors, their own and others' |
//! | [`faults`] | the steps of a schedule, and its end, at which nothing fails any more |
//! | [`judge`], [`rule`] | what happened, and what must never be |
//! | [`plant`] | the simpler rules, planted to see them caught |
//!
//! The log and STATE are those of the simulation of mailboxes, a floor above. A schedule is its seed: [`run`] it, or [`replay`] it.

mod answering;
mod applying;
mod device;
mod event;
mod faults;
mod gateway;
mod judge;
mod loading;
mod looking;
mod plant;
mod reader;
mod rule;
mod shape;

use std::fmt::Write as _;

use dunlin_schema::{
    GroupAddress, GroupName, Log, LogName, MessageId, Millis, Peer, RegionName, Sender, Seq, UserName,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    record::{Follows, GroupRecord, MemberRecord},
    subject,
};

use super::{
    BEGINNING, Outcome,
    agenda::Agenda,
    dice::Dice,
    state::State,
    stream::{Published, Stream},
    units::{MS, SECOND},
};
use answering::Worker;
use device::Device;
use event::{Event, Thread};
use gateway::{Gateway, Held};
use judge::Judge;
pub use plant::Plant;
use reader::Reader;
pub use rule::Rule;
use shape::{Faults, Shape};

/// Runs the schedule of a seed.
pub fn run(seed: u64, plant: Option<Plant>) -> Outcome<Rule> {
    let mut world = World::new(seed, plant, false);
    let violation = world.run();
    Outcome { violation, events: world.events }
}

/// Runs the schedule of a seed once more, and tells what happened in it, line by line.
pub fn replay(seed: u64, plant: Option<Plant>) -> (Outcome<Rule>, String) {
    let mut world = World::new(seed, plant, true);
    let violation = world.run();
    (Outcome { violation, events: world.events }, world.trace.take().unwrap_or_default())
}

/// Somebody who is in the group, or was, or wants to be.
#[derive(Debug)]
struct Person {
    user: UserName,
    sender: Sender,
}

/// Something that somebody wants in the group, until it is answered.
#[derive(Debug)]
struct Request {
    wanted: GroupRequest,
    tries: u32,
    is_answered: bool,
}

/// The machine that stores the shard.
#[derive(Debug, Default)]
struct Server {
    /// Counts its starts: connections of an earlier one are gone.
    start: u32,
    up_since: u64,
    away_until: u64,
}

/// One schedule under way.
#[derive(Debug)]
struct World {
    shape: Shape,
    faults: Faults,
    plant: Option<Plant>,
    dice: Dice,
    now: u64,
    agenda: Agenda<Event>,
    region: RegionName,
    group: GroupName,
    /// The group's log, and how devices call it.
    log: Log,
    named: LogName,
    /// Whose log has all else that is in the shard.
    other: Peer,
    people: Vec<Person>,
    server: Server,
    stream: Stream,
    state: State,
    workers: Vec<Worker>,
    /// Nobody takes the shard before: whoever had it may come again.
    free_at: u64,
    requests: Vec<Request>,
    reader: Reader,
    gateways: Vec<Gateway>,
    sessions: Vec<Option<Held>>,
    devices: Vec<Device>,
    judge: Judge,
    calm: bool,
    trace: Option<String>,
    events: u64,
}

impl World {
    fn new(seed: u64, plant: Option<Plant>, traced: bool) -> World {
        let mut dice = Dice::new(seed);
        let mut shape = Shape::draw(&mut dice);
        if let Some(plant) = plant {
            plant.shape(&mut shape);
        }
        let region = RegionName::new("local").expect("a name of letters");
        let group: GroupName = "team".parse().expect("a name of letters");
        let user = |name: &str| UserName::new(name).expect("a name of letters");
        let people: Vec<Person> = ["alice", "bob", "carol", "dave", "eve"][..shape.people]
            .iter()
            .map(|name| Person { user: user(name), sender: Sender { user: user(name), region: region.clone() } })
            .collect();
        let names = people.iter().map(|person| person.user.clone()).collect();
        let log = Log::of(&region, 1, Peer::Group(group.clone()));
        let mut world = World {
            judge: Judge::new(region.clone(), group.clone(), names),
            named: LogName::group(GroupAddress { group: group.clone(), region: None }),
            other: Peer::User(user("zoe")),
            faults: shape.faults,
            plant,
            dice,
            now: BEGINNING,
            agenda: Agenda::new(),
            server: Server::default(),
            stream: Stream::new(1, shape.bounds),
            state: State::default(),
            workers: vec![Worker::default(), Worker::default()],
            free_at: 0,
            requests: Vec::new(),
            reader: Reader::new(shape.bounds.heads_map),
            gateways: vec![Gateway::default(), Gateway::default()],
            sessions: Vec::new(),
            devices: Vec::new(),
            calm: false,
            trace: traced.then(String::new),
            events: 0,
            region,
            group,
            log,
            people,
            shape,
        };
        world.note(|world| format!("{:?}", world.shape));
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.begin_epoch();
        self.somebody_takes_it();
        (0..self.gateways.len()).for_each(|gateway| self.compare_later(gateway));
        for person in 0..self.shape.people {
            (0..self.shape.devices).for_each(|_| self.add_device(person));
        }
        self.is_created();
    }

    /// Runs the whole schedule and says what must not have been.
    fn run(&mut self) -> Option<super::rule::Violation<Rule>> {
        for _ in 0..self.shape.steps {
            self.pass();
            self.act();
            if self.judge.violation.is_some() {
                return self.judge.violation.clone();
            }
        }
        self.calm_down();
        self.judge.violation.clone()
    }

    /// Some time passes.
    fn pass(&mut self) {
        let span = self.dice.weighted(&[(40, 5 * MS), (40, 300 * MS), (15, 4 * SECOND), (4, 20 * SECOND)]);
        let span = self.dice.between(0, span);
        self.run_until(self.now + span);
    }

    /// Everything happens that is due by `until`.
    fn run_until(&mut self, until: u64) {
        while self.judge.violation.is_none()
            && let Some((at, event)) = self.agenda.next(until)
        {
            self.now = self.now.max(at);
            self.events += 1;
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    fn after(&mut self, span: u64, event: Event) {
        self.agenda.enter(self.now + span, event);
    }

    /// The next step of a worker's thread.
    fn step_soon(&mut self, worker: usize, thread: Thread, span: u64) {
        let (life, step) = (self.workers[worker].life, self.workers[worker].next_step(thread));
        self.after(span, Event::Step { worker, life, thread, step });
    }

    fn latency(&mut self) -> u64 {
        self.dice.between(MS / 10, 2 * MS)
    }

    /// Whether a fault happens now.
    fn fault(&mut self, per_mille: u32) -> bool {
        !self.calm && self.dice.chance(per_mille)
    }

    fn server_answers(&self) -> bool {
        self.now >= self.server.away_until
    }

    /// For how long the server is still away.
    fn server_away(&self) -> u64 {
        self.server.away_until.saturating_sub(self.now)
    }

    /// Writes a line of the trace.
    fn note(&mut self, line: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            let at = (self.now - BEGINNING) / MS;
            if let Some(trace) = &mut self.trace {
                let _ = writeln!(trace, "{:>8}.{:03} {line}", at / 1_000, at % 1_000);
            }
        }
    }

    /// Tells the judge what left the log.
    fn notice_gone(&mut self) {
        self.stream.truth(self.now);
        let gone = std::mem::take(&mut self.stream.gone);
        self.judge.gone(&gone);
    }
}

impl World {
    fn happen(&mut self, event: Event) {
        let Some(event) = self.held_up(event) else { return };
        match event {
            Event::Arrives { worker, request, tries } => self.arrives(worker, request, tries),
            Event::Step { worker, life, thread, step } => {
                if self.workers[worker].waits_for(life, thread, step) {
                    match thread {
                        Thread::Answers => self.answers(worker),
                        Thread::Applies => self.applies(worker),
                    }
                }
            }
            Event::Publish { worker, life, step, entry, publish, server, answered } => {
                let is_over = server != self.server.start || !self.server_answers();
                let became = if is_over { None } else { Some(self.publish_reaches(*entry, publish)) };
                // Who is not answered waits for it already.
                if answered {
                    let span = if is_over { 2 * SECOND } else { self.latency() };
                    self.after(span, Event::Published { worker, life, step, became });
                }
            }
            Event::Published { worker, life, step, became } => {
                if self.workers[worker].waits_for(life, Thread::Answers, step) {
                    self.published(worker, became);
                }
            }
            Event::Record { worker, life, step, subject, bytes, expected, server } => {
                if server == self.server.start && self.server_answers() {
                    self.record_reaches(&subject, bytes, expected);
                }
                let latency = self.latency();
                self.after(latency, Event::Written { worker, life, step });
            }
            Event::Written { worker, life, step } => {
                if self.workers[worker].waits_for(life, Thread::Applies, step) {
                    self.written(worker);
                }
            }
            Event::Continue { worker } => self.continues(worker),
            Event::Notices { worker } => self.notices(worker),
            Event::Restart { worker } => self.starts(worker),
            Event::Takes => self.somebody_takes_it(),
            Event::Answered { request, tries, answer } => self.is_answered(request, tries, &answer),
            Event::Again { request, tries } => self.is_tried_again(request, tries),
            Event::Delivers => self.delivers(),
            Event::Begins { losses } => {
                self.begins(losses);
                self.wake_appliers();
            }
            Event::Live { gateway, life, live } => self.live_reaches(gateway, life, &live),
            Event::Hint { gateway, life, person, follows } => self.hint_reaches(gateway, life, person, follows),
            Event::Compare { gateway, life, again } => self.compare(gateway, life, again),
            Event::Input { session, input } => self.tell(session, *input),
            Event::Verified { session } => self.verified(session),
            Event::Tick { session, at } => self.session_tick(session, at),
            Event::Write { session } => self.write_frames(session),
            Event::Find { session, which } => self.find(session, which),
            Event::Subscribed { session, opened } => self.subscribed(session, opened),
            Event::Look { session, number, seen } => self.look(session, number, seen),
            Event::Reconnect { device, connection } => self.reconnects(device, connection),
            Event::Reads { device } => self.reads_again(device),
            Event::Back => {
                self.delivers();
                self.wake_appliers();
            }
        }
    }

    /// What a worker that stands still takes up only when it goes on.
    fn held_up(&mut self, event: Event) -> Option<Event> {
        let (Event::Step { worker, .. }
        | Event::Published { worker, .. }
        | Event::Written { worker, .. }
        | Event::Arrives { worker, .. }) = &event
        else {
            return Some(event);
        };
        let worker = &mut self.workers[*worker];
        if worker.paused {
            worker.waiting.push_back(event);
            return None;
        }
        Some(event)
    }

    /// An append reaches the stream.
    fn publish_reaches(&mut self, entry: dunlin_schema::Entry, publish: super::stream::Publish) -> Published {
        self.notice_gone();
        let published = self.stream.publish(self.now, publish);
        self.note(|_| format!("{} by {}: {published:?} {:?}", entry.id, entry.from, entry.body));
        if let Published::Stored(seq, time, birth) = published {
            self.judge.stored(self.now, birth, (seq, time), entry);
            self.notice_gone();
            self.is_stored();
        }
        published
    }

    /// Something was stored in the shard.
    fn is_stored(&mut self) {
        let latency = self.latency();
        self.after(latency, Event::Delivers);
        self.wake_appliers();
    }

    /// A write of a record reaches STATE.
    fn record_reaches(&mut self, subject: &str, bytes: bytes::Bytes, expected: Option<Seq>) {
        let before = self.state.get(subject).map(|value| value.bytes.clone());
        if self.state.put(self.now, subject, bytes.clone(), expected).is_none() {
            return;
        }
        self.note(|_| format!("{subject} is written"));
        let is_group = subject == subject::group_record(&self.region, self.log.shard, &self.group);
        if is_group {
            let at = |bytes: &bytes::Bytes| GroupRecord::decode(bytes).expect("a record").applied;
            return self.judge.written(subject, before.as_ref().map(at), at(&bytes));
        }
        if subject::parse_ending(subject).is_some() {
            return;
        }
        match subject::parse_follows(subject) {
            Some((user, _)) => {
                let follows = |bytes: &bytes::Bytes| Follows::decode(bytes).expect("a record");
                self.judge.written(subject, before.as_ref().map(|before| follows(before).at), follows(&bytes).at);
                let person = self.people.iter().position(|person| person.user == user).expect("somebody");
                self.hint(person, follows(&bytes));
            }
            None => {
                let at = |bytes: &bytes::Bytes| MemberRecord::decode(bytes).expect("a record").at;
                self.judge.written(subject, before.as_ref().map(at), at(&bytes));
            }
        }
    }

    // Whoever wants something.

    /// Somebody wants something, under an id of this time.
    fn wants(&mut self, person: usize, what: GroupCommand) {
        let at = Millis(self.now / MS);
        let id = MessageId::from_parts(at, self.dice.bits());
        let wanted = GroupRequest { group: self.group.clone(), by: self.people[person].sender.clone(), id, at, what };
        self.note(|_| format!("{wanted:?}"));
        self.requests.push(Request { wanted, tries: 0, is_answered: false });
        self.is_tried_again(self.requests.len() - 1, 0);
    }

    /// It is asked for, once more where it was before.
    fn is_tried_again(&mut self, request: usize, tries: u32) {
        let Request { is_answered, tries: tried, .. } = self.requests[request];
        if is_answered || tried != tries {
            return;
        }
        self.requests[request].tries += 1;
        let tries = self.requests[request].tries;
        let holders: Vec<usize> =
            (0..self.workers.len()).filter(|worker| self.workers[*worker].holds(self.now)).collect();
        if holders.is_empty() {
            return self.after(SECOND, Event::Again { request, tries });
        }
        let (worker, latency) = (holders[self.dice.index(holders.len())], self.latency());
        self.after(latency, Event::Arrives { worker, request, tries });
        self.after(6 * SECOND, Event::Again { request, tries });
    }

    /// Nobody waits for the answer to a try of before.
    fn is_answered(&mut self, request: usize, tries: u32, answer: &GroupAnswer) {
        if self.requests[request].tries != tries {
            return;
        }
        match answer {
            GroupAnswer::Refused(GroupRefusal::Busy) | GroupAnswer::Unknown => {
                let span = self.dice.between(100 * MS, 2 * SECOND);
                self.after(span, Event::Again { request, tries });
            }
            GroupAnswer::Refused(refusal) => {
                self.judge.told(self.requests[request].wanted.id, *refusal);
                self.requests[request].is_answered = true;
            }
            GroupAnswer::Stored { .. } => self.requests[request].is_answered = true,
        }
    }

    /// A worker answers a request that it took at `began`.
    fn judge_answer(&mut self, request: usize, began: u64, answer: &GroupAnswer) {
        self.note(|world| format!("{} is answered {answer:?}", world.requests[request].wanted.id));
        self.judge.answer(&self.requests[request].wanted, began, answer);
    }
}
