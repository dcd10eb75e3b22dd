//! Frames of a newer release: what a client has to know of one that it can't read as a whole, so that it goes on.
//!
//! In JSON alone: there every field has its name.

use dunlin_schema::{CursorText, LogName, MessageId, Millis, Seq};
use serde_json::Value;

/// A frame with something in it that this release does not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Newer {
    /// An entry: passed over with its cursor.
    Entry { log: LogName, seq: Seq, cursor: CursorText },
    /// A send is refused.
    Rejected { id: MessageId, refusal: Refusal },
    /// The socket ends.
    Goodbye(Refusal),
    /// Nothing that a client has to act on: what is said of a log that it does not know, or the refusal of a frame.
    Nothing,
}

/// A code that this release does not know. Whether trying again can help is said by `retry_after` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code as it came.
    pub code: String,
    /// The same in words.
    pub message: String,
    /// When to try again; `None` where that can't help.
    pub retry_after: Option<Millis>,
}

/// What can be read of a frame that can't be read as a whole; `None` where it is no frame at all.
pub(crate) fn read(bytes: &[u8]) -> Option<Newer> {
    let frame: Value = serde_json::from_slice(bytes).ok()?;
    let (name, body) = frame.as_object().filter(|frame| frame.len() == 1)?.iter().next()?;
    match name.as_str() {
        "entry" => match part(body, "log") {
            Some(log) => Some(Newer::Entry { log, seq: part(body, "seq")?, cursor: part(body, "cursor")? }),
            None => is_of_another_log(body),
        },
        "gap" | "caught_up" => is_of_another_log(body),
        "rejected" => Some(Newer::Rejected { id: part(body, "id")?, refusal: refusal(body)? }),
        "goodbye" => Some(Newer::Goodbye(refusal(body)?)),
        "refused" => refusal(body).map(|_| Newer::Nothing),
        _ => None,
    }
}

/// A log that is named by a text, but by none that this release knows.
fn is_of_another_log(body: &Value) -> Option<Newer> {
    let named = part::<String>(body, "log").is_some() && part::<LogName>(body, "log").is_none();
    named.then_some(Newer::Nothing)
}

fn refusal(body: &Value) -> Option<Refusal> {
    let retry_after = body.get("retry_after").cloned().unwrap_or_default();
    Some(Refusal {
        code: part(body, "code")?,
        message: part(body, "message")?,
        retry_after: serde_json::from_value(retry_after).ok()?,
    })
}

fn part<T: serde::de::DeserializeOwned>(body: &Value, name: &str) -> Option<T> {
    serde_json::from_value(body.get(name)?.clone()).ok()
}
