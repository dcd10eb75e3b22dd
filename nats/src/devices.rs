//! What a user calls a device, and the removal of one: asked for by a gateway, written down by the receipts worker of the user's shard.

use dunlin_schema::{
    Millis, Shard,
    device::{DeviceNamed, DeviceRemoved, NameDevice, RemoveDevice},
    subject,
};

use crate::{
    Connection,
    service::{AskError, ask},
};

/// Why something is not known to be written down. Asking again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// No worker of the shard with the role `receipts` listens, or none answered in time.
    #[error(transparent)]
    Unanswered(#[from] AskError),
    /// There is no such device.
    #[error("there is no such device")]
    NotThere,
    /// The worker could not store it.
    #[error("the receipts worker could not store what becomes of the device")]
    NotStored,
    /// The answer can't be read.
    #[error("the receipts worker answered what can't be read")]
    Unreadable,
}

/// Asks the receipts workers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Devices {
    connection: Connection,
}

impl Devices {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Devices {
        Devices { connection: connection.clone() }
    }

    /// Has a device of a user of the shard removed: resolves when that is stored. Errors: see [`DeviceError`].
    pub async fn remove(&self, shard: Shard, removal: &RemoveDevice, within: Millis) -> Result<(), DeviceError> {
        let subject = subject::remove_device(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, removal.encode(), within).await?;
        match DeviceRemoved::decode(&answer) {
            Ok(DeviceRemoved::Stored) => Ok(()),
            Ok(DeviceRemoved::NotStored) => Err(DeviceError::NotStored),
            Err(_) => Err(DeviceError::Unreadable),
        }
    }

    /// Has a device of a user of the shard called something: resolves when that is stored. Errors: see [`DeviceError`].
    pub async fn name(&self, shard: Shard, naming: &NameDevice, within: Millis) -> Result<(), DeviceError> {
        let subject = subject::name_device(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, naming.encode(), within).await?;
        match DeviceNamed::decode(&answer) {
            Ok(DeviceNamed::Stored) => Ok(()),
            Ok(DeviceNamed::NotThere) => Err(DeviceError::NotThere),
            Ok(DeviceNamed::NotStored) => Err(DeviceError::NotStored),
            Err(_) => Err(DeviceError::Unreadable),
        }
    }
}
