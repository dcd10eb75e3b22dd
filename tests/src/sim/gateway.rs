//! Gateways: sessions with the real core, the subscription that feeds them, and what gateways suffer.

mod heads;
mod reads;
mod sockets;

use std::sync::Arc;

use dunlin_gateway::{
    clock::Moment,
    comparison::core::{Comparison, Question},
    connection::core::Core,
    sending,
    session::{Acknowledged, Input, Output, SentCopies, Session, Setup, Start, Tail},
};
use dunlin_schema::{Cursor, LogName, Millis, Position, Shard, frame::ServerFrame, live::LiveEntry};

use super::{
    Rule, World,
    device::Arrival,
    event::{AtReader, Event, Said},
    plant::Plant,
    reader::Published,
    stream::nanos,
    units::{MS, SECOND},
};

/// The one shard.
const SHARD: Shard = Shard(0);

/// One gateway.
#[derive(Debug)]
struct Gateway {
    /// Counts its lives: a crash begins another.
    life: u32,
    /// How far its clock is ahead of the true time, in milliseconds.
    ahead: i64,
    /// Until then it has no link to NATS.
    cut_until: u64,
    /// Its followers are sessions.
    comparison: Comparison<usize>,
    compare_at: u64,
}

/// One connection's session.
#[derive(Debug)]
struct Held {
    core: Core,
    gateway: usize,
    life: u32,
    user: usize,
    device: usize,
    connection: u32,
    interest: bool,
    subscribed: bool,
    /// What was published for it when it was subscribed.
    published: Option<Published>,
    /// Whether a reader has told it of its head.
    compared: bool,
    tick_at: u64,
    writing: bool,
    /// When the last frame reaches the device: a socket keeps their order.
    pipe: u64,
    /// The cursor of the last frame that was taken.
    sent: Option<Cursor>,
    arrival: Arrival,
    /// Whether an answer held the entry of `sent`.
    proven: bool,
    /// The power losses before it began.
    losses: usize,
    /// Frames that were taken while the socket did not take them: [`Plant::SentIsWhatWasQueued`].
    pocket: Vec<ServerFrame>,
}

/// A question to a reader, of one life of a gateway.
#[derive(Debug)]
struct Pending {
    gateway: usize,
    life: u32,
    about: About,
}

/// What a reader is asked.
#[derive(Debug)]
enum About {
    Heads(Question<usize>),
    /// A session's doubt.
    Doubt(usize),
}

/// All gateways, their sessions and what they asked.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    list: Vec<Gateway>,
    sessions: Vec<Option<Held>>,
    /// `None` where they wait for no answer any more.
    questions: Vec<Option<Pending>>,
}

impl World {
    pub(crate) fn add_gateway(&mut self) {
        let gateway = self.gateways.list.len();
        let ahead = match self.plant {
            Some(Plant::FreshForAMinute) => 5_000 - 10_000 * gateway as i64,
            Some(_) | None => self.dice.between(0, 10_000) as i64 - 5_000,
        };
        let comparison = self.new_comparison();
        let held = Gateway { life: 0, ahead, cut_until: 0, comparison, compare_at: u64::MAX };
        self.gateways.list.push(held);
        self.settle_comparison(gateway);
    }

    fn new_comparison(&self) -> Comparison<usize> {
        Comparison::new(1, self.shape.bounds, self.uptime())
    }

    /// What a gateway's clock says.
    pub(crate) fn gateway_clock(&self, gateway: usize) -> Millis {
        Millis((self.now / MS).saturating_add_signed(self.gateways.list[gateway].ahead))
    }

    /// Both clocks of a gateway. No step of the one that tells the time of day moves the other.
    fn moment(&self, gateway: usize) -> Moment {
        Moment { wall: self.gateway_clock(gateway), uptime: self.uptime() }
    }

    pub(crate) fn gateway_lives(&self, gateway: usize, life: u32) -> bool {
        self.gateways.list[gateway].life == life
    }

    pub(crate) fn gateway_is_cut(&self, gateway: usize) -> bool {
        self.now < self.gateways.list[gateway].cut_until
    }

    /// The gateway that holds a session, and which life of it.
    pub(crate) fn gateway_of(&self, session: usize) -> Option<(usize, u32)> {
        self.gateways.sessions[session].as_ref().map(|held| (held.gateway, held.life))
    }

