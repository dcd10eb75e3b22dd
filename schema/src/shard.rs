//! Which partition of a region's state a name belongs to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One partition of a region's state. Below the region's shard count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shard(pub u16);

impl Shard {
    /// The shard of a user's or group's name in a region of `shards` shards (at least 1).
    pub fn of(name: &str, shards: u16) -> Shard {
        Shard((fnv1a32(name.as_bytes()) % u32::from(shards.max(1))) as u16)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 32-bit FNV-1a. Source: the parameters of draft-eastlake-fnv.
pub fn fnv1a32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
