//! A worker's answers: the real group core, fed as the worker's loop feeds it. Between any two of its steps the world may do anything.

use std::collections::{HashMap, VecDeque};

use dunlin_schema::{
    Address, Content, Entry, MessageId, Millis, Seq, StreamTime, UserName,
    content::{Change, Membership},
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    limits,
    record::GroupRecord,
};
use dunlin_workers::groups::core::{Decision, Facts};

use super::{
    World,
    applying::Applier,
    event::{Event, Thread},
    loading::{Loaded, Loading},
    plant::Plant,
    shape::{AHEAD, LOOK_EVERY},
};
use crate::sim::{
    stream::{Publish, Published},
    units::{MS, SECOND},
};

/// The pause before something is tried again that nobody answered.
const AGAIN: u64 = 100 * MS;

/// Everybody whom a request would add lets it.
pub(super) fn willing(wanted: &GroupRequest) -> HashMap<UserName, bool> {
    let users = match &wanted.what {
        GroupCommand::Create { users, .. } | GroupCommand::Add(users) => users.as_slice(),
        GroupCommand::Remove(_)
        | GroupCommand::Leave
        | GroupCommand::Role { .. }
        | GroupCommand::Set { .. }
        | GroupCommand::Delete
        | GroupCommand::Say(_)
        | GroupCommand::Link { .. }
        | GroupCommand::Join(_)
        | GroupCommand::Unlink(_) => &[],
    };
    users.iter().map(|user| (user.clone(), true)).collect()
}

/// The request that a worker works on.
#[derive(Debug)]
pub(super) struct Asked {
    request: usize,
    tries: u32,
    wanted: GroupRequest,
    began: u64,
    until: u64,
    is_news: bool,
    must_know: bool,
    doubt: Option<Seq>,
    /// From when on the log was read for ids.
    looked: Option<StreamTime>,
    learned: bool,
    next: Next,
    loading: Option<Loading>,
}

/// What it asks of storage next.
#[derive(Clone, Debug)]
enum Next {
    Think,
    Load,
    ReadOn,
    LookBack(StreamTime),
    Learn,
    /// What stands where the stream says that a repeat does.
    Found(Seq),
    /// The answer to an append: its entry, and whether it is what was asked for.
    Waits(Box<Entry>, bool),
}

impl World {
    /// A request reaches a worker.
    pub(super) fn arrives(&mut self, number: usize, request: usize, tries: u32) {
        if !self.workers[number].holds(self.now) {
            return;
        }
        self.workers[number].lane.push_back((request, tries));
        if self.workers[number].asked.is_none() {
            self.take_next(number);
        }
    }

    fn take_next(&mut self, number: usize) {
        let now = self.now;
        let Some((request, tries)) = self.workers[number].lane.pop_front() else { return };
        let wanted = self.requests[request].wanted.clone();
        self.workers[number].asked = Some(Asked {
            request,
            tries,
            wanted,
            began: now,
            until: now + limits::APPEND_FOR.0 * MS,
            is_news: false,
            must_know: false,
            doubt: None,
            looked: None,
            learned: false,
            next: Next::Think,
            loading: None,
        });
        self.step_soon(number, Thread::Answers, 0);
    }