    /// A gateway dies and is started again.
    pub(crate) fn crash_gateway(&mut self, gateway: usize) {
        self.note(|_| format!("gateway {gateway} dies"));
        let comparison = self.new_comparison();
        let held = &mut self.gateways.list[gateway];
        held.life += 1;
        (held.comparison, held.compare_at) = (comparison, u64::MAX);
        for session in 0..self.gateways.sessions.len() {
            if self.gateways.sessions[session].as_ref().is_some_and(|held| held.gateway == gateway)
                && let Some(held) = self.gateways.sessions[session].take()
            {
                let span = self.dice.between(MS, 3 * SECOND);
                self.after(span, Event::Reconnect { device: held.device, connection: held.connection });
            }
        }
        self.settle_comparison(gateway);
    }

    /// A gateway loses NATS for a while.
    pub(crate) fn cut_gateway(&mut self, gateway: usize, span: u64) {
        self.note(|_| format!("gateway {gateway} is cut off for {} ms", span / MS));
        self.gateways.list[gateway].cut_until = self.now + span;
        let life = self.gateways.list[gateway].life;
        self.after(span, Event::Linked { gateway, life });
    }

    /// The link is back: the subscriptions were made again, and core messages may have been lost.
    pub(crate) fn linked(&mut self, gateway: usize, life: u32) {
        if self.gateway_lives(gateway, life) && !self.gateway_is_cut(gateway) {
            let now = self.uptime();
            self.gateways.list[gateway].comparison.lost(now);
            self.settle_comparison(gateway);
        }
    }

    /// All cuts end.
    pub(crate) fn heal_gateways(&mut self) {
        for gateway in 0..self.gateways.list.len() {
            if self.gateway_is_cut(gateway) {
                self.gateways.list[gateway].cut_until = self.now;
                let life = self.gateways.list[gateway].life;
                self.after(0, Event::Linked { gateway, life });
            }
        }
    }

    /// A device's `hello` was accepted.
    pub(crate) fn open_session(
        &mut self,
        gateway: usize,
        device: usize,
        connection: u32,
        mut start: Start,
        arrival: Arrival,
    ) -> usize {
        if let (Some(plant), Start::Cursor(cursor)) = (self.plant, &mut start) {
            plant.comes(cursor, Millis(self.server.up_since / MS), self.history.epoch());
        }
        let user = self.devices.user(device);
        let setup = Setup {
            region: self.region.clone(),
            shards: 1,
            user: self.users[user].name.clone(),
            sent_copies: SentCopies::Always,
            several_devices: true,
            bounds: self.shape.bounds,
        };
        let now = self.gateway_clock(gateway);
        let sent = match start {
            Start::Cursor(cursor) => Some(cursor),
            // What was there before is no business of a device that wants only what comes.
            Start::Live => {
                let position = Position { epoch: self.history.epoch(), ..Position::default() };
                Some(Cursor { position, at: now, ..Cursor::default() })
            }
            Start::Beginning => None,
        };
        let mut core = Core::new(Session::new(setup));
        core.handle(self.moment(gateway), Input::Follow { log: LogName::Mailbox, start });
        let held = Held {
            core,
            gateway,
            life: self.gateways.list[gateway].life,
            user,
            device,
            connection,
            interest: false,
            subscribed: false,
            published: None,
            compared: false,
            tick_at: u64::MAX,
            writing: false,
            pipe: 0,
            sent,
            arrival,
            proven: false,
            losses: self.history.losses,
            pocket: Vec::new(),
        };
        let session = self.gateways.sessions.len();
        self.gateways.sessions.push(Some(held));
        self.note(|_| format!("session {session} of device {device} at gateway {gateway}: {start:?} {arrival:?}"));
        let latency = self.latency();
        self.after(latency, Event::Interest { session });
        self.settle_session(session);
        session
    }

    /// The socket is gone, and the gateway knows it.
    pub(crate) fn close_session(&mut self, session: usize) {
        self.tell(session, Input::Unfollow(LogName::Mailbox));
        self.gateways.sessions[session] = None;
    }

