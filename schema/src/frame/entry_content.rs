//! What an entry says, as its client reads it: with room for what only a newer release knows.

use std::{borrow::Cow, fmt};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, Visitor},
    ser::{self, SerializeMap},
};
use serde_json::Value;
use smol_str::SmolStr;

use crate::Content;

/// What an entry says. In Postcard its length stands before it, so that a client keeps the entry's place where it does not know the
/// content, and passes over fields that a newer release adds at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryContent {
    /// Content of this release.
    Known(Content),
    /// Content that this release does not know, or can't read: the entry counts for its log's cursor all the same.
    Unknown(UnknownContent),
}

/// Content that this release does not know.
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownContent {
    kind: SmolStr,
    form: Form,
}

#[derive(Clone, PartialEq, Eq)]
enum Form {
    Json(Value),
    Postcard(Bytes),
}

impl UnknownContent {
    /// Its name in JSON; its number in Postcard.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// Without what it says, as a log may have it.
impl fmt::Debug for UnknownContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownContent").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl From<Content> for EntryContent {
    fn from(content: Content) -> EntryContent {
        EntryContent::Known(content)
    }
}

impl EntryContent {
    /// The content, if this release knows it.
    pub fn known(&self) -> Option<&Content> {
        match self {
            EntryContent::Known(content) => Some(content),
            EntryContent::Unknown(_) => None,
        }
    }

    fn of_json(kind: String, value: Value) -> EntryContent {
        let mut said = Value::Object([(kind.clone(), value)].into_iter().collect());
        match Content::deserialize(&said) {
            Ok(content) => EntryContent::Known(content),
            Err(_) => {
                let value = said.get_mut(&kind).map(Value::take).unwrap_or_default();
                EntryContent::Unknown(UnknownContent { kind: kind.into(), form: Form::Json(value) })
            }
        }
    }

    fn of_postcard(bytes: Bytes) -> EntryContent {
        match postcard::take_from_bytes(&bytes) {
            Ok((content, _)) => EntryContent::Known(content),
            Err(_) => {
                let number = postcard::take_from_bytes::<u32>(&bytes).map_or(u32::MAX, |(number, _)| number);
                EntryContent::Unknown(UnknownContent { kind: format!("{number}").into(), form: Form::Postcard(bytes) })
            }
        }
    }
}

impl Serialize for EntryContent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = serializer.is_human_readable();
        match self {
            EntryContent::Known(content) if json => content.serialize(serializer),
            EntryContent::Known(content) => {
                serializer.serialize_bytes(&postcard::to_stdvec(content).map_err(ser::Error::custom)?)
            }
            EntryContent::Unknown(UnknownContent { kind, form: Form::Json(value) }) if json => {
                one_key(serializer, kind, value)
            }
            EntryContent::Unknown(UnknownContent { kind, form: Form::Postcard(bytes) }) if json => {
                one_key(serializer, kind, &STANDARD.encode(bytes))
            }
            EntryContent::Unknown(UnknownContent { kind: _, form: Form::Postcard(bytes) }) => {
                serializer.serialize_bytes(bytes)
            }
            EntryContent::Unknown(UnknownContent { kind, form: Form::Json(_) }) => {
                Err(ser::Error::custom(format_args!("content {kind:?} has no Postcard form that this release knows")))
            }
        }
    }
}

fn one_key<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

impl<'de> Deserialize<'de> for EntryContent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKey;
        impl<'de> Visitor<'de> for OneKey {
            type Value = EntryContent;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("content: an object with one key")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EntryContent, A::Error> {
                let (kind, value) = map.next_entry()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                match map.next_key::<de::IgnoredAny>()? {
                    None => Ok(EntryContent::of_json(kind, value)),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_map(OneKey)
        } else {
            Bytes::deserialize(deserializer).map(EntryContent::of_postcard)
        }
    }
}

impl JsonSchema for EntryContent {
    fn schema_name() -> Cow<'static, str> {
        "EntryContent".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known = generator.subschema_for::<Content>();
        json_schema!({
            "description": "A newer release may say what is not listed: pass over it, and keep the entry's cursor.",
            "anyOf": [known, { "type": "object", "minProperties": 1, "maxProperties": 1 }]
        })
    }
}