    /// The next step of what a worker answers.
    pub(super) fn answers(&mut self, number: usize) {
        let Some(asked) = &self.workers[number].asked else { return };
        let next = asked.next.clone();
        if matches!(next, Next::Waits(..)) {
            return;
        }
        let read_fails = self.faults.read_fails;
        let fails = !self.server_answers() || self.fault(read_fails);
        if fails && !matches!(next, Next::Think) {
            return self.later(number);
        }
        let is_read = match next {
            Next::Think | Next::Waits(..) => true,
            Next::Load => {
                let loading = self.workers[number].asked.as_mut().and_then(|asked| asked.loading.take());
                match self.load(loading.unwrap_or_default()) {
                    Ok(Err(loading)) => {
                        if let Some(asked) = &mut self.workers[number].asked {
                            asked.loading = Some(loading);
                        }
                        return self.step_soon(number, Thread::Answers, 2 * MS);
                    }
                    Ok(Ok(loaded)) => {
                        self.has_read(number, Some(loaded));
                        true
                    }
                    Err(_) => false,
                }
            }
            Next::ReadOn => {
                let (entries, connection) = (self.entries(), self.server.start);
                let loaded = self.workers[number].loaded.as_mut();
                let read = loaded.is_some_and(|loaded| {
                    loaded.seen_over = connection;
                    loaded.read_on(&entries)
                });
                if read {
                    self.has_read(number, None);
                } else {
                    self.workers[number].loaded = None;
                }
                read
            }
            Next::LookBack(since) => {
                let (entries, bound) = (self.entries(), self.shape.bounds.mailbox_entries);
                let Worker { loaded, asked, .. } = &mut self.workers[number];
                if let (Some(loaded), Some(asked)) = (loaded, asked) {
                    loaded.look_back(since, &entries, bound);
                    asked.looked = Some(since);
                }
                true
            }
            Next::Learn => {
                let record = self.group_record();
                let Worker { loaded, asked, .. } = &mut self.workers[number];
                if let (Some(loaded), Some(asked)) = (loaded, asked) {
                    loaded.learn(record.as_ref());
                    asked.learned = true;
                }
                true
            }
            Next::Found(order) => return self.found(number, order),
        };
        if !is_read {
            if let Some(asked) = &mut self.workers[number].asked {
                (asked.looked, asked.next) = (None, Next::Think);
            }
            return self.later(number);
        }
        self.think(number);
    }

    fn has_read(&mut self, number: usize, fresh: Option<Loaded>) {
        let Worker { loaded, asked, .. } = &mut self.workers[number];
        if fresh.is_some() {
            *loaded = fresh;
        }
        if let (Some(loaded), Some(asked)) = (loaded, asked) {
            asked.is_news = true;
            asked.doubt = asked.doubt.filter(|behind| loaded.end() <= *behind);
        }
    }

    fn later(&mut self, number: usize) {
        if self.workers[number].asked.as_ref().is_some_and(|asked| self.now >= asked.until) {
            return self.answer(number, GroupAnswer::Refused(GroupRefusal::Busy));
        }
        self.step_soon(number, Thread::Answers, AGAIN);
    }

    fn ask(&mut self, number: usize, next: Next) {
        if let Some(asked) = &mut self.workers[number].asked {
            asked.next = next;
        }
        self.step_soon(number, Thread::Answers, 2 * MS);
    }

    /// Decides what comes next, as the worker's loop does.
    fn think(&mut self, number: usize) {
        let (now, connection, plant) = (self.now, self.server.start, self.plant);
        let window_whole = now >= self.server.up_since + 120 * SECOND || self.server.start == 0;
        let holds = self.workers[number].holds(now);
        let Worker { asked: Some(asked), loaded, .. } = &mut self.workers[number] else { return };
        asked.next = Next::Think;
        if now >= asked.until {
            return self.answer(number, GroupAnswer::Refused(GroupRefusal::Busy));
        }
        if !holds {
            return self.answer_nobody(number);
        }
        let Some(group) = loaded else {
            (asked.looked, asked.loading) = (None, None);
            return self.ask(number, Next::Load);
        };
        if group.seen_over != connection {
            return self.ask(number, Next::ReadOn);
        }
        let wall = Millis(now / MS);
        let is_fresh = plant == Some(Plant::WindowIsForEver)
            || window_whole && wall.since(asked.wanted.id.time()) < limits::FRESH_FOR;
        let must = asked.must_know || !is_fresh;
        let since = asked.wanted.id.time().minus(limits::LATE_MARGIN);
        let too_old = wall.since(since) >= self.shape.bounds.retention.minus(self.shape.bounds.retention_slack);
        let since = StreamTime::from(since);
        let authors = group.known.authors(asked.wanted.id);
        let early = group
            .group
            .decide(&asked.wanted, Facts { authors: Some(&authors), willing: Some(&willing(&asked.wanted)) });
        if let (Some(Plant::MembershipBeforeId), Err(refusal)) = (plant, &early) {
            let refusal = *refusal;
            return self.answer(number, GroupAnswer::Refused(refusal));
        }
        if must && !too_old && !group.known.covers(since) && asked.looked != Some(since) {
            return self.ask(number, Next::LookBack(since));
        }
        let is_known = !too_old && group.known.covers(since);
        if let Some(said) = group.known.said(&asked.wanted.by, asked.wanted.id) {
            let answer = GroupAnswer::Stored { order: said.order, time: said.time };
            return self.answer(number, answer);
        }
        if !is_known && must {
            return self.answer(number, GroupAnswer::Refused(GroupRefusal::TooOld));
        }
        let unread = plant == Some(Plant::RefusesUnread);
        let id = asked.wanted.id;
        match early {
            Ok(Decision::Store(content)) => self.store(number, id, content, true),
            Ok(Decision::Find(_)) => unreachable!("messages alone are said"),
            Ok(Decision::Ask(_)) => unreachable!("everybody lets others add them"),
            Ok(Decision::Links { .. }) => unreachable!("nobody asks for a link"),
            Ok(Decision::Nothing | Decision::StoreFirst(_)) | Err(_) if !unread && (!asked.is_news || !is_known) => {
                asked.must_know = true;
                let next = if asked.is_news { Next::Think } else { Next::ReadOn };
                self.ask(number, next);
            }
            Ok(Decision::StoreFirst(_)) if plant == Some(Plant::LeavesBeforePromoting) => {
                let (group, by) = (
                    group.group.address(),
                    Address::local(asked.wanted.by.user.clone()).said_in(&asked.wanted.by.region),
                );
                let left = Membership { group, users: vec![by.clone()], change: Change::Left.into(), by };
                self.store(number, id, Content::Membership(Box::new(left)), true);
            }
            Ok(Decision::StoreFirst(content)) => {
                let id = MessageId::from_parts(asked.wanted.at, self.dice.bits());
                self.store(number, id, content, false);
            }
            Ok(Decision::Nothing) => {
                let time = asked.wanted.at;
                self.answer(number, GroupAnswer::Stored { order: Seq(0), time });
            }
            Err(refusal) => self.answer(number, GroupAnswer::Refused(refusal)),
        }
    }

