//! One timer for all connections: a wheel that wakes a connection's task when its next deadline comes.
//!
//! A connection has an [`Alarm`] with one deadline, the earliest of its own. The wheel may hold an alarm in a place that is too early,
//! never in one that is too late: moving a deadline further away costs nothing, and is noticed when the place comes.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, AtomicU64, Ordering::SeqCst},
    },
    task::Waker,
    time::Duration,
};

use dunlin_schema::Millis;
use futures_util::task::AtomicWaker;
use parking_lot::Mutex;

use crate::{clock::Uptime, services::Pulse};

/// How exact deadlines are: an expired token ends its socket within a second. What comes due together wakes the process once.
const TICK: Millis = Millis(500);
const PLACES: u64 = 256;

/// A connection's task as others see it: something to wake, with a deadline, that can be told to end.
#[derive(Debug)]
pub(crate) struct Alarm {
    waker: AtomicWaker,
    due: AtomicU64,
    /// The earliest tick at which the wheel holds it.
    held: AtomicU64,
    order: AtomicU8,
}

/// What a connection is told by others than its client. The higher one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    /// Go on.
    Stay,
    /// Finish what was begun, then say goodbye: the gateway is going away.
    Drain,
    /// Say goodbye: the user has too many devices, here and at other gateways.
    TooMany,
    /// Say goodbye: the same device connected again.
    Replaced,
    /// Finish what was begun, then say goodbye: the token was revoked, or the user removed the device.
    Revoked,
    /// Say goodbye: the session, or what is done for it, panicked.
    Broken,
    /// End without a word.
    Drop,
}

impl Order {
    const ALL: [Order; 7] =
        [Order::Stay, Order::Drain, Order::TooMany, Order::Replaced, Order::Revoked, Order::Broken, Order::Drop];
}

impl Alarm {
    pub(crate) fn new() -> Arc<Alarm> {
        Arc::new(Alarm {
            waker: AtomicWaker::new(),
            due: AtomicU64::new(Uptime::NEVER.0),
            held: AtomicU64::new(u64::MAX),
            order: AtomicU8::new(Order::Stay as u8),
        })
    }

    /// Says which task to wake. Called before looking at what it may be woken for.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Wakes the task.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Tells the connection to end, and wakes it.
    pub(crate) fn tell(&self, order: Order) {
        self.order.fetch_max(order as u8, SeqCst);
        self.wake();
    }

    /// What the connection was told.
    pub(crate) fn order(&self) -> Order {
        Order::ALL[usize::from(self.order.load(SeqCst))]
    }
}

/// The wheel.
#[derive(Debug)]
pub(crate) struct Timer {
    wheel: Mutex<Wheel>,
}

#[derive(Debug)]
struct Wheel {
    /// The next tick to come.
    tick: u64,
    places: Vec<Vec<(u64, Weak<Alarm>)>>,
}

/// The first tick that is not before the deadline.
fn tick_of(due: Uptime) -> u64 {
    due.0.div_ceil(TICK.0)
}

impl Timer {
    pub(crate) fn new() -> Timer {
        let places = (0..PLACES).map(|_| Vec::new()).collect();
        Timer { wheel: Mutex::new(Wheel { tick: tick_of(Uptime::now()), places }) }
    }

    /// Sets the alarm's deadline. The caller keeps two settings of one alarm from meeting.
    pub(crate) fn set(&self, alarm: &Arc<Alarm>, due: Uptime) {
        alarm.due.store(due.0, SeqCst);
        if due != Uptime::NEVER && tick_of(due) < alarm.held.load(SeqCst) {
            self.wheel.lock().hold(alarm, due);
        }
    }

    /// Sets the deadline if it is earlier than the one that is set.
    pub(crate) fn set_earlier(&self, alarm: &Arc<Alarm>, due: Uptime) {
        if due.0 < alarm.due.load(SeqCst) {
            self.set(alarm, due);
        }
    }

    /// Lets time pass up to `now`: wakes what is due. Gives how many alarms were woken.
    pub(crate) fn advance(&self, now: Uptime) -> usize {
        let mut due = Vec::new();
        self.wheel.lock().advance(now, &mut due);
        due.iter().for_each(|alarm| alarm.wake());
        due.len()
    }

    /// Keeps time until it is dropped.
    pub(crate) async fn run(&self, pulse: &Pulse) {
        let mut ticks = tokio::time::interval(Duration::from_millis(TICK.0));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            pulse.beat();
            self.advance(Uptime::now());
        }
    }
}

