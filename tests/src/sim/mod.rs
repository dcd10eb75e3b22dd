//! The simulation: a seeded world without real time in which the real session, reader, deliver and append cores run against a model of
//! JetStream and of clients, while almost everything that can go wrong does.
//!
//! | room | what lives there |
//! |---|---|
//! | [`shape`], [`dice`], [`agenda`], [`event`], [`units`] | what a schedule is made of, its chance, and what is to happen when |
//! | [`stream`], [`state`] | JetStream: the shard's log and its records |
//! | [`append`], [`gateway`], [`reader`] | the real cores, and the network around them |
//! | [`device`] | clients: cursors, resuming, sending, repeating |
//! | [`faults`] | the steps of a schedule, and its end, at which nothing fails any more |
//! | [`history`], [`rule`] | what happened, and the judge; what must never be |
//! | [`plant`] | the simpler rules of COUNTEREXAMPLES.md, each planted at the cores' boundary to see it caught |
//! | [`groups`] | the same for a group: its workers, its log, its members' sessions |
//! | [`mod@search`] | many schedules at once, until one breaks a rule |
//!
//! The [`World`] of a schedule is here: who is there, what is under way, and the one place where things happen in the order of their times.
//! Everything between the cores (the network, JetStream, sockets, clients) is a model that may lose, repeat, delay and reorder what the
//! real thing may.
//!
//! A schedule is its seed: [`run`] it, or [`replay`] it to read what happened.

/// An enum, and the list of all that it has.
macro_rules! listed {
    ($(#[$of:meta])* $enum:ident { $($(#[$doc:meta])* $name:ident,)* }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $enum { $($(#[$doc])* $name,)* }

        impl $enum {
            /// Each of them.
            pub const ALL: &[$enum] = &[$($enum::$name),*];
        }
    };
}

mod agenda;
mod append;
mod device;
mod dice;
mod event;
mod faults;
mod gateway;
pub mod groups;
mod history;
mod look;
mod plant;
mod reader;
mod rule;
mod search;
mod shape;
mod state;
mod stream;
mod units;

use std::fmt::Write as _;

use dunlin_schema::{Log, Millis, RegionName, Sender, UserName};

use agenda::Agenda;
use append::Appends;
use device::Devices;
use dice::Dice;
use event::Event;
use gateway::Gateways;
use history::History;
pub use plant::Plant;
use reader::Readers;
pub use rule::{Rule, Violation};
pub use search::search;
use shape::{Faults, Shape};
use state::State;
use stream::Stream;
use units::{MS, SECOND};

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Outcome<R = Rule> {
    /// What must not have been.
    pub violation: Option<Violation<R>>,
    /// How much happened.
    pub events: u64,
}

/// Runs the schedule of a seed.
pub fn run(seed: u64, plant: Option<Plant>) -> Outcome {
    let mut world = World::new(seed, plant, false);
    let violation = world.run();
    Outcome { violation, events: world.events }
}

/// Runs the schedule of a seed once more, and tells what happened in it, line by line.
pub fn replay(seed: u64, plant: Option<Plant>) -> (Outcome, String) {
    let mut world = World::new(seed, plant, true);
    let violation = world.run();
    (Outcome { violation, events: world.events }, world.trace.take().unwrap_or_default())
}

/// When every schedule begins.
const BEGINNING: u64 = 1_800_000_000 * SECOND;
/// How far the clocks of two leaders may differ.
pub(crate) const LEADERS_DIFFER: Millis = Millis(2_000);

/// A user, who is also the log of that number.
#[derive(Debug)]
pub(crate) struct User {
    pub(crate) name: UserName,
    pub(crate) log: Log,
    pub(crate) sender: Sender,
}

/// The machine that stores the shard (or the cluster).
#[derive(Debug)]
pub(crate) struct Server {
    /// When it began to run.
    pub(crate) up_since: u64,
    /// Which boot of the machine it is.
    pub(crate) boot: u64,
    /// Counts its starts: connections of an earlier one are gone.
    pub(crate) start: u32,
    /// Until then it does not answer.
    pub(crate) away_until: u64,
}

/// One schedule under way.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) shape: Shape,
    pub(crate) faults: Faults,
    pub(crate) plant: Option<Plant>,
    pub(crate) dice: Dice,
    pub(crate) now: u64,
    pub(crate) agenda: Agenda<Event>,
    pub(crate) region: RegionName,
    pub(crate) users: Vec<User>,
    pub(crate) server: Server,
    pub(crate) stream: Stream,
    pub(crate) state: State,
    pub(crate) appends: Appends,
    pub(crate) gateways: Gateways,
    pub(crate) readers: Readers,
    pub(crate) devices: Devices,
    pub(crate) history: History,
    /// After the faults.
    pub(crate) calm: bool,
    pub(crate) trace: Option<String>,
    pub(crate) events: u64,
}