    fn store(&mut self, number: usize, id: MessageId, content: Content, is_asked: bool) {
        let Worker { asked: Some(asked), loaded: Some(group), .. } = &mut self.workers[number] else { return };
        let ahead = group.ahead();
        let is_too_far = ahead >= AHEAD;
        if !std::mem::take(&mut asked.learned) && (is_too_far || (ahead > 0 && ahead.is_multiple_of(LOOK_EVERY))) {
            return self.ask(number, Next::Learn);
        }
        if is_too_far {
            return self.answer(number, GroupAnswer::Refused(GroupRefusal::Busy));
        }
        let (by, time) = (asked.wanted.by.clone(), asked.wanted.at);
        let to = Address::from(group.group.address());
        let entry = Entry { id, from: by, to, order: None, time, body: Body::Content(content) };
        let expect = (self.plant != Some(Plant::AppendWithoutExpectation)).then_some(group.end());
        let message_id = self.log.message_id(&entry.from, id, None);
        let publish = Publish { log: 0, payload: entry.encode(), message_id, expect };
        asked.next = Next::Waits(Box::new(entry.clone()), is_asked);
        let faults = self.faults;
        let (lost, late) = (self.fault(faults.publish_lost), self.fault(faults.publish_late));
        let answered = !self.fault(faults.publish_lost);
        let span = if late { self.dice.between(MS, 1_900 * MS) } else { self.latency() };
        let span = span + self.stands_still_before(number);
        let (life, step) = (self.workers[number].life, self.workers[number].next_step(Thread::Answers));
        let server = self.server.start;
        if !lost {
            let entry = Box::new(entry);
            self.after(span, Event::Publish { worker: number, life, step, entry, publish, server, answered });
        }
        if lost || !answered {
            let wait = limits::PUBLISH_TIMEOUT.0 * MS;
            self.after(wait, Event::Published { worker: number, life, step, became: None });
        }
    }

    /// What became of an append.
    pub(super) fn published(&mut self, number: usize, became: Option<Published>) {
        let now = StreamTime::from(Millis(self.now / MS).plus(limits::CLOCK_SKEW));
        let Worker { asked: Some(asked), loaded, .. } = &mut self.workers[number] else { return };
        let Next::Waits(entry, is_asked) = std::mem::replace(&mut asked.next, Next::Think) else { return };
        match became {
            Some(Published::Stored(seq, ..)) => {
                if let Some(group) = loaded {
                    group.append(seq, now, &entry);
                }
                if is_asked {
                    let time = entry.time;
                    return self.answer(number, GroupAnswer::Stored { order: seq, time });
                }
                self.think(number);
            }
            Some(Published::Duplicate(seq)) => self.ask(number, Next::Found(seq)),
            Some(Published::Conflict) => self.ask(number, Next::ReadOn),
            Some(Published::Full) => self.answer(number, GroupAnswer::Refused(GroupRefusal::Busy)),
            None => {
                if let Some(group) = loaded {
                    asked.doubt = Some(group.end());
                    group.seen_over = u32::MAX;
                }
                self.later(number);
            }
        }
    }

