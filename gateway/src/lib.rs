//! The gateway: it holds sockets, verifies tokens, turns frames into appends and entries into frames. It keeps no data; one that dies
//! takes only sockets with it.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | what an operator chooses, checked before anything binds |
//! | `server` | the phases of a gateway's life: bind, serve, drain, end |
//! | `http` | the upgrade, and the pages beside it; [`web`] is the library for browsers |
//! | `tokens`, `limiter` | who somebody is, and how much they may do |
//! | `socket` | RFC 6455 over the bare TCP socket |
//! | `opening`, `running`, `ending` | the three parts of a socket's life, in its one task |
//! | `posts` | what back ends send over HTTP, until it is answered |
//! | `work`, `carrier` | what a session wants done: reads and questions; the steps of what is sent |
//! | `groups` | what the groups workers are asked to do |
//! | [`following`] | which groups' logs a device is given, and what of them it may see |
//! | `asks` | what clients ask: one file a family of questions |
//! | [`session`] | what a session wants: a state machine without I/O |
//! | [`sending`] | what is sent, whoever sends it: a state machine without I/O |
//! | `gateway`, `region` | what all sockets share: of the process, and of the region of their users |
//! | [`connection`], `directory` | a device as others see it, and who follows which log |
//! | [`comparison`] | the comparison of heads, for all sessions at once |
//! | `marks` | receipts and read marks out of STATE, and the comparison of marks |
//! | `revocations` | which tokens were revoked |
//! | `memberships` | what people are in groups, watched |
//! | `settings` | what people have decided about others |
//! | `reports` | what devices acknowledge, people have read and when they were seen, on its way to RECEIPTS |
//! | `timer`, [`clock`] | one timer for all sockets |
//! | `services` | the tasks beside the sockets, and who watches them |
//! | `appends`, `metrics` | how the gateway is |
//!
//! `main` reads a [`Config`] and calls [`run`]; tests call the same, or [`Server::bind`] to learn the address first.

mod appends;
mod asks;
mod carrier;
pub mod clock;
pub mod comparison;
pub mod config;
pub mod connection;
mod conversation;
mod directory;
mod embedded;
mod ending;
mod error;
mod files;
pub mod following;
mod gateway;
mod groups;
mod http;
mod limiter;
mod marks;
mod memberships;
mod metrics;
mod missed;
mod newest;
mod opening;
mod posts;
mod presence;
mod refusal;
mod region;
mod remembered;
mod reports;
mod revocations;
mod running;
pub mod sending;
mod server;
mod services;
pub mod session;
mod settings;
mod signals;
mod socket;
mod sockets;
mod tickets;
mod timer;
pub mod tokens;
mod work;

pub use config::{Config, ConfigError, KeySource, Tokens};
pub use error::Error;
pub use http::web;
pub use server::Server;
pub use services::ServiceEnded;

/// Serves until `shutdown` resolves, drains, and ends. Errors: see [`Error`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    Server::bind(config).await?.run(shutdown).await
}
