//! What an entry says, and what is answered, as a client reads it: with room for what only a newer release knows.

use std::{borrow::Cow, fmt, marker::PhantomData};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, DeserializeOwned, MapAccess, Visitor},
    ser::{self, SerializeMap},
};
use serde_json::Value;
use smol_str::SmolStr;

/// A value of an enum that newer releases extend. In Postcard its length stands before it, so that a client goes on behind it where it does
/// not know it, and passes over fields that a newer release adds at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extensible<T> {
    /// A value of this release.
    Known(T),
    /// One that this release does not know, or can't read: the frame around it counts all the same.
    Unknown(UnknownContent),
}

/// What this release does not know.
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

impl<T> From<T> for Extensible<T> {
    fn from(content: T) -> Extensible<T> {
        Extensible::Known(content)
    }
}

impl<T> Extensible<T> {
    /// The value, if this release knows it.
    pub fn known(&self) -> Option<&T> {
        match self {
            Extensible::Known(content) => Some(content),
            Extensible::Unknown(_) => None,
        }
    }
}

impl<T: DeserializeOwned> Extensible<T> {
    fn of_json(kind: String, value: Value) -> Extensible<T> {
        let mut said = Value::Object([(kind.clone(), value)].into_iter().collect());
        match T::deserialize(&said) {
            Ok(content) => Extensible::Known(content),
            Err(_) => {
                let value = said.get_mut(&kind).map(Value::take).unwrap_or_default();
                Extensible::Unknown(UnknownContent { kind: kind.into(), form: Form::Json(value) })
            }
        }
    }

    fn of_postcard(bytes: Bytes) -> Extensible<T> {
        match postcard::take_from_bytes(&bytes) {
            Ok((content, _)) => Extensible::Known(content),
            Err(_) => {
                let number = postcard::take_from_bytes::<u32>(&bytes).map_or(u32::MAX, |(number, _)| number);
                Extensible::Unknown(UnknownContent { kind: format!("{number}").into(), form: Form::Postcard(bytes) })
            }
        }
    }
}

impl<T: Serialize> Serialize for Extensible<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = serializer.is_human_readable();
        match self {
            Extensible::Known(content) if json => content.serialize(serializer),
            Extensible::Known(content) => {
                serializer.serialize_bytes(&postcard::to_stdvec(content).map_err(ser::Error::custom)?)
            }
            Extensible::Unknown(UnknownContent { kind, form: Form::Json(value) }) if json => {
                one_key(serializer, kind, value)
            }
            Extensible::Unknown(UnknownContent { kind, form: Form::Postcard(bytes) }) if json => {
                one_key(serializer, kind, &STANDARD.encode(bytes))
            }
            Extensible::Unknown(UnknownContent { kind: _, form: Form::Postcard(bytes) }) => {
                serializer.serialize_bytes(bytes)
            }
            Extensible::Unknown(UnknownContent { kind, form: Form::Json(_) }) => {
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

impl<'de, T: DeserializeOwned> Deserialize<'de> for Extensible<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneKey<T>(PhantomData<T>);
        impl<'de, T: DeserializeOwned> Visitor<'de> for OneKey<T> {
            type Value = Extensible<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with one key")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Extensible<T>, A::Error> {
                let (kind, value) = map.next_entry()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                match map.next_key::<de::IgnoredAny>()? {
                    None => Ok(Extensible::of_json(kind, value)),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_map(OneKey(PhantomData))
        } else {
            Bytes::deserialize(deserializer).map(Extensible::of_postcard)
        }
    }
}

impl<T: JsonSchema> JsonSchema for Extensible<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Extensible{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let known = generator.subschema_for::<T>();
        json_schema!({
            "description": "A newer release may say what is not listed: pass over it, and keep what stands beside it.",
            "anyOf": [known, { "type": "object", "minProperties": 1, "maxProperties": 1 }]
        })
    }
}
