//! One device's connection as others see it: live entries and answers about heads are given to its session at once, and its task is
//! woken only when there is something to write or to carry out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use dunlin_nats::LiveSink;
use dunlin_schema::{DeviceName, Log, LogName, Shard, UserName, frame::ServerFrame, live::LiveEntry};
use parking_lot::Mutex;

use crate::{
    clock::{Moment, Uptime},
    metrics::Metrics,
    session::{Input, Outgoing, Output, Session, Tail},
    timer::{Alarm, Timer},
};

/// A device that has said `hello`.
pub(crate) struct Connection {
    timer: Arc<Timer>,
    metrics: Arc<Metrics>,
    alarm: Arc<Alarm>,
    user: UserName,
    device: DeviceName,
    shard: Shard,
    tail: Tail,
    subscribed: AtomicBool,
    core: Mutex<Core>,
}

struct Core {
    session: Session,
    /// What the session wants done, in order, until the task takes it.
    outputs: Vec<Output>,
}

/// What a task finds to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wants {
    /// Frames of the client may be read.
    pub(crate) input: bool,
    /// When the session wants a tick.
    pub(crate) tick: Uptime,
}

impl Connection {
    pub(crate) fn new(
        timer: Arc<Timer>,
        metrics: Arc<Metrics>,
        alarm: Arc<Alarm>,
        log: &Log,
        (user, device): (UserName, DeviceName),
        session: Session,
    ) -> Connection {
        let core = Mutex::new(Core { session, outputs: Vec::new() });
        Connection {
            timer,
            metrics,
            alarm,
            user,
            device,
            shard: log.shard,
            tail: Tail::of(log, LogName::Mailbox),
            subscribed: AtomicBool::new(false),
            core,
        }
    }

    pub(crate) fn user(&self) -> &UserName {
        &self.user
    }

    pub(crate) fn device(&self) -> &DeviceName {
        &self.device
    }

    pub(crate) fn shard(&self) -> Shard {
        self.shard
    }

    pub(crate) fn alarm(&self) -> &Arc<Alarm> {
        &self.alarm
    }

    /// Whether the interest in the user's live entries is in place.
    pub(crate) fn is_subscribed(&self) -> bool {
        self.subscribed.load(SeqCst)
    }

    /// Gives the session an input from outside its task, and wakes the task if anything came of it.
    pub(crate) fn tell(&self, input: Input) {
        let moment = Moment::now();
        let mut core = self.core.lock();
        let Core { session, outputs } = &mut *core;
        session.handle(moment.wall, input, outputs);
        if session.has_outgoing() || session.waits_for_drain() || !outputs.is_empty() {
            self.alarm.wake();
        } else if let Some(deadline) = session.next_deadline() {
            self.timer.set_earlier(&self.alarm, moment.when(deadline));
        }
    }

    /// The user has another device here.
    pub(crate) fn has_siblings(&self) {
        self.tell(Input::SeveralDevices);
    }

    /// Gives the session an input from its own task.
    pub(crate) fn handle(&self, moment: Moment, input: Input) {
        if let Input::Subscribed(LogName::Mailbox) = input {
            self.subscribed.store(true, SeqCst);
        }
        let mut core = self.core.lock();
        let Core { session, outputs } = &mut *core;
        session.handle(moment.wall, input, outputs);
    }

    /// Queues an answer of the gateway's own.
    pub(crate) fn answer(&self, frame: ServerFrame) {
        self.core.lock().session.answer(frame);
    }

    /// The next frame to write.
    pub(crate) fn take_frame(&self) -> Option<Outgoing> {
        self.core.lock().session.take()
    }

    /// What is to be done, in order.
    pub(crate) fn take_outputs(&self) -> Vec<Output> {
        std::mem::take(&mut self.core.lock().outputs)
    }

    /// Everything that was taken is written. Gives whether the session had waited for that.
    pub(crate) fn drained(&self, moment: Moment) -> bool {
        let mut core = self.core.lock();
        let Core { session, outputs } = &mut *core;
        let waited = session.waits_for_drain();
        if waited {
            session.handle(moment.wall, Input::Drained, outputs);
        }
        waited
    }

    /// What the task is to wait for.
    pub(crate) fn wants(&self, moment: Moment) -> Wants {
        let core = self.core.lock();
        let tick = core.session.next_deadline().map_or(Uptime::NEVER, |deadline| moment.when(deadline));
        Wants { input: core.session.wants_input(), tick }
    }

    /// Sets the alarm to the earliest of the session's deadline and `other`. Under the session's lock, so that it does not meet with
    /// [`Connection::tell`].
    pub(crate) fn set_alarm(&self, moment: Moment, other: Uptime) {
        let core = self.core.lock();
        let tick = core.session.next_deadline().map_or(Uptime::NEVER, |deadline| moment.when(deadline));
        self.timer.set(&self.alarm, tick.min(other));
    }

    /// Whether frames wait to be taken.
    pub(crate) fn has_outgoing(&self) -> bool {
        self.core.lock().session.has_outgoing()
    }

    /// The socket is gone: what the session still wants done.
    pub(crate) fn finish(&self) -> Vec<Output> {
        let mut core = self.core.lock();
        let Core { session, outputs } = &mut *core;
        session.finish(outputs);
        std::mem::take(outputs)
    }
}

impl LiveSink for Connection {
    fn live(&self, entry: LiveEntry) {
        self.metrics.live_entries.inc();
        self.tell(Input::Live(LogName::Mailbox, Arc::new(self.tail.entry(entry, 1))));
    }

    fn passed_over(&self) {
        self.metrics.live_passed_over.inc();
    }
}
