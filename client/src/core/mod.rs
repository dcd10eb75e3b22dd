//! One client's connection to Dunlin, decided without I/O: when to dial whom, what to send and repeat, what to give and drop.
//!
//! Drive it: give every input to `handle` in the order it happened, with the time it happened; then carry out the outputs in order. Call
//! it with [`Input::Tick`] at `next_deadline`, which is a time of the steady clock. Read the socket only while `wants_input`.

mod asks;
mod clock;
mod frames;
mod history;
mod ids;
mod inbox;
mod next;
mod outbox;
mod reads;
#[cfg(test)]
mod tests;
mod watching;
mod words;

use dunlin_schema::{
    Address, Millis, Open,
    frame::{ClientFrame, Goodbye},
    limits,
    presence::Presence,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

use self::{
    asks::Asks,
    clock::Clocks,
    ids::Ids,
    inbox::Inbox,
    next::{Next, next},
    outbox::Outbox,
    reads::Reads,
    watching::Watching,
};
use crate::{
    error::{Ended, Lost},
    token::Refusal,
};

pub use self::{clock::ClockSkew, outbox::Accepted, words::Receipt};
pub(crate) use self::{
    clock::Now,
    inbox::{Acknowledged, Progress},
    outbox::RequestId,
    words::{Input, Notification, Output, Setup},
};

/// A gateway pings every 25 s: a connection that brings nothing for two pings and some time more is dead.
const SILENT_FOR: Millis = Millis(limits::PING_EVERY.0 * 2 + 10_000);
/// How often the clocks are compared where nothing else happens: after a sleep the socket is dead, and says nothing.
const COMPARE_CLOCKS_EVERY: Millis = Millis(10_000);

#[derive(Debug)]
enum Link {
    /// No connection before this time.
    Resting {
        until: Millis,
    },
    /// A dial is on its way, or `hello` was sent; the welcome has to come by this time.
    Opening {
        by: Millis,
    },
    Up {
        since: Millis,
        heard: Millis,
    },
    Over,
}

/// One client: see the module.
#[derive(Debug)]
pub(crate) struct Core {
    setup: Setup,
    rng: StdRng,
    link: Link,
    gateway: usize,
    /// What the last gateway said of a token that is over, and whether that ended an open connection.
    refused: Option<(Goodbye, bool)>,
    tries: u32,
    clocks: Clocks,
    ids: Ids,
    inbox: Inbox,
    outbox: Outbox,
    asks: Asks,
    watching: Watching,
    reads: Reads,
    room: bool,
    behind: bool,
}

impl Core {
    /// A client that dials at the first tick.
    pub(crate) fn new(setup: Setup, now: Now) -> Core {
        Core {
            rng: StdRng::from_seed(setup.seed),
            link: Link::Resting { until: now.steady },
            gateway: 0,
            refused: None,
            tries: 0,
            clocks: Clocks::new(now),
            ids: Ids::default(),
            inbox: Inbox::new(setup.kept.clone(), setup.start.clone()),
            outbox: Outbox::new(setup.in_flight_per_address),
            asks: Asks::default(),
            watching: Watching::default(),
            reads: Reads::default(),
            room: true,
            behind: false,
            setup,
        }
    }

    /// Takes an input and says what to do.
    pub(crate) fn handle(&mut self, now: Now, input: Input, outputs: &mut Vec<Output>) {
        let before = outputs.len();
        if self.clocks.jumped(now) {
            self.slept(now.steady, outputs);
        }
        match input {
            Input::Submit { request, to, content } => self.outbox.submit(request, to, content),
            Input::Ask { request, what, until } => {
                self.watching.asks(request, &what);
                self.asks.ask(request, what, until);
            }
            Input::Signal { to, kind } => {
                if let Link::Up { .. } = self.link {
                    let (to, kind) = (to.to_string(), kind.to_string());
                    outputs.push(Output::Write(ClientFrame::Signal { to, kind }));
                }
            }
            Input::Read { with, upto } => self.reads.read(with, upto),
            Input::Opened { token, date } => self.opened(now, token, date, outputs),
            Input::Frame(frame) => self.frame(now, *frame, outputs),
            Input::Heard => self.heard(now.steady),
            Input::Lost(why) => self.lost(now.steady, why, outputs),
            Input::Room(room) => self.room(now.steady, room, outputs),
            Input::Done(done) => self.inbox.done(done),
            Input::Close => {
                outputs.push(Output::HangUp);
                self.end(Ended::Closed, outputs);
            }
            Input::Tick => self.tick(now, outputs),
        }
        for output in &outputs[before..] {
            if let Output::Answered(request, answer) = output {
                self.watching.settled(now.steady, *request, answer);
            }
        }
        if let Link::Up { .. } = self.link {
            self.acknowledge(outputs);
            if let Some((request, what, until)) = self.watching.due(now.steady) {
                self.asks.ask(request, what, until);
            }
            self.reads.pump(now.steady, |with, upto| outputs.push(Output::Write(ClientFrame::Read { with, upto })));
            self.asks.pump(|ask| outputs.push(Output::Write(ClientFrame::Ask(ask))));
            let time = self.server_now(now);
            let Core { outbox, ids, rng, .. } = self;
            outbox.pump(
                now.steady,
                || ids.next(time, rng.random()),
                |send, named| {
                    outputs.extend(named.map(|request| Output::Named(request, send.id)));
                    outputs.push(Output::Write(ClientFrame::Send(send)));
                },
            );
        }
    }

    /// Whether the socket is to be read. While the application leaves no room it is not, so that nothing has to be dropped; unless
    /// somebody waits for an answer, which may stand behind entries.
    pub(crate) fn wants_input(&self) -> bool {
        self.room || self.outbox.waited_for() || self.asks.waited_for() || matches!(self.link, Link::Opening { .. })
    }

    /// Whether entries were dropped for want of room: the next [`Input::Room`] should wait until there is plenty.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// How far this machine's clock is from the gateway's, if that is known.
    pub(crate) fn clock_skew(&self) -> Option<ClockSkew> {
        self.clocks.skew()
    }

    /// Whether the client is over.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.link, Link::Over)
    }

    /// When to call again with [`Input::Tick`], if nothing happens before.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        let of_link = match self.link {
            Link::Resting { until } => Some(until),
            Link::Opening { by } => Some(by),
            Link::Up { heard, .. } => {
                let silent = self.wants_input().then(|| heard.plus(SILENT_FOR));
                let compare = self.clocks.read_at().plus(COMPARE_CLOCKS_EVERY);
                [compare]
                    .into_iter()
                    .chain(silent)
                    .chain(self.outbox.next_deadline())
                    .chain(self.watching.next_deadline())
                    .chain(self.reads.next_deadline())
                    .min()
            }
            Link::Over => None,
        };
        of_link.into_iter().chain(self.asks.next_deadline()).min()
    }

    /// The machine has slept: the socket is dead, and what was known of the gateway's time is not true any more.
    fn slept(&mut self, now: Millis, outputs: &mut Vec<Output>) {
        match self.link {
            Link::Opening { .. } | Link::Up { .. } => {
                outputs.push(Output::HangUp);
                self.lost(now, Lost::Slept, outputs);
            }
            Link::Resting { .. } | Link::Over => {}
        }
    }

    fn opened(&mut self, now: Now, token: String, date: Option<Millis>, outputs: &mut Vec<Output>) {
        if let Link::Opening { .. } = self.link {
            if let Some(date) = date {
                self.clocks.told(now, date);
            }
            let cursors = self.inbox.resume();
            let hello = ClientFrame::Hello { token: Some(token), device: self.setup.device.clone(), cursors };
            outputs.push(Output::Write(hello));
        }
    }

    fn heard(&mut self, now: Millis) {
        if let Link::Up { heard, .. } = &mut self.link {
            *heard = now;
        }
    }

    fn welcomed(&mut self, now: Now, server_time: Millis, connected: Notification, outputs: &mut Vec<Output>) {
        if let Link::Opening { .. } = self.link {
            self.ids.corrected(server_time);
            self.clocks.told(now, server_time);
            self.link = Link::Up { since: now.steady, heard: now.steady };
            self.refused = None;
            self.inbox.connected();
            self.watching.connected(now.steady);
            self.reads.connected(now.steady);
            outputs.push(Output::Notify(connected));
        }
    }

    fn room(&mut self, now: Millis, room: bool, outputs: &mut Vec<Output>) {
        if room && !self.room {
            // While the socket was not read its silence meant nothing.
            self.heard(now);
            if self.behind {
                outputs.push(Output::HangUp);
                self.lost(now, Lost::FellBehind, outputs);
            }
        }
        self.room = room;
        self.tell_presence(outputs);
    }

    fn presence(&mut self, user: Open<Address>, presence: Presence, outputs: &mut Vec<Output>) {
        self.watching.keep(user, presence);
        self.tell_presence(outputs);
    }

    /// Tells how those are who are watched, where there is room.
    fn tell_presence(&mut self, outputs: &mut Vec<Output>) {
        if self.room {
            let told = |(user, presence)| Output::Notify(Notification::Presence { user, presence });
            outputs.extend(self.watching.take().into_iter().map(told));
        }
    }

    fn acknowledge(&mut self, outputs: &mut Vec<Output>) {
        self.inbox.acknowledge(|log, delivered| outputs.push(Output::Write(ClientFrame::Ack { log, delivered })));
    }

    fn tick(&mut self, now: Now, outputs: &mut Vec<Output>) {
        let server_time = self.clocks.server_time(now);
        let now = now.steady;
        outputs.extend(self.asks.expired(now).into_iter().map(|(request, late)| Output::Answered(request, late)));
        match self.link {
            Link::Resting { until } if until <= now => {
                self.link = Link::Opening { by: now.plus(self.setup.connect_within) };
                let refused = self.refused.as_ref().and_then(|(goodbye, was_open)| {
                    Some(Refusal { code: *goodbye.code.known()?, was_open: *was_open })
                });
                let gateway = self.gateway;
                outputs.push(Output::Dial { gateway, refused, server_time });
            }
            Link::Opening { by } if by <= now => {
                outputs.push(Output::HangUp);
                self.lost(now, Lost::Silent, outputs);
            }
            Link::Up { heard, .. } if self.wants_input() && heard.plus(SILENT_FOR) <= now => {
                outputs.push(Output::HangUp);
                self.lost(now, Lost::Silent, outputs);
            }
            Link::Resting { .. } | Link::Opening { .. } | Link::Up { .. } | Link::Over => {}
        }
    }

    fn lost(&mut self, now: Millis, why: Lost, outputs: &mut Vec<Output>) {
        let was_open = matches!(self.link, Link::Up { .. });
        match self.link {
            Link::Opening { .. } => {}
            // A connection that lasted longer than the pause before it has paid for it.
            Link::Up { since, .. } if now.since(since) >= self.bound() => self.tries = 0,
            Link::Up { .. } => {}
            // What is said of a connection that was let go of is no news.
            Link::Resting { .. } | Link::Over => return,
        }
        self.outbox.lost();
        outputs.extend(self.asks.lost().into_iter().map(|(request, lost)| Output::Answered(request, lost)));
        self.behind = false;
        let (pause, refused) = match next(&why) {
            Next::End(ended) => {
                let ended = match (ended, self.refused.take()) {
                    (Ended::NoToken, Some((goodbye, _))) => Ended::Goodbye(goodbye),
                    (ended, _) => ended,
                };
                outputs.push(Output::HangUp);
                return self.end(ended, outputs);
            }
            Next::AtOnce => (Millis(0), None),
            Next::Again { after, refused } => {
                let jitter = self.rng.random_range(0..=self.bound().0);
                self.tries = self.tries.saturating_add(1);
                self.gateway = (self.gateway + 1) % self.setup.gateways;
                (after.plus(Millis(jitter)), refused)
            }
        };
        self.refused = refused.map(|goodbye| (goodbye, was_open)).or(self.refused.take());
        self.link = Link::Resting { until: now.plus(pause) };
        outputs.push(Output::Notify(Notification::Disconnected { why, retry_in: pause }));
    }

    /// The longest pause before the next try: it doubles with each round through the gateways.
    fn bound(&self) -> Millis {
        let rounds = self.tries / u32::try_from(self.setup.gateways).unwrap_or(u32::MAX).max(1);
        let factor = 1u64.checked_shl(rounds.min(63)).unwrap_or(u64::MAX);
        Millis(self.setup.backoff_first.0.saturating_mul(factor)).min(self.setup.backoff_most)
    }

    fn end(&mut self, why: Ended, outputs: &mut Vec<Output>) {
        if let Link::Over = self.link {
            return;
        }
        self.link = Link::Over;
        outputs.extend(self.outbox.end(&why).into_iter().map(|(request, outcome)| Output::Settle(request, outcome)));
        outputs.extend(self.asks.end(&why).into_iter().map(|(request, over)| Output::Answered(request, over)));
        outputs.push(Output::Notify(Notification::Ended(why)));
    }
}
