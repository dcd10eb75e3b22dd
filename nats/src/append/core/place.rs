//! Where an entry stands in its log, and how to tell that it is still the same one.

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
