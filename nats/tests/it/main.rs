//! The crate against real nats-servers, each in a folder of its own, on a port of its own, killed by its handle.

#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails where it stands, with what it found"
)]

mod appending;
mod connecting;
mod following;
mod live;
mod marks;
mod provisioning;
mod reading;
mod records;
mod replaced;
mod support;
mod together;
mod workers;
