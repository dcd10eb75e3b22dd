//! How a value lies in a stream: a version byte, Postcard, and a CRC-32C of both (little-endian, 4 bytes).
//!
//! The checksum finds what was changed on disk or by a stranger's publish; the version lets a release read what the next one writes.

use serde::{Serialize, de::DeserializeOwned};

const CRC_BYTES: usize = 4;

/// Why bytes are not a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Fewer bytes than a version and a checksum.
    #[error("{0} bytes are too few for a version and a checksum")]
    Short(usize),
    /// The checksum differs.
    #[error("the checksum does not match: the bytes were changed after they were written")]
    Checksum,
    /// A version that this release does not read.
    #[error("version {found} is unknown; this release reads version {known}")]
    Version {
        /// The version byte found.
        found: u8,
        /// The version byte that is read.
        known: u8,
    },
    /// Not the value's Postcard.
    #[error("the content can't be read: {0}")]
    Content(postcard::Error),
}

/// Gives types their bytes: `sealed!(VERSION: Type, …)`.
macro_rules! sealed {
    ($version:ident: $($type:ty),*) => {$(
        impl $type {
            /// Its bytes.
            pub fn encode(&self) -> Vec<u8> {
                $crate::envelope::seal($version, self)
            }

            /// The value of its bytes. Errors: see [`EnvelopeError`](crate::envelope::EnvelopeError).
            pub fn decode(bytes: &[u8]) -> Result<Self, $crate::envelope::EnvelopeError> {
                $crate::envelope::open($version, bytes)
            }
        }
    )*};
}
pub(crate) use sealed;

/// The bytes of `value` under `version`.
pub fn seal<T: Serialize>(version: u8, value: &T) -> Vec<u8> {
    let bytes = postcard::to_extend(value, vec![version]);
    let mut bytes = bytes.expect("our own types have a Postcard form, and a Vec takes any length");
    let crc = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The value of bytes made by [`seal`]. Errors: see [`EnvelopeError`].
pub fn open<T: DeserializeOwned>(version: u8, bytes: &[u8]) -> Result<T, EnvelopeError> {
    let Some((body, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else {
        return Err(EnvelopeError::Short(bytes.len()));
    };
    let Some((found, content)) = body.split_first() else {
        return Err(EnvelopeError::Short(bytes.len()));
    };
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(EnvelopeError::Checksum);
    }
    if *found != version {
        return Err(EnvelopeError::Version { found: *found, known: version });
    }
    match postcard::take_from_bytes(content) {
        Ok((value, [])) => Ok(value),
        Ok(_) => Err(EnvelopeError::Content(postcard::Error::DeserializeBadEncoding)),
        Err(error) => Err(EnvelopeError::Content(error)),
    }
}
