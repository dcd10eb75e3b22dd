//! What time it is: by a clock that never goes back, by the machine's, and by the gateway's.

use dunlin_schema::{Millis, limits};

/// One moment, read from two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// A clock that never goes back, near the Unix time. It may stand still while the machine sleeps.
    pub(crate) steady: Millis,
    /// The machine's Unix time, which may be wrong and may be set.
    pub(crate) wall: Millis,
}

/// How far this machine's clock is from the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockSkew {
    /// This machine's clock is slow by this much.
    Behind(Millis),
    /// This machine's clock is fast by this much.
    Ahead(Millis),
}

impl ClockSkew {
    /// Whether it is more than gateways allow for, so that tokens and times made by this machine's clock may be refused.
    pub fn is_harmful(self) -> bool {
        let (ClockSkew::Behind(span) | ClockSkew::Ahead(span)) = self;
        span > limits::CLOCK_SKEW
    }
}

impl std::fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClockSkew::Behind(span) => write!(f, "{} s behind the gateway's", span.0 / 1_000),
            ClockSkew::Ahead(span) => write!(f, "{} s ahead of the gateway's", span.0 / 1_000),
        }
    }
}

/// By this much more the machine's clock moves on than the steady one when the machine has slept. Far below the age at which an id is no
/// longer taken for a fresh one.
const JUMP: Millis = Millis(10_000);
const _: () = assert!(JUMP.0 < limits::CLOCK_SKEW.0, "an id from a clock that stood still for less is as good as new");

/// Both clocks as they were last read, and the gateway's as it was last told.
#[derive(Debug)]
pub(crate) struct Clocks {
    last: Now,
    /// What the gateway's clock showed at which steady time.
    server: Option<(Millis, Millis)>,
    skew: Option<ClockSkew>,
}

impl Clocks {
    pub(crate) fn new(now: Now) -> Clocks {
        Clocks { last: now, server: None, skew: None }
    }

    /// Reads the clocks. Whether the steady one stood still, or the machine's was set forward: what was known of the gateway's time is
    /// no longer true then.
    pub(crate) fn jumped(&mut self, now: Now) -> bool {
        let ran = now.steady.since(self.last.steady);
        let passed = now.wall.since(self.last.wall);
        self.last = now;
        let jumped = passed.since(ran) >= JUMP;
        if jumped {
            self.server = None;
            self.skew = None;
        }
        jumped
    }

    /// The gateway's clock shows `server`.
    pub(crate) fn told(&mut self, now: Now, server: Millis) {
        self.server = Some((server, now.steady));
        self.skew = Some(if server >= now.wall {
            ClockSkew::Behind(server.since(now.wall))
        } else {
            ClockSkew::Ahead(now.wall.since(server))
        });
    }

    /// The gateway's time, as far as it is known.
    pub(crate) fn server_time(&self, now: Now) -> Option<Millis> {
        self.server.map(|(server, then)| server.plus(now.steady.since(then)))
    }

    /// When the clocks were read last, by the steady one.
    pub(crate) fn read_at(&self) -> Millis {
        self.last.steady
    }

    pub(crate) fn skew(&self) -> Option<ClockSkew> {
        self.skew
    }
}
