//! Tokens: who somebody is, by a JWT that a key of a configured issuer signed.
//!
//! [`verify`] decides without I/O, with the parts of a token from [`jwt`], the keys of [`key_set`] and the users' names of [`names`].
//! [`source`] keeps one issuer's key set as its file or URL has it, [`ring`] those of all issuers. [`examine`] says in words what a gateway
//! would make of a token or a key set.

mod error;
pub mod examine;
mod jwt;
mod key_set;
mod names;
mod ring;
mod source;
mod verify;

pub(crate) use ring::KeyRing;
pub(crate) use source::{KeysError, check};
pub(crate) use verify::{Administered, Identity, People, Token};
