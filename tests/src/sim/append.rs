//! Appends under way: the real [`AppendOnce`], its publishes and its questions, and the turns of the late ones.

use std::collections::{BTreeMap, VecDeque};

use dunlin_gateway::{sending, session};
use dunlin_nats::append::core::{
    AppendError, AppendOnce, Event as Told, Item, Known, NoAnswer, Origin, Place, PubAck, PublishFailure, Step, Stored,
};
use dunlin_schema::{
    Entry, Log, Millis, Seq, StreamTime,
    entry::Body,
    limits,
    read::{ReadAnswer, ReadFrom, ReadRequest, Source},
};

use super::{
    World,
    event::Event,
    plant::Plant,
    stream::{Publish, Published, Replica, nanos},
    units::{MS, SECOND},
};

/// How long a publish may be under way: then servers and clients have given up its connection.
const OUTLIVES: u64 = 30 * SECOND;

/// One call of `append_once`.
#[derive(Debug)]
pub(crate) struct Append {
    pub(super) core: AppendOnce,
    pub(super) gateway: usize,
    pub(super) life: u32,
    pub(super) session: usize,
    pub(super) key: sending::Key,
    pub(super) log: usize,
    pub(super) step: u32,
    pub(super) losses: usize,
    /// What accounted for the item when a call that only looks began.
    pub(super) there: Vec<(Seq, StreamTime)>,
}

/// All calls; those that ended are `None`.
#[derive(Debug, Default)]
pub(crate) struct Appends {
    pub(super) calls: Vec<Option<Append>>,
    /// By gateway, its life, and the log. What is remembered outlives everything but the gateway: it may be far from the server, on a link
    /// that no restart there breaks.
    lanes: BTreeMap<(usize, u32, usize), Lane>,
}

/// The late appends of one gateway to one log.
#[derive(Debug, Default)]
struct Lane {
    /// Whose turn it is.
    holder: Option<usize>,
    waiting: VecDeque<(usize, u32)>,
    known: Option<Known>,
}

impl World {
    /// A session appends.
    pub(crate) fn append(&mut self, session: usize, append: sending::Append) {
        let sending::Append { key, log, entry, first_try, copy_of_new } = append;
        let Some((gateway, life)) = self.gateway_of(session) else { return };
        let log_index = self.log_index(&log);
        let now = self.gateway_clock(gateway);
        let up = self.now.saturating_sub(self.server.up_since) >= nanos(limits::DUPLICATE_WINDOW);
        let item = Item { log, entry, origin: Origin::Client, first_try, copy_of_new };
        let window_whole = self.shape.replicas > 1 || up;
        let bounds = self.plant.map_or(*self.shape.bounds, |plant| plant.bounds(self.shape.bounds));
        let begins = self.plant.map_or(now, |plant| plant.begins(now, &item));
        self.note(|_| format!("append {key:?} first {first_try}"));
        let core = AppendOnce::new(item, window_whole, bounds, now);
        let losses = self.history.losses;
        let append = Append { core, gateway, life, session, key, log: log_index, step: 0, losses, there: Vec::new() };
        self.begin_append(append, begins);
    }

    pub(super) fn begin_append(&mut self, append: Append, begins: Millis) {
        let index = self.appends.calls.len();
        self.appends.calls.push(Some(append));
        self.step_append(index, |core, _| core.begin(begins));
    }

    /// The number of a log, which is its user's.
    pub(crate) fn log_index(&self, log: &Log) -> usize {
        self.users
            .iter()
            .position(|user| user.log == *log)
            .expect("sessions write only to logs of users that are there")
    }

    pub(crate) fn append_told(&mut self, index: usize, step: u32, event: Told) {
        if self.appends.calls[index].as_ref().is_some_and(|append| append.step == step) {
            self.step_append(index, |core, now| core.handle(now, event));
        }
    }

