//! Records of STATE (the last of each subject counts) and items of RECEIPTS.

use serde::{Deserialize, Serialize};

use crate::{Address, Cursor, DeviceName, Epoch, Millis, Peer, Position, Seq, StreamTime, envelope::sealed};

const VERSION: u8 = 1;

/// Who reads a shard for a role, how far it has come, and on which boot of which machine: `state.<region>.<shard>.reader.<role>`,
/// written by compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderRecord {
    /// The reader: unique for each run of a worker.
    pub owner: String,
    /// The last entry whose effects are done.
    pub position: Position,
    /// The boot of the machine that stores the shard, as the reader saw it: the kernel's boot id, or the server's id.
    pub boot: String,
    /// Set in the record that begins a new epoch, to the epoch before it: see [`ReaderRecord::epoch`].
    pub begins_after: Option<Epoch>,
}

sealed!(VERSION: ReaderRecord);

impl ReaderRecord {
    /// The epoch that holds once this record is stored, `stamp` being the stream's timestamp of it: the stamp itself, at least the
    /// old epoch + 1, for a record that begins one.
    pub fn epoch(&self, stamp: StreamTime) -> Epoch {
        match self.begins_after {
            Some(old) => Epoch(stamp.0.max(old.0.saturating_add(1))),
            None => self.position.epoch,
        }
    }
}

/// What a device has acknowledged of one log: see [`crate::subject::device_record`]. Written by `receipts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRecord {
    /// Where the device goes on when it comes without a cursor; `None` where it has acknowledged nothing since it was removed.
    pub cursor: Option<Cursor>,
    /// When the device was last removed. What it acknowledged over connections that were opened before then counts no more.
    pub removed: Option<Millis>,
}

sealed!(VERSION: DeviceRecord);

/// An item of RECEIPTS: something a user's device said, on its way to the receipts worker. By log, what one device has; by
/// conversation, what its person has read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Receipt {
    /// The device has everything of a log up to the cursor.
    Delivered {
        /// The device.
        device: DeviceName,
        /// The log's owner.
        log: Peer,
        /// Up to where.
        cursor: Cursor,
        /// When the connection was opened that says so.
        opened: Millis,
    },
    /// The user has read a conversation. No gateway of this release writes it.
    Read {
        /// With whom: a person or a group, with its region.
        with: Address,
        /// Up to this order.
        upto: Seq,
    },
}

sealed!(VERSION: Receipt);
