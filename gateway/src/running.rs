//! The task of a device that has said `hello`: it reads, carries out and writes, in this order and a bounded amount of each for every
//! time it is woken. What its session decides is in `session`; live entries and answers about heads come to it past this task.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use dunlin_schema::{
    Code, Millis, Open,
    frame::{ClientFrame, Encoding, FrameError, ServerFrame, UnreadSend},
    limits,
};

use crate::{
    clock::{Moment, Uptime},
    connection::Connection,
    directory::Following,
    ending::{Ending, broken, goodbye, goodbye_until},
    gateway::Gateway,
    opening::{Opened, draining, too_many},
    region::Region,
    sending::{self, Answer},
    session::{Input, not_followed},
    socket::{Appetite, Event, Socket, Violation},
    timer::Order,
    work::{Done, Work, at_once},
};

/// How often the task goes round before it lets others run.
const ROUNDS: u32 = 8;
/// For how long a gateway that goes away waits for what a socket has begun.
const LEAVE_WITHIN: Millis = Millis(2_000);

/// A device that has said `hello`. Dropping it takes the device out.
pub(crate) struct Running {
    gateway: Arc<Gateway>,
    region: Arc<Region>,
    connection: Arc<Connection>,
    /// The logs that it follows.
    follows: Vec<Arc<Following>>,
    work: Work,
    /// When the token ends.
    until: Millis,
    ping_at: Uptime,
    ping: bool,
    /// Whether anything came from the client since the last ping.
    heard: bool,
    /// Until when the gateway, which is going away, waits for what was begun.
    leave_by: Uptime,
}

impl Running {
    pub(crate) fn new(gateway: Arc<Gateway>, opened: Opened) -> Running {
        let Opened { region, connection, follows, until } = opened;
        let mut work = Work::default();
        follows.iter().for_each(|following| work.join(&region, following));
        gateway.metrics.devices.inc();
        // The first ping comes early by chance, so that those who connect together are not pinged together for ever.
        let first = Millis(rand::random_range(limits::PING_EVERY.0 / 2..=limits::PING_EVERY.0));
        let ping_at = Uptime::now().plus(first);
        let leave_by = Uptime::NEVER;
        Running { gateway, region, connection, follows, work, until, ping_at, ping: false, heard: true, leave_by }
    }

