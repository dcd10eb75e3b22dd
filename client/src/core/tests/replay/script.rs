//! Scripts as they stand in their files: short forms written out, names bound, values compared.

use std::collections::BTreeMap;

use dunlin_schema::{MessageId, Millis};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A script with nothing left to write out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Script {
    pub(super) name: String,
    /// The library that it is for, where that is one alone.
    pub(super) only: Option<String>,
    #[serde(default)]
    pub(super) setup: Map<String, Value>,
    pub(super) steps: Vec<Map<String, Value>>,
}

/// The scripts of a file. `common` is what they name with `@`. Errors: what is wrong with them.
pub(super) fn all(file: Value, common: &Value) -> Result<Vec<Script>, String> {
    let mut scripts: Vec<Value> = serde_json::from_value(written_out(file, common)?).map_err(|e| e.to_string())?;
    for script in &mut scripts {
        if let Some(steps) = script.get_mut("steps") {
            *steps = unrolled(steps.take())?;
        }
    }
    scripts.into_iter().map(|script| serde_json::from_value(script).map_err(|e| e.to_string())).collect()
}

/// With what `@name` stands for in its place.
fn written_out(value: Value, common: &Value) -> Result<Value, String> {
    let named = |name: &str| {
        let value = common.get(name).ok_or_else(|| format!("common.json has no {name:?}"))?;
        written_out(value.clone(), common)
    };
    Ok(match value {
        Value::String(text) => match text.strip_prefix('@') {
            Some(name) => named(name)?,
            None => Value::String(text),
        },
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                let is_named = item.as_str().is_some_and(|text| text.starts_with('@'));
                let item = written_out(item, common)?;
                match item.as_array().filter(|_| is_named) {
                    Some(items) => all.extend(items.iter().cloned()),
                    None => all.push(item),
                }
            }
            Value::Array(all)
        }
        Value::Object(mut fields) => {
            let mut all = match fields.remove("@") {
                Some(Value::String(name)) => named(&name)?,
                Some(other) => return Err(format!("{other} is no name")),
                None => Value::Object(Map::new()),
            };
            let into = all.as_object_mut().ok_or("what is added to is an object")?;
            for (name, value) in fields {
                into.insert(name, written_out(value, common)?);
            }
            all
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    })
}

/// Each `for` as the steps that it stands for.
fn unrolled(steps: Value) -> Result<Value, String> {
    let Value::Array(steps) = steps else { return Err("steps are a list".to_owned()) };
    let mut all = Vec::new();
    for step in steps {
        let Some(range) = step.get("for") else {
            all.push(step);
            continue;
        };
        let (first, last): (u64, u64) = serde_json::from_value(range.clone()).map_err(|e| e.to_string())?;
        let inner = step["steps"].as_array().ok_or("a `for` has steps")?;
        all.extend((first..=last).flat_map(|number| inner.iter().map(move |step| numbered(step, number))));
    }
    Ok(Value::Array(all))
}

/// With the number in the place of each `{n}`.
fn numbered(value: &Value, number: u64) -> Value {
    match value {
        Value::String(text) if text == "{n}" => Value::from(number),
        Value::String(text) => Value::String(text.replace("{n}", &number.to_string())),
        Value::Array(items) => items.iter().map(|item| numbered(item, number)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), numbered(value, number))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// What the names of a script stand for: each for what stood in its place first.
#[derive(Debug, Default)]
pub(super) struct Bound(BTreeMap<String, Value>);

impl Bound {
    /// With what is bound in the place of each name. Errors: a name that is not bound.
    pub(super) fn put_into(&self, value: Value) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) if text.starts_with('$') => {
                self.0.get(&text).cloned().ok_or_else(|| format!("nothing was called {text}"))?
            }
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.put_into(item)).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => {
                let put = fields.into_iter().map(|(name, value)| Ok((name, self.put_into(value)?)));
                Value::Object(put.collect::<Result<_, String>>()?)
            }
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
        })
    }

    /// Errors: what was expected and what came.
    pub(super) fn compare(&mut self, of: &str, expected: &Value, got: &Value) -> Result<(), String> {
        if self.fits(expected, got) {
            return Ok(());
        }
        let bound = &self.0;
        Err(format!("  {of} expected: {expected}\n  {of} got:      {got}\n  bound: {bound:?}"))
    }

    fn fits(&mut self, expected: &Value, got: &Value) -> bool {
        match expected {
            Value::String(name) if name.starts_with('$') => self.0.entry(name.clone()).or_insert(got.clone()) == got,
            Value::Object(fields) => match fields.iter().next() {
                Some((rule, value)) if rule.starts_with('$') && fields.len() == 1 => self.rule(rule, value, got),
                Some(_) | None => self.fields_fit(fields, got),
            },
            Value::Array(items) => {
                let others = got.as_array().filter(|others| others.len() == items.len());
                others.is_some_and(|others| items.iter().zip(others).all(|(item, other)| self.fits(item, other)))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => expected == got,
        }
    }

    fn fields_fit(&mut self, fields: &Map<String, Value>, got: &Value) -> bool {
        let Some(others) = got.as_object() else { return false };
        let names = fields.keys().chain(others.keys());
        let mut pairs = names.map(|name| (fields.get(name), others.get(name)));
        pairs.all(|(field, other)| match (field.filter(|it| says(it)), other.filter(|it| says(it))) {
            (None, None) => true,
            (Some(field), Some(other)) => self.fits(field, other),
            (Some(_), None) | (None, Some(_)) => false,
        })
    }

    fn rule(&mut self, rule: &str, value: &Value, got: &Value) -> bool {
        match rule {
            "$in" => {
                let (low, high, got) = (value[0].as_i64(), value[1].as_i64(), got.as_i64());
                got.is_some() && (low..=high).contains(&got)
            }
            "$idOf" => {
                let id = got.as_str().and_then(|id| id.parse::<MessageId>().ok());
                id.map(MessageId::time) == value.as_u64().map(Millis)
            }
            "$above" => {
                let below = value.as_str().and_then(|name| self.0.get(name));
                below.and_then(Value::as_str) < got.as_str() && below.is_some()
            }
            _ => panic!("there is no rule {rule}"),
        }
    }
}

/// Whether a field says something: `null` and an empty list are as if they were not there.
fn says(value: &Value) -> bool {
    !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty())
}
