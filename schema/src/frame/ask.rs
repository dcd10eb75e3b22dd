//! Asking: a question with a number of the client's, and its answer, or its refusal, under the same number.
//!
//! A family of questions is a few variants here, and a file of `asks/` in the gateway.

use serde::{Deserialize, Deserializer, Serialize};

use super::{ClientFrame, Encoding, Extensible};
use crate::{
    DeviceName, Millis,
    text::{parsed_field, shortened},
};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ask {
    /// The client's number for it: the answer bears it. Two questions of one number are both answered.
    #[serde(rename = "ref")]
    pub reference: u64,
    /// What is asked.
    pub what: Question,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Which devices the user has.
    Devices {},
    /// A device of the user's is to be forgotten, and its connection to end. Answered with `done`, also where there is no such device.
    DeviceRemove {
        /// Which.
        #[serde(deserialize_with = "device")]
        device: DeviceName,
    },
}

impl Question {
    /// The questions' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &["devices", "device_remove"];
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    parsed_field(deserializer, "device")
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Answered")]
pub struct AnswerFrame {
    /// The question's number.
    #[serde(rename = "ref")]
    pub reference: u64,
    /// The answer.
    pub what: Extensible<Answer>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is done, and stored.
    Done {},
    /// The user's devices.
    Devices {
        /// Each once, in the order of their names: 256 at most. Of more, those are left out that were not seen for longest.
        items: Vec<DeviceItem>,
    },
}

impl Answer {
    /// The answers' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &["done", "devices"];
}

/// A device of the user's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeviceItem {
    /// Its name.
    pub device: DeviceName,
    /// `None` while it is connected; otherwise the time of the last acknowledgement by which something was learned.
    pub last_seen: Option<Millis>,
    /// Whether it is the device that asks.
    pub here: bool,
}

/// A question that can't be read, with the number under which it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadAsk {
    /// The question's number, if that can be read.
    pub reference: Option<u64>,
    /// The name of a question that this release does not know, or in Postcard its number; `None` where the question is known, and what it
    /// says is wrong.
    pub unknown: Option<String>,
}

impl Encoding {
    /// What is told of a question that can't be read, so that its refusal names it. `None` where the bytes are no `ask`.
    pub fn unread_ask(self, bytes: &[u8]) -> Option<UnreadAsk> {
        match self {
            Encoding::Json => unread_json(bytes),
            Encoding::Postcard => {
                let (frame, rest) = postcard::take_from_bytes::<u32>(bytes).ok()?;
                let is_ask = ClientFrame::NAMES.get(frame as usize) == Some(&"ask");
                let (reference, rest) = postcard::take_from_bytes::<u64>(rest).ok().unzip();
                let number =
                    rest.and_then(|rest| postcard::take_from_bytes::<u32>(rest).ok()).map(|(number, _)| number);
                let unknown = number.filter(|&number| number as usize >= Question::NAMES.len());
                is_ask.then(|| UnreadAsk { reference, unknown: unknown.map(|number| number.to_string()) })
            }
        }
    }
}

fn unread_json(bytes: &[u8]) -> Option<UnreadAsk> {
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Frame {
        Ask(serde_json::Value),
    }
    let Frame::Ask(ask) = serde_json::from_slice(bytes).ok()?;
    let what = ask.get("what").and_then(|what| what.as_object()).filter(|what| what.len() == 1);
    let unknown = what.and_then(|what| what.keys().next()).filter(|name| !Question::NAMES.contains(&name.as_str()));
    Some(UnreadAsk {
        reference: ask.get("ref").and_then(|number| number.as_u64()),
        unknown: unknown.map(|name| shortened(name)),
    })
}