    fn step_append(&mut self, index: usize, decide: impl FnOnce(&mut AppendOnce, Millis) -> Step) {
        let Some(append) = &self.appends.calls[index] else { return };
        let (gateway, life) = (append.gateway, append.life);
        if !self.gateway_lives(gateway, life) {
            self.appends.calls[index] = None;
            return;
        }
        let now = self.gateway_clock(gateway);
        let Some(append) = &mut self.appends.calls[index] else { return };
        append.step += 1;
        let step = append.step;
        let decided = decide(&mut append.core, now);
        self.note(|_| format!("append {index} step {step}: {decided:?}"));
        match decided {
            Step::Publish { expect } => self.publish(index, step, expect),
            Step::TakeTurn(within) => {
                let key = (gateway, life, self.log_of(index));
                self.appends.lanes.entry(key).or_default().waiting.push_back((index, step));
                self.after(nanos(within), Event::AppendTold { append: index, step, event: Told::Turn(Err(NoAnswer)) });
                self.next_turn(key);
            }
            Step::AskLast | Step::AskFirst | Step::Read(_) | Step::ReadBack(_) => self.ask(index, step, decided),
            Step::Wait(span) => self.after(nanos(span), Event::AppendTold { append: index, step, event: Told::Waited }),
            Step::Done(result) => self.done(index, result),
            Step::Absent => self.looked_up(index, Ok(None)),
        }
    }

    fn log_of(&self, index: usize) -> usize {
        self.appends.calls[index].as_ref().map_or(0, |append| append.log)
    }

    /// Gives the turn to the next one that still waits, with what is remembered of the log.
    fn next_turn(&mut self, key: (usize, u32, usize)) {
        let forgets = self.faults.forgets;
        let forgotten = self.fault(forgets);
        let Appends { calls, lanes } = &mut self.appends;
        let Some(lane) = lanes.get_mut(&key).filter(|lane| lane.holder.is_none()) else { return };
        let waits = |(index, step): &(usize, u32)| calls[*index].as_ref().is_some_and(|append| append.step == *step);
        let Some((index, step)) = std::iter::from_fn(|| lane.waiting.pop_front()).find(waits) else { return };
        lane.holder = Some(index);
        let mut known = lane.known.take().filter(|_| !forgotten);
        if let Some(plant) = self.plant {
            known = known.map(|known| plant.remembers(known));
        }
        self.after(0, Event::AppendTold { append: index, step, event: Told::Turn(Ok(known)) });
    }

    /// A call is over: what it knows of the log is the next one's.
    fn leave_turn(&mut self, index: usize, append: &mut Append) {
        let key = (append.gateway, append.life, append.log);
        if let Some(lane) = self.appends.lanes.get_mut(&key).filter(|lane| lane.holder == Some(index)) {
            (lane.holder, lane.known) = (None, append.core.take_known());
            self.next_turn(key);
        }
    }

    fn publish(&mut self, index: usize, step: u32, mut expect: Option<Seq>) {
        let Some(append) = &self.appends.calls[index] else { return };
        let mut message_id = append.core.message_id();
        if let Some(plant) = self.plant {
            plant.publish(&mut message_id, &mut expect, append.core.item(), &format!("{index} {step}"));
        }
        let publish = Publish { log: append.log, payload: append.core.item().entry.encode(), message_id, expect };
        let (gateway, server) = (append.gateway, self.server.start);
        let cut = self.gateway_is_cut(gateway);
        let faults = self.faults;
        let (lost, late, unheard) =
            (self.fault(faults.publish_lost), self.fault(faults.publish_late), self.fault(faults.ack_lost));
        let mut reaches = self.latency();
        if late {
            reaches = self.dice.between(0, OUTLIVES);
        }
        if self.plant == Some(Plant::PublishesWaitForTheLink) && (cut || lost) {
            reaches = self.dice.between(60 * SECOND, 200 * SECOND);
            self.after(
                reaches,
                Event::Publish { append: index, step, publish, server: u32::MAX, until: u64::MAX, answered: false },
            );
        } else if !cut && !lost {
            self.after(
                reaches,
                Event::Publish { append: index, step, publish, server, until: self.now + OUTLIVES, answered: !unheard },
            );
        }
        let event = Told::Published(Err(PublishFailure::Unknown));
        let patience = if cut { MS } else { nanos(limits::PUBLISH_TIMEOUT) };
        self.after(patience, Event::AppendTold { append: index, step, event });
    }

