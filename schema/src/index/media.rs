//! Whether somebody may see a file: whether the index has a message that refers to it, where they may read it.

use serde::{Deserialize, Serialize};

use crate::{GroupName, MediaId, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// The question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldsRequest {
    /// Who.
    pub user: UserName,
    /// The file.
    pub media: MediaId,
    /// Whether the user's mailbox is of this shard, and is to be looked into.
    pub mailbox: bool,
    /// Groups of this shard that are to be looked into: [`crate::limits::GROUPS_ASKED`] at most.
    pub groups: Vec<GroupName>,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HoldsAnswer {
    /// There is such a message.
    Holds,
    /// There is none.
    Lacks,
    /// There is none in what the projection has, and that lacks something: see [`super::ConversationsAnswer::Behind`].
    Behind,
}

sealed!(VERSION: HoldsRequest, HoldsAnswer);
