//! What a schedule is made of: how the region is set up, how many take part, and which faults it knows. Drawn from the seed, so that
//! every schedule has its own mixture and a fault is met alone as well as among others.

use dunlin_schema::{
    Millis,
    limits::{self, Bounds},
};

use super::dice::Dice;

/// The bounds of most schedules: a mailbox that rolls over, a retention that passes, a queue that is full, all within minutes.
static NARROW: Bounds = Bounds {
    mailbox_entries: 8,
    retention: Millis(600_000),
    retention_slack: Millis(60_000),
    cursor_refreshed_every: Millis(45_000),
    outbound_frames: 6,
    outbound_bytes: limits::OUTBOUND_BYTES,
    heads_map: 2,
    heads_page: 1,
};

/// A mailbox that seldom rolls over, a queue bounded by its bytes, a map that holds everybody.
static WIDE: Bounds = Bounds {
    mailbox_entries: 24,
    retention: Millis(1_200_000),
    outbound_frames: 64,
    outbound_bytes: 2_000,
    heads_map: 1_000,
    heads_page: 1_000,
    ..NARROW
};

/// How often each fault happens, in a thousandth of the occasions it has. 0: never in this schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    pub(crate) live_lost: u32,
    pub(crate) live_repeated: u32,
    pub(crate) live_late: u32,
    pub(crate) heads_lost: u32,
    pub(crate) read_fails: u32,
    pub(crate) read_lags: u32,
    pub(crate) read_torn: u32,
    pub(crate) ack_lost: u32,
    pub(crate) publish_lost: u32,
    pub(crate) publish_late: u32,
    pub(crate) save_fails: u32,
    pub(crate) slow: u32,
    pub(crate) gateway_crash: u32,
    pub(crate) gateway_cut: u32,
    pub(crate) reader_crash: u32,
    pub(crate) reader_pause: u32,
    pub(crate) reader_stop: u32,
    pub(crate) server_restart: u32,
    pub(crate) power_loss: u32,
    pub(crate) election: u32,
    pub(crate) full: u32,
    pub(crate) erase: u32,
    pub(crate) burst: u32,
    pub(crate) long_wait: u32,
    pub(crate) forged: u32,
    pub(crate) cursor_lost: u32,
    pub(crate) repeat_elsewhere: u32,
    pub(crate) forgets: u32,
}

/// A schedule's shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) replicas: usize,
    pub(crate) sync_always: bool,
    pub(crate) bounds: &'static Bounds,
    pub(crate) users: usize,
    pub(crate) devices_per_user: usize,
    pub(crate) gateways: usize,
    pub(crate) readers: usize,
    pub(crate) page: usize,
    pub(crate) steps: u32,
    pub(crate) faults: Faults,
}

impl Shape {
    pub(crate) fn draw(dice: &mut Dice) -> Shape {
        let replicas = if dice.chance(350) { 3 } else { 1 };
        let lone = replicas == 1;
        let mut some = |per_mille: u32| if dice.chance(450) { per_mille } else { 0 };
        let faults = Faults {
            live_lost: some(150),
            live_repeated: some(100),
            live_late: some(100),
            heads_lost: some(250),
            read_fails: some(100),
            read_lags: some(if lone { 0 } else { 300 }),
            read_torn: some(300),
            ack_lost: some(120),
            publish_lost: some(80),
            publish_late: some(80),
            save_fails: some(60),
            slow: some(60),
            gateway_crash: some(25),
            gateway_cut: some(30),
            reader_crash: some(50),
            reader_pause: some(50),
            reader_stop: some(30),
            server_restart: some(if lone { 25 } else { 0 }),
            power_loss: some(if lone { 25 } else { 0 }),
            election: some(if lone { 0 } else { 40 }),
            full: some(20),
            erase: some(60),
            burst: some(60),
            long_wait: some(25),
            forged: some(150),
            cursor_lost: some(100),
            repeat_elsewhere: some(60),
            forgets: some(200),
        };
        Shape {
            replicas,
            sync_always: lone && dice.chance(200),
            bounds: if dice.chance(750) { &NARROW } else { &WIDE },
            users: dice.between(2, 3) as usize,
            devices_per_user: dice.between(1, 2) as usize,
            gateways: 2,
            readers: dice.between(1, 2) as usize,
            page: dice.between(2, 6) as usize,
            steps: dice.between(30, 90) as u32,
            faults,
        }
    }
}
