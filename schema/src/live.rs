//! What a deliver reader publishes on `user.<user>`: an entry with the promise that goes with it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Position, Seq};

/// A live entry. The promise: the mailbox has no entry between `after` and `position`, in `position`'s epoch.
///
/// On the wire: a version byte, Postcard of position and `after`, then the entry's bytes as they are stored (with their own checksum).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveEntry {
    /// Where the entry stands.
    pub position: Position,
    /// The mailbox has nothing between this sequence and the entry.
    pub after: Seq,
    /// The entry as it is stored: see [`crate::Entry::decode`].
    pub entry: Bytes,
}

#[derive(Serialize, Deserialize)]
struct Header {
    position: Position,
    after: Seq,
}

const VERSION: u8 = 1;

/// Bytes that are no live entry of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a live entry of a version that this release reads")]
pub struct LiveError;

impl LiveEntry {
    /// The bytes that are published.
    pub fn encode(&self) -> Bytes {
        let mut head = vec![VERSION];
        head.reserve(32 + self.entry.len());
        let mut bytes = postcard::to_extend(&Header { position: self.position, after: self.after }, head)
            .expect("a header of numbers has a Postcard form, and a Vec takes any length");
        bytes.extend_from_slice(&self.entry);
        bytes.into()
    }

    /// The live entry of published bytes, sharing them.
    pub fn decode(bytes: &Bytes) -> Result<LiveEntry, LiveError> {
        let Some((&VERSION, rest)) = bytes.split_first() else { return Err(LiveError) };
        let (Header { position, after }, entry) = postcard::take_from_bytes(rest).map_err(|_| LiveError)?;
        Ok(LiveEntry { position, after, entry: bytes.slice_ref(entry) })
    }
}
