//! One device's connection as others see it: live entries and answers about heads are given to its session at once, and its task is
//! woken only when there is something to write or to carry out: see [`core`].
//!
//! A panic of the session is its own, whichever task it happened on: that task goes on, and the connection's socket ends.

pub mod core;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use dunlin_schema::{Address, DeviceName, LogName, Shard, UserName, frame::ServerFrame, presence::Presence};
use parking_lot::Mutex;

use self::core::Core;
use crate::{
    clock::{Moment, Uptime},
    metrics::Metrics,
    session::{Input, Outgoing, Output, Session, TailEntry},
    socket::Socket,
    timer::{Alarm, Order, Timer},
    tokens::Token,
};

/// Whose device, which, and by which token.
pub(crate) type Who = (UserName, DeviceName, Token);

/// A device that has said `hello`.
pub(crate) struct Connection {
    timer: Arc<Timer>,
    metrics: Arc<Metrics>,
    alarm: Arc<Alarm>,
    user: UserName,
    device: DeviceName,
    token: Token,
    shard: Shard,
    opened: Moment,
    /// The user's devices elsewhere that were there before.
    earlier: Mutex<BTreeSet<DeviceName>>,
    held: Mutex<Held>,
    /// `None` while nobody is watched.
    watching: Mutex<Option<Box<Watching>>>,
}

/// What a connection that watches people is to be told.
struct Watching {
    watcher: u64,
    /// The newest state of each: no more of them than may be watched.
    waiting: BTreeMap<Address, Presence>,
    /// What it was told last, or will be.
    told: BTreeMap<Address, Presence>,
}

struct Held {
    core: Core,
    /// The socket, while its task rests.
    socket: Option<Box<Socket>>,
    /// Whether the session panicked. It is given nothing more.
    broken: bool,
}

impl Connection {
    pub(crate) fn new(
        timer: Arc<Timer>,
        metrics: Arc<Metrics>,
        alarm: Arc<Alarm>,
        shard: Shard,
        (user, device, token): Who,
        session: Session,
        opened: Moment,
    ) -> Connection {
        let held = Mutex::new(Held { core: Core::new(session), socket: None, broken: false });
        Connection {
            timer,
            metrics,
            alarm,
            user,
            device,
            token,
            shard,
            opened,
            earlier: Mutex::default(),
            held,
            watching: Mutex::default(),
        }
    }

    /// Lets `work` have the session. Where it panics, now or before, there is nothing to give, and the socket is told to end.
    fn with<T>(&self, nothing: T, work: impl FnOnce(&mut Core) -> T) -> T {
        self.with_socket(nothing, |core, _| work(core))
    }

    /// The same with the socket, while its task rests.
    fn with_socket<T>(&self, nothing: T, work: impl FnOnce(&mut Core, Option<&mut Socket>) -> T) -> T {
        let mut held = self.held.lock();
        if held.broken {
            return nothing;
        }
        // What the panic left half done is not looked at again.
        let done = catch_unwind(AssertUnwindSafe(|| {
            let Held { core, socket, .. } = &mut *held;
            work(core, socket.as_deref_mut())
        }));
        done.unwrap_or_else(|_panic| {
            held.broken = true;
            drop(held);
            self.broken();
            nothing
        })
    }

    /// The session panicked, or what is done for it: the log says where.
    pub(crate) fn broken(&self) {
        self.metrics.panics.inc();
        tracing::error!(user = %self.user, device = %self.device, "a panic ends this device's socket");
        self.alarm.tell(Order::Broken);
    }

    pub(crate) fn user(&self) -> &UserName {
        &self.user
    }

    pub(crate) fn device(&self) -> &DeviceName {
        &self.device
    }

    /// What it came with.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// When it was let in.
    pub(crate) fn opened(&self) -> Moment {
        self.opened
    }

    pub(crate) fn earlier(&self) -> &Mutex<BTreeSet<DeviceName>> {
        &self.earlier
    }

    /// The shard of its user's mailbox and records.
    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// Gives the session an input from outside its task, and wakes the task if anything came of it.
    pub(crate) fn tell(&self, input: Input) {
        self.tell_at(Moment::now(), input);
    }

    /// The same at a moment that is known: of many who are told the same, each would look at the clocks.
    pub(crate) fn tell_at(&self, moment: Moment, input: Input) {
        self.with((), |core| {
            core.handle(moment, input);
            if core.has_work() {
                self.alarm.wake();
            } else {
                self.timer.set_earlier(&self.alarm, core.next_deadline(moment));
            }
        });
    }

