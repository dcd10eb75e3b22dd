//! The task of a device that has said `hello`: it reads, carries out and writes, in this order and a bounded amount of each for every
//! time it is woken. What its session decides is in `session`; live entries and answers about heads come to it past this task.

use std::{
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::{Context, Poll},
};

use dunlin_schema::{
    Code, LogName, Millis, Open, Peer, Position, Sender, Seq,
    frame::{Ask, ClientFrame, Encoding, FrameError, ServerFrame, UnreadAsk},
    limits,
};

use crate::{
    asks::Asks,
    clock::{Moment, Uptime},
    connection::Connection,
    conversation,
    directory::Followers,
    ending::{Ending, broken, goodbye, goodbye_until},
    following::{Opens, Said, Which, here},
    gateway::Gateway,
    opening::{Opened, draining, revoked, too_many},
    refusal::Refusal,
    region::Region,
    session::{Input, Outgoing, Output, Start, not_followed},
    signals,
    socket::{Event, Socket, Violation},
    timer::Order,
    work::{Done, Work, ask_heads, at_once},
};

/// How often the task goes round before it lets others run.
const ROUNDS: u32 = 8;
/// For how long a gateway that goes away waits for what a socket has begun.
const LEAVE_WITHIN: Millis = Millis(2_000);

/// The same where the token was revoked: the socket is to end within a second.
const REVOKED_WITHIN: Millis = Millis(400);

/// A device that has said `hello`. Dropping it takes the device out.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    region: Arc<Region>,
    connection: Arc<Connection>,
    /// The logs that it follows, each with all its followers.
    follows: Vec<Arc<Followers>>,
    /// Where others go on, if its user is in those groups again.
    said: Said,
    /// Where those have ended that have.
    ended: Vec<(LogName, Position)>,
    work: Work,
    asks: Asks,
    /// When the token ends.
    until: Millis,
    ping_at: Uptime,
    ping: bool,
    /// Whether anything came from the client since the last ping.
    heard: bool,
    /// Pings in a row behind which nothing came.
    unanswered: u32,
    /// Until when the gateway, which is going away, waits for what was begun.
    leave_by: Uptime,
}

impl Running {
    pub(crate) fn new(gateway: Arc<Gateway>, opened: Opened, socket: Box<Socket>) -> Running {
        let Opened { region, connection, mailbox, said, until } = opened;
        connection.lend(socket);
        let mut work = Work::default();
        work.join(&region, &connection, &mailbox);
        let follows = vec![mailbox];
        let said = here(&region, said);
        work.open(&region, &connection, Which::Greeted(said.clone()));
        gateway.metrics.devices.inc();
        // The first ping comes early by chance, so that those who connect together are not pinged together for ever.
        let first = Millis(rand::random_range(limits::PING_EVERY.0 / 2..=limits::PING_EVERY.0));
        let ping_at = Uptime::now().plus(first);
        let leave_by = Uptime::NEVER;
        let asks = Asks::default();
        Running {
            gateway,
            region,
            connection,
            follows,
            said,
            ended: Vec::new(),
            work,
            asks,
            until,
            ping_at,
            ping: false,
            heard: true,
            unanswered: 0,
            leave_by,
        }
    }