    /// A publish reaches the stream.
    pub(crate) fn publish_reaches(&mut self, index: usize, step: u32, publish: Publish, server: u32, answered: bool) {
        let connected = server == u32::MAX || server == self.server.start;
        if !connected || !self.server_answers() {
            return;
        }
        let now = self.now;
        let (log, payload) = (publish.log, publish.payload.clone());
        let published = self.stream.publish(now, publish);
        self.note(|_| format!("publish of append {index} to {log}: {published:?}"));
        if let Published::Stored(seq, time, _) = published {
            self.born(log, seq, time, &payload);
        }
        let result = match published {
            Published::Stored(seq, ..) => Ok(PubAck { seq, duplicate: false }),
            Published::Duplicate(seq) => Ok(PubAck { seq, duplicate: true }),
            Published::Conflict => Err(PublishFailure::Conflict),
            Published::Full => Err(PublishFailure::Full),
        };
        if answered {
            let latency = self.latency();
            self.after(latency, Event::AppendTold { append: index, step, event: Told::Published(result) });
        }
    }

    /// An entry was stored: it is a fact, and readers that wait for it are woken.
    pub(crate) fn born(&mut self, log: usize, seq: Seq, time: StreamTime, payload: &[u8]) {
        let entry = Entry::decode(payload).expect("the world stores entries alone");
        let (sender, id, tombstone) = match &entry.body {
            Body::Content(_) => (&entry.from, entry.id, false),
            Body::Tombstone { sender, id } => (sender, *id, true),
        };
        let sender = self.users.iter().position(|user| user.sender == *sender).expect("senders are users");
        self.history.born(log, seq, time, (sender, id), tombstone);
        self.check_order(log, &entry);
        self.notice_gone();
        self.wake_consumers();
    }

    /// A sent copy carries the order that its recipient's log gave.
    fn check_order(&mut self, log: usize, entry: &Entry) {
        let Some(sender) = self.users.iter().position(|user| user.sender == entry.from) else { return };
        let to = self.users.iter().position(|user| user.name.as_str() == entry.to.peer.as_str());
        if entry.is_tombstone() || to == Some(log) {
            return;
        }
        let Some(to) = to else { return };
        let item = (sender, entry.id);
        let fits = entry.order.is_some_and(|order| self.history.of_item(to, item).any(|fact| fact.seq == order))
            || self.history.tombstone_of(to, item);
        if !fits {
            let order = entry.order;
            self.history.blame(super::Rule::WrongOrder, || {
                format!("the sent copy of {item:?} says {order:?}, which log {to} never gave")
            });
        }
    }

    fn ask(&mut self, index: usize, step: u32, ask: Step) {
        let Some(append) = &self.appends.calls[index] else { return };
        let gateway = append.gateway;
        let no_answer = match &ask {
            Step::AskLast => Told::Last(Err(NoAnswer)),
            Step::AskFirst => Told::First(Err(NoAnswer)),
            Step::ReadBack(_) => Told::ReadBack(Err(NoAnswer)),
            Step::Read(_) | Step::Publish { .. } | Step::TakeTurn(_) | Step::Wait(_) | Step::Done(_) | Step::Absent => {
                Told::Read(Err(NoAnswer))
            }
        };
        let read_fails = self.faults.read_fails;
        if self.gateway_is_cut(gateway) || self.fault(read_fails) {
            self.after(250 * MS, Event::AppendTold { append: index, step, event: no_answer });
        } else {
            let latency = self.latency();
            self.after(latency, Event::AppendAsks { append: index, step, ask });
        }
    }