impl Wheel {
    fn hold(&mut self, alarm: &Arc<Alarm>, due: Uptime) {
        let tick = tick_of(due).max(self.tick);
        alarm.held.store(tick, SeqCst);
        self.put(tick, Arc::downgrade(alarm));
    }

    fn put(&mut self, tick: u64, alarm: Weak<Alarm>) {
        // What lies beyond the wheel's round waits in its last place, and is put anew from there.
        let place = tick.min(self.tick + PLACES - 1) % PLACES;
        self.places[place as usize].push((tick, alarm));
    }

    fn advance(&mut self, now: Uptime, due: &mut Vec<Arc<Alarm>>) {
        let last = now.0 / TICK.0;
        while self.tick <= last {
            let place = (self.tick % PLACES) as usize;
            let mut held = std::mem::take(&mut self.places[place]);
            self.tick += 1;
            for (tick, alarm) in held.drain(..) {
                let Some(alarm) = alarm.upgrade() else { continue };
                if tick >= self.tick {
                    self.put(tick, Arc::downgrade(&alarm));
                } else if alarm.held.load(SeqCst) == tick {
                    alarm.held.store(u64::MAX, SeqCst);
                    match Uptime(alarm.due.load(SeqCst)) {
                        Uptime::NEVER => {}
                        deadline if deadline <= now => due.push(alarm),
                        deadline => self.hold(&alarm, deadline),
                    }
                }
            }
            if self.places[place].is_empty() && held.capacity() <= 1_024 {
                self.places[place] = held;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    struct Clock {
        timer: Timer,
        start: Uptime,
    }

    impl Clock {
        fn new() -> Clock {
            Clock { timer: Timer::new(), start: Uptime::now() }
        }

        fn at(&self, millis: u64) -> Uptime {
            self.start.plus(Millis(millis))
        }

        fn wakes(&self, alarm: &Alarm, millis: u64) -> usize {
            let count = Arc::new(Count::default());
            alarm.register(&Waker::from(count.clone()));
            self.timer.advance(self.at(millis));
            count.0.load(SeqCst)
        }
    }

    #[test]
    fn wakes_when_due_and_neither_before_nor_twice() {
        let clock = Clock::new();
        let alarm = Alarm::new();
        clock.timer.set(&alarm, clock.at(1_000));
        assert_eq!([900, 1_500, 1_700].map(|millis| clock.wakes(&alarm, millis)), [0, 1, 0]);
    }

    #[test]
    fn a_deadline_beyond_the_round_is_kept() {
        let clock = Clock::new();
        let alarm = Alarm::new();
        clock.timer.set(&alarm, clock.at(200_000));
        for millis in (0..199_900).step_by(7_000) {
            assert_eq!(clock.wakes(&alarm, millis), 0, "at {millis}");
        }
        assert_eq!(clock.wakes(&alarm, 200_500), 1);
    }

    #[test]
    fn an_earlier_deadline_wins_and_a_later_one_waits() {
        let clock = Clock::new();
        let alarm = Alarm::new();
        clock.timer.set(&alarm, clock.at(5_000));
        clock.timer.set_earlier(&alarm, clock.at(9_000));
        clock.timer.set_earlier(&alarm, clock.at(1_000));
        assert_eq!(clock.wakes(&alarm, 1_500), 1);
        clock.timer.set(&alarm, clock.at(2_000));
        clock.timer.set(&alarm, clock.at(3_000));
        assert_eq!([2_500, 3_500, 5_500].map(|millis| clock.wakes(&alarm, millis)), [0, 1, 0], "once is enough");
        clock.timer.set(&alarm, Uptime::NEVER);
        assert_eq!(clock.wakes(&alarm, 60_000), 0);
    }

    #[test]
    fn a_long_pause_wakes_everybody_who_is_due() {
        let clock = Clock::new();
        let alarms: Vec<_> = (0..500).map(|_| Alarm::new()).collect();
        for (index, alarm) in alarms.iter().enumerate() {
            clock.timer.set(alarm, clock.at(index as u64 * 500));
        }
        let woken: usize = alarms.iter().map(|alarm| clock.wakes(alarm, 250_100)).sum();
        assert_eq!(woken, 1, "only the first registered a waker");
        assert_eq!(clock.timer.wheel.lock().places.iter().map(Vec::len).sum::<usize>(), 0);
    }
}
