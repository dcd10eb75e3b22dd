//! Why a question can't be read.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use super::{
    super::{ClientFrame, Encoding},
    Question,
};
use crate::{
    Code, Seq,
    text::{reason, shortened},
};

/// A question that can't be read, and how it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadAsk {
    /// The question's number, if that can be read.
    pub reference: Option<u64>,
    /// [`Code::UnknownQuestion`] for one that this release does not know, otherwise [`Code::BadQuestion`].
    pub code: Code,
    /// What is wrong, with the field's name.
    pub message: String,
}

impl UnreadAsk {
    fn unknown(reference: Option<u64>, name: &str) -> UnreadAsk {
        let message = format!("this release knows no question {:?}", shortened(name));
        UnreadAsk { reference, code: Code::UnknownQuestion, message }
    }

    fn bad(reference: Option<u64>, message: impl Into<String>) -> UnreadAsk {
        UnreadAsk { reference, code: Code::BadQuestion, message: message.into() }
    }
}

const BAD_REFERENCE: &str = "`ref` is a whole number from 0 up, below 2^53";
const BAD_WHAT: &str = "`what` is an object with one key, the name of the question, as in {\"devices\":{}}";

impl Encoding {
    /// What is told of a question that can't be read, so that its refusal names it. `None` where the bytes are no `ask`.
    pub fn unread_ask(self, bytes: &[u8]) -> Option<UnreadAsk> {
        match self {
            Encoding::Json => unread_json(bytes),
            Encoding::Postcard => unread_postcard(bytes),
        }
    }
}

fn unread_json(bytes: &[u8]) -> Option<UnreadAsk> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Frame {
        Ask(Value),
    }
    let Ok(Frame::Ask(ask)) = serde_json::from_slice(bytes) else { return unread_deep(bytes) };
    let Value::Object(ask) = ask else { return Some(UnreadAsk::bad(None, "`ask` is an object with `ref` and `what`")) };
    let reference = ask.get("ref").and_then(Value::as_u64).filter(|&number| number <= Seq::MAX.0);
    let what = ask.get("what").and_then(Value::as_object).filter(|what| what.len() == 1);
    let what = what.and_then(|what| what.iter().next());
    if let Some((name, _)) = what.filter(|(name, _)| !Question::NAMES.contains(&name.as_str())) {
        return Some(UnreadAsk::unknown(reference, name));
    }
    let why = match (reference, what) {
        (None, _) => BAD_REFERENCE.to_owned(),
        (Some(_), None) => BAD_WHAT.to_owned(),
        (Some(_), Some((name, fields))) if !fields.is_object() => {
            format!("`{name}` is an object, {{}} where there is nothing to say")
        }
        (Some(_), Some((name, fields))) => match Question::deserialize(&ask["what"]) {
            Err(error) => format!("in `{name}`: {}", with_field(name, fields, reason(&error))),
            // To a map of values the last of two is the one that counts.
            Ok(_) => "a field is there twice".to_owned(),
        },
    };
    Some(UnreadAsk::bad(reference, why))
}

/// What is wrong with a question, behind the name of the field where it does not say that itself: the one that alone gives the same error.
fn with_field(name: &str, fields: &Value, why: String) -> String {
    let alone = |field: &str, value: &Value| Question::deserialize(json!({ name: { field: value } }));
    let mut fields = fields.as_object().into_iter().flatten();
    match fields.find(|(field, value)| alone(field, value).is_err_and(|error| reason(&error) == why)) {
        Some((field, _)) if !why.contains(&format!("`{field}`")) && !why.starts_with("missing field") => {
            format!("`{}`: {why}", shortened(field))
        }
        Some(_) | None => why,
    }
}

/// The same of a question that is nested more deeply than a value is read: what is inside is passed over.
fn unread_deep(bytes: &[u8]) -> Option<UnreadAsk> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Frame {
        Ask {
            #[serde(rename = "ref")]
            reference: u64,
            what: BTreeMap<String, IgnoredAny>,
        },
    }
    let Frame::Ask { reference, what } = serde_json::from_slice(bytes).ok()?;
    let reference = Some(reference).filter(|&number| number <= Seq::MAX.0);
    Some(match what.keys().next() {
        Some(name) if what.len() == 1 && !Question::NAMES.contains(&name.as_str()) => {
            UnreadAsk::unknown(reference, name)
        }
        Some(_) | None => UnreadAsk::bad(reference, "it is nested too deeply"),
    })
}

fn unread_postcard(bytes: &[u8]) -> Option<UnreadAsk> {
    let (frame, rest) = postcard::take_from_bytes::<u32>(bytes).ok()?;
    if ClientFrame::NAMES.get(frame as usize) != Some(&"ask") {
        return None;
    }
    let (reference, what) = postcard::take_from_bytes::<u64>(rest).ok().unzip();
    let reference = reference.filter(|&number| number <= Seq::MAX.0);
    let number = what.and_then(|what| postcard::take_from_bytes::<u32>(what).ok()).map(|(number, _)| number as usize);
    Some(match (reference, number.map(|number| (number, Question::NAMES.get(number)))) {
        (_, Some((number, None))) => UnreadAsk::unknown(reference, &number.to_string()),
        (None, _) => UnreadAsk::bad(None, BAD_REFERENCE),
        (Some(_), None) => UnreadAsk::bad(reference, "`what` is missing: the number of the question, and its fields"),
        (Some(_), Some((_, Some(name)))) => UnreadAsk::bad(reference, format!("the fields of `{name}` can't be read")),
    })
}
