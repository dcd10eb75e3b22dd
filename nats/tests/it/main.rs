//! The crate against real nats-servers, each in a folder of its own, on a port of its own, killed by its handle.

mod appending;
mod connecting;
mod following;
mod live;
mod provisioning;
mod reading;
mod support;
mod workers;