    /// What stands where a repeat is said to stand.
    fn found(&mut self, number: usize, order: Seq) {
        let entries = self.entries();
        let Worker { asked: Some(asked), loaded: Some(group), .. } = &mut self.workers[number] else { return };
        if !group.read_on(&entries) {
            self.workers[number].loaded = None;
            return self.later(number);
        }
        let wanted = &asked.wanted;
        let said = group.known.said(&wanted.by, wanted.id).map(|said| (said.order, said.time));
        let found = entries.iter().find(|entry| entry.seq == order).map(|found| Entry::decode(&found.payload));
        let answer = match (said, found) {
            (Some((order, time)), _) => Some(GroupAnswer::Stored { order, time }),
            (None, None) => Some(GroupAnswer::Stored { order, time: wanted.at }),
            (None, Some(Ok(entry))) if entry.item() == (&wanted.by, wanted.id) => {
                Some(GroupAnswer::Stored { order, time: entry.time })
            }
            (None, Some(_)) => None,
        };
        match answer {
            Some(answer) => self.answer(number, answer),
            None => {
                self.workers[number].loaded = None;
                self.later(number);
            }
        }
    }

    fn answer(&mut self, number: usize, answer: GroupAnswer) {
        let Some(asked) = self.workers[number].asked.take() else { return };
        let answer = match (answer, asked.doubt) {
            (GroupAnswer::Refused(_), Some(_)) => GroupAnswer::Unknown,
            (answer, _) => answer,
        };
        self.judge_answer(asked.request, asked.began, &answer);
        let answer_lost = self.faults.answer_lost;
        if !self.fault(answer_lost) {
            let latency = self.latency();
            self.after(latency, Event::Answered { request: asked.request, tries: asked.tries, answer });
        }
        self.take_next(number);
    }

    fn answer_nobody(&mut self, number: usize) {
        self.workers[number].asked = None;
        self.take_next(number);
    }
}

/// A worker of the group's shard.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// Counts its lives.
    pub(super) life: u32,
    pub(super) dead: bool,
    pub(super) paused: bool,
    /// Until when it takes the shard for its own: for ever while it can say so, and for a few seconds more.
    pub(super) lease: u64,
    /// Requests that wait, each with its sender's try.
    pub(super) lane: VecDeque<(usize, u32)>,
    pub(super) asked: Option<Asked>,
    pub(super) loaded: Option<Loaded>,
    pub(super) applier: Applier,
    /// What came while it stood still.
    pub(super) waiting: VecDeque<Event>,
    /// The step that each thread waits for.
    steps: [u32; 2],
}

impl Worker {
    /// The next step of a thread: whatever came before it is over.
    pub(super) fn next_step(&mut self, thread: Thread) -> u32 {
        self.steps[thread as usize] += 1;
        self.steps[thread as usize]
    }

    /// Whether a thread waits for this step.
    pub(super) fn waits_for(&self, life: u32, thread: Thread, step: u32) -> bool {
        !self.dead && self.life == life && self.steps[thread as usize] == step
    }

    /// It dies: what it knew is gone.
    pub(super) fn die(&mut self) {
        let Worker { life, steps, .. } = *self;
        *self = Worker { life: life + 1, dead: true, steps, ..Worker::default() };
    }

    /// The shard is somebody else's: what was known is worth nothing when it comes back.
    pub(super) fn lose(&mut self) {
        (self.lease, self.asked, self.loaded) = (0, None, None);
        self.lane.clear();
        self.applier = Applier::default();
        self.steps = self.steps.map(|step| step + 1);
    }

    /// Whether it takes the shard for its own.
    pub(super) fn holds(&self, now: u64) -> bool {
        !self.dead && now < self.lease
    }
}

impl Loaded {
    /// How far STATE is, by the group's record.
    fn learn(&mut self, record: Option<&GroupRecord>) {
        if let Some(GroupRecord { applied, .. }) = record
            && applied.epoch >= self.epoch
        {
            self.epoch = applied.epoch;
            while self.ahead.pop_front_if(|seq| *seq <= applied.seq).is_some() {}
        }
    }
}