    pub(crate) fn interest(&mut self, session: usize) {
        let Some(held) = &mut self.gateways.sessions[session] else { return };
        let gateway = held.gateway;
        let latency = self.latency();
        if self.gateway_is_cut(gateway) {
            return self.after(100 * MS, Event::Interest { session });
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.interest = true;
        }
        self.after(latency, Event::Subscribed { session });
    }

    pub(crate) fn subscribed(&mut self, session: usize) {
        let user = self.gateways.sessions[session].as_ref().map(|held| held.user);
        let published = user.and_then(|user| self.published_for(user));
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.subscribed = true;
            held.published = published;
        }
        self.tell(session, Input::Subscribed(LogName::Mailbox));
    }

    /// Gives a session an input and carries out what comes of it.
    pub(crate) fn tell(&mut self, session: usize, input: Input) {
        let Some((gateway, _)) = self.gateway_of(session) else { return };
        let moment = self.moment(gateway);
        if self.trace.is_some() {
            self.note(|_| format!("session {session} <- {input:?}"));
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.compared |= matches!(input, Input::Heads(..));
            held.core.handle(moment, input);
        }
        self.work(session);
    }

    /// Does what a session wants done, as its task does once it is woken.
    fn work(&mut self, session: usize) {
        let outputs = self.gateways.sessions[session].as_mut().map(|held| held.core.take_outputs());
        self.carry_out(session, outputs.unwrap_or_default());
        self.settle_session(session);
    }

    /// Wakes the writer and sets the timer as the session wants them.
    fn settle_session(&mut self, session: usize) {
        let Some((gateway, _)) = self.gateway_of(session) else { return };
        let (moment, now) = (self.moment(gateway), self.now);
        let Some(held) = &mut self.gateways.sessions[session] else { return };
        let wakes = !held.writing && held.core.has_work();
        held.writing |= wakes;
        let at = held.core.next_deadline(moment).0.saturating_mul(MS).max(now);
        if at < held.tick_at {
            held.tick_at = at;
            self.agenda.enter(at, Event::SessionTick { session, at });
        }
        if wakes {
            self.after(MS / 20, Event::Write { session });
        }
    }

    pub(crate) fn session_tick(&mut self, session: usize, at: u64) {
        if let Some(held) = &mut self.gateways.sessions[session]
            && held.tick_at == at
        {
            held.tick_at = u64::MAX;
            let gateway = held.gateway;
            let moment = self.moment(gateway);
            if let Some(held) = &mut self.gateways.sessions[session] {
                held.core.keep_time(moment);
            }
            self.work(session);
        }
    }

    fn carry_out(&mut self, session: usize, outputs: Vec<Output>) {
        for output in outputs {
            self.note(|_| format!("session {session} -> {output:?}"));
            match output {
                Output::Sending(sending::Do::Append(mut append)) => {
                    if let Some(plant) = self.plant {
                        plant.append(&mut append);
                    }
                    self.append(session, *append);
                }
                Output::Sending(sending::Do::LookUp(wanted)) => self.look_up(session, *wanted),
                Output::Sending(sending::Do::InGroup(wanted)) => unreachable!("nobody sends to a group: {wanted:?}"),
                Output::Sending(sending::Do::Refer(wanted)) => unreachable!("nobody sends a file: {wanted:?}"),
                Output::Read(_, request) => self.read(session, request),
                Output::AskHeads(_) => self.ask_heads(session),
                Output::Verify(_, position)
                    if self.plant == Some(Plant::OlderEntryIsAProof) && self.looks_erased(session, position) =>
                {
                    let input = Box::new(Input::Verified(SHARD, Ok(position)));
                    self.after(MS, Event::Session { session, input });
                }
                Output::Verify(..) => {
                    if let Some((gateway, _)) = self.gateway_of(session) {
                        self.question(gateway, About::Doubt(session));
                    }
                }
                Output::Acknowledge(_, Acknowledged { cursor, .. }) => {
                    let ack_lost = self.faults.ack_lost;
                    if let Some(device) = self.gateways.sessions[session].as_ref().map(|held| held.device)
                        && !self.fault(ack_lost)
                    {
                        let latency = self.latency();
                        self.after(latency, Event::Acknowledged { device, cursor });
                    }
                }
                Output::Corrupt(_, position) => {
                    self.history.blame(Rule::Lost, || format!("session {session} takes {position:?} for damaged"));
                }
                Output::Look(..) | Output::Open(_) | Output::Ended(..) => unreachable!("only mailboxes are simulated"),
                Output::Overflowed(_) | Output::SignalLost | Output::MarkRead(..) | Output::ReadMarks(_) => {}
            }
        }
    }

    // Live entries.

    /// The server has a live entry: every gateway with an interest gets it, or does not.
    pub(crate) fn fan_out(&mut self, user: usize, live: &LiveEntry) {
        let faults = self.faults;
        for gateway in 0..self.gateways.list.len() {
            let interested = self
                .gateways
                .sessions
                .iter()
                .flatten()
                .any(|held| held.gateway == gateway && held.user == user && held.interest);
            if !interested || self.gateway_is_cut(gateway) {
                continue;
            }
            let life = self.gateways.list[gateway].life;
            let copies = if self.fault(faults.live_lost) { 0 } else { 1 + u32::from(self.fault(faults.live_repeated)) };
            for _ in 0..copies {
                let late = self.fault(faults.live_late);
                let latency = if late { self.dice.between(MS, 5 * SECOND) } else { MS / 2 };
                self.after(latency, Event::Live { gateway, life, user, live: live.clone() });
            }
        }
    }

    pub(crate) fn live_reaches(&mut self, gateway: usize, life: u32, user: usize, live: &LiveEntry) {
        if !self.gateway_lives(gateway, life) || self.gateway_is_cut(gateway) {
            return;
        }
        // Decoded once, and shared by all devices of the user.
        let entry = Arc::new(Tail::of(&self.users[user].log, LogName::Mailbox).entry(live.clone(), 2));
        for session in 0..self.gateways.sessions.len() {
            let fits = self.gateways.sessions[session].as_ref();
            let hidden = self.plant.is_some_and(|plant| plant.hides(&live.position, self.sent(session)));
            if !hidden && fits.is_some_and(|held| held.gateway == gateway && held.user == user) {
                let opens = fits.is_some_and(|held| held.subscribed && !held.compared);
                if let Some(share) = self.plant.and_then(|plant| plant.opened_by(live)).filter(|_| opens) {
                    self.tell(session, Input::Heads(LogName::Mailbox, share));
                }
                self.tell(session, Input::Live(LogName::Mailbox, entry.clone()));
            }
        }
    }

    /// A device's frame reaches its session.
    pub(crate) fn said(&mut self, session: usize, said: Said) {
        let wants = self.gateways.sessions[session].as_ref().is_some_and(|held| held.core.wants_input());
        match said {
            Said::Send(send) if wants => self.tell(session, Input::Sending(sending::Input::Send(send))),
            Said::Ack(delivered) if wants => self.tell(session, Input::Ack { log: LogName::Mailbox, delivered }),
            // The socket is not read: it comes when it is.
            said @ (Said::Send(_) | Said::Ack(_)) => {
                if self.gateways.sessions[session].is_some() {
                    self.after(50 * MS, Event::Said { session, said });
                }
            }
        }
    }

    fn sent(&self, session: usize) -> Option<&Cursor> {
        self.gateways.sessions[session].as_ref()?.sent.as_ref()
    }

    /// Whether nothing but the own entry of a position is missing from the log.
    fn looks_erased(&mut self, session: usize, position: Position) -> bool {
        let user = self.gateways.sessions[session].as_ref().map(|held| held.user);
        let truth = self.stream.truth(self.now);
        truth.last() >= position.seq && truth.at(position.seq).is_none_or(|entry| Some(entry.log) != user)
    }

    /// Whether a session took a cursor for true that the stream shows to be forged.
    pub(crate) fn believes_a_forgery(&self, session: usize) -> bool {
        self.gateways.sessions[session].as_ref().is_some_and(|held| held.arrival == Arrival::Forged { plain: true })
    }

    /// A cursor of the reader's own present, for those who ask where the shard is.
    pub(crate) fn stream_end(&mut self) -> Position {
        let now = self.now;
        let truth = self.stream.truth(now);
        let (last, time) = (truth.last(), truth.at(truth.last()).map(|entry| entry.time));
        Position { epoch: self.history.epoch(), seq: last, time: time.unwrap_or_default() }
    }
}
