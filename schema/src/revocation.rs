//! Tokens that are taken back: a gateway has the accounts worker write it down, and every gateway watches what is written.

use serde::{Deserialize, Serialize};

use crate::{DeviceName, Millis, TokenId, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// What is taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Revoked {
    /// One token.
    Token(TokenId),
    /// A person's tokens.
    User(UserName),
    /// The tokens of one of a person's devices.
    Device(UserName, DeviceName),
}

impl Revoked {
    /// The name whose shard has its record.
    pub fn owner(&self) -> &str {
        match self {
            Revoked::Token(id) => id.as_str(),
            Revoked::User(user) | Revoked::Device(user, _) => user.as_str(),
        }
    }
}

/// The question: something is to be taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// What.
    pub what: Revoked,
    /// When, by the gateway's clock: what was issued up to then is barred.
    pub at: Millis,
    /// Of a device, whether this also bars every token of the person that names no device: whoever has one could say another name.
    pub unpinned: bool,
    /// For how long it is remembered: longer than any token lives.
    pub kept: Millis,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RevokeAnswer {
    /// It is stored.
    Stored,
    /// It could not be stored, or nobody knows whether it was: asking again does no harm.
    NotStored,
}

sealed!(VERSION: Revoke, RevokeAnswer);
