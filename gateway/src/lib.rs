//! The gateway: it holds sockets, verifies tokens, turns frames into appends and entries into frames. It keeps no data; one that dies
//! takes only sockets with it.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | what an operator chooses, checked before anything binds |
//! | `server` | the phases of a gateway's life: bind, serve, drain, end |
//! | `http` | the upgrade, and the pages beside it |
//! | `tokens`, `limiter` | who somebody is, and how much they may do |
//! | `socket` | RFC 6455 over the bare TCP socket |
//! | `opening`, `running`, `ending` | the three parts of a socket's life, in its one task |
//! | `work`, `carrier` | what a session wants done: reads and questions; the steps of what is sent |
//! | [`session`] | what a session wants: a state machine without I/O |
//! | [`sending`] | what is sent, whoever sends it: a state machine without I/O |
//! | `connection`, `registry` | a device as others see it, and all of them |
//! | `pager` | the comparison of heads, for all sessions at once |
//! | `acknowledgements` | what devices acknowledge, on its way to RECEIPTS |
//! | `timer`, `clock` | one timer for all sockets |
//! | `health`, `metrics` | how the gateway is |
//!
//! `main` reads a [`Config`] and calls [`run`]; tests call the same, or [`Gateway::bind`] to learn the address first.

mod acknowledgements;
mod carrier;
mod clock;
pub mod config;
mod connection;
mod ending;
mod error;
mod health;
mod http;
mod limiter;
mod metrics;
mod opening;
mod pager;
mod registry;
mod running;
pub mod sending;
mod server;
pub mod session;
mod shared;
mod socket;
mod timer;
mod tokens;
mod work;

pub use config::{Config, ConfigError, KeySource};
pub use error::Error;
pub use server::Gateway;

/// Serves until `shutdown` resolves, drains, and ends. Errors: see [`Error`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    Gateway::bind(config).await?.run(shutdown).await
}
