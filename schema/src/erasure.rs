//! The erasure of a person: a gateway asks the eraser of the user's shard, which stores that it is to be done, and does it then.

use serde::{Deserialize, Serialize};

use crate::{UserName, envelope::sealed};

const VERSION: u8 = 1;

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

/// That everything of a user is to be erased, until it is done: see [`crate::subject::erasure`]. Its own timestamp in the stream says what
/// is of before. Written by `eraser`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// Whose.
    pub user: UserName,
}

sealed!(VERSION: EraseUser, ErasureAsked, Erasure);
