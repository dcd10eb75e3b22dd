//! What `append_once` is asked, what it asks for, and what it is told.

use dunlin_schema::{
    Entry, Log, Millis, Seq, StreamTime,
    read::{ReadAnswer, ReadRequest, StoredEntry},
};

use super::{known::Known, place::Place};

/// What is to be stored, where, and what is known of earlier tries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The log.
    pub log: Log,
    /// The entry; its `time` is the gateway's, and what `accepted` tells.
    pub entry: Entry,
    /// Who brings it, and so how far back an earlier try of it can lie.
    pub origin: Origin,
    /// Whether nobody can have tried it at this place before: false for anything a caller repeats.
    pub first_try: bool,
    /// Whether it is the copy of an entry that was stored for the first time just before. Nobody can have tried it before that, so no try
    /// of it is among what its log dropped, as long as all is there that was stored since: it is not [`AppendError::TooOld`] for the rest.
    pub copy_of_new: bool,
}

/// Who brings an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: nobody can have tried it before its id's time − 60 s.
    Client,
    /// A reader that goes on from a saved position: nobody can have tried it before that − 60 s. It is never refused for its age: what a
    /// reader carries was accepted elsewhere.
    Reader {
        /// The timestamp of the saved position.
        saved: StreamTime,
    },
}

/// The item is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The sequence at which it, or the tombstone that names it, is stored.
    pub seq: Seq,
    /// What is stored: on a repeat the first try's entry, so that the answer is the same. Of a repeat whose entry was evicted or erased
    /// within the duplicate window only the sequence is known; then this is the repeat's own entry.
    pub entry: Entry,
    /// Whether it had been stored before.
    pub repeat: bool,
}

/// The item is not stored, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The id is older than what can be looked up: the item may be stored, and dropped since.
    #[error("the id is older than what can be looked up")]
    TooOld,
    /// The id's time is ahead of ours by more than the allowed skew.
    #[error("the id's time lies in the future")]
    FromTheFuture,
    /// The stream is full. Nothing was stored by this call; trying again later may help.
    #[error("the log's storage is full")]
    Full,
    /// More bytes than the server takes.
    #[error("the entry is larger than the server allows")]
    TooLarge,
    /// It may be stored: repeat it with the same id.
    #[error("the outcome is unknown")]
    Unknown,
}

/// What to do next. See the module's table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "there is one step at a time, and each call ends with the large one")]
pub enum Step {
    /// Publish the entry.
    Publish {
        /// The log's last sequence that the stream must still have; `Some(Seq(0))`: the log must be empty.
        expect: Option<Seq>,
    },
    /// Wait, this long at most, for the turn among the late appends to this log.
    TakeTurn(Millis),
    /// Ask the leader for the log's last entry.
    AskLast,
    /// Read the log.
    Read(ReadRequest),
    /// Ask the leader for the log's first entry.
    AskFirst,
    /// Ask the leader for an entry of the log by its sequence.
    ReadBack(Seq),
    /// Wait this long.
    Wait(Millis),
    /// Tell the caller.
    Done(Result<Stored, AppendError>),
    /// Tell the caller, who looked for it, that the item is not in the log, nor a tombstone that names it.
    Absent,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What the stream said to a publish.
    Published(Result<PubAck, PublishFailure>),
    /// It is this call's turn, with what was left for it of the log; no answer: it did not come in time.
    Turn(Result<Option<Known>, NoAnswer>),
    /// The log's last entry, `None` where it has none.
    Last(Result<Option<Place>, NoAnswer>),
    /// Entries of the log.
    Read(Result<ReadAnswer, NoAnswer>),
    /// The log's first entry, `None` where it has none.
    First(Result<Option<Place>, NoAnswer>),
    /// The entry of the asked sequence, `None` where the log has none there.
    ReadBack(Result<Option<StoredEntry>, NoAnswer>),
    /// The time is over.
    Waited,
}

/// Nobody answered, or what came can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A publish was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PubAck {
    /// Where the entry is stored.
    pub seq: Seq,
    /// Whether it had been stored before, within the duplicate window.
    pub duplicate: bool,
}

/// A publish was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishFailure {
    /// The log's last sequence is not the expected one (10071). Not stored.
    Conflict,
    /// The stream or the storage is full (10077 and its kin). Not stored.
    Full,
    /// More bytes than the server takes. Not stored.
    TooLarge,
    /// Everything else: no acknowledgement in time, no responders, 10158, 10164. It may be stored, or may yet be.
    Unknown,
}
