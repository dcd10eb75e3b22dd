//! Times. Two clocks, two types: what people and clients see is in milliseconds, what JetStream stamps is in nanoseconds.

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, or a span of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// This time, `span` later.
    pub fn plus(self, span: Millis) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }

    /// This time, `span` earlier; not before the Unix epoch.
    pub fn minus(self, span: Millis) -> Millis {
        Millis(self.0.saturating_sub(span.0))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Millis) -> Millis {
        self.minus(earlier)
    }
}

/// The nanosecond timestamp that JetStream gives an entry when it stores it, since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct StreamTime(pub u64);

impl StreamTime {
    /// The same time in whole milliseconds, rounded down.
    pub fn millis(self) -> Millis {
        Millis(self.0 / 1_000_000)
    }

    /// The next nanosecond: where to go on after an entry of this time.
    pub fn next(self) -> StreamTime {
        StreamTime(self.0.saturating_add(1))
    }
}

impl From<Millis> for StreamTime {
    fn from(millis: Millis) -> StreamTime {
        StreamTime(millis.0.saturating_mul(1_000_000))
    }
}
