//! The removal of a device: asked by a gateway, done by the receipts worker of the user's shard.

use dunlin_schema::{
    Millis, Shard,
    removal::{DeviceRemoved, RemoveDevice},
    subject,
};

use crate::{
    Connection,
    service::{AskError, ask},
};

/// Why a device is not known to be removed. Asking again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RemovalError {
    /// No worker of the shard with the role `receipts` listens, or none answered in time.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// The worker could not store it.
    #[error("the receipts worker could not store that the device is removed")]
    NotStored,
    /// The answer can't be read.
    #[error("the receipts worker answered what can't be read")]
    Unreadable,
}

/// Has devices removed. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Removals {
    connection: Connection,
}

impl Removals {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Removals {
        Removals { connection: connection.clone() }
    }

    /// Has a device of a user of the shard removed: resolves when that is stored. Errors: see [`RemovalError`].
    pub async fn remove(&self, shard: Shard, removal: &RemoveDevice, within: Millis) -> Result<(), RemovalError> {
        let subject = subject::remove_device(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, removal.encode(), within).await?;
        match DeviceRemoved::decode(&answer) {
            Ok(DeviceRemoved::Stored) => Ok(()),
            Ok(DeviceRemoved::NotStored) => Err(RemovalError::NotStored),
            Err(_) => Err(RemovalError::Unreadable),
        }
    }
}