    /// Does what there is to do. Ready when the socket is to end: also by a panic, which then ends nothing else.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Box<Socket>, Ending)> {
        self.connection.alarm().register(cx.waker());
        let mut socket = self.connection.take_socket().expect("between two polls the connection has it");
        match catch_unwind(AssertUnwindSafe(|| self.go_round(&mut socket, cx))) {
            Ok(Ok(())) => {
                self.connection.lend(socket);
                Poll::Pending
            }
            Ok(Err(ending)) => Poll::Ready((socket, ending)),
            Err(_panic) => {
                self.connection.broken();
                Poll::Ready((socket, broken()))
            }
        }
    }

    fn go_round(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Result<(), Ending> {
        let mut moment = Moment::now();
        self.keep_time(socket, moment)?;
        for _ in 0..ROUNDS {
            let mut busy = self.finish_work(socket.encoding(), cx, moment)?;
            let reads = self.reads();
            if reads {
                busy |= self.read(socket, cx, moment)?;
            } else {
                socket.excuse();
            }
            busy |= self.carry_out();
            busy |= self.write(socket, cx, moment)?;
            // What was written makes room for answers, so that a client that was not read for want of it is read again.
            busy |= !reads && self.reads();
            if !busy {
                self.left()?;
                self.connection.set_alarm(moment, self.ping_at.min(moment.when(self.until)).min(self.leave_by));
                return Ok(());
            }
            moment = Moment::now();
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Orders and deadlines.
    fn keep_time(&mut self, socket: &mut Socket, moment: Moment) -> Result<(), Ending> {
        match self.connection.alarm().order() {
            Order::Stay => {}
            Order::Drain => self.leave_by = self.leave_by.min(moment.uptime.plus(LEAVE_WITHIN)),
            Order::Revoked => self.leave_by = self.leave_by.min(moment.uptime.plus(REVOKED_WITHIN)),
            Order::TooMany => return Err(too_many()),
            Order::Replaced => return Err(goodbye(Code::Replaced, "the same device connected again")),
            Order::Broken => return Err(broken()),
            Order::Drop => return Err(Ending::Lost),
        }
        if self.until <= moment.wall {
            return Err(goodbye(Code::TokenExpired, "the token's time is over"));
        }
        if self.leave_by <= moment.uptime {
            return Err(self.farewell());
        }
        if self.ping_at <= moment.uptime {
            let moved = socket.take_moved();
            let alive = std::mem::replace(&mut self.heard, false) || moved;
            self.unanswered = if alive { 0 } else { self.unanswered + 1 };
            if self.unanswered >= limits::PINGS_UNANSWERED {
                self.gateway.metrics.dead_peers.inc();
                return Err(Ending::Lost);
            }
            // Bytes that drip are a sign of life, and each keeps what came before it in memory.
            if socket.is_stuck() {
                return Err(Ending::Violation(Violation::TooSlow));
            }
            self.ping = true;
            self.ping_at = moment.uptime.plus(limits::PING_EVERY);
        }
        self.connection.keep_time(moment);
        Ok(())
    }

    fn finish_work(&mut self, encoding: Encoding, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        let mut busy = false;
        while let Some(done) = self.work.poll_done(cx) {
            busy = true;
            match done {
                Done::Input(input) => self.connection.handle(moment, input),
                Done::Looked((known, rest)) => {
                    known.into_iter().for_each(|input| self.connection.handle(moment, input));
                    let Running { work, region, connection, .. } = self;
                    rest.into_iter().for_each(|wanted| work.look_at(region, connection, wanted));
                }
                Done::Answered(answer) => {
                    if let ServerFrame::Refused { code: Open::Known(code), .. } = &answer {
                        self.gateway.metrics.refused_ask(*code);
                    }
                    if !self.asks.answered(answer, encoding) {
                        self.gateway.metrics.unread_answers.inc();
                    }
                }
                Done::Opens(Opens { logs, answers }) => {
                    answers.into_iter().for_each(|answer| self.connection.answer(answer));
                    // Mostly these are all that it ever follows.
                    self.follows.reserve_exact(logs.len());
                    logs.into_iter().for_each(|(log, start)| self.follow(moment, log, start));
                }
                // One that was left meanwhile has no interest in place. One that was left and is followed again is told of it once, though
                // it was joined twice: what is asked in between would be answered to nobody.
                Done::Joined(followers, true) if !followers.waits(&self.connection) => {}
                Done::Joined(followers, true) => {
                    self.connection.handle(moment, Input::Subscribed(followers.log().clone()));
                    followers.subscribed(&self.connection);
                }
                Done::Joined(_, false) => {
                    let nobody = "the region's NATS does not answer";
                    return Err(goodbye_until(Code::Unavailable, nobody, Millis(1_000)));
                }
            }
        }
        Ok(busy)
    }

    /// Follows the log of a group, unless it is followed.
    fn follow(&mut self, moment: Moment, log: LogName, start: Start) {
        let Running { region, connection, follows, said, work, .. } = self;
        if follows.iter().any(|followers| *followers.log() == log) {
            return;
        }
        said.remove(&log.clone().into());
        // A map keeps the room of what was taken out last.
        if said.is_empty() {
            *said = Said::new();
        }
        connection.handle(moment, Input::Follow { log: log.clone(), start });
        // Of a mailbox alone there may be too many.
        if let Ok(followers) = region.directory.follow(connection, log) {
            work.join(region, connection, &followers);
            follows.push(followers);
        }
    }

    /// Which logs are to be followed: those of all groups, or that of this one.
    fn which(&self, log: Option<LogName>) -> Which {
        let Some(log) = log else { return Which::All(self.said.clone()) };
        let said = self.said.get(&log.clone().into()).cloned();
        Which::One(log, said)
    }

    /// Nothing more of a log is to be given.
    fn leave(&mut self, log: &LogName) {
        if let Some(at) = self.follows.iter().position(|followers| followers.log() == log) {
            self.region.directory.leave(&self.connection, self.follows.swap_remove(at).log());
        }
    }

    /// Whether a log has ended there before.
    fn ends_again(&mut self, log: &LogName, at: Position) -> bool {
        match self.ended.iter_mut().find(|(ended, _)| ended == log) {
            Some((_, before)) => std::mem::replace(before, at) == at,
            None => {
                self.ended.push((log.clone(), at));
                false
            }
        }
    }

    /// Whether the client's frames are read now: not while what they cause would find no room.
    fn reads(&self) -> bool {
        self.leave_by == Uptime::NEVER && self.connection.wants_input()
    }

    fn read(&mut self, socket: &mut Socket, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        let Running { gateway, region, connection, follows, work, asks, .. } = self;
        let encoding = socket.encoding();
        let mut taking = Taking { gateway, region, connection, follows, work, asks, encoding, moment };
        let mut ending = None;
        let read = socket.poll_read(cx, &mut |event| {
            let taken = match event {
                Event::Message(bytes) => taking.take(&bytes),
                Event::Close(code) => Err(Ending::Closed(code)),
                Event::Ping(_) | Event::Pong => Ok(()),
            };
            match taken {
                Ok(()) if taking.connection.wants_input() => ControlFlow::Continue(()),
                Ok(()) => ControlFlow::Break(()),
                Err(why) => {
                    ending = Some(why);
                    ControlFlow::Break(())
                }
            }
        });
        if let Some(ending) = ending {
            return Err(ending);
        }
        match read {
            Poll::Ready(Ok(())) => {
                self.heard = true;
                Ok(true)
            }
            Poll::Ready(Err(gone)) => Err(gone.into()),
            Poll::Pending => Ok(false),
        }
    }

    fn carry_out(&mut self) -> bool {
        let (mut busy, mut looks, mut asked) = (false, Vec::new(), Vec::new());
        for output in self.connection.take_outputs() {
            if let Output::Look(log, number) = output {
                looks.push((log, number));
                continue;
            }
            if let Output::AskHeads(log) = output {
                asked.push(log);
                continue;
            }
            let which = if let Output::Open(log) = output {
                self.which(log)
            } else if let Output::Ended(log, at) = output {
                self.leave(&log);
                let again = self.ends_again(&log, at);
                Which::Again { log, at, again }
            } else {
                busy |= self.work.carry_out(&self.region, &self.connection, output);
                continue;
            };
            self.work.open(&self.region, &self.connection, which);
            busy = true;
        }
        ask_heads(&self.region, &self.connection, &self.follows, &asked);
        busy |= !looks.is_empty();
        self.work.look(&self.region, &self.connection, looks);
        busy
    }

    fn write(&mut self, socket: &mut Socket, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        let Running { gateway, connection, asks, ping, .. } = self;
        let written = socket.poll_write(cx, &mut |out| {
            if std::mem::take(ping) {
                out.ping();
            }
            while !out.is_full()
                && let Some(frame) = next_frame(connection, asks)
            {
                if let ServerFrame::Rejected { code: Open::Known(code), .. } = frame.frame() {
                    gateway.metrics.rejected_send(*code);
                }
                out.payload(|encoding, out| frame.write(encoding, out));
                gateway.metrics.frames_out.inc();
            }
        });
        match written {
            Poll::Ready(Ok(())) => Ok(connection.drained(moment)),
            Poll::Ready(Err(_)) => Err(Ending::Lost),
            Poll::Pending => Ok(false),
        }
    }

    /// Whether a gateway that goes away has waited long enough: what was begun is done and told.
    fn left(&self) -> Result<(), Ending> {
        let leaving = self.leave_by != Uptime::NEVER;
        let told = !self.asks.has_answers() && !self.connection.has_outgoing();
        if leaving && self.work.is_empty() && told { Err(self.farewell()) } else { Ok(()) }
    }

    /// How a socket ends that was told to finish what it had begun.
    fn farewell(&self) -> Ending {
        if self.connection.alarm().order() == Order::Revoked { revoked() } else { draining() }
    }
}

/// The next frame to write: answers to questions behind those of the session, then how people are who are watched, and then entries.
fn next_frame(connection: &Connection, asks: &mut Asks) -> Option<Outgoing> {
    if asks.has_answers() || connection.has_presence() {
        let own = || asks.take().or_else(|| connection.take_presence()).map(Outgoing::own);
        return connection.take_answer().or_else(own);
    }
    connection.take_frame()
}

/// What takes a client's frames apart.
struct Taking<'a> {
    gateway: &'a Gateway,
    region: &'a Arc<Region>,
    connection: &'a Arc<Connection>,
    follows: &'a [Arc<Followers>],
    work: &'a mut Work,
    asks: &'a mut Asks,
    encoding: Encoding,
    moment: Moment,
}

impl Taking<'_> {
    /// Takes a frame. Errors: how the socket ends.
    fn take(&mut self, bytes: &[u8]) -> Result<(), Ending> {
        let Taking { gateway, connection, encoding, moment, .. } = *self;
        gateway.metrics.frames_in.inc();
        match encoding.read_client(bytes) {
            Ok(ClientFrame::Send(send)) => {
                let sent = gateway.sent(connection.user(), moment.wall, send);
                connection.handle(moment, Input::Sending(sent));
            }
            Ok(ClientFrame::Ack { log: Open::Known(log), delivered }) => {
                connection.handle(moment, Input::Ack { log, delivered });
            }
            Ok(ClientFrame::Ack { log: log @ Open::Unknown(_), delivered: _ }) => connection.answer(not_followed(&log)),
            Ok(ClientFrame::Ask(ask)) => self.ask(ask),
            Ok(ClientFrame::Signal { to, kind }) => self.signal(&to, &kind),
            Ok(ClientFrame::Read { with, upto }) => self.read(&with, upto),
            Ok(ClientFrame::Hello { .. }) => return Err(goodbye(Code::BadFrame, "`hello` comes once")),
            Err(error @ FrameError::Unknown(_)) => {
                connection.answer(ServerFrame::refused(Code::UnknownFrame, error.to_string()));
            }
            Err(error @ FrameError::Malformed(_)) => return self.malformed(bytes, &error),
        }
        Ok(())
    }

    /// What can't be read, but says what it answers to, is refused: a kind of content or a question that a newer release knows, say. The
    /// other frames of this socket go on.
    fn malformed(&self, bytes: &[u8], error: &FrameError) -> Result<(), Ending> {
        if let Some(send) = self.encoding.unread_send(bytes) {
            let rejected = send.rejected(error.to_string());
            self.connection.answer(rejected);
        } else if let Some(UnreadAsk { reference, code, message }) = self.encoding.unread_ask(bytes) {
            let within_share = self.gateway.limiter.ask(self.connection.user()).map_err(Refusal::over_the_share);
            self.refuse(reference, within_share.err().unwrap_or_else(|| Refusal::never(code, message)));
        } else if self.encoding.is_read(bytes) {
            self.connection.answer(Refusal::never(Code::BadContent, error).of(None));
        } else {
            return Err(goodbye(Code::BadFrame, error.to_string()));
        }
        Ok(())
    }

    /// Begins to answer a question, where there is room.
    fn ask(&mut self, ask: Ask) {
        self.gateway.metrics.asks.inc();
        let within_share = self.gateway.asked(self.connection.user(), &ask.what);
        let permit = within_share.map_err(Refusal::over_the_share).and_then(|()| {
            let permit = self.gateway.asking.clone().try_acquire_owned();
            let permit = permit.map_err(|_| Refusal::crowded())?;
            self.asks.begin().map(|()| permit)
        });
        match permit {
            Ok(permit) => self.work.ask(self.region, self.connection, ask, permit),
            Err(refusal) => self.refuse(Some(ask.reference), refusal),
        }
    }

    /// Tells a signal to whoever is there to see it.
    fn signal(&self, to: &str, kind: &str) {
        let Taking { gateway, region, connection, .. } = *self;
        let from = Sender { user: connection.user().clone(), region: region.name().clone() };
        let within_share = gateway.limiter.signal(connection.user()).map_err(Refusal::over_the_share);
        match within_share.and_then(|()| signals::addressed(self.moment.wall, from, to, kind)) {
            // Whoever does not follow a group's log is in it no longer, or not yet.
            Ok((to @ Peer::Group(_), _)) if !self.follows(&to) => _ = region.metrics.signals_lost.inc(),
            Ok((to, signal)) => region.signals.tell(region.means(), to, signal),
            Err(refusal) => connection.answer(refusal.of(None)),
        }
    }

    fn follows(&self, owner: &Peer) -> bool {
        self.follows.iter().any(|followers| match (followers.log(), owner) {
            (LogName::Group(address), Peer::Group(group)) => address.group == *group,
            (LogName::Group(_) | LogName::Mailbox, _) => false,
        })
    }

    /// Passes on what the user has read.
    fn read(&self, with: &str, upto: Seq) {
        let Taking { gateway, region, connection, moment, .. } = *self;
        let within_share = gateway.limiter.read(connection.user()).map_err(Refusal::over_the_share);
        match within_share.and_then(|()| conversation::of(with, connection.user(), region.name())) {
            Ok(with) => connection.handle(moment, Input::MarkRead { with, upto }),
            Err(refusal) => connection.answer(refusal.of(None)),
        }
    }

    fn refuse(&self, reference: Option<u64>, refusal: Refusal) {
        self.gateway.metrics.refused_ask(refusal.code);
        self.connection.answer(refusal.of(reference));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let moment = Moment::now();
        self.region.watches.unwatch(&self.connection);
        for followers in self.follows.drain(..) {
            self.region.directory.leave(&self.connection, followers.log());
            self.connection.handle(moment, Input::Unfollow(followers.log().clone()));
        }
        self.gateway.metrics.devices.dec();
        drop(self.connection.take_socket());
        for output in self.connection.take_outputs() {
            at_once(&self.region, &self.connection, output);
        }
    }
}
