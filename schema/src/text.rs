//! Reading values whose JSON and Postcard differ from what serde derives.

use std::{fmt, marker::PhantomData, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// Deserializes a string and parses it; the parser's own message is the error.
pub(crate) fn parsed<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Parse { field: None, parsed: PhantomData })
}

/// The same for a field whose name is to stand in the error: serde's own errors tell the name of a field that is missing, and of no other.
pub(crate) fn parsed_field<'de, T, D>(deserializer: D, field: &'static str) -> Result<T, D::Error>
where
    T: FromStr,
    T::Err: fmt::Display,
    D: Deserializer<'de>,
{
    deserializer.deserialize_str(Parse { field: Some(field), parsed: PhantomData })
}

struct Parse<T> {
    field: Option<&'static str>,
    parsed: PhantomData<T>,
}

impl<T: FromStr<Err: fmt::Display>> de::Visitor<'_> for Parse<T> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Some(field) => write!(f, "a string for `{field}`"),
            None => f.write_str("a string"),
        }
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(|error| match self.field {
            Some(field) => E::custom(format_args!("`{field}`: {error}")),
            None => E::custom(error),
        })
    }
}

/// Makes an enum a word on the wire: `$type` has `ALL` and `name`, and `$error` says of a text that it is none of them.
macro_rules! named {
    ($type:ident, $error:ident) => {
        impl std::str::FromStr for $type {
            type Err = $error;
            fn from_str(text: &str) -> Result<$type, $error> {
                $type::ALL.iter().copied().find(|known| known.name() == text).ok_or($error)
            }
        }

        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::text::parsed(deserializer)
            }
        }
    };
}
pub(crate) use named;

/// Characters of a text from outside that are repeated in a message.
const SHOWN_CHARS: usize = 64;

/// A text from outside, short enough for a message.
pub(crate) fn shortened(text: &str) -> String {
    shortened_to(text, SHOWN_CHARS)
}

/// Characters of a reason that are told: a reason may quote what came, and that may be large.
const REASON_CHARS: usize = 256;

/// Why JSON can't be read, as whoever wrote it would say: serde names types and kinds of variants that only this program has.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    for kind in ["expected struct variant", "expected tuple struct", "expected struct", "expected enum"] {
        if let Some((before, behind)) = text.split_once(kind) {
            let name = behind.strip_prefix(' ').filter(|behind| behind.starts_with(|c: char| c.is_ascii_uppercase()));
            let rest = name.map_or(behind, |name| name.find(' ').map_or("", |end| &name[end..]));
            text = format!("{before}expected an object{rest}");
        }
    }
    for (theirs, ours) in [
        ("unknown variant", "unknown name"),
        ("type: unit variant", "type: a text"),
        ("type: newtype variant", "type: an object"),
        ("type: struct variant", "type: an object"),
        ("expected unit variant", "expected a text"),
        ("expected newtype variant", "expected an object"),
        ("expected u64", "expected a whole number"),
        ("expected u32", "expected a whole number"),
    ] {
        text = text.replacen(theirs, ours, 1);
    }
    shortened_to(&text, REASON_CHARS)
}

/// A text of at most `chars` characters, and a sign that there were more.
pub(crate) fn shortened_to(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Deserializes a value whose `null` in JSON is its default, as an absent field is. Postcard always has the value itself.
pub(crate) fn null_is_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    if deserializer.is_human_readable() {
        Option::deserialize(deserializer).map(Option::unwrap_or_default)
    } else {
        T::deserialize(deserializer)
    }
}
