//! The two clocks: what people and entries are told, and what deadlines are kept by.

use std::{
    sync::LazyLock,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use dunlin_schema::Millis;

/// The time of the day.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since this process began. No step of the system's clock moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Uptime(pub u64);

impl Uptime {
    /// Later than every deadline.
    pub const NEVER: Uptime = Uptime(u64::MAX);

    /// The present moment.
    pub(crate) fn now() -> Uptime {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Uptime(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The span from an earlier moment to this one; nothing, if it is later.
    pub fn since(self, earlier: Uptime) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// This moment, `span` later.
    pub fn plus(self, span: Millis) -> Uptime {
        Uptime(self.0.saturating_add(span.0))
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time of the day.
    pub wall: Millis,
    /// What deadlines are kept by.
    pub uptime: Uptime,
}

impl Moment {
    /// The present moment.
    pub(crate) fn now() -> Moment {
        Moment { wall: now(), uptime: Uptime::now() }
    }

    /// When a time of the day comes.
    pub fn when(self, wall: Millis) -> Uptime {
        self.uptime.plus(wall.since(self.wall))
    }
}
