//! Media: files that messages refer to. Their bytes never travel through NATS; these types say what is known of them.

pub mod record;
pub mod service;

use std::{fmt, str::FromStr};

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use smol_str::SmolStr;

use crate::{MessageId, Millis, id::IdError, limits, text::null_is_default};

/// A file as it is stored: a ULID, the same for all who uploaded the same bytes while they were stored. Knowing it gives nobody anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaId(pub MessageId);

impl MediaId {
    /// An id made of a time and 79 random bits: the last one tells a file from the small picture of it.
    pub fn from_parts(time: Millis, random: u128) -> MediaId {
        MediaId(MessageId::from_parts(time, random & !1))
    }

    /// What the small picture of this file is called in the store.
    pub fn preview(self) -> MediaId {
        self.with_last_bit(1)
    }

    /// The file whose small picture is called so in the store; a file itself.
    pub fn file(self) -> MediaId {
        self.with_last_bit(0)
    }

    fn with_last_bit(self, bit: u8) -> MediaId {
        let mut bytes = self.0.to_bytes();
        bytes[15] = bytes[15] & !1 | bit;
        MediaId(MessageId::from_bytes(bytes))
    }
}

impl fmt::Display for MediaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for MediaId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<MediaId, IdError> {
        text.parse().map(MediaId)
    }
}

impl schemars::JsonSchema for MediaId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MediaId".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        MessageId::json_schema(generator)
    }
}

/// A SHA-256 (FIPS 180-4). In JSON 64 hexadecimal digits in small letters; 32 bytes in Postcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256(pub [u8; 32]);

/// A text that is no SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 hexadecimal digits in small letters")]
pub struct Sha256Error;

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Sha256 {
    type Err = Sha256Error;
    fn from_str(text: &str) -> Result<Sha256, Sha256Error> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(Sha256Error),
        };
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(Sha256Error) };
        let pairs: &[[u8; 2]; 32] = pairs.try_into().map_err(|_| Sha256Error)?;
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Ok(Sha256(bytes))
    }
}

impl Serialize for Sha256 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => serializer.collect_str(self),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Sha256 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => crate::text::parsed(deserializer),
            false => <[u8; 32]>::deserialize(deserializer).map(Sha256),
        }
    }
}

impl schemars::JsonSchema for Sha256 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// A media type (RFC 6838) without its parameters, in small letters, such as `image/jpeg`: [`limits::MEDIA_TYPE_BYTES`] at most.
/// Parameters are passed over where one is read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(SmolStr);

/// A text that is no media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a media type is like `image/jpeg`, of {max} bytes at most", max = limits::MEDIA_TYPE_BYTES)]
pub struct MediaTypeError;

impl MediaType {
    /// Bytes of which nothing is known.
    pub const BYTES: MediaType = MediaType(SmolStr::new_static("application/octet-stream"));

    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for MediaType {
    fn default() -> MediaType {
        MediaType::BYTES
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeError;
    fn from_str(text: &str) -> Result<MediaType, MediaTypeError> {
        // Of RFC 6838, section 4.2: what a name begins with, and what may follow.
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&c))
        };
        let essence = text.split(';').next().unwrap_or_default().trim_ascii();
        let (kind, subtype) = essence.split_once('/').ok_or(MediaTypeError)?;
        let is_type = essence.len() <= limits::MEDIA_TYPE_BYTES && is_name(kind) && is_name(subtype);
        is_type.then(|| MediaType(essence.to_ascii_lowercase().into())).ok_or(MediaTypeError)
    }
}

impl Serialize for MediaType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for MediaType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MediaType".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["image/jpeg"] })
    }
}

/// What a person calls a file: 1 to [`limits::FILE_NAME_BYTES`] bytes of text, without control characters and without a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FileName(SmolStr);

/// Why a text is no file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileNameError {
    /// It is empty, or too long.
    #[error("a file's name has 1 to {max} bytes, this one has {0}", max = limits::FILE_NAME_BYTES)]
    Length(usize),
    /// It has a character that names don't have.
    #[error("a file's name has no control characters and no path, so nothing such as {0:?}")]
    Character(char),
    /// It stands for a folder.
    #[error("`.` and `..` name no file")]
    Folder,
}

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FileName {
    type Err = FileNameError;
    fn from_str(text: &str) -> Result<FileName, FileNameError> {
        if text.is_empty() || text.len() > limits::FILE_NAME_BYTES {
            return Err(FileNameError::Length(text.len()));
        }
        if let Some(c) = text.chars().find(|&c| c.is_control() || matches!(c, '/' | '\\' | '\u{2028}' | '\u{2029}')) {
            return Err(FileNameError::Character(c));
        }
        match text {
            "." | ".." => Err(FileNameError::Folder),
            name => Ok(FileName(name.into())),
        }
    }
}

impl Serialize for FileName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for FileName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FileName".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "minLength": 1, "maxLength": limits::FILE_NAME_BYTES })
    }
}

/// What is known of a file once its bytes were looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFacts {
    /// Its bytes.
    pub size: u64,
    /// What it is, by its bytes.
    pub kind: MediaType,
    /// Of a picture, its width in pixels as it is shown.
    pub width: Option<u32>,
    /// Of a picture, its height in pixels as it is shown.
    pub height: Option<u32>,
    /// Of sound and film, how long it plays, in ms.
    pub duration: Option<Millis>,
    /// Of a picture, a ThumbHash in base64: what to show until it is there.
    pub blur: Option<String>,
    /// Whether there is a small picture of it.
    pub thumbnail: bool,
}

