//! Frames as bytes: the two subprotocols, and what is no frame.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::{ClientFrame, ServerFrame};
use crate::{
    Code, MessageId, limits,
    text::{reason, shortened},
};

/// The subprotocol of a connection: how its frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `dunlin.v1.json`: text messages.
    Json,
    /// `dunlin.v1.postcard`: binary messages.
    Postcard,
}

impl Encoding {
    /// The subprotocol's name.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Encoding::Json => "dunlin.v1.json",
            Encoding::Postcard => "dunlin.v1.postcard",
        }
    }

    /// The encoding of a subprotocol.
    pub fn of_subprotocol(name: &str) -> Option<Encoding> {
        [Encoding::Json, Encoding::Postcard].into_iter().find(|encoding| encoding.subprotocol() == name)
    }

    /// The bytes of a frame.
    pub fn write<T: Serialize>(self, frame: &T) -> Vec<u8> {
        match self {
            Encoding::Json => serde_json::to_vec(frame).expect("frames have string keys and a JSON form"),
            Encoding::Postcard => postcard::to_stdvec(frame).expect("frames have a Postcard form"),
        }
    }

    /// Appends the bytes of a frame to `out`.
    pub fn append<T: Serialize>(self, frame: &T, out: &mut Vec<u8>) {
        match self {
            Encoding::Json => serde_json::to_writer(out, frame).expect("frames have string keys and a JSON form"),
            Encoding::Postcard => {
                *out = postcard::to_extend(frame, std::mem::take(out)).expect("frames have a Postcard form");
            }
        }
    }

    /// A client's frame. Errors: see [`FrameError`].
    pub fn read_client(self, bytes: &[u8]) -> Result<ClientFrame, FrameError> {
        self.read(bytes, ClientFrame::NAMES)
    }

    /// A gateway's frame. Errors: see [`FrameError`]; a client passes over [`FrameError::Unknown`].
    pub fn read_server(self, bytes: &[u8]) -> Result<ServerFrame, FrameError> {
        self.read(bytes, ServerFrame::NAMES)
    }

    /// What a send that can't be read is refused with: its content is of no kind that this release knows, say, or its id is none. So that
    /// the refusal names the id as it came, and a client does not repeat it for ever. `None` where the bytes are no send with an id.
    pub fn unread_send(self, bytes: &[u8]) -> Option<UnreadSend> {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum OnlyId {
            Send {
                #[serde(deserialize_with = "as_written")]
                id: String,
            },
        }
        let id = match self {
            Encoding::Json => serde_json::from_slice(bytes).ok().map(|OnlyId::Send { id }| id)?,
            Encoding::Postcard => match postcard::take_from_bytes::<(u32, MessageId)>(bytes) {
                Ok(((number, id), _)) if ClientFrame::NAMES.get(number as usize) == Some(&"send") => id.to_string(),
                Ok(_) | Err(_) => return None,
            },
        };
        Some(UnreadSend::of(id))
    }

    /// Whether bytes that can't be read say what was read: then that is refused, and the connection goes on.
    pub fn is_read(self, bytes: &[u8]) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum OnlyName {
            Read(de::IgnoredAny),
        }
        match self {
            Encoding::Json => serde_json::from_slice(bytes).is_ok_and(|OnlyName::Read(_)| true),
            Encoding::Postcard => postcard::take_from_bytes::<u32>(bytes)
                .is_ok_and(|(number, _)| ClientFrame::NAMES.get(number as usize) == Some(&"read")),
        }
    }

    fn read<T: de::DeserializeOwned>(self, bytes: &[u8], names: &[&str]) -> Result<T, FrameError> {
        match self {
            Encoding::Json => serde_json::from_slice(bytes).map_err(|error| match unknown_name(bytes, names) {
                Some(name) => FrameError::Unknown(name),
                None => FrameError::Malformed(reason(&error)),
            }),
            Encoding::Postcard => match postcard::take_from_bytes(bytes) {
                // What follows are fields of a newer release: JSON passes over those that it does not know, too.
                Ok((frame, _)) => Ok(frame),
                Err(error) => match postcard::take_from_bytes::<u32>(bytes) {
                    Ok((number, _)) if number as usize >= names.len() => Err(FrameError::Unknown(number.to_string())),
                    // Its errors say what kind of number was read, and of which field it was not.
                    _ if error == postcard::Error::DeserializeUnexpectedEnd => {
                        Err(FrameError::Malformed("the bytes end too early".to_owned()))
                    }
                    _ => Err(FrameError::Malformed("its fields can't be read".to_owned())),
                },
            },
        }
    }
}

/// The name of a well-formed JSON frame (an object with one key) whose name is not one of `names`.
fn unknown_name(bytes: &[u8], names: &[&str]) -> Option<String> {
    struct OnlyKey;
    impl<'de> de::Visitor<'de> for OnlyKey {
        type Value = String;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object with one key")
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
            // A second key would still stand there when this returns: serde_json refuses it.
            let (name, de::IgnoredAny) = map.next_entry()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
            Ok(name)
        }
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let name = deserializer.deserialize_map(OnlyKey).ok()?;
    deserializer.end().ok()?;
    (!names.contains(&name.as_str())).then(|| shortened(&name))
}

/// A send that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadSend {
    /// Its id, as it came; of one that is none at most the first [`limits::ID_BYTES`].
    pub id: String,
    /// Why the id is none, in words, if it is none.
    pub bad_id: Option<String>,
}

/// An id as a client wrote it: a text, or the number of a client that counts.
pub(crate) fn as_written<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(id) => Ok(id),
        Value::Number(id) => Ok(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Err(de::Error::custom("an id is a text")),
    }
}

impl UnreadSend {
    /// The refusal of a send that can't be read for this reason.
    pub fn rejected(self, why: String) -> ServerFrame {
        let (id, code, message) = self.explained(why);
        ServerFrame::Rejected { id, code: code.into(), message, retry_after: None }
    }

    /// The refusal's id, code and words.
    pub fn explained(self, why: String) -> (String, Code, String) {
        let UnreadSend { id, bad_id } = self;
        let (code, message) = bad_id.map_or((Code::BadContent, why), |why| (Code::BadId, why));
        (id, code, message)
    }

    /// The refusal's parts for an id as it came.
    pub(crate) fn of(id: String) -> UnreadSend {
        let Err(why) = id.parse::<MessageId>() else { return UnreadSend { id, bad_id: None } };
        let end = (0..=limits::ID_BYTES).rev().find(|&end| id.is_char_boundary(end)).unwrap_or_default();
        match id.get(..end) {
            Some(start) if start.len() < id.len() => {
                let bad_id = format!("{why}; this one has {} bytes, and is told up to byte {end}", id.len());
                UnreadSend { id: start.to_owned(), bad_id: Some(bad_id) }
            }
            Some(_) | None => UnreadSend { id, bad_id: Some(why.to_string()) },
        }
    }
}

/// Why bytes are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A frame of a kind that this release does not know: its name, or in Postcard its number.
    #[error("this release knows no frame {0:?}")]
    Unknown(String),
    /// Not a frame.
    #[error("the frame can't be read: {0}")]
    Malformed(String),
}
