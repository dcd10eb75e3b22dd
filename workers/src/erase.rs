//! What an operator chooses about the erasure of people.

use serde::{Deserialize, Serialize};

/// What is erased with a person, beside all that is their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Erase {
    /// What they have sent to others.
    pub sent: Sent,
}

/// What becomes of what an erased person has sent to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// It stays with those who got it.
    #[default]
    Keep,
    /// It goes from their mailboxes as well.
    Remove,
}
