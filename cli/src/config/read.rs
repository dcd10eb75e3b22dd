//! From the tree of a configuration to the types that hold it.
//!
//! A variable's text is read as what its key is: `12345678` is a text where a text is wanted, and a number where a number is. Errors name
//! the key and the place, and say of a value no more than of which kind it is: it may be a secret.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor, value::StringDeserializer,
};

use super::tree::{Node, Place, Table, parse_value};

/// What is wrong with a configuration.
#[derive(Debug)]
pub(super) struct ReadError {
    what: String,
    /// The names that would have been known in place of one that is not.
    known: Option<Vec<&'static str>>,
    key: Vec<String>,
    place: Option<Place>,
    /// Whether it is about what nobody wrote: then no place is to blame.
    missing: bool,
}

impl std::error::Error for ReadError {}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.iter().fold(String::new(), |key, part| match part.starts_with('[') || key.is_empty() {
            true => key + part,
            false => key + "." + part,
        });
        if !key.is_empty() {
            write!(f, "`{key}`")?;
        }
        if let Some(place) = &self.place {
            write!(f, " ({place})")?;
        }
        let separator = if key.is_empty() { "" } else { ": " };
        write!(f, "{separator}{}", self.what)?;
        match &self.known {
            Some(known) => {
                let known: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
                write!(f, ", expected one of {}", known.join(", "))
            }
            None => Ok(()),
        }
    }
}

impl ReadError {
    fn new(what: impl Into<String>) -> ReadError {
        ReadError { what: what.into(), known: None, key: Vec::new(), place: None, missing: false }
    }

    fn below(mut self, part: &str) -> ReadError {
        self.key.insert(0, part.to_owned());
        self
    }

    fn at(mut self, node: &Node) -> ReadError {
        if let (None, false, Some(place)) = (&self.place, self.missing, place(node)) {
            self.place = Some(place.clone());
        }
        self
    }

    /// Adds a section that is read elsewhere to those that may have been meant.
    pub(super) fn or(mut self, section: &'static str) -> ReadError {
        if let (Some(known), [_]) = (&mut self.known, &self.key[..]) {
            known.push(section);
        }
        self
    }
}

/// The place of a value, or of the first one in it.
fn place(node: &Node) -> Option<&Place> {
    match node {
        Node::Typed(_, place) | Node::Untyped(_, place) => Some(place),
        Node::List(items) => items.iter().find_map(place),
        Node::Table(table) => table.values().find_map(place),
    }
}

fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) => "text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        Unexpected::Unit
        | Unexpected::Option
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_) => "something else",
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(what: T) -> ReadError {
        ReadError::new(what.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        ReadError::new(format!("expected {expected}, found {}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> ReadError {
        ReadError::new(format!("expected {expected}, found {} that is none", kind(&found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError { known: Some(expected.to_vec()), ..ReadError::new("unknown value") }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> ReadError {
        ReadError { known: Some(expected.to_vec()), ..ReadError::new("unknown key") }.below(field)
    }

    fn missing_field(field: &'static str) -> ReadError {
        let what = "it is missing, and has no default";
        ReadError { missing: true, ..ReadError::new(what) }.below(field)
    }
}

/// Reads a table. Errors: see [`ReadError`].
pub(super) fn read<T: DeserializeOwned>(table: &Table) -> Result<T, ReadError> {
    T::deserialize(Reader(&Node::Table(table.clone())))
}

struct Reader<'a>(&'a Node);

impl Reader<'_> {
    fn number(&self, text: &str, expected: &dyn de::Expected) -> Result<i64, ReadError> {
        let number = text.trim().parse();
        number.map_err(|_| ReadError::new(format!("expected {expected}, found text that is none")).at(self.0))
    }

    /// What a variable's text holds where a list or a table is wanted.
    fn value(&self, text: &str, place: &Place) -> Result<Node, ReadError> {
        parse_value(text, place).map_err(|what| ReadError::new(what).at(self.0))
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match self.0 {
                Node::Untyped(text, _) => {
                    let number = self.number(text, &visitor)?;
                    visitor.visit_i64(number).map_err(|error: ReadError| error.at(self.0))
                }
                Node::Typed(..) | Node::List(_) | Node::Table(_) => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let read = match self.0 {
            Node::Table(table) => visitor.visit_map(Entries { entries: table.iter(), value: None }),
            Node::List(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Node::Untyped(text, _) => visitor.visit_str(text),
            Node::Typed(value, _) => match value {
                toml::Value::String(text) => visitor.visit_str(text),
                toml::Value::Integer(number) => visitor.visit_i64(*number),
                toml::Value::Float(number) => visitor.visit_f64(*number),
                toml::Value::Boolean(is) => visitor.visit_bool(*is),
                toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
                    Err(de::Error::invalid_type(Unexpected::Other("a date"), &visitor))
                }
            },
        };
        read.map_err(|error: ReadError| error.at(self.0))
    }

    numbers!(deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0 {
            Node::Untyped(text, _) if text == "true" || text == "false" => visitor.visit_bool(text == "true"),
            Node::Untyped(..) => Err(ReadError::new("expected `true` or `false`").at(self.0)),
            Node::Typed(..) | Node::List(_) | Node::Table(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0 {
            Node::Untyped(text, place) if text.trim_start().starts_with('[') => {
                Reader(&self.value(text, place)?).deserialize_any(visitor)
            }
            // The one item of a list needs no brackets in a variable.
            Node::Untyped(..) => visitor.visit_seq(Items(std::slice::from_ref(self.0).iter().enumerate())),
            Node::Typed(..) | Node::List(_) | Node::Table(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.0 {
            Node::Untyped(text, place) if text.trim_start().starts_with('{') => {
                Reader(&self.value(text, place)?).deserialize_any(visitor)
            }
            Node::Untyped(..) | Node::Typed(..) | Node::List(_) | Node::Table(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let read = match self.0 {
            Node::Untyped(text, place) if text.trim_start().starts_with('{') => {
                Reader(&self.value(text, place)?).deserialize_enum(name, variants, visitor)
            }
            Node::Untyped(text, _) | Node::Typed(toml::Value::String(text), _) => {
                visitor.visit_enum(Variant { name: text, content: None })
            }
            Node::Table(table) => match table.iter().collect::<Vec<_>>()[..] {
                [(name, content)] => visitor
                    .visit_enum(Variant { name, content: Some(content) })
                    .map_err(|error: ReadError| error.below(name)),
                ref several => {
                    let names: Vec<_> = several.iter().map(|(name, _)| format!("`{name}`")).collect();
                    let found = if names.is_empty() { "nothing".to_owned() } else { names.join(" and ") };
                    let what = format!("expected one key, found {found}");
                    Err(ReadError { known: Some(variants.to_vec()), ..ReadError::new(what) })
                }
            },
            Node::Typed(..) | Node::List(_) => {
                Err(ReadError { known: Some(variants.to_vec()), ..ReadError::new("this is neither text nor a table") })
            }
        };
        read.map_err(|error| error.at(self.0))
    }

    serde::forward_to_deserialize_any! {
        f32 f64 i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Entries<'a> {
    entries: std::collections::btree_map::Iter<'a, String, Node>,
    value: Option<(&'a String, &'a Node)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.value = self.entries.next();
        let Some((key, node)) = self.value else { return Ok(None) };
        let key: StringDeserializer<ReadError> = key.clone().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(node))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let (key, node) = self.value.expect("a key comes before its value");
        seed.deserialize(Reader(node)).map_err(|error| error.at(node).below(key))
    }
}

struct Items<'a>(std::iter::Enumerate<std::slice::Iter<'a, Node>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some((index, node)) = self.0.next() else { return Ok(None) };
        let read = seed.deserialize(Reader(node));
        read.map(Some).map_err(|error| error.at(node).below(&format!("[{index}]")))
    }
}

/// A choice, with what stands behind its name where it is a table.
struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Node>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = ReadError;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<'a>), ReadError> {
        let name: StringDeserializer<ReadError> = self.name.to_owned().into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content<'a>(Option<&'a Node>);

impl<'a> Content<'a> {
    fn reader(self) -> Result<Reader<'a>, ReadError> {
        self.0.map(Reader).ok_or_else(|| ReadError::new("expected a table with this key and its value"))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        match self.0 {
            None => Ok(()),
            Some(_) => Err(ReadError::new("expected the bare word, found a table")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        seed.deserialize(self.reader()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        self.reader()?.deserialize_map(visitor)
    }
}
