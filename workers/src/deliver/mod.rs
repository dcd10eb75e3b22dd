//! The `deliver` role: publishes each mailbox entry of a shard, in order, to `user.<user>`, and answers how far mailboxes have come.
//!
//! `core` decides, `heads` is its map; this file feeds it.

pub mod core;
pub mod heads;
