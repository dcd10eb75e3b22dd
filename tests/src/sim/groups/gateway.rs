//! Gateways: real sessions that follow the group's log, what reaches them and what they suffer.

use std::sync::Arc;

use dunlin_gateway::{
    clock::{Moment, Uptime},
    connection::core::Core,
    session::{Acknowledged, HeadOf, Input, Output, SentCopies, Session, Setup, Start, Tail},
};
use dunlin_schema::{LogName, Millis, Position, Windows, frame::ServerFrame, live::LiveEntry, record::Follows};

use super::{
    BEGINNING, World,
    event::{Event, Which},
    rule::Rule,
};
use crate::sim::units::{MS, SECOND};

/// The span between two comparisons.
const COMPARES: u64 = 15 * SECOND;

/// One gateway.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    pub(super) life: u32,
    cut_until: u64,
    /// Whether it may have missed that memberships changed.
    missed: bool,
}

/// One connection's session.
#[derive(Debug)]
pub(super) struct Held {
    core: Core,
    pub(super) gateway: usize,
    pub(super) person: usize,
    pub(super) device: usize,
    pub(super) connection: u32,
    /// Where its device says that the log goes on.
    pub(super) said: Option<Start>,
    /// When it began.
    pub(super) began: u64,
    /// Counts the times that the log was followed.
    opened: u32,
    interest: bool,
    /// Where the log has ended for it.
    ended: Option<Position>,
    tick_at: u64,
    writing: bool,
    /// What the last hint said: [`super::Plant::HintIsBelieved`].
    pub(super) hint: Option<Follows>,
    /// What was looked up first: [`super::Plant::NoLookAfterGap`].
    pub(super) first_look: Option<Windows>,
}

impl World {
    fn moment(&self) -> Moment {
        Moment { wall: Millis(self.now / MS), uptime: Uptime((self.now - BEGINNING) / MS) }
    }

    /// Whether a gateway has no link to NATS.
    pub(super) fn is_cut(&self, gateway: usize) -> bool {
        self.now < self.gateways[gateway].cut_until
    }

    fn is(&self, gateway: usize, life: u32) -> bool {
        self.gateways[gateway].life == life
    }

    /// A device's `hello` was accepted.
    pub(super) fn open_session(&mut self, gateway: usize, device: usize, said: Option<Start>) -> usize {
        let person = self.devices[device].person;
        let setup = Setup {
            region: self.region.clone(),
            shards: 1,
            user: self.people[person].user.clone(),
            sent_copies: SentCopies::Always,
            several_devices: true,
            bounds: self.shape.bounds,
        };
        let session = self.sessions.len();
        self.sessions.push(Some(Held {
            core: Core::new(Session::new(setup)),
            gateway,
            person,
            device,
            connection: self.devices[device].connection,
            said,
            began: self.now,
            opened: 0,
            interest: false,
            ended: None,
            tick_at: u64::MAX,
            writing: false,
            hint: None,
            first_look: None,
        }));
        self.note(|_| {
            format!("session {session} of device {device} of person {person} at gateway {gateway}: {said:?}")
        });
        let latency = self.latency();
        self.after(latency, Event::Find { session, which: Which::All });
        session
    }

    /// The log is followed.
    pub(super) fn follow(&mut self, session: usize, start: Start) {
        let log = self.named.clone();
        self.tell(session, Input::Follow { log, start });
        let latency = self.latency();
        if let Some(held) = &mut self.sessions[session] {
            held.opened += 1;
            let opened = held.opened;
            self.after(latency, Event::Subscribed { session, opened });
        }
    }

    pub(super) fn subscribed(&mut self, session: usize, opened: u32) {
        let Some(held) = &self.sessions[session] else { return };
        if self.is_cut(held.gateway) || !self.server_answers() {
            return self.after(100 * MS, Event::Subscribed { session, opened });
        }
        if let Some(held) = self.sessions[session].as_mut().filter(|held| held.opened == opened) {
            held.interest = true;
            self.tell(session, Input::Subscribed(self.named.clone()));
        }
    }

    /// The socket is gone.
    pub(super) fn close_session(&mut self, session: usize) {
        self.tell(session, Input::Unfollow(self.named.clone()));
        self.sessions[session] = None;
    }

    /// A gateway dies and is started again.
    pub(super) fn crash_gateway(&mut self, gateway: usize) {
        self.note(|_| format!("gateway {gateway} dies"));
        self.gateways[gateway].life += 1;
        for session in 0..self.sessions.len() {
            let held = self.sessions[session].take_if(|held| held.gateway == gateway);
            if let Some(Held { device, connection, .. }) = held {
                let span = self.dice.between(MS, 3 * SECOND);
                self.after(span, Event::Reconnect { device, connection });
            }
        }
        self.compare_later(gateway);
    }

