//! The comparison of marks: a gateway asks the receipts worker of a shard whose marks have changed, so that a receipt that was lost on its
//! way is found.

use serde::{Deserialize, Serialize};

use crate::{Seq, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// The question: whose marks were written behind this revision of the shard's STATE?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarksRequest {
    /// The revision: 0 for all that the worker knows of.
    pub after: Seq,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarksAnswer {
    /// The worker knows nothing of changes at or below this revision: where it is above [`MarksRequest::after`], anybody's marks may have
    /// changed in between.
    pub floor: Seq,
    /// Up to this revision the answer is complete.
    pub upto: Seq,
    /// The users whose marks were written, each with the revision, in the order of these: [`crate::limits::MARKS_PAGE`] at most. Of a
    /// record that was written several times the last write counts.
    pub changes: Vec<(UserName, Seq)>,
}

sealed!(VERSION: MarksRequest, MarksAnswer);
