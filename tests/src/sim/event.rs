//! What can be under way.

use dunlin_gateway::{comparison::core::Unanswered, session};
use dunlin_nats::append::core as append;
use dunlin_schema::{
    Cursor, MessageId, Peer, Position, Seq,
    frame::ServerFrame,
    heads::{HeadsAnswer, Verified},
    live::LiveEntry,
    read::{ReadAnswer, ReadRequest, StoredEntry},
    record::ReaderRecord,
};
use dunlin_workers::reader::core as reader;

use super::stream::Publish;

/// Something that happens at its time.
#[derive(Debug)]
pub(crate) enum Event {
    // Appends.
    /// A publish reaches the stream, unless its connection was given up before.
    Publish { append: usize, step: u32, publish: Publish, server: u32, until: u64, answered: bool },
    /// A question of an append reaches a server.
    AppendAsks { append: usize, step: u32, ask: append::Step },
    /// An answer, or the end of waiting for one, reaches an append.
    AppendTold { append: usize, step: u32, event: append::Event },
    // Gateways.
    /// The server has a session's interest in its user.
    Interest { session: usize },
    /// A session knows it.
    Subscribed { session: usize },
    /// A read of a session reaches a server, which has answered a part of it before.
    Read { session: usize, request: ReadRequest, before: Vec<StoredEntry> },
    /// The entries were read; the leader is asked for its evidence.
    Evidence { session: usize, request: ReadRequest, answer: ReadAnswer },
    /// Something reaches a session.
    Session { session: usize, input: Box<session::Input> },
    /// A session's deadline.
    SessionTick { session: usize, at: u64 },
    /// The writer of a session's socket is woken.
    Write { session: usize },
    /// A live entry reaches a gateway.
    Live { gateway: usize, life: u32, user: usize, live: LiveEntry },
    /// A gateway's comparison of heads has a deadline.
    Compare { gateway: usize, life: u32, at: u64 },
    /// A gateway's link to NATS is back.
    Linked { gateway: usize, life: u32 },
    /// A reader's answer about heads reaches a gateway.
    HeadsAnswered { question: usize, answer: HeadsAnswer },
    /// A reader's answer to a doubt reaches a gateway.
    DoubtAnswered { question: usize, verified: Verified },
    /// A question to a reader waits no longer.
    Unanswered { question: usize, why: Unanswered },
    // Readers.
    /// Something reaches a reader, or waits while it is stopped.
    Reader { reader: usize, what: AtReader },
    /// A reader's comparison reaches the leader.
    ReaderCompares { reader: usize, seq: Seq },
    /// A reader's look at its record reaches the leader.
    ReaderLooks { reader: usize },
    /// A reader's record reaches the leader.
    ReaderSaves { reader: usize, record: ReaderRecord, expected: Seq, answered: bool },
    /// A publish of a reader reaches the server.
    Published { owner: Peer, live: LiveEntry },
    /// A stopped reader goes on.
    Continue { reader: usize },
    /// A reader is started in place of one that died.
    Restart,
    // Devices.
    /// A frame reaches a device.
    Frame { device: usize, connection: u32, frame: ServerFrame },
    /// A device's frame reaches its session.
    Said { session: usize, said: Said },
    /// A device repeats what it has no answer for.
    Again { device: usize, id: MessageId },
    /// What a device acknowledged reaches STATE.
    Acknowledged { device: usize, cursor: Cursor },
    /// A device notices that its connection is gone, and comes again.
    Reconnect { device: usize, connection: u32 },
    /// The second half of an erasure.
    Erase { seq: Seq, position: Position },
    /// The stream has room again.
    Room,
}

/// What happens at a reader.
#[derive(Debug)]
pub(crate) enum AtReader {
    /// A question about heads comes.
    Asked { question: usize },
    /// An answer, or the order to stop, comes.
    Told(Box<reader::Input>),
    /// A deadline.
    Tick { at: u64 },
    /// Its consumer stands.
    Opened { consumer: u32 },
    /// Its consumer may have entries.
    Consume { consumer: u32 },
}

/// What a device says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Send(dunlin_schema::frame::Send),
    Ack(Seq),
}