    /// A gateway loses NATS for a while.
    pub(super) fn cut_gateway(&mut self, gateway: usize, span: u64) {
        self.note(|_| format!("gateway {gateway} is cut off for {} ms", span / MS));
        let life = self.gateways[gateway].life;
        (self.gateways[gateway].cut_until, self.gateways[gateway].missed) = (self.now + span, true);
        self.after(span + MS, Event::Compare { gateway, life, again: false });
    }

    pub(super) fn heal_gateways(&mut self) {
        for gateway in 0..self.gateways.len() {
            let life = self.gateways[gateway].life;
            self.gateways[gateway].cut_until = self.now;
            self.after(MS, Event::Compare { gateway, life, again: false });
        }
    }

    pub(super) fn compare_later(&mut self, gateway: usize) {
        let life = self.gateways[gateway].life;
        self.after(COMPARES, Event::Compare { gateway, life, again: true });
    }

    /// A gateway asks how far the log is, and reads again what it may have missed.
    pub(super) fn compare(&mut self, gateway: usize, life: u32, again: bool) {
        if !self.is(gateway, life) {
            return;
        }
        let heads_lost = self.faults.heads_lost;
        let answer = if self.is_cut(gateway) || self.fault(heads_lost) { None } else { self.heads() };
        let missed = !self.is_cut(gateway) && std::mem::take(&mut self.gateways[gateway].missed);
        for session in self.held_by(gateway) {
            let input = match answer {
                Some(head) => Input::Heads(self.named.clone(), head),
                None => Input::HeadsUnanswered(self.named.clone()),
            };
            self.tell(session, input);
            if missed {
                self.tell(session, Input::Groups(None));
            }
        }
        if again {
            self.compare_later(gateway);
        }
    }

    fn held_by(&self, gateway: usize) -> Vec<usize> {
        let held = self.sessions.iter().enumerate();
        held.filter(|(_, held)| held.as_ref().is_some_and(|held| held.gateway == gateway)).map(|(at, _)| at).collect()
    }

    fn heads(&mut self) -> Option<HeadOf> {
        if !self.server_answers() || self.log_went_back() {
            return None;
        }
        self.delivers();
        let owner = std::slice::from_ref(&self.log.owner);
        let answer = self.reader.deliver.heads(Some(self.reader.position), owner)?;
        Some(HeadOf { position: answer.position, head: answer.heads[0], floor: answer.floor })
    }

    /// The server has a live entry: every gateway with an interest gets it, or does not.
    pub(super) fn fan_out(&mut self, live: &LiveEntry) {
        let faults = self.faults;
        for gateway in 0..self.gateways.len() {
            let interested = self.sessions.iter().flatten().any(|held| held.gateway == gateway && held.interest);
            if !interested || self.is_cut(gateway) {
                continue;
            }
            let life = self.gateways[gateway].life;
            let copies = if self.fault(faults.live_lost) { 0 } else { 1 + u32::from(self.fault(faults.live_repeated)) };
            for _ in 0..copies {
                let late = self.fault(faults.live_late);
                let span = if late { self.dice.between(MS, 5 * SECOND) } else { MS / 2 };
                self.after(span, Event::Live { gateway, life, live: live.clone() });
            }
        }
    }

    pub(super) fn live_reaches(&mut self, gateway: usize, life: u32, live: &LiveEntry) {
        if !self.is(gateway, life) || self.is_cut(gateway) {
            return;
        }
        let entry = Arc::new(Tail::of(&self.log, self.named.clone()).entry(live.clone(), 2));
        for session in self.held_by(gateway) {
            if self.sessions[session].as_ref().is_some_and(|held| held.interest) {
                self.tell(session, Input::Live(self.named.clone(), entry.clone()));
            }
        }
    }

    /// A record of somebody's membership was written: all gateways hear of it, or know that they may have missed it.
    pub(super) fn hint(&mut self, person: usize, follows: Follows) {
        let faults = self.faults;
        for gateway in 0..self.gateways.len() {
            if self.is_cut(gateway) || self.fault(faults.hint_lost) {
                self.gateways[gateway].missed = true;
                continue;
            }
            let (life, late) = (self.gateways[gateway].life, self.fault(faults.hint_late));
            let span = if late { self.dice.between(MS, 5 * SECOND) } else { self.latency() };
            self.after(span, Event::Hint { gateway, life, person, follows });
        }
    }

    pub(super) fn hint_reaches(&mut self, gateway: usize, life: u32, person: usize, follows: Follows) {
        if !self.is(gateway, life) {
            return;
        }
        for session in self.held_by(gateway) {
            if let Some(held) = self.sessions[session].as_mut().filter(|held| held.person == person) {
                held.hint = Some(follows);
                self.tell(session, Input::Groups(Some(self.named.clone())));
            }
        }
    }

    /// Gives a session an input, and carries out what comes of it.
    pub(super) fn tell(&mut self, session: usize, input: Input) {
        let moment = self.moment();
        self.note(|world| match &world.sessions[session] {
            Some(_) => format!("session {session} <- {input:?}"),
            None => format!("session {session} is gone"),
        });
        let Some(held) = &mut self.sessions[session] else { return };
        held.core.handle(moment, input);
        self.work(session);
    }

