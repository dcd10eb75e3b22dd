//! The roles behind the gateways. One process runs any subset of them, for any shards of a region.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | which roles, which shards, how to reach NATS |
//! | [`worker`] | the runner: one task for each role and shard, an end in phases |
//! | `context`, `readiness` | what each task is given, and where it says what it is doing |
//! | [`reader`] | who reads a shard: one record, compared and set |
//! | [`deliver`] | publishes each mailbox entry to `user.<user>`, and knows the head of each mailbox |
//! | [`receipts`] | stores what devices acknowledge |
//! | [`metrics`] | what all of them count |
//! | [`pages`] | how a process answers operators over HTTP, whatever the pages are |
//!
//! Each role's `core` decides without I/O; its `mod.rs` feeds it. Nothing here builds a subject or names a NATS client.

mod boot;
pub mod config;
mod context;
pub mod deliver;
mod http;
pub mod metrics;
pub mod pages;
pub mod reader;
mod readiness;
pub mod receipts;
pub mod worker;

pub use boot::Boot;
pub use config::{Config, ConfigError, Role};
pub use readiness::Readiness;
pub use worker::{RunError, StartError, Worker};
