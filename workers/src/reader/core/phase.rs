//! What a shard's reader is about. The table at the top of `core` says what ends each phase.

use crate::reader::ownership::Found;

/// What a shard's reader is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Somebody else's, or nobody's yet.
    Standby,
    /// The record may be taken: its position is compared with the stream. `None` is no record.
    Taking(Option<Found>),
    /// The record that takes the shard, or begins an epoch, is being written.
    Claiming,
    /// A consumer was asked for.
    Opening,
    /// It stands; the position is compared with the stream before its entries are taken.
    Checking,
    /// Entries are read.
    Reading,
    /// The last record is being written.
    Releasing,
    /// Over.
    Stopped,
}