    /// Gives the session a live entry, and writes what comes of it at once, where its task rests: waking that would cost more than all
    /// else.
    pub(crate) fn give(&self, moment: Moment, log: &LogName, entry: &Arc<TailEntry>) {
        self.with_socket((), |core, socket| {
            let mut socket = socket.filter(|_| !core.has_work());
            core.handle(moment, Input::Live(log.clone(), entry.clone()));
            if let Some(socket) = &mut socket {
                socket.write_at_once(&mut |out| {
                    while !out.is_full()
                        && let Some(frame) = core.take()
                    {
                        out.payload(|encoding, out| frame.write(encoding, out));
                        self.metrics.frames_out.inc();
                    }
                });
            }
            if core.has_work() || socket.is_some_and(|socket| socket.has_unwritten()) {
                self.alarm.wake();
            } else {
                self.timer.set_earlier(&self.alarm, core.next_deadline(moment));
            }
        });
    }

    /// The socket's task rests: until it takes the socket back, others may write.
    pub(crate) fn lend(&self, socket: Box<Socket>) {
        self.held.lock().socket = Some(socket);
    }

    /// What the socket's task takes back.
    pub(crate) fn take_socket(&self) -> Option<Box<Socket>> {
        self.held.lock().socket.take()
    }

    /// The user has another device here.
    pub(crate) fn has_siblings(&self) {
        self.tell(Input::SeveralDevices);
    }

    /// Gives the session an input from its own task.
    pub(crate) fn handle(&self, moment: Moment, input: Input) {
        self.with((), |core| core.handle(moment, input));
    }

    /// Gives the session what time brings: its tick, and the end of the wait for an answer about heads.
    pub(crate) fn keep_time(&self, moment: Moment) {
        let unanswered = self.with(0, |core| core.keep_time(moment));
        self.metrics.heads_unanswered.inc_by(unanswered as u64);
    }

    /// A question about a log's head is on its way to whoever compares them.
    pub(crate) fn waits_for_heads(&self, log: &LogName) {
        self.with((), |core| core.asks_heads(Moment::now(), log.clone()));
    }

    /// Queues an answer of the gateway's own.
    pub(crate) fn answer(&self, frame: ServerFrame) {
        self.with((), |core| core.answer(frame));
    }

    /// The next answer of the session's to write: what comes before the answers to questions, `welcome` above all.
    pub(crate) fn take_answer(&self) -> Option<Outgoing> {
        self.with(None, |core| core.take_answer())
    }

    /// The next frame to write.
    pub(crate) fn take_frame(&self) -> Option<Outgoing> {
        self.with(None, |core| core.take())
    }

    /// The number under which it watches people.
    pub(crate) fn watcher(&self) -> Option<u64> {
        self.watching.lock().as_ref().map(|watching| watching.watcher)
    }

    /// It watches others from now on, or nobody. What it was to be told of those before is let go.
    pub(crate) fn watches(&self, watcher: Option<u64>) {
        *self.watching.lock() =
            watcher.map(|watcher| Box::new(Watching { watcher, waiting: BTreeMap::new(), told: BTreeMap::new() }));
    }

    /// How somebody is whom it watches. Gives whether that is anything else than what it was told last.
    pub(crate) fn tell_presence(&self, user: Address, presence: Presence) -> bool {
        let mut watching = self.watching.lock();
        let Some(watching) = &mut *watching else { return false };
        if watching.told.get(&user) == Some(&presence) {
            return false;
        }
        watching.told.insert(user.clone(), presence.clone());
        watching.waiting.insert(user, presence);
        self.alarm.wake();
        true
    }

    /// Whether it is to be told how somebody is.
    pub(crate) fn has_presence(&self) -> bool {
        self.watching.lock().as_ref().is_some_and(|watching| !watching.waiting.is_empty())
    }

    /// How somebody is whom it watches, to be written.
    pub(crate) fn take_presence(&self) -> Option<ServerFrame> {
        let (user, Presence { state, last_seen }) = self.watching.lock().as_mut()?.waiting.pop_first()?;
        Some(ServerFrame::Presence { user: user.into(), state, last_seen })
    }

    /// What is to be done, in order.
    pub(crate) fn take_outputs(&self) -> Vec<Output> {
        self.with(Vec::new(), Core::take_outputs)
    }

    /// Everything that was taken is written. Gives whether the session had waited for that.
    pub(crate) fn drained(&self, moment: Moment) -> bool {
        self.with(false, |core| core.drained(moment))
    }

    /// Whether frames of the client may be read.
    pub(crate) fn wants_input(&self) -> bool {
        self.with(false, |core| core.wants_input())
    }

    /// Sets the alarm to the earliest of the session's deadline and `other`. Under the session's lock, so that it does not meet with
    /// [`Connection::tell`].
    pub(crate) fn set_alarm(&self, moment: Moment, other: Uptime) {
        self.with((), |core| self.timer.set(&self.alarm, core.next_deadline(moment).min(other)));
    }

    /// Whether frames wait to be taken.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.with(false, |core| core.has_outgoing())
    }
}

#[cfg(test)]
pub(crate) mod tests;
