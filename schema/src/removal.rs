//! The removal of a device: a gateway asks the receipts worker of the user's shard, the only one that writes records of devices.

use serde::{Deserialize, Serialize};

use crate::{DeviceName, Millis, UserName, envelope::sealed};

const VERSION: u8 = 1;

/// The question: the device is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveDevice {
    /// Whose device.
    pub user: UserName,
    /// Which.
    pub device: DeviceName,
    /// When, by the gateway's clock: what it acknowledged over connections that were opened before then counts no more.
    pub at: Millis,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceRemoved {
    /// It is stored that the device is removed.
    Stored,
    /// It could not be stored, at least not as a whole: asking again does no harm.
    NotStored,
}

sealed!(VERSION: RemoveDevice, DeviceRemoved);