    /// A question reaches a server.
    pub(crate) fn append_asks(&mut self, index: usize, step: u32, ask: &Step) {
        let Some(append) = &self.appends.calls[index] else { return };
        let log = append.log;
        let (answers, looks) = (self.server_answers(), append.looks());
        self.notice_gone();
        let believed = if looks { self.end_of_any_replica(log) } else { None };
        let Some(append) = &self.appends.calls[index] else { return };
        let now = self.now;
        let place = |entry: &super::stream::Stored| Place { seq: entry.seq, time: entry.time };
        let event = match ask {
            Step::AskLast => Told::Last(if answers {
                let last = self.stream.truth(now).of(log).next_back().map(place);
                let last = believed.unwrap_or(last);
                Ok(self.plant.map_or(last, |plant| plant.last(last, &append.core)))
            } else {
                Err(NoAnswer)
            }),
            Step::AskFirst => Told::First(if answers {
                let first = self.stream.truth(now).of(log).next().map(place);
                Ok(self.plant.map_or(first, |plant| plant.first(first)))
            } else {
                Err(NoAnswer)
            }),
            Step::ReadBack(seq) => Told::ReadBack(if answers {
                let any = self.plant == Some(Plant::RememberedInAnyLog);
                let found = self.stream.truth(now).at(*seq).filter(|entry| entry.log == log || any);
                let found = found.map(super::stream::Stored::read);
                Ok(self.plant.map_or(found.clone(), |plant| plant.read_back(found, *seq, &append.core)))
            } else {
                Err(NoAnswer)
            }),
            Step::Read(request) => Told::Read(if answers {
                let head = append.core.known().map(Known::head);
                let mut answer = self.read_log(log, request);
                if let Some((plant, head)) = self.plant.zip(head) {
                    plant.read_on(&mut answer, request, head);
                }
                Ok(answer)
            } else {
                Err(NoAnswer)
            }),
            Step::Publish { .. } | Step::TakeTurn(_) | Step::Wait(_) | Step::Done(_) | Step::Absent => return,
        };
        let latency = self.latency();
        self.after(latency, Event::AppendTold { append: index, step, event });
    }

    /// What a server answers to a read, without the leader's evidence.
    pub(crate) fn read_log(&mut self, log: usize, request: &ReadRequest) -> ReadAnswer {
        let page = self.shape.page;
        let now = self.now;
        let copy = match request.source {
            Source::Leader => self.stream.truth(now),
            Source::Any => self.some_copy(),
        };
        let from = request.from;
        let mut found = copy.of(log).skip_while(|entry| match from {
            ReadFrom::Seq(seq) => entry.seq < seq,
            ReadFrom::Time(time) => entry.time < time,
        });
        let entries = found.by_ref().take(page).map(super::stream::Stored::read).collect();
        ReadAnswer { entries, more: found.next().is_some(), evidence: None }
    }

    /// The copy of a server that happens to answer.
    pub(crate) fn some_copy(&mut self) -> &Replica {
        self.notice_gone();
        let read_lags = self.faults.read_lags;
        let replica = self.dice.index(self.shape.replicas);
        let lag = if self.fault(read_lags) { self.dice.between(1, 6) } else { 0 };
        self.stream.lagging(self.now, replica, lag as usize)
    }

    fn done(&mut self, index: usize, result: Result<Stored, AppendError>) {
        if self.appends.calls[index].as_ref().is_some_and(Append::looks) {
            return self.looked_up(index, result.map(Some));
        }
        let Some(mut append) = self.appends.calls[index].take() else { return };
        self.leave_turn(index, &mut append);
        let item = append.core.item();
        let sender = self.users.iter().position(|user| user.sender == item.entry.from).expect("senders are users");
        let fact = (sender, item.entry.id);
        self.notice_gone();
        match &result {
            Ok(stored) => self.history.appended(append.log, fact, stored.seq, append.losses),
            Err(AppendError::TooOld) => {
                let start = item.entry.id.time().minus(limits::LATE_MARGIN);
                self.history.too_old(self.now, append.log, fact, start, append.losses);
            }
            Err(AppendError::FromTheFuture | AppendError::Full | AppendError::TooLarge | AppendError::Unknown) => {}
        }
        let told = sending::Input::Appended { key: append.key, outcome: result.map(stored).map_err(failure) };
        self.tell(append.session, session::Input::Sending(told));
    }
}

pub(super) fn stored(stored: Stored) -> sending::Stored {
    sending::Stored { seq: stored.seq, entry: stored.entry, repeat: stored.repeat }
}

pub(super) fn failure(error: AppendError) -> sending::AppendFailure {
    match error {
        AppendError::TooOld => sending::AppendFailure::TooOld,
        AppendError::FromTheFuture => sending::AppendFailure::FromTheFuture,
        AppendError::Full => sending::AppendFailure::Full,
        AppendError::TooLarge => sending::AppendFailure::TooLarge,
        AppendError::Unknown => sending::AppendFailure::Unknown,
    }
}
