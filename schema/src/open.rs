//! A value of an enum that newer releases extend, as its reader meets it.

use std::{borrow::Cow, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, Visitor},
};
use smol_str::SmolStr;

/// What this release knows, or the text of what only a newer one does. A gateway writes `Known` alone; a client passes over `Unknown`, and
/// a gateway refuses it by its name.
/// On the wire a text in both encodings, so that it can be passed over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open<T> {
    /// A value of this release.
    Known(T),
    /// The text of a value that this release does not know.
    Unknown(SmolStr),
}

impl<T> Open<T> {
    /// The value, if this release knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Open::Known(value) => Some(value),
            Open::Unknown(_) => None,
        }
    }
}

impl<T: fmt::Display> Open<T> {
    /// Its text, short enough for a message.
    pub fn shortened(&self) -> String {
        crate::text::shortened(&self.to_string())
    }
}

impl<T: FromStr> Open<T> {
    /// The value of a text, if this release knows it.
    pub fn of_text(text: &str) -> Open<T> {
        text.parse().map_or_else(|_| Open::Unknown(SmolStr::new(text)), Open::Known)
    }
}

impl<T> From<T> for Open<T> {
    fn from(value: T) -> Open<T> {
        Open::Known(value)
    }
}

impl<T: PartialEq> PartialEq<T> for Open<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(other)
    }
}

impl<T: fmt::Display> fmt::Display for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Open::Known(value) => value.fmt(f),
            Open::Unknown(text) => f.write_str(text),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Open::Known(value) => value.fmt(f),
            Open::Unknown(text) => write!(f, "Unknown({text:?})"),
        }
    }
}

impl<T: Serialize> Serialize for Open<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Open::Known(value) => value.serialize(serializer),
            Open::Unknown(text) => serializer.serialize_str(text),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Open<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = deserializer.is_human_readable();
        let text = Cow::<str>::deserialize(deserializer)?;
        Ok(T::deserialize(Text { text: &text, json }).map_or_else(|_| Open::Unknown(SmolStr::new(&text)), Open::Known))
    }
}

/// A text that was read, for a type that is a text in the same encoding.
struct Text<'a> {
    text: &'a str,
    json: bool,
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_str(self.text)
    }

    fn is_human_readable(&self) -> bool {
        self.json
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<T: JsonSchema> JsonSchema for Open<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Open{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known = generator.subschema_for::<T>();
        json_schema!({
            "description": "A newer release may say what is not listed: pass over it.",
            "anyOf": [known, { "type": "string" }]
        })
    }
}
