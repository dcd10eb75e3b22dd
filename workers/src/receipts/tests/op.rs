//! What can happen in a history.

use proptest::prelude::*;

use super::{DEVICES, SENDERS, WORKERS};

#[derive(Clone, Debug)]
pub(super) enum Op {
    /// Somebody sends something to bob, or he to somebody.
    Store(usize),
    /// A device connects: live, from the beginning, or where it was.
    Connect(usize, u8),
    /// A device is given so many of the entries that are there.
    Give(usize, u8),
    /// A device acknowledges all but so many; the hint begins so much above what it says, or there is none; or it is lost on its way.
    Acknowledge { device: usize, less: u8, hint: Option<u8>, lost: bool },
    /// Bob reads a conversation up to an entry, or as far as it goes.
    Read(usize, u8),
    /// A worker takes an item of the queue that is not done.
    Take(usize, u8),
    /// A worker does the next thing of something that it has taken.
    Step(usize, u8),
    /// A worker dies, and another one begins in its place.
    Crash(usize),
    /// So many of the log's oldest entries make room.
    Evict(u8),
    /// Power is lost: so many entries of the log, and writes of STATE.
    PowerLoss(u8, u8),
}

/// Things that happen: entries make room so often, beside four connections.
pub(super) fn op(evictions: u32) -> impl Strategy<Value = Op> {
    let acknowledge = (0..DEVICES, 0..3u8, proptest::option::of(0..3u8), proptest::bool::weighted(0.2));
    prop_oneof![
        12 => (0..SENDERS.len() + 1).prop_map(Op::Store),
        4 => (0..DEVICES, 0..3u8).prop_map(|(device, how)| Op::Connect(device, how)),
        10 => (0..DEVICES, 1..5u8).prop_map(|(device, count)| Op::Give(device, count)),
        10 => acknowledge.prop_map(|(device, less, hint, lost)| Op::Acknowledge { device, less, hint, lost }),
        3 => (0..SENDERS.len(), any::<u8>()).prop_map(|(with, upto)| Op::Read(with, upto)),
        12 => (0..WORKERS, any::<u8>()).prop_map(|(worker, item)| Op::Take(worker, item)),
        40 => (0..WORKERS, any::<u8>()).prop_map(|(worker, job)| Op::Step(worker, job)),
        2 => (0..WORKERS).prop_map(Op::Crash),
        evictions => (1..8u8).prop_map(Op::Evict),
        1 => (0..12u8, 0..6u8).prop_map(|(log, state)| Op::PowerLoss(log, state)),
    ]
}
