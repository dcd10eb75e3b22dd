//! Tokens: who somebody is, by a JWT that a key of the configured key set signed.
//!
//! [`verify`] decides without I/O; [`keys`] keeps the key set as its file or URL has it.

mod keys;
mod verify;

pub(crate) use keys::{KeyRing, KeysError, check};
pub(crate) use verify::Identity;
