//! The inputs and outputs of a reader's core: what the loop around it tells it, and what it wants done.

use dunlin_schema::{Epoch, Position, Seq, StreamTime, read::ReadFrom, record::ReaderRecord};

use crate::reader::ownership::Looked;

/// What does not change while a reader lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// The reader: unique for each run.
    pub owner: String,
    /// Whether it begins epochs or follows them.
    pub epochs: Epochs,
}

/// What a reader has to do with epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epochs {
    /// It begins one where the log went back, or may have: the deliver reader, one for each shard.
    Begins {
        /// Servers that store the shard.
        replicas: u8,
        /// Whether they sync each write before they acknowledge it.
        sync_always: bool,
    },
    /// It goes by the epoch that the deliver reader's record names: the readers of all other roles.
    Follows(Resume),
}

/// Where a reader that follows goes on when it takes a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Behind the position in its record.
    Saved,
    /// Behind the position of its own projection, whatever the record says; the default is before the first entry. Once it has read, behind
    /// what it read last.
    Projected(Position),
}

/// A doubt that waits for its answer; whoever drives the reader numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DoubtId(pub u64);

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
        /// Its sequence.
        seq: Seq,
        /// Its timestamp.
        time: StreamTime,
    },
    /// Somebody has a cursor that does not fit the log. [`Output::Verified`] or [`Output::Declined`] answers it.
    Doubted(DoubtId),
    /// The answer to [`Output::AskEpoch`]; `None` when there is none yet, or nobody answered.
    EpochSeen(Option<Epoch>),
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
    /// The epoch that the deliver reader's record names, where there is one. Only asked for readers that follow.
    pub epoch: Option<Epoch>,
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
    /// Read the epoch from the deliver reader's record.
    AskEpoch,
    /// For the role: what comes next follows this position. Sequence 0 without a time is before the first entry of the log; what the role
    /// made of entries before is void unless it stands exactly here.
    Begin(Position),
    /// For the role: the entry that was just given counts.
    Entry {
        /// Its position.
        position: Position,
        /// Whether entries before it were gone before they were read.
        after_hole: bool,
    },
    /// The log is as the reader read it.
    Verified {
        /// The doubt that this answers.
        doubt: DoubtId,
        /// How far it was read.
        position: Position,
    },
    /// A doubt has no answer: it is not this reader's to answer now.
    Declined(DoubtId),
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
    /// The deliver reader's record names another epoch than this reader's position, or the log lost what this reader alone had read.
    EpochFollowed {
        /// Its name.
        epoch: Epoch,
        /// Whether what was read is not in the log as it was: all of it is read again.
        anew: bool,
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
