//! What a deliver reader is told, and what it says.

use bytes::Bytes;
use dunlin_schema::{
    Epoch, Position, Seq, StreamTime, UserName,
    heads::{HeadsAnswer, Verified},
    live::LiveEntry,
    read::ReadFrom,
    record::ReaderRecord,
};

use crate::reader::Looked;

/// What does not change while a reader lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The reader: unique for each run.
    pub owner: String,
    /// Servers that store the shard.
    pub replicas: u8,
    /// Whether they sync each write before they acknowledge it.
    pub sync_always: bool,
    /// Mailboxes in the map of heads: see [`dunlin_schema::limits::Bounds::heads_map`].
    pub heads_map: usize,
}

/// A question that waits for its answer; whoever drives the reader numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked(pub u64);

/// What happens to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The answer to [`Output::Look`].
    Looked(Looked),
    /// The answer to [`Output::Compare`]; `None` when the leader did not answer.
    Compared(Option<Compared>),
    /// The answer to [`Output::Save`]; `None` when it failed or its outcome is unknown.
    Stored(Option<Stored>),
    /// A consumer stands, and its entries follow.
    Opened,
    /// The consumer's next entry.
    Entry {
        /// Whose mailbox holds it; `None` for entries of other logs.
        mailbox: Option<UserName>,
        /// Its sequence.
        seq: Seq,
        /// Its timestamp.
        time: StreamTime,
        /// Its bytes, whatever they are: whoever gets them decides.
        payload: Bytes,
    },
    /// A gateway asks how far these users' mailboxes have come.
    HeadsAsked {
        /// What the answer names.
        asked: Asked,
        /// Whose.
        users: Vec<UserName>,
    },
    /// A gateway has a cursor that does not fit the log.
    VerifyAsked {
        /// What the answer names.
        asked: Asked,
    },
    /// Time has passed.
    Tick,
    /// No more work: give the shard back. [`Output::Stopped`] follows, after what is under way.
    Stop,
}

/// What the stream's leader and the machine say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The stream's last sequence.
    pub last: Seq,
    /// The timestamp of the entry at the sequence that was asked for, if it is there.
    pub time: Option<StreamTime>,
    /// The boot of the machine that stores the shard.
    pub boot: String,
}

/// A record that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its sequence in STATE.
    pub revision: Seq,
    /// When STATE stored it. Only asked of records that begin an epoch.
    pub stamp: StreamTime,
}

/// What a reader does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Read the reader's record, from the leader.
    Look,
    /// Ask the leader for the stream's last sequence and the timestamp of the entry at this one.
    Compare(Seq),
    /// See that all publishes before this have reached the server, then write the record if its revision is still `expected`.
    Save {
        /// What to write.
        record: ReaderRecord,
        /// The revision it replaces; 0 when there must be none.
        expected: Seq,
    },
    /// Drop the consumer, if there is one, and make one that begins here.
    Open(ReadFrom),
    /// Drop the consumer.
    Close,
    /// Publish to the user's live subject.
    Publish {
        /// Whose.
        user: UserName,
        /// What.
        live: LiveEntry,
    },
    /// Answer a question about heads.
    Heads {
        /// Which.
        asked: Asked,
        /// With this.
        answer: HeadsAnswer,
    },
    /// Answer a gateway's doubt.
    Verified {
        /// Which.
        asked: Asked,
        /// With this.
        verified: Verified,
    },
    /// Answer nothing: the question is not this reader's to answer now.
    Decline(Asked),
    /// Something that people want to know.
    Event(Event),
    /// The end: nothing is asked of this reader any more.
    Stopped,
}

/// Something that people want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The shard is this reader's.
    TookOver {
        /// Where it goes on.
        position: Position,
    },
    /// The shard is not this reader's any more.
    SteppedDown(Lost),
    /// A new life of the log begins.
    EpochBegun {
        /// Its name.
        epoch: Epoch,
        /// Why.
        because: Because,
    },
    /// Entries were gone before they were read: evicted, expired, erased or purged.
    Hole {
        /// The last entry before them.
        after: Seq,
        /// The first one behind them.
        until: Seq,
    },
}

/// Why a reader stopped being the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// A write failed: somebody else has it, or the stream does not answer.
    NotStored,
    /// No write was acknowledged for as long as a standby waits.
    Lapsed,
}

/// Why a new epoch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// No record tells of an epoch before.
    NoRecord,
    /// The record is older than one that was seen before.
    RecordWentBack,
    /// A single server that does not sync each write runs on another boot of its machine.
    OtherBoot,
    /// The stream ends below the reader's position.
    EndBelow,
    /// Another entry stands at the reader's position.
    OtherEntry,
}
