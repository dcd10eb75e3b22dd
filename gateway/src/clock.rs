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
pub(crate) struct Uptime(pub(crate) u64);

impl Uptime {
    /// Later than every deadline.
    pub(crate) const NEVER: Uptime = Uptime(u64::MAX);

    /// The present moment.
    pub(crate) fn now() -> Uptime {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        Uptime(u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// This moment, `span` later.
    pub(crate) fn plus(self, span: Millis) -> Uptime {
        Uptime(self.0.saturating_add(span.0))
    }
}

/// Both clocks, read together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// The time of the day.
    pub(crate) wall: Millis,
    /// What deadlines are kept by.
    pub(crate) uptime: Uptime,
}

impl Moment {
    /// The present moment.
    pub(crate) fn now() -> Moment {
        Moment { wall: now(), uptime: Uptime::now() }
    }

    /// When a time of the day comes.
    pub(crate) fn when(self, wall: Millis) -> Uptime {
        self.uptime.plus(wall.since(self.wall))
    }
}
