//! The roles behind the gateways. One process runs any subset of them, for any shards of a region.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`], [`erase`], [`group_limits`], [`media_settings`] | which roles, which shards, how to reach NATS; what an operator chooses |
//! | [`worker`] | the runner: a task for each unit of each role, an end in phases |
//! | [`roles`] | the table of roles |
//! | [`role`], [`context`], [`readiness`] | what a role is, what its tasks are given, and where they say what they are doing |
//! | [`reader`] | an ordered pass over a shard: what a role is given that goes through a log |
//! | [`deliver`] | publishes each mailbox entry to `user.<user>`, and knows the head of each mailbox |
//! | [`eraser`] | takes what people deleted out of the logs |
//! | [`groups`] | does what is wanted in a group, stores it in the group's log, and writes the records that follow from it |
//! | [`receipts`] | stores what devices acknowledge |
//! | [`index`] | keeps which conversations users have and what belongs to each, and answers what gateways ask of it |
//! | [`accounts`] | stores what people decide about others, and which tokens were taken back |
//! | [`media`] | has files uploaded, looks at what came, and forgets what nobody refers to |
//! | [`pages`] | how a process answers operators over HTTP, whatever the pages are |
//!
//! Each role's `core` decides without I/O; its `mod.rs` feeds it. Nothing here builds a subject or names a NATS client. A new role is a
//! folder with a [`role::Role`] in it, its `mod` below, and its line in [`roles::ROLES`].

pub mod accounts;
mod boot;
mod change;
mod clock;
pub mod config;
pub mod context;
pub mod deliver;
pub mod erase;
pub mod eraser;
pub mod group_limits;
pub mod groups;
mod http;
pub mod index;
pub mod media;
pub mod media_settings;
mod metrics;
mod offer;
pub mod pages;
pub mod reader;
pub mod readiness;
pub mod receipts;
pub mod role;
pub mod roles;
pub mod worker;

pub use boot::Boot;
pub use config::{Config, ConfigError};
pub use readiness::Readiness;
pub use role::Role;
pub use worker::{RunError, StartError, Worker};
