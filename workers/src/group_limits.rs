//! What an operator chooses about groups.

use serde::{Deserialize, Serialize};

/// What an operator lets one group say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupLimits {
    /// Messages, edits, deletions and reactions a second.
    pub messages_per_second: u32,
    /// The same at once.
    pub messages_burst: u32,
}

impl Default for GroupLimits {
    fn default() -> GroupLimits {
        GroupLimits { messages_per_second: 2_000, messages_burst: 4_000 }
    }
}
