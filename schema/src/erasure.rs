//! The erasure of a person: a gateway asks the eraser of the user's shard, which stores that it is to be done, and does it then.

use serde::{Deserialize, Serialize};

use crate::{
    Seq, Shard, StreamTime, UserName,
    envelope::{EnvelopeError, open, seal, sealed},
};

const VERSION: u8 = 1;
/// Of a record that says more than that it was asked for.
const VERSION_STAGED: u8 = 2;

/// The question: everything of a user is to be erased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseUser {
    /// Whose.
    pub user: UserName,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ErasureAsked {
    /// It is stored, and will be done whatever fails meanwhile.
    Stored,
    /// It could not be stored: asking again does no harm.
    NotStored,
}

sealed!(VERSION: EraseUser, ErasureAsked);

/// That everything of a user is to be erased, or was: see [`crate::subject::erasure`]. Written by `eraser`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose.
    pub user: UserName,
    /// How far it is.
    pub stage: Stage,
}

/// How far an erasure is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is to be done. The record's own timestamp in the stream says what is of before.
    Asked,
    /// It was done. What a limit had dropped may yet come back with a nats-server that is killed.
    Done(Before),
    /// Something came back: it is to be done again.
    CameBack(Before),
}

/// What is of an erased person, and not of whoever has the name next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Nothing of it was stored later.
    pub until: StreamTime,
    /// Nothing of it lies above, by shard. A shard that is not there has no such bound: while it is done for the first time, none has.
    pub ends: Vec<Ends>,
}

/// Where a shard's streams ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// Its log.
    pub log: Seq,
    /// Its records.
    pub state: Seq,
}

impl Before {
    /// Where the log of a shard ended.
    pub fn log_end(&self, shard: Shard) -> Seq {
        self.ends(shard).map_or(Seq::MAX, |ends| ends.log)
    }

    /// Where the records of a shard ended.
    pub fn state_end(&self, shard: Shard) -> Seq {
        self.ends(shard).map_or(Seq::MAX, |ends| ends.state)
    }

    /// Whether an entry of a shard's log is of before.
    pub fn has_entry(&self, shard: Shard, seq: Seq, time: StreamTime) -> bool {
        time <= self.until && seq <= self.log_end(shard)
    }

    /// Whether a record of a shard is of before.
    pub fn has_record(&self, shard: Shard, revision: Seq, time: StreamTime) -> bool {
        time <= self.until && revision <= self.state_end(shard)
    }

    fn ends(&self, shard: Shard) -> Option<&Ends> {
        self.ends.get(usize::from(shard.0))
    }
}

impl Erasure {
    /// Its bytes: what was only asked for keeps the form that every release reads.
    pub fn encode(&self) -> Vec<u8> {
        match self.stage {
            Stage::Asked => seal(VERSION, &self.user),
            Stage::Done(_) | Stage::CameBack(_) => seal(VERSION_STAGED, self),
        }
    }

    /// The value of its bytes. Errors: see [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Erasure, EnvelopeError> {
        if bytes.first() != Some(&VERSION) {
            return open(VERSION_STAGED, bytes);
        }
        Ok(Erasure { user: open(VERSION, bytes)?, stage: Stage::Asked })
    }
}