    fn work(&mut self, session: usize) {
        let outputs = self.sessions[session].as_mut().map(|held| held.core.take_outputs());
        for output in outputs.unwrap_or_default() {
            self.note(|_| format!("session {session} -> {output:?}"));
            self.carry_out(session, output);
        }
        let (moment, now) = (self.moment(), self.now);
        let Some(held) = &mut self.sessions[session] else { return };
        let wakes = !held.writing && held.core.has_work();
        held.writing |= wakes;
        let deadline = held.core.next_deadline(moment);
        let at = deadline.0.saturating_mul(MS).saturating_add(BEGINNING).max(now);
        if deadline != Uptime::NEVER && at < held.tick_at {
            held.tick_at = at;
            self.agenda.enter(at, Event::Tick { session, at });
        }
        if wakes {
            self.after(MS / 20, Event::Write { session });
        }
    }

    fn carry_out(&mut self, session: usize, output: Output) {
        let latency = self.latency();
        match output {
            Output::Read(_, request) => self.read(session, request),
            Output::Look(_, number) => self.after(latency, Event::Look { session, number, seen: Box::default() }),
            Output::Open(log) => {
                let which = if log.is_some() { Which::One } else { Which::All };
                self.after(latency, Event::Find { session, which });
            }
            Output::Ended(_, at) => {
                let Some(held) = &mut self.sessions[session] else { return };
                held.interest = false;
                let again = held.ended.replace(at) == Some(at);
                self.after(latency, Event::Find { session, which: Which::Again { at, again } });
            }
            Output::AskHeads(_) => {
                let heads_lost = self.faults.heads_lost;
                let cut = self.sessions[session].as_ref().is_some_and(|held| self.is_cut(held.gateway));
                let answer = if cut || self.fault(heads_lost) { None } else { self.heads() };
                let log = self.named.clone();
                let (span, input) = match answer {
                    Some(head) => (latency, Input::Heads(log, head)),
                    None => (SECOND, Input::HeadsUnanswered(log)),
                };
                self.after(span, Event::Input { session, input: Box::new(input) });
            }
            Output::Verify(..) => self.after(latency, Event::Verified { session }),
            Output::Acknowledge(_, Acknowledged { cursor, .. }) => {
                let answer_lost = self.faults.answer_lost;
                let device = self.sessions[session].as_ref().map(|held| held.device);
                if let Some(device) = device.filter(|_| !self.fault(answer_lost)) {
                    self.acknowledged(device, cursor);
                }
            }
            Output::Corrupt(_, position) => {
                self.judge.blame(Rule::Lost, || format!("session {session} takes {position:?} for damaged"));
            }
            Output::Sending(_) => unreachable!("what is said goes to the workers"),
            Output::Overflowed(_) | Output::SignalLost | Output::MarkRead(..) | Output::ReadMarks(_) => {}
        }
    }

    /// The reader's word on a session's doubt.
    pub(super) fn verified(&mut self, session: usize) {
        let cut = self.sessions[session].as_ref().is_none_or(|held| self.is_cut(held.gateway));
        let verified = if cut { None } else { self.verifies() };
        self.tell(session, Input::Verified(self.log.shard, verified.ok_or(dunlin_gateway::session::NoAnswer)));
    }

    pub(super) fn session_tick(&mut self, session: usize, at: u64) {
        let moment = self.moment();
        if let Some(held) = self.sessions[session].as_mut().filter(|held| held.tick_at == at) {
            held.tick_at = u64::MAX;
            held.core.keep_time(moment);
            self.work(session);
        }
    }

    /// The writer takes what the socket takes.
    pub(super) fn write_frames(&mut self, session: usize) {
        let moment = self.moment();
        loop {
            let Some(held) = &mut self.sessions[session] else { return };
            let device = held.device;
            if self.devices[device].is_slow {
                // Woken when the device reads again.
                return;
            }
            if let Some(frame) = held.core.take() {
                let frame: ServerFrame = frame.frame().clone();
                self.note(|_| format!("session {session} writes {frame:?}"));
                self.taken(session, &frame);
                let slow = self.faults.slow / 4;
                if self.fault(slow) {
                    self.becomes_slow(device);
                }
                continue;
            }
            if held.core.drained(moment) {
                self.work(session);
                if self.sessions[session].as_ref().is_some_and(|held| held.core.has_outgoing()) {
                    continue;
                }
            }
            break;
        }
        if let Some(held) = &mut self.sessions[session] {
            held.writing = false;
        }
        self.work(session);
    }

    /// A device reads its socket again.
    pub(super) fn wake_writer(&mut self, session: usize) {
        if self.sessions[session].as_ref().is_some_and(|held| held.writing) {
            self.after(MS / 20, Event::Write { session });
        }
    }

    /// What a device has of the log.
    pub(super) fn acknowledges(&mut self, session: usize, delivered: dunlin_schema::Seq) {
        let log: LogName = self.named.clone();
        self.tell(session, Input::Ack { log, delivered });
    }
}
