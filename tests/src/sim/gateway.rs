//! Gateways: sessions with the real core, the subscription that feeds them, reads, and the comparison of heads.

use std::sync::Arc;

use dunlin_gateway::{
    sending,
    session::{HeadOf, Input, NoAnswer, Output, ReadFailed, SentCopies, Session, Setup, Start, Tail},
};
use dunlin_schema::{
    Cursor, LogName, Millis, Position, Seq, Shard,
    frame::ServerFrame,
    heads::{HeadsAnswer, Verified},
    limits,
    live::LiveEntry,
    read::{Evidence, ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
};

use super::{
    Rule,
    device::Arrival,
    event::{AtReader, Event, Said},
    plant::Plant,
    reader::Published,
    stream::nanos,
    world::{MS, SECOND, World},
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
}

/// One connection's session.
#[derive(Debug)]
struct Held {
    core: Session,
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

/// A question to a reader.
#[derive(Debug)]
struct Question {
    sessions: Vec<usize>,
    verify: bool,
    open: bool,
}

/// All gateways, their sessions and what they asked.
#[derive(Debug, Default)]
pub(crate) struct Gateways {
    list: Vec<Gateway>,
    sessions: Vec<Option<Held>>,
    questions: Vec<Question>,
}

impl World {
    pub(crate) fn add_gateway(&mut self) {
        let gateway = self.gateways.list.len();
        let ahead = match self.plant {
            Some(Plant::FreshForAMinute) => 5_000 - 10_000 * gateway as i64,
            Some(_) | None => self.dice.between(0, 10_000) as i64 - 5_000,
        };
        self.gateways.list.push(Gateway { life: 0, ahead, cut_until: 0 });
        let span = self.dice.between(SECOND, nanos(limits::HEADS_EVERY));
        self.after(span, Event::Compare { gateway, life: 0, every: true });
    }

    /// What a gateway's clock says.
    pub(crate) fn gateway_clock(&self, gateway: usize) -> Millis {
        Millis((self.now / MS).saturating_add_signed(self.gateways.list[gateway].ahead))
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
        self.gateways.list[gateway].life += 1;
        let life = self.gateways.list[gateway].life;
        for session in 0..self.gateways.sessions.len() {
            if self.gateways.sessions[session].as_ref().is_some_and(|held| held.gateway == gateway)
                && let Some(held) = self.gateways.sessions[session].take()
            {
                let span = self.dice.between(MS, 3 * SECOND);
                self.after(span, Event::Reconnect { device: held.device, connection: held.connection });
            }
        }
        let span = self.dice.between(SECOND, nanos(limits::HEADS_EVERY));
        self.after(span, Event::Compare { gateway, life, every: true });
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
            self.after(2 * MS, Event::Compare { gateway, life, every: false });
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
            start,
            bounds: self.shape.bounds,
        };
        let now = self.gateway_clock(gateway);
        let sent = match start {
            Start::Cursor(cursor) => Some(cursor),
            // What was there before is no business of a device that wants only what comes.
            Start::Live => {
                let position = Position { epoch: self.history.epoch(), ..Position::default() };
                Some(Cursor { position, at: now })
            }
            Start::Beginning => None,
        };
        let held = Held {
            core: Session::new(setup, now),
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
        let mut outputs = Vec::new();
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.core.finish(&mut outputs);
        }
        self.carry_out(session, outputs);
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
        let now = self.gateway_clock(gateway);
        let mut outputs = Vec::new();
        if self.trace.is_some() {
            self.note(|_| format!("session {session} <- {input:?}"));
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.compared |= matches!(input, Input::Heads(..));
            held.core.handle(now, input, &mut outputs);
        }
        self.carry_out(session, outputs);
        self.settle_session(session);
    }

    /// Wakes the writer and sets the timer as the session wants them.
    fn settle_session(&mut self, session: usize) {
        let Some((gateway, _)) = self.gateway_of(session) else { return };
        let ahead = self.gateways.list[gateway].ahead;
        let now = self.now;
        let Some(held) = &mut self.gateways.sessions[session] else { return };
        let wakes = !held.writing && (held.core.has_outgoing() || held.core.waits_for_drain());
        held.writing |= wakes;
        let deadline = held.core.next_deadline().map(|at| at.0.saturating_add_signed(-ahead) * MS);
        let tick = deadline.map(|at| at.max(now)).filter(|at| *at < held.tick_at);
        if let Some(at) = tick {
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
            self.tell(session, Input::Tick);
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
                Output::Read(_, request) => self.read(session, request),
                Output::AskHeads(_) => self.ask_heads(vec![session]),
                Output::Verify(_, position)
                    if self.plant == Some(Plant::OlderEntryIsAProof) && self.looks_erased(session, position) =>
                {
                    let input = Box::new(Input::Verified(SHARD, Ok(position)));
                    self.after(MS, Event::Session { session, input });
                }
                Output::Verify(..) => self.question(vec![session], true),
                Output::Acknowledge(_, cursor) => {
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
                Output::Overflowed(_) => {}
            }
        }
    }

    // Reads.

    fn read(&mut self, session: usize, request: ReadRequest) {
        let Some((gateway, _)) = self.gateway_of(session) else { return };
        let read_fails = self.faults.read_fails;
        if self.gateway_is_cut(gateway) || self.fault(read_fails) {
            return self.after(
                300 * MS,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        let slow = self.fault(read_fails);
        let latency = if slow { self.dice.between(MS, SECOND) } else { self.latency() };
        self.after(latency, Event::Read { session, request, before: Vec::new() });
    }

    pub(crate) fn read_reaches(&mut self, session: usize, mut request: ReadRequest, mut before: Vec<StoredEntry>) {
        let Some(user) = self.gateways.sessions[session].as_ref().map(|held| held.user) else { return };
        let latency = self.latency();
        if !self.server_answers() {
            return self.after(
                latency,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        let read_fails = self.faults.read_fails;
        if request.source == Source::Any && self.fault(read_fails) {
            request.source = Source::Leader;
        }
        self.notice_gone();
        let from = before.last().map_or(request.from, |last| ReadFrom::Seq(last.seq.next()));
        let mut answer = self.read_log(user, &ReadRequest { from, ..request });
        let torn = self.faults.read_torn;
        if request.source == Source::Leader && answer.entries.len() > 1 && self.fault(torn) {
            // The leader is asked for one entry after the other, and much may happen in between.
            let span = self.dice.between(0, 100 * MS);
            before.extend(answer.entries.into_iter().take(1));
            return self.after(span, Event::Read { session, request, before });
        }
        answer.entries.splice(0..0, before);
        if let Some(plant) = self.plant {
            plant.read(&mut answer, &request, self.sent(session));
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.proven |=
                answer.entries.iter().any(|entry| held.sent.is_some_and(|sent| entry.seq == sent.position.seq));
        }
        if request.source == Source::Leader {
            self.after(latency, Event::Evidence { session, request, answer });
        } else {
            self.after(latency, Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Ok(answer))) });
        }
    }

    pub(crate) fn evidence_reaches(&mut self, session: usize, request: &ReadRequest, mut answer: ReadAnswer) {
        let Some(user) = self.gateways.sessions[session].as_ref().map(|held| held.user) else { return };
        let latency = self.latency();
        if !self.server_answers() {
            return self.after(
                latency,
                Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Err(ReadFailed))) },
            );
        }
        self.notice_gone();
        let now = self.now;
        let half = self.shape.bounds.mailbox_entries / 2;
        let estimate = self.dice.between(0, half / 2);
        let truth = self.stream.truth(now);
        let asked = |seq: Seq, time| match request.from {
            ReadFrom::Seq(from) => seq >= from,
            ReadFrom::Time(from) => time >= from,
        };
        let tombstone = |payload: &[u8]| dunlin_schema::Entry::decode(payload).is_ok_and(|entry| entry.is_tombstone());
        let weight = truth.of(user).filter(|entry| asked(entry.seq, entry.time));
        let weight: u64 = weight.map(|entry| 1 + u64::from(tombstone(&entry.payload))).sum();
        let weight = if weight < half { (weight + estimate).min(half) } else { weight };
        let mut evidence =
            Evidence { first: truth.of(user).next().map(|entry| entry.seq), stream_last: truth.last(), weight };
        if let Some(plant) = self.plant {
            let count = truth.of(user).filter(|entry| asked(entry.seq, entry.time)).count() as u64;
            let held = self.gateways.sessions[session].as_ref();
            let (sent, proven) = held.map_or((None, false), |held| (held.sent.as_ref(), held.proven));
            plant.evidence(&mut evidence, count, sent, proven);
        }
        answer.evidence = Some(evidence);
        self.after(latency, Event::Session { session, input: Box::new(Input::Read(LogName::Mailbox, Ok(answer))) });
    }

    // The comparison of heads.

    pub(crate) fn compare(&mut self, gateway: usize, life: u32, every: bool) {
        if !self.gateway_lives(gateway, life) {
            return;
        }
        if every {
            self.after(nanos(limits::HEADS_EVERY), Event::Compare { gateway, life, every });
        }
        let sessions = self.gateways.sessions.iter().enumerate();
        let asked =
            sessions.filter(|(_, held)| held.as_ref().is_some_and(|held| held.gateway == gateway && held.subscribed));
        let asked: Vec<usize> = asked.map(|(session, _)| session).collect();
        if !asked.is_empty() {
            self.ask_heads(asked);
        }
    }

    fn ask_heads(&mut self, sessions: Vec<usize>) {
        self.question(sessions, false);
    }

    fn question(&mut self, sessions: Vec<usize>, verify: bool) {
        let Some((gateway, _)) = self.gateway_of(sessions[0]) else { return };
        let question = self.gateways.questions.len();
        self.gateways.questions.push(Question { sessions, verify, open: true });
        self.after(nanos(limits::HEADS_TIMEOUT), Event::AskedEnough { question });
        let heads_lost = self.faults.heads_lost;
        if self.gateway_is_cut(gateway) || self.fault(heads_lost) {
            return;
        }
        if let Some(reader) = self.some_reader() {
            let latency = self.latency();
            self.after(latency, Event::Reader { reader, what: AtReader::Asked { question } });
        }
    }

    /// The users of a question about heads; `None` where it is a doubt.
    pub(crate) fn asked_users(&self, question: usize) -> Option<Vec<usize>> {
        let asked = &self.gateways.questions[question];
        let user = |session: &usize| self.gateways.sessions[*session].as_ref().map_or(0, |held| held.user);
        (!asked.verify).then(|| asked.sessions.iter().map(user).collect())
    }

    /// A reader's answer about heads is on its way.
    pub(crate) fn heads_answered(&mut self, question: usize, answer: &HeadsAnswer) {
        let sessions = self.gateways.questions[question].sessions.clone();
        let shares = sessions.iter().zip(&answer.heads).map(|(session, head)| {
            let mut share = HeadOf { position: answer.position, head: *head, floor: answer.floor };
            if let Some(plant) = self.plant {
                plant.share(&mut share, self.sent(*session));
            }
            (*session, Input::Heads(LogName::Mailbox, share))
        });
        let shares: Vec<_> = shares.collect();
        self.answered(question, shares);
    }

    /// A reader's answer to a doubt is on its way.
    pub(crate) fn doubt_answered(&mut self, question: usize, verified: Verified) {
        let session = self.gateways.questions[question].sessions[0];
        self.answered(question, vec![(session, Input::Verified(SHARD, Ok(verified.position)))]);
    }

    fn answered(&mut self, question: usize, shares: Vec<(usize, Input)>) {
        let heads_lost = self.faults.heads_lost;
        if !self.gateways.questions[question].open || self.fault(heads_lost / 2) {
            return;
        }
        self.gateways.questions[question].open = false;
        let latency = self.latency();
        for (session, input) in shares {
            self.after(latency, Event::Session { session, input: Box::new(input) });
        }
    }

    pub(crate) fn asked_enough(&mut self, question: usize) {
        let asked = &mut self.gateways.questions[question];
        if !std::mem::replace(&mut asked.open, false) {
            return;
        }
        let verify = asked.verify;
        for session in asked.sessions.clone() {
            self.tell(
                session,
                if verify { Input::Verified(SHARD, Err(NoAnswer)) } else { Input::HeadsUnanswered(LogName::Mailbox) },
            );
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

    // Sockets.

    /// The writer takes what the socket takes.
    pub(crate) fn write(&mut self, session: usize) {
        loop {
            let Some(held) = &mut self.gateways.sessions[session] else { return };
            let (device, slow) = (held.device, self.devices.is_slow(held.device));
            if slow && self.plant == Some(Plant::SentIsWhatWasQueued) {
                let room = self.shape.bounds.outbound_frames - held.pocket.len().min(self.shape.bounds.outbound_frames);
                let queued: Vec<_> =
                    std::iter::from_fn(|| held.core.take()).map(|frame| frame.frame().clone()).collect();
                // Answers are kept; of the log's frames as many as there is room for.
                let of_log =
                    |frame: &ServerFrame| matches!(frame, ServerFrame::Entry(_) | ServerFrame::CaughtUp { .. });
                let (frames, answers): (Vec<_>, Vec<_>) = queued.into_iter().partition(of_log);
                held.pocket.extend(answers.into_iter().chain(frames.into_iter().take(room)));
                held.writing = false;
                return;
            }
            if slow {
                // Woken when the device reads again.
                return;
            }
            for frame in std::mem::take(&mut held.pocket) {
                self.taken(session, frame);
            }
            let Some(held) = &mut self.gateways.sessions[session] else { return };
            if let Some(frame) = held.core.take() {
                self.taken(session, frame.frame().clone());
                let slow = self.faults.slow / 4;
                if self.fault(slow) {
                    self.set_slow(device, true);
                }
                continue;
            }
            if held.core.waits_for_drain() {
                self.tell(session, Input::Drained);
                let more = self.gateways.sessions[session].as_ref();
                if more.is_some_and(|held| held.core.has_outgoing()) {
                    continue;
                }
            }
            break;
        }
        if let Some(held) = &mut self.gateways.sessions[session] {
            held.writing = false;
        }
        self.settle_session(session);
    }

    /// A device reads its socket again.
    pub(crate) fn wake_writer(&mut self, session: usize) {
        let woken = |held: &Held| held.writing || !held.pocket.is_empty();
        if self.gateways.sessions[session].as_ref().is_some_and(woken) {
            self.after(MS / 20, Event::Write { session });
        }
    }

    fn taken(&mut self, session: usize, frame: ServerFrame) {
        let at = self.now;
        let latency = self.latency();
        let Some(held) = &mut self.gateways.sessions[session] else { return };
        held.pipe = held.pipe.max(at + latency);
        let (pipe, device, connection, user) = (held.pipe, held.device, held.connection, held.user);
        self.note(|_| format!("session {session} writes {frame:?}"));
        let log = &self.users[user].log;
        let told = match &frame {
            ServerFrame::Gap { cursor, .. } | ServerFrame::CaughtUp { cursor, .. } => Some(cursor.open(log)),
            ServerFrame::Entry(entry) => Some(entry.cursor.open(log)),
            ServerFrame::Welcome { .. }
            | ServerFrame::Accepted { .. }
            | ServerFrame::Rejected { .. }
            | ServerFrame::Refused { .. }
            | ServerFrame::Goodbye(_) => None,
        };
        if let Some(cursor) = told {
            let cursor = cursor.expect("a session seals its cursors for its own log");
            self.notice_gone();
            let first = self.gateways.sessions[session].as_mut().map(|held| {
                let arrival = held.arrival;
                if matches!(frame, ServerFrame::Gap { .. }) {
                    held.arrival = Arrival::Own;
                }
                (arrival, held.sent.replace(cursor), held.losses)
            });
            if let (ServerFrame::CaughtUp { .. }, Some((Arrival::Own | Arrival::New, ..))) = (&frame, &first) {
                self.judge_caught_up(session, &cursor);
            }
            if let Some((arrival, sent, losses)) = first {
                let is_gap = matches!(frame, ServerFrame::Gap { .. });
                let forged = matches!(arrival, Arrival::Forged { .. });
                if is_gap && !forged && !self.history.gap_is_true(at, user, sent.as_ref(), &cursor, losses) {
                    self.history.blame(Rule::FalseGap, || format!("session {session} after {sent:?}: {frame:?}"));
                }
            }
        }
        self.agenda.enter(pipe, Event::Frame { device, connection, frame });
    }

    /// A device is told that it has everything up to `cursor`.
    fn judge_caught_up(&mut self, session: usize, cursor: &Cursor) {
        let Some(held) = &self.gateways.sessions[session] else { return };
        let Some(published) = held.published.filter(|published| self.still_published(published)) else { return };
        let (user, Position { epoch, seq, time }, last) = (held.user, cursor.position, published.last);
        let behind = epoch == last.epoch && seq < last.seq && (seq > Seq(0) || time < last.time);
        let truth = self.stream.truth(self.now);
        if behind && truth.at(last.seq).is_some_and(|entry| entry.log == user && entry.time == last.time) {
            self.history.blame(Rule::Early, || format!("session {session} is caught up at {cursor:?}, below {last:?}"));
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
