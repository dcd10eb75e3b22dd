//! What a device has consumed of one log, and the opaque text that clients keep.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smol_str::SmolStr;

use crate::{Log, Millis, Position, Seq, StreamTime, envelope, limits, shard::fnv1a32};

/// What a device has consumed of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The last entry consumed, or the place before the first one (sequence 0).
    pub position: Position,
    /// Up to this time the device is known to lack nothing: the entry's own time, or, from `caught_up`, the time at which that read
    /// began.
    pub at: Millis,
    /// Everything above this sequence, up to the position, was given to devices of the log's owner in one run: 0 from the log's
    /// beginning, else the place where a device began that wanted only what comes, or the one behind a gap. An acknowledgement covers no
    /// more than that.
    pub began: Seq,
}

impl Cursor {
    /// The cursor of an entry that was consumed, as was all before it.
    pub fn of_entry(position: Position) -> Cursor {
        Cursor { position, at: position.time.millis(), began: Seq(0) }
    }

    /// The cursor of the entry that was consumed next.
    pub fn on_to(self, position: Position) -> Cursor {
        // Nobody knows which entries lie between a time alone and the first one behind it.
        let stands_at_a_time = self.position.seq == Seq(0) && self.position.time > StreamTime(0);
        let began = if stands_at_a_time { position.seq.previous() } else { self.began };
        Cursor { began, ..Cursor::of_entry(position) }
    }

    /// The same place where a device begins: what lies below was not given.
    pub fn beginning_here(self) -> Cursor {
        Cursor { began: self.position.seq, ..self }
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
        Seal(fnv1a32(log.subject().as_bytes()))
    }

    /// The opaque text of a cursor of this seal's log.
    pub fn cursor(self, cursor: Cursor) -> CursorText {
        let bytes = envelope::seal(VERSION, &Sealed { log: self.0, cursor });
        CursorText(SmolStr::new(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The cursor of a text, if it is one of this seal's log. Errors: see [`CursorError`].
    pub fn open(self, text: &CursorText) -> Result<Cursor, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.as_str()).map_err(|_| CursorError::Unreadable)?;
        let Sealed { log, cursor } = envelope::open(VERSION, &bytes).map_err(|_| CursorError::Unreadable)?;
        if log == self.0 { Ok(cursor) } else { Err(CursorError::OtherLog) }
    }
}

const VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct Sealed {
    log: u32,
    cursor: Cursor,
}

/// A cursor as clients keep it, opaque to them: only gateways open it, and its form may change with any release. It names its log, so
/// that a cursor of another log is told from one of this log; it is no secret and proves nothing by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorText(SmolStr);

/// A text is longer than a cursor of any release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a cursor has at most {max} bytes: give it back as it came", max = limits::CURSOR_BYTES)]
pub struct CursorTextError;

/// Why a text is not a cursor of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// The text is of another release's form, or was cut or changed.
    #[error("this cursor is of another release, or was changed on its way")]
    Unreadable,
    /// The cursor is one of another log.
    #[error("this cursor belongs to another mailbox or group")]
    OtherLog,
}

impl CursorText {
    /// One that can't be opened, in the place of a text that is none.
    pub(crate) fn unreadable() -> CursorText {
        CursorText(SmolStr::default())
    }

    /// The text, letter by letter as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The cursor, if it is one of `log`. Errors: see [`CursorError`].
    pub fn open(&self, log: &Log) -> Result<Cursor, CursorError> {
        Seal::of(log).open(self)
    }
}

impl fmt::Display for CursorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CursorText {
    type Err = CursorTextError;
    fn from_str(text: &str) -> Result<Self, CursorTextError> {
        (text.len() <= limits::CURSOR_BYTES).then(|| CursorText(SmolStr::new(text))).ok_or(CursorTextError)
    }
}

impl Serialize for CursorText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CursorText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for CursorText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cursor".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string", "maxLength": limits::CURSOR_BYTES,
            "description": "Opaque. Keep it as it came, and give it back in the next hello."
        })
    }
}
