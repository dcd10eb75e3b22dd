//! The roles behind the gateways. One process runs any subset of them, for any shards of a region.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | which roles, which shards, how to reach NATS |
//! | [`worker`] | the runner: one task for each role and shard, readiness, an end in phases |
//! | [`reader`] | who reads a shard: one record, compared and set |
//! | [`deliver`] | publishes each mailbox entry to `user.<user>`, and knows the head of each mailbox |
//! | [`receipts`] | stores what devices acknowledge |
//! | [`metrics`] | what all of them count |
//! | [`pages`] | how a process answers operators over HTTP, whatever the pages are |
//!
//! Each role's `core` decides without I/O; its `mod.rs` feeds it. Nothing here builds a subject or names a NATS client.

mod boot;
pub mod config;
pub mod deliver;
mod http;
pub mod metrics;
pub mod pages;
pub mod reader;
pub mod receipts;
pub mod worker;

pub use config::{Boot, Config, ConfigError, Role};
pub use worker::{Readiness, RunError, StartError, Worker};
