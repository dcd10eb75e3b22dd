//! What can be under way.

use bytes::Bytes;
use dunlin_gateway::session::Input;
use dunlin_schema::{
    Entry, Position, Seq,
    group::GroupAnswer,
    index::Place,
    live::LiveEntry,
    record::{Follows, GroupRecord, MemberRecord},
};

use crate::sim::stream::{Publish, Published};

/// What a worker does beside its other work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    /// One request after the other.
    Answers,
    /// The records that follow from the log.
    Applies,
}

/// Something that happens at its time.
#[derive(Debug)]
pub(super) enum Event {
    // Workers.
    /// A request reaches a worker.
    Arrives { worker: usize, request: usize, tries: u32 },
    /// What a worker asks of storage is asked, and it goes on with the answer.
    Step { worker: usize, life: u32, thread: Thread, step: u32 },
    /// An append reaches the stream, unless its connection was given up before.
    Publish { worker: usize, life: u32, step: u32, entry: Box<Entry>, publish: Publish, server: u32, answered: bool },
    /// What became of it reaches the worker; `None`: nobody answered.
    Published { worker: usize, life: u32, step: u32, became: Option<Published> },
    /// A write of a record reaches STATE, unless its connection was given up before.
    Record { worker: usize, life: u32, step: u32, subject: String, bytes: Bytes, expected: Option<Seq>, server: u32 },
    /// What became of it reaches the worker, which looks for itself.
    Written { worker: usize, life: u32, step: u32 },
    /// A worker that stood still goes on.
    Continue { worker: usize },
    /// It sees that it has the shard no longer.
    Notices { worker: usize },
    /// One that died is started anew.
    Restart { worker: usize },
    /// Somebody takes the shard, if it is nobody's.
    Takes,
    // Whoever asks.
    /// An answer reaches whoever asked.
    Answered { request: usize, tries: u32, answer: GroupAnswer },
    /// Nobody answered this try.
    Again { request: usize, tries: u32 },
    // The deliver reader.
    /// It reads on.
    Delivers,
    /// It sees that the log went back.
    Begins { losses: u32 },
    // Gateways.
    /// A live entry reaches a gateway.
    Live { gateway: usize, life: u32, live: LiveEntry },
    /// That somebody's memberships changed reaches a gateway.
    Hint { gateway: usize, life: u32, person: usize, follows: Follows },
    /// A gateway compares heads, and reads again what it may have missed.
    Compare { gateway: usize, life: u32, again: bool },
    /// Something reaches a session.
    Input { session: usize, input: Box<Input> },
    /// The reader's word on a doubt reaches a session.
    Verified { session: usize },
    /// A session's deadline.
    Tick { session: usize, at: u64 },
    /// A session's writer is woken.
    Write { session: usize },
    /// It is looked which logs a session follows.
    Find { session: usize, which: Which },
    /// The interest in the log is in place.
    Subscribed { session: usize, opened: u32 },
    /// It is looked what a session's person may read.
    Look { session: usize, number: u32, seen: Box<Seen> },
    /// A device comes again.
    Reconnect { device: usize, connection: u32 },
    /// A device reads its socket again.
    Reads { device: usize },
    /// The server is there again.
    Back,
}

/// Which logs are to be followed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// All, at the beginning or later.
    All,
    /// One of which was heard.
    One,
    /// One that has ended here, for the first time or again.
    Again { at: Position, again: bool },
}

/// What a look has seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) upto: Option<Place>,
    pub(super) group: Option<Option<GroupRecord>>,
    pub(super) member: Option<MemberRecord>,
}
