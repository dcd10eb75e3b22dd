//! `append_once`: stored once, whoever writes and however late.

pub mod core;

use dunlin_schema::stream::RegionSettings;

use crate::{ConnectError, ConnectOptions};

pub use self::core::{AppendError, Item, Origin, Stored};

/// Appends to the logs of a region, over connections that do not reconnect but are made anew: what was given up is never sent later.
/// Clones share them.
#[derive(Clone, Debug)]
pub struct Appender {}

impl Appender {
    /// Opens the connections. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, settings: &RegionSettings) -> Result<Appender, ConnectError> {
        todo!()
    }

    /// Stores the item once, or finds it stored. Errors: see [`AppendError`]. Cancelling it leaves the outcome unknown.
    pub async fn append(&self, item: Item) -> Result<Stored, AppendError> {
        todo!()
    }
}
