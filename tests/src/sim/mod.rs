//! The simulation: a seeded world without real time in which the real session, reader, deliver and append cores run against a model of
//! JetStream and of clients, while almost everything that can go wrong does.
//!
//! | room | what lives there |
//! |---|---|
//! | [`shape`], [`dice`], [`agenda`], [`event`] | what a schedule is made of, its chance, and what is to happen when |
//! | [`stream`], [`state`] | JetStream: the shard's log and its records |
//! | [`append`], [`gateway`], [`reader`] | the real cores, and the network around them |
//! | [`device`] | clients: cursors, resuming, sending, repeating |
//! | [`faults`] | the steps of a schedule, and its end, at which nothing fails any more |
//! | [`history`], [`rule`] | what happened, and the judge; what must never be |
//! | [`plant`] | the simpler rules of COUNTEREXAMPLES.md, each planted at the cores' boundary to see it caught |
//!
//! A schedule is its seed: [`run`] it, or [`replay`] it to read what happened.

mod agenda;
mod append;
mod device;
mod dice;
mod event;
mod faults;
mod gateway;
mod history;
mod plant;
mod reader;
mod rule;
mod shape;
mod state;
mod stream;
mod world;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use plant::Plant;
pub use rule::{Rule, Violation};
use world::World;

/// What came of a schedule.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must not have been.
    pub violation: Option<Violation>,
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

/// Runs the schedules of `count` seeds from `first` on, on as many threads as there are processors, until one breaks one of `rules`.
/// Returns its seed and what must not have been; and how many events there were.
pub fn search(first: u64, count: u64, plant: Option<Plant>, rules: &[Rule]) -> (Option<(u64, Violation)>, u64) {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, found, events) = (AtomicU64::new(first), AtomicBool::new(false), AtomicU64::new(0));
    let search = || {
        let mut worst = None;
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                break;
            }
            let outcome = std::panic::catch_unwind(|| run(seed, plant)).unwrap_or_else(|_| Outcome {
                violation: Some(Violation { rule: Rule::Panicked, text: "see above".to_owned() }),
                events: 0,
            });
            events.fetch_add(outcome.events, Ordering::Relaxed);
            if let Some(violation) = outcome.violation.filter(|violation| rules.contains(&violation.rule)) {
                found.store(true, Ordering::Relaxed);
                worst = Some((seed, violation));
            }
        }
        worst
    };
    let worst = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(search)).collect();
        let found = threads.into_iter().filter_map(|thread| thread.join().expect("panics are caught"));
        found.min_by_key(|(seed, _)| *seed)
    });
    (worst, events.into_inner())
}

impl World {
    fn happen(&mut self, event: event::Event) {
        use event::Event;
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