impl World {
    pub(crate) fn new(seed: u64, plant: Option<Plant>, traced: bool) -> World {
        let mut dice = Dice::new(seed);
        let mut shape = Shape::draw(&mut dice);
        if let Some(plant) = plant {
            plant.shape(&mut shape);
        }
        let region = RegionName::new("local").expect("a name of letters");
        let users = ["alice", "bob", "carol"][..shape.users].iter().map(|name| {
            let name = UserName::new(name).expect("a name of letters");
            let log = Log::mailbox(&region, 1, &name);
            User { sender: Sender { user: name.clone(), region: region.clone() }, log, name }
        });
        let skew = if shape.replicas > 1 { LEADERS_DIFFER } else { Millis(0) };
        let mut world = World {
            users: users.collect(),
            region,
            faults: shape.faults,
            plant,
            dice,
            now: BEGINNING,
            agenda: Agenda::new(),
            server: Server { up_since: BEGINNING, boot: 0, start: 0, away_until: 0 },
            stream: Stream::new(shape.replicas, shape.bounds),
            state: State::default(),
            appends: Appends::default(),
            gateways: Gateways::default(),
            readers: Readers::default(),
            devices: Devices::default(),
            history: History::new(*shape.bounds, skew),
            calm: false,
            trace: traced.then(String::new),
            events: 0,
            shape,
        };
        world.note(|world| format!("{:?}", world.shape));
        world.begin();
        world
    }

    fn begin(&mut self) {
        for replica in 0..self.shape.replicas {
            let ahead = self.dice.between(0, LEADERS_DIFFER.0) * MS;
            self.stream.set_clock(replica, if self.shape.replicas > 1 { ahead as i64 } else { 0 });
        }
        for _ in 0..self.shape.gateways {
            self.add_gateway();
        }
        for _ in 0..self.shape.readers {
            self.add_reader();
        }
        for user in 0..self.shape.users {
            for _ in 0..self.shape.devices_per_user {
                self.add_device(user);
            }
        }
    }

    /// Runs the whole schedule and says what must not have been.
    pub(crate) fn run(&mut self) -> Option<Violation> {
        for _ in 0..self.shape.steps {
            self.pass();
            self.act();
            if self.history.violation.is_some() {
                return self.history.violation.clone();
            }
        }
        self.calm_down();
        self.history.violation.clone()
    }

    /// Some time passes.
    fn pass(&mut self) {
        let span =
            self.dice.weighted(&[(40, 5 * MS), (40, 300 * MS), (15, 4 * SECOND), (4, 20 * SECOND), (1, 60 * SECOND)]);
        let span = self.dice.between(0, span);
        self.run_until(self.now + span);
    }

    /// Everything happens that is due by `until`.
    pub(crate) fn run_until(&mut self, until: u64) {
        while self.history.violation.is_none()
            && let Some((at, event)) = self.agenda.next(until)
        {
            self.now = self.now.max(at);
            self.events += 1;
            self.happen(event);
        }
        self.now = self.now.max(until);
    }

