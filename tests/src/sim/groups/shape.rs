//! What a schedule of a group is made of, drawn from its seed.

use dunlin_schema::{
    Millis,
    limits::{self, Bounds},
};

use crate::sim::dice::Dice;

/// A log that rolls over within a conversation.
static NARROW: Bounds = Bounds {
    mailbox_entries: 12,
    retention: Millis(900_000),
    retention_slack: Millis(60_000),
    cursor_refreshed_every: Millis(45_000),
    outbound_frames: 6,
    outbound_bytes: limits::OUTBOUND_BYTES,
    heads_map: 1,
    heads_page: 1,
};

/// One that seldom does.
static WIDE: Bounds = Bounds { mailbox_entries: 60, outbound_frames: 64, heads_map: 1_000, ..NARROW };

/// Entries that the log may be ahead of its records.
pub(super) const AHEAD: usize = 6;
/// Entries that change no record, after which it is written down how far the log was read.
pub(super) const NOTED_EVERY: u32 = 3;
/// How often it is looked how far the records are, in entries that they may be behind.
pub(super) const LOOK_EVERY: usize = 2;

/// How often each fault happens, in a thousandth of its occasions. 0: never in this schedule.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) live_lost: u32,
    pub(super) live_repeated: u32,
    pub(super) live_late: u32,
    pub(super) heads_lost: u32,
    pub(super) read_fails: u32,
    pub(super) hint_lost: u32,
    pub(super) hint_late: u32,
    pub(super) answer_lost: u32,
    pub(super) publish_lost: u32,
    pub(super) publish_late: u32,
    pub(super) slow: u32,
    pub(super) broken: u32,
    pub(super) gateway_crash: u32,
    pub(super) worker_crash: u32,
    pub(super) worker_pause: u32,
    pub(super) stops_between: u32,
    pub(super) lapses: u32,
    pub(super) server_restart: u32,
    pub(super) power_loss: u32,
    pub(super) reader_restart: u32,
    pub(super) long_wait: u32,
    pub(super) burst: u32,
    pub(super) odd_start: u32,
    pub(super) cursor_lost: u32,
}

/// A schedule's shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) bounds: &'static Bounds,
    pub(super) people: usize,
    pub(super) devices: usize,
    /// Whether the group shows what was said before to those who join.
    pub(super) history: bool,
    pub(super) steps: u32,
    /// How often whoever changes the group deletes it, in a thousandth.
    pub(super) deletes: u32,
    pub(super) faults: Faults,
}

impl Shape {
    pub(super) fn draw(dice: &mut Dice) -> Shape {
        let mut some = |per_mille: u32| if dice.chance(450) { per_mille } else { 0 };
        let faults = Faults {
            live_lost: some(200),
            live_repeated: some(100),
            live_late: some(100),
            heads_lost: some(250),
            read_fails: some(100),
            hint_lost: some(200),
            hint_late: some(300),
            answer_lost: some(150),
            publish_lost: some(80),
            publish_late: some(150),
            slow: some(60),
            broken: some(60),
            gateway_crash: some(25),
            worker_crash: some(60),
            worker_pause: some(60),
            stops_between: some(30),
            lapses: some(50),
            server_restart: some(25),
            power_loss: some(20),
            reader_restart: some(40),
            long_wait: some(20),
            burst: some(60),
            odd_start: some(150),
            cursor_lost: some(100),
        };
        Shape {
            bounds: if dice.chance(600) { &NARROW } else { &WIDE },
            people: dice.between(3, 5) as usize,
            devices: dice.between(1, 2) as usize,
            history: dice.chance(200),
            steps: dice.between(30, 90) as u32,
            deletes: 40,
            faults,
        }
    }
}
