//! The roles behind the gateways. One process runs any subset of them, for any shards of a region.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | which roles, which shards, how to reach NATS |
//! | [`reader`] | who reads a shard: one record, compared and set |
//! | [`deliver`] | publishes each mailbox entry to `user.<user>`, and knows the head of each mailbox |
//!
//! Each role's `core` decides without I/O; its `mod.rs` feeds it. Nothing here builds a subject or names a NATS client.

mod boot;
pub mod config;
pub mod deliver;
pub mod reader;

pub use config::{Boot, Config, ConfigError, Role};
