//! The clocks of this machine, as the core wants them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_schema::Millis;
use tokio::time::Instant;

use crate::core::Now;

/// The clocks of one client.
pub(crate) struct Clock {
    began: Instant,
    at: Millis,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock { began: Instant::now(), at: unix() }
    }

    pub(crate) fn now(&self) -> Now {
        Now { steady: self.at.plus(millis(self.began.elapsed())), wall: unix() }
    }

    /// The moment of a steady time.
    pub(crate) fn instant(&self, steady: Millis) -> Instant {
        self.began + Duration::from_millis(steady.since(self.at).0)
    }
}

/// The machine's Unix time.
pub(crate) fn unix() -> Millis {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A span in whole milliseconds.
pub(crate) fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
