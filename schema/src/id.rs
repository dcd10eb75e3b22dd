//! The id that a sender gives to what it sends: a ULID, which carries its own time.
//!
//! Source: the ULID specification (canonical text of 26 characters in Crockford's base 32; 48 bits of milliseconds, 80 of randomness).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;

use crate::Millis;

/// Why a text is not a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is a ULID: 26 characters of Crockford's base 32 in capitals, the first at most 7")]
pub struct IdError;

/// A message id. Text in JSON, 16 big-endian bytes in Postcard.
///
/// One id has one text, the canonical one: an answer names an id by the very text that its client sent, and a client that compares texts
/// finds it. So what only stands for it, small letters or a text above 2^128, is none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Ulid);

impl MessageId {
    /// An id made of a time (its low 48 bits are used) and 80 random bits.
    pub fn from_parts(time: Millis, random: u128) -> MessageId {
        MessageId(Ulid::from_parts(time.0, random))
    }

    /// The time that the id carries.
    pub fn time(self) -> Millis {
        Millis(self.0.timestamp_ms())
    }

    /// The id as 16 big-endian bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.0.to_be_bytes()
    }

    /// The id of 16 big-endian bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> MessageId {
        MessageId(Ulid(u128::from_be_bytes(bytes)))
    }
}

impl FromStr for MessageId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let id = Ulid::from_string(text).map_err(|_| IdError)?;
        let canonical = *id.array_to_str(&mut [0; ulid::ULID_LEN]) == *text;
        canonical.then_some(MessageId(id)).ok_or(IdError)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; ulid::ULID_LEN];
        f.write_str(self.0.array_to_str(&mut text))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let mut text = [0; ulid::ULID_LEN];
            serializer.serialize_str(self.0.array_to_str(&mut text))
        } else {
            self.to_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            crate::text::parsed(deserializer)
        } else {
            <[u8; 16]>::deserialize(deserializer).map(MessageId::from_bytes)
        }
    }
}

/// An id as text in both encodings: where another id, as a client wrote it, may stand in its place.
pub(crate) mod as_text {
    use serde::{Deserializer, Serializer};

    use super::MessageId;

    pub(crate) fn serialize<S: Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for MessageId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MessageId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" })
    }
}
