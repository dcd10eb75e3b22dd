//! What the sources of a configuration say, as one tree: later sources override earlier ones, key by key.
//!
//! Every value remembers where it was written, so that a mistake is told with its place. No error here carries a value: it may be a secret.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// A table of keys.
pub(super) type Table = BTreeMap<String, Node>;

/// A part of a configuration.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Table(Table),
    List(Vec<Node>),
    /// A value with the type that the file gave it.
    Typed(toml::Value, Place),
    /// A variable's text, whose type is the one that its key has.
    Untyped(String, Place),
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(Arc<str>),
    Variable(Arc<str>),
    CommandLine,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => write!(f, "in {path}"),
            Place::Variable(name) => write!(f, "in the variable {name}"),
            Place::CommandLine => f.write_str("on the command line"),
        }
    }
}

/// Reads TOML. Errors: its syntax, by line and column; the line itself is not shown, since it may hold a secret.
pub(super) fn parse(text: &str, place: &Place) -> Result<Table, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = text.parse::<toml::Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let position = before.map(|before| {
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: ")
        });
        format!("this is no TOML: {}{}", position.unwrap_or_default(), error.message())
    })?;
    Ok(table.into_iter().map(|(key, value)| (key, node(value, place))).collect())
}

/// Reads a variable's text as the TOML of one value. Errors: its syntax.
pub(super) fn parse_value(text: &str, place: &Place) -> Result<Node, String> {
    let wrapped = format!("value = {text}");
    match wrapped.parse::<toml::Table>() {
        Ok(mut table) if table.len() == 1 => Ok(node(table.remove("value").expect("the only key"), place)),
        Ok(_) => Err("this is no TOML: it has more than one line".to_owned()),
        Err(error) => Err(format!("this is no TOML: {}", error.message())),
    }
}

fn node(value: toml::Value, place: &Place) -> Node {
    match value {
        toml::Value::Table(table) => {
            Node::Table(table.into_iter().map(|(key, value)| (key, node(value, place))).collect())
        }
        toml::Value::Array(items) => Node::List(items.into_iter().map(|item| node(item, place)).collect()),
        value @ (toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)) => Node::Typed(value, place.clone()),
    }
}

/// Lays `above` over `below`.
pub(super) fn merge(below: &mut Table, above: Table) {
    for (key, node) in above {
        match (below.get_mut(&key), node) {
            (Some(Node::Table(below)), Node::Table(above)) => merge(below, above),
            (_, node) => drop(below.insert(key, node)),
        }
    }
}

/// Puts a value at a path, above what is there.
pub(super) fn put(table: &mut Table, path: &[&str], node: Node) {
    let Some((last, sections)) = path.split_last() else { return };
    let above = sections.iter().rev().fold(Table::from([((*last).to_owned(), node)]), |inner, section| {
        Table::from([((*section).to_owned(), Node::Table(inner))])
    });
    merge(table, above);
}