    /// The clock goes on by `span` while nobody does anything: whoever had a timer is late.
    pub(crate) fn stall(&mut self, span: u64) {
        self.now += span;
        self.run_until(self.now);
    }

    pub(crate) fn after(&mut self, span: u64, event: Event) {
        self.agenda.enter(self.now + span, event);
    }

    /// How long something takes on the network when nothing is wrong.
    pub(crate) fn latency(&mut self) -> u64 {
        self.dice.between(MS / 10, 2 * MS)
    }

    /// Whether a fault happens now.
    pub(crate) fn fault(&mut self, per_mille: u32) -> bool {
        !self.calm && self.dice.chance(per_mille)
    }

    /// Whether the shard's server answers.
    pub(crate) fn server_answers(&self) -> bool {
        self.now >= self.server.away_until
    }

    /// Writes a line of the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = line(self);
            let at = (self.now - BEGINNING) / MS;
            if let Some(trace) = &mut self.trace {
                let _ = writeln!(trace, "{:>8}.{:03} {line}", at / 1_000, at % 1_000);
            }
        }
    }

    /// Tells the history what left the leader's copy.
    pub(crate) fn notice_gone(&mut self) {
        self.stream.truth(self.now);
        let gone = std::mem::take(&mut self.stream.gone);
        if !gone.is_empty() {
            self.note(|_| format!("gone: {gone:?}"));
            self.history.gone(gone.into_iter());
        }
    }
}

impl World {
    fn happen(&mut self, event: Event) {
        match event {
            Event::Publish { append, step, publish, server, until, answered } => {
                if self.now <= until {
                    self.publish_reaches(append, step, publish, server, answered);
                }
            }
            Event::AppendAsks { append, step, ask } => self.append_asks(append, step, &ask),
            Event::AppendTold { append, step, event } => self.append_told(append, step, event),
            Event::Interest { session } => self.interest(session),
            Event::Subscribed { session } => self.subscribed(session),
            Event::Read { session, request, before } => self.read_reaches(session, request, before),
            Event::Evidence { session, request, answer } => self.evidence_reaches(session, &request, answer),
            Event::Session { session, input } => self.tell(session, *input),
            Event::SessionTick { session, at } => self.session_tick(session, at),
            Event::Write { session } => self.write(session),
            Event::Live { gateway, life, user, live } => self.live_reaches(gateway, life, user, &live),
            Event::Compare { gateway, life, at } => self.compare(gateway, life, at),
            Event::Linked { gateway, life } => self.linked(gateway, life),
            Event::HeadsAnswered { question, answer } => self.heads_reach(question, &answer),
            Event::DoubtAnswered { question, verified } => self.doubt_reaches(question, verified),
            Event::Unanswered { question, why } => self.unanswered_question(question, why),
            Event::Frame { device, connection, frame } => self.frame(device, connection, frame),
            Event::Said { session, said } => self.said(session, said),
            Event::Again { device, id } => self.say_again(device, id),
            Event::Acknowledged { device, cursor } => self.acknowledged_reaches(device, cursor),
            Event::Reconnect { device, connection } => self.broken(device, connection),
            Event::Erase { seq, position } => self.erase_reaches(seq, position.time),
            Event::Room => self.stream.full = false,
            Event::Restart => self.add_reader(),
            Event::Continue { reader } => self.continue_reader(reader),
            Event::Published { owner, live } => self.published(&owner, &live),
            Event::ReaderCompares { reader, seq } => self.reader_compares(reader, seq),
            Event::ReaderLooks { reader } => self.reader_looks(reader),
            Event::ReaderSaves { reader, record, expected, answered } => {
                self.reader_saves(reader, &record, expected, answered);
            }
            Event::Reader { reader, what } => {
                if let Some(what) = self.held_up(reader, what) {
                    self.happen_at_reader(reader, what);
                }
            }
        }
    }
}
