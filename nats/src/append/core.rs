//! What `append_once` does next, decided without I/O.

use dunlin_schema::{Entry, Log, Seq, StreamTime};

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
}

/// Who brings an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client: nobody can have tried it before its id's time − 60 s.
    Client,
    /// A reader that goes on from a saved position: nobody can have tried it before that − 60 s.
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
    /// What is stored: on a repeat the first try's entry, so that the answer is the same.
    pub entry: Entry,
    /// Whether it had been stored before.
    pub repeat: bool,
}

/// The item is not stored, or may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The id is older than what can be looked up: the item may be stored.
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
