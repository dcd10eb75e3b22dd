//! Devices of a user: what a gateway has the receipts worker of the user's shard write down, the only one
//! that writes records of devices.

use serde::{Deserialize, Serialize};

use crate::{DeviceName, Millis, Title, UserName, envelope::sealed};

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

/// The question: the user calls the device something else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameDevice {
    /// Whose device.
    pub user: UserName,
    /// Which.
    pub device: DeviceName,
    /// What it is called from now on; `None`: nothing.
    pub title: Option<Title>,
    /// Whether it is connected: then it is there, whatever is stored of it.
    pub connected: bool,
    /// When that was so, by the gateway's clock: a removal since then counts.
    pub at: Millis,
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeviceNamed {
    /// It is stored what the device is called.
    Stored,
    /// There is no such device.
    NotThere,
    /// It could not be stored: asking again does no harm.
    NotStored,
}

sealed!(VERSION: RemoveDevice, DeviceRemoved, NameDevice, DeviceNamed);
