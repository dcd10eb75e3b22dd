//! What a device has consumed of one log, and the opaque text that clients keep.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Log, Millis, Position, Seq, envelope, shard::fnv1a32};

/// What a device has consumed of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last entry consumed, or the place before the first one (sequence 0).
    pub position: Position,
    /// Up to this time the device is known to lack nothing: the entry's own time, or, from `caught_up`, the time at which that read
    /// began.
    pub at: Millis,
}

impl Cursor {
    /// The cursor of an entry that was consumed.
    pub fn of_entry(position: Position) -> Cursor {
        Cursor { position, at: position.time.millis() }
    }

    /// The opaque text of this cursor of `log`.
    pub fn seal(self, log: &Log) -> CursorText {
        Seal::of(log).cursor(self)
    }
}

/// What marks the cursors of one log. Made once by whoever seals many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal(u32);

impl Seal {
    /// The seal of `log`.
    pub fn of(log: &Log) -> Seal {
        Seal(fingerprint(log))
    }

    /// The opaque text of a cursor of this seal's log.
    pub fn cursor(self, cursor: Cursor) -> CursorText {
        CursorText { cursor, log: self.0 }
    }
}

/// A cursor as clients keep it: base64url text in JSON, its bytes in Postcard. It names its log, so that a cursor of another log is
/// told from one of this log; it is no secret and proves nothing by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorText {
    cursor: Cursor,
    log: u32,
}

/// Why a text is not a cursor of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The text was not made by a gateway of this release, or was cut or changed.
    #[error("this is no cursor: it was cut or changed on its way; a client gives back what it got, letter by letter")]
    Malformed,
    /// The cursor is one of another log.
    #[error("this cursor belongs to another mailbox or group")]
    OtherLog,
}

const VERSION: u8 = 1;

fn fingerprint(log: &Log) -> u32 {
    fnv1a32(log.subject().as_bytes())
}

#[derive(Serialize, Deserialize)]
struct Wire {
    log: u32,
    cursor: Cursor,
}

impl CursorText {
    /// The cursor, if it is one of `log`. Errors: [`CursorError::OtherLog`].
    pub fn open(&self, log: &Log) -> Result<Cursor, CursorError> {
        if self.log == fingerprint(log) { Ok(self.cursor) } else { Err(CursorError::OtherLog) }
    }

    /// The sequence it stands at.
    pub fn seq(&self) -> Seq {
        self.cursor.position.seq
    }

    fn to_bytes(self) -> Vec<u8> {
        envelope::seal(VERSION, &Wire { log: self.log, cursor: self.cursor })
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CursorError> {
        let Wire { log, cursor } = envelope::open(VERSION, bytes).map_err(|_| CursorError::Malformed)?;
        Ok(CursorText { cursor, log })
    }
}

impl fmt::Display for CursorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for CursorText {
    type Err = CursorError;
    fn from_str(text: &str) -> Result<Self, CursorError> {
        Self::from_bytes(&URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError::Malformed)?)
    }
}

impl Serialize for CursorText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_bytes(&self.to_bytes())
        }
    }
}

impl<'de> Deserialize<'de> for CursorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            crate::text::parsed(deserializer)
        } else {
            let bytes = bytes::Bytes::deserialize(deserializer)?;
            Self::from_bytes(&bytes).map_err(serde::de::Error::custom)
        }
    }
}

impl schemars::JsonSchema for CursorText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "pattern": "^[A-Za-z0-9_-]+$",
            "description": "Opaque. Keep it as it came, and give it back in the next hello."
        })
    }
}