/// A file that goes with a message. A sender names `media` and, if it likes, `name`; the rest is written by the gateway, whatever the
/// sender says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attachment {
    /// The file.
    pub media: MediaId,
    /// What its sender calls it.
    #[serde(default)]
    pub name: Option<FileName>,
    /// Its bytes.
    #[serde(default, deserialize_with = "null_is_default")]
    #[schemars(with = "Option<u64>")]
    pub size: u64,
    /// What it is, by its bytes.
    #[serde(default, rename = "type", deserialize_with = "null_is_default")]
    #[schemars(with = "Option<MediaType>")]
    pub kind: MediaType,
    /// Of a picture, its width in pixels as it is shown.
    #[serde(default)]
    pub width: Option<u32>,
    /// Of a picture, its height in pixels as it is shown.
    #[serde(default)]
    pub height: Option<u32>,
    /// Of sound and film, how long it plays, in ms.
    #[serde(default)]
    pub duration: Option<Millis>,
    /// Of a picture, a ThumbHash in base64: what to show until it is there.
    #[serde(default)]
    pub blur: Option<String>,
    /// Whether there is a small picture of it.
    #[serde(default, deserialize_with = "null_is_default")]
    #[schemars(with = "Option<bool>")]
    pub thumbnail: bool,
}

impl Attachment {
    /// A file as a sender names it.
    pub fn named(media: MediaId, name: Option<FileName>) -> Attachment {
        Attachment::of(media, name, MediaFacts::default())
    }

    /// A file, and what is known of it.
    pub fn of(media: MediaId, name: Option<FileName>, facts: MediaFacts) -> Attachment {
        let MediaFacts { size, kind, width, height, duration, blur, thumbnail } = facts;
        Attachment { media, name, size, kind, width, height, duration, blur, thumbnail }
    }
}

/// The files of a message. In Postcard the length of each stands before it, so that a newer release adds what it knows of a file at its
/// end.
pub(crate) struct Attachments(pub(crate) Vec<Attachment>);

impl Serialize for Attachments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return self.0.serialize(serializer);
        }
        let sized = |attachment| postcard::to_stdvec(attachment).map(Bytes::from).map_err(ser::Error::custom);
        self.0.iter().map(sized).collect::<Result<Vec<Bytes>, _>>()?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Attachments {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return Vec::deserialize(deserializer).map(Attachments);
        }
        let whole = |bytes: Bytes| postcard::take_from_bytes(&bytes).map(|(attachment, _)| attachment);
        let list = Vec::<Bytes>::deserialize(deserializer)?;
        list.into_iter().map(whole).collect::<Result<_, _>>().map(Attachments).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_without_its_parameters() {
        for (text, kind) in [
            ("image/png", Some("image/png")),
            ("Image/JPEG", Some("image/jpeg")),
            ("audio/webm;codecs=opus", Some("audio/webm")),
            ("text/plain; charset=utf-8", Some("text/plain")),
            ("image/svg+xml", Some("image/svg+xml")),
            ("application/vnd.oasis.opendocument.text", Some("application/vnd.oasis.opendocument.text")),
            ("", None),
            ("image", None),
            ("image/", None),
            ("/png", None),
            ("image/png/x", None),
            ("image/p ng", None),
            ("image/png\r\nX: 1", None),
            ("*/*", None),
        ] {
            assert_eq!(text.parse::<MediaType>().ok().as_ref().map(MediaType::as_str), kind, "{text:?}");
        }
        assert!(format!("a/{}", "b".repeat(limits::MEDIA_TYPE_BYTES - 2)).parse::<MediaType>().is_ok());
        assert!(format!("a/{}", "b".repeat(limits::MEDIA_TYPE_BYTES - 1)).parse::<MediaType>().is_err());
    }

    #[test]
    fn a_name_holds_no_path_and_no_line() {
        for (text, holds) in [
            ("a.png", true),
            (r#"John's "Résumé" 🤩.pdf"#, true),
            (".profile", true),
            ("a\r\nX: 1.pdf", false),
            ("../a", false),
            (r"C:\a", false),
            ("..", false),
            (".", false),
            ("", false),
            ("a\u{2028}b", false),
        ] {
            assert_eq!(text.parse::<FileName>().is_ok(), holds, "{text:?}");
        }
        assert!("x".repeat(limits::FILE_NAME_BYTES).parse::<FileName>().is_ok());
        assert!("x".repeat(limits::FILE_NAME_BYTES + 1).parse::<FileName>().is_err());
    }

    #[test]
    fn a_small_picture_is_called_after_its_file() {
        let file = MediaId::from_parts(Millis(7), u128::MAX);
        assert_ne!(file.preview(), file);
        assert_eq!((file.preview().file(), file.file(), file.preview().preview()), (file, file, file.preview()));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = Sha256(std::array::from_fn(|at| at as u8 * 7));
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for none in [&hash.to_string()[1..], &hash.to_string().to_uppercase(), &format!("{hash}0"), ""] {
            assert_eq!(none.parse::<Sha256>(), Err(Sha256Error), "{none}");
        }
    }

    #[test]
    fn of_an_attachment_a_sender_says_which_file_and_what_it_is_called() {
        let text = r#"{"media":"01ARZ3NDEKTSV4RRFFQ69G5FAV","name":"a.png","size":null,"thumbnail":null}"#;
        let media = MediaId("01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap());
        assert_eq!(serde_json::from_str(text).ok(), Some(Attachment::named(media, "a.png".parse().ok())));
    }
}