    /// Does what there is to do. Ready when the socket is to end.
    pub(crate) fn poll(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Poll<Ending> {
        self.connection.alarm().register(cx.waker());
        match self.go_round(socket, cx) {
            Ok(()) => Poll::Pending,
            Err(ending) => Poll::Ready(ending),
        }
    }

    fn go_round(&mut self, socket: &mut Socket, cx: &mut Context<'_>) -> Result<(), Ending> {
        let mut moment = Moment::now();
        self.keep_time(socket, moment)?;
        for _ in 0..ROUNDS {
            let mut busy = self.finish_work(cx, moment)?;
            busy |= self.read(socket, cx, moment)?;
            busy |= self.carry_out();
            busy |= self.write(socket, cx, moment)?;
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
            Order::TooMany => return Err(too_many()),
            Order::Replaced => return Err(goodbye(Code::Replaced, "the same device connected again")),
            Order::Broken => return Err(broken()),
            Order::Drop => return Err(Ending::Lost),
        }
        if self.until <= moment.wall {
            return Err(goodbye(Code::TokenExpired, "the token's time is over"));
        }
        if self.leave_by <= moment.uptime {
            return Err(draining());
        }
        if self.ping_at <= moment.uptime {
            let moved = socket.take_moved();
            if !std::mem::replace(&mut self.heard, false) && !moved {
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

    fn finish_work(&mut self, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        let mut busy = false;
        while let Some(done) = self.work.poll_done(cx) {
            busy = true;
            match done {
                Done::Input(input) => self.connection.handle(moment, input),
                Done::Joined(following, true) => {
                    self.connection.handle(moment, Input::Subscribed(following.log().clone()));
                    following.subscribed();
                }
                Done::Joined(_, false) => {
                    let nobody = "the region's NATS does not answer";
                    return Err(goodbye_until(Code::Unavailable, nobody, Millis(1_000)));
                }
            }
        }
        Ok(busy)
    }

    fn read(&mut self, socket: &mut Socket, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        if self.leave_by != Uptime::NEVER || !self.connection.wants_input() {
            socket.excuse();
            return Ok(false);
        }
        let Running { gateway, connection, .. } = &*self;
        let encoding = socket.encoding();
        let mut ending = None;
        let read = socket.poll_read(cx, &mut |event| {
            let taken = match event {
                Event::Message(bytes) => take(gateway, connection, encoding, &bytes, moment),
                Event::Close(code) => Err(Ending::Closed(code)),
                Event::Ping(_) | Event::Pong => Ok(()),
            };
            match taken {
                Ok(()) if connection.wants_input() => Appetite::More,
                Ok(()) => Appetite::Enough,
                Err(why) => {
                    ending = Some(why);
                    Appetite::Enough
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
        let mut busy = false;
        for output in self.connection.take_outputs() {
            busy |= self.work.carry_out(&self.region, &self.connection, &self.follows, output);
        }
        busy
    }

    fn write(&mut self, socket: &mut Socket, cx: &mut Context<'_>, moment: Moment) -> Result<bool, Ending> {
        let Running { gateway, connection, ping, .. } = self;
        let written = socket.poll_write(cx, &mut |out| {
            if std::mem::take(ping) {
                out.ping();
            }
            while !out.is_full()
                && let Some(frame) = connection.take_frame()
            {
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
        if leaving && self.work.is_empty() && !self.connection.has_outgoing() { Err(draining()) } else { Ok(()) }
    }
}

/// Takes a client's frame. Errors: how the socket ends.
fn take(
    gateway: &Gateway,
    connection: &Connection,
    encoding: Encoding,
    bytes: &[u8],
    moment: Moment,
) -> Result<(), Ending> {
    gateway.metrics.frames_in.inc();
    match encoding.read_client(bytes) {
        Ok(ClientFrame::Send(send)) => {
            match gateway.limiter.send(connection.user(), moment.wall.since(sending::oldest_id(send.id, &send.content)))
            {
                Ok(()) => connection.handle(moment, Input::Sending(sending::Input::Send(send))),
                Err(retry_after) => {
                    gateway.metrics.limited_sends.inc();
                    connection.answer(Answer::over_the_share(send.id, retry_after).into());
                }
            }
        }
        Ok(ClientFrame::Ack { log: Open::Known(log), delivered }) => {
            connection.handle(moment, Input::Ack { log, delivered });
        }
        Ok(ClientFrame::Ack { log: log @ Open::Unknown(_), delivered: _ }) => connection.answer(not_followed(&log)),
        Ok(ClientFrame::Hello { .. }) => return Err(goodbye(Code::BadFrame, "`hello` comes once")),
        Err(error @ FrameError::Unknown(_)) => {
            let (reference, message) = (encoding.unread_ask(bytes), error.to_string());
            connection.answer(ServerFrame::Refused { reference, code: Code::UnknownFrame.into(), message });
        }
        Err(error @ FrameError::Malformed(_)) => match encoding.unread_send(bytes) {
            // A kind of content that a newer release knows, say: the other sends of this socket go on.
            Some(UnreadSend { id, bad_id }) => {
                let (code, message) = match bad_id {
                    Some(why) => (Code::BadId, why),
                    None => (Code::BadContent, error.to_string()),
                };
                connection.answer(ServerFrame::Rejected { id, code: code.into(), message, retry_after: None });
            }
            None => return Err(goodbye(Code::BadFrame, error.to_string())),
        },
    }
    Ok(())
}

impl Drop for Running {
    fn drop(&mut self) {
        let moment = Moment::now();
        for following in self.follows.drain(..) {
            self.region.directory.leave(&following);
            self.connection.handle(moment, Input::Unfollow(following.log().clone()));
        }
        self.gateway.metrics.devices.dec();
        for output in self.connection.take_outputs() {
            at_once(&self.region, &self.connection, &self.follows, output);
        }
    }
}
