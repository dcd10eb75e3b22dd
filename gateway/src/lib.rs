//! The gateway: it holds sockets, verifies tokens, turns frames into appends and entries into frames. It keeps no data; one that dies
//! takes only sockets with it.
//!
//! | room | what lives there |
//! |---|---|
//! | [`config`] | what an operator chooses, checked before anything binds |
//! | [`server`] | listening, and the phases of a gateway's life |
//! | [`session`] | one device's connection, decided without I/O |
//!
//! `main` reads a [`Config`] and calls [`run`]; tests call the same, or [`Gateway::bind`] to learn the address first.

pub mod config;
mod error;
mod server;
pub mod session;

pub use config::{Config, ConfigError, KeySource};
pub use error::Error;
pub use server::Gateway;

/// Serves until `shutdown` resolves, drains, and ends. Errors: see [`Error`].
pub async fn run(config: Config, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
    Gateway::bind(config).await?.run(shutdown).await
}
