//! Where an entry stands in a shard.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{Millis, StreamTime};

/// A sequence in a shard's stream. 0 stands before the first entry. Below 2^53, so that JSON readers keep it exact; what is read from
/// outside is refused above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(transparent)]
#[schemars(extend("maximum" = Seq::MAX.0))]
pub struct Seq(pub u64);

impl Seq {
    /// The highest sequence that is read from outside.
    pub const MAX: Seq = Seq((1 << 53) - 1);

    /// The sequence after this one.
    pub fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }

    /// The sequence before this one; 0 stays 0.
    pub fn previous(self) -> Seq {
        Seq(self.0.saturating_sub(1))
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seq = Seq(u64::deserialize(deserializer)?);
        if seq <= Seq::MAX { Ok(seq) } else { Err(de::Error::custom("a sequence is below 2^53")) }
    }
}

/// Which life of a shard's log: the time at which it began, in the stream's nanoseconds. A higher one is later.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// When it began, in whole milliseconds, rounded down.
    pub fn began(self) -> Millis {
        StreamTime(self.0).millis()
    }
}

/// Where an entry stands: ordered by epoch, then by sequence. `time` tells whether the entry is still the same one, and where to go
/// on in a new epoch. Positions are compared with [`Position::at_or_below`] and its kin: `time` takes no part in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The life of the log in which the entry stands.
    pub epoch: Epoch,
    /// The entry's sequence in the shard's stream.
    pub seq: Seq,
    /// The entry's own timestamp in the stream.
    pub time: StreamTime,
}

impl Position {
    /// Whether this position is not later than `other`.
    pub fn at_or_below(&self, other: &Position) -> bool {
        (self.epoch, self.seq) <= (other.epoch, other.seq)
    }

    /// Whether this position is later than `other`.
    pub fn above(&self, other: &Position) -> bool {
        !self.at_or_below(other)
    }

    /// The later of the two.
    pub fn later(self, other: Position) -> Position {
        if other.above(&self) { other } else { self }
    }
}
