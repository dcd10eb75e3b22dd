//! A stored entry's sequence and timestamp: an entry under the same sequence with another timestamp is another one, so the log was
//! restored or lost its end.

use dunlin_schema::{Seq, StreamTime, read::StoredEntry};

/// Where an entry of the log stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its sequence.
    pub seq: Seq,
    /// Its timestamp.
    pub time: StreamTime,
}

impl From<&StoredEntry> for Place {
    fn from(stored: &StoredEntry) -> Place {
        Place { seq: stored.seq, time: stored.time }
    }
}
