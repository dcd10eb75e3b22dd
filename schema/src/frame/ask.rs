//! Asking: a question with a number of the client's, and its answer, or its refusal, under the same number.
//!
//! A family of questions is a few variants here, and a file of `asks/` in the gateway.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny},
};
use serde_json::{Value, json};

use super::{ClientFrame, DeviceItem, Encoding, EntryContent, Extensible, devices};
use crate::{
    Address, Code, DeviceName, DeviceTitle, MessageId, Millis, Open, Seq, limits,
    presence::Presence,
    settings::Audience,
    text::{parsed_field, reason, shortened},
};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ask {
    /// The client's number for it: the answer bears it. Two questions of one number are both answered.
    #[serde(rename = "ref", deserialize_with = "reference")]
    #[schemars(extend("maximum" = Seq::MAX.0))]
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
    /// Whether people are connected, and when those who are not last were.
    Presence {
        /// Their addresses, as the client wrote them, 200 at most: a bad one is answered with `refused`.
        #[serde(deserialize_with = "people")]
        #[schemars(length(max = limits::PRESENCE_USERS))]
        users: Vec<String>,
    },
    /// These people are to be watched from now on, instead of those before: `presence` frames say how they are, at once and whenever
    /// that changes, until the connection ends. Answered with `done`.
    Watch {
        /// Their addresses, as in `presence`; none where nobody is to be watched any more.
        #[serde(deserialize_with = "people")]
        #[schemars(length(max = limits::PRESENCE_USERS))]
        users: Vec<String>,
    },
    /// Everything of the user is to be erased, and all of the user's connections to end. Answered with `done` once it is stored that this
    /// is to be done.
    Erase {
        /// The user's own name, so that nobody asks by mistake.
        confirm: String,
    },
    /// Which conversations the user has, the one with the latest message first.
    Conversations {
        /// Those behind this place: `next` of the page before. Left out: from the first one on.
        after: Option<Seq>,
        /// How many at most; a page has no more than 50.
        #[serde(deserialize_with = "limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// The messages of a conversation, the latest first.
    History {
        /// The other side.
        #[serde(deserialize_with = "with")]
        with: Address,
        /// Those below this `seq` of the user's mailbox: `next` of the page before. Left out: from the latest one on.
        before: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Somebody is to reach the user no more: what they send is refused, their signals are not seen, and they see `offline`. Answered with
    /// `done`, also where they are blocked already.
    Block {
        /// Whom: a person's address.
        #[serde(deserialize_with = "person")]
        user: Address,
    },
    /// Somebody is no longer blocked. Answered with `done`, also where they were not.
    Unblock {
        /// Whom: a person's address.
        #[serde(deserialize_with = "person")]
        user: Address,
    },
    /// Whom the user has blocked.
    Blocks {},
    /// The user's settings are to be changed: what is left out stays as it is. Answered with `done`.
    Set {
        /// Who may write to the user.
        #[serde(default)]
        who_may_write: Option<Audience>,
        /// Who sees whether the user is there, and when they were last.
        #[serde(default)]
        who_sees_presence: Option<Audience>,
    },
    /// The user's settings.
    Settings {},
    /// When something that the user sent was stored, delivered and read.
    Receipts {
        /// The address that it was sent to.
        #[serde(deserialize_with = "to")]
        to: Address,
        /// Its order, as `accepted` told it.
        order: Seq,
    },
    /// A device of the user's is called something. Answered with `done`, and refused with `not_found` where there is no such device.
    DeviceName {
        /// Which.
        #[serde(deserialize_with = "device")]
        device: DeviceName,
        /// What it is called from now on; left out: nothing.
        #[serde(default, deserialize_with = "title")]
        title: Option<DeviceTitle>,
    },
}

impl Question {
    /// The questions' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &[
        "devices",
        "device_remove",
        "presence",
        "watch",
        "erase",
        "conversations",
        "history",
        "block",
        "unblock",
        "blocks",
        "set",
        "settings",
        "receipts",
        "device_name",
    ];
}

/// As a sequence is, a question's number is one that JSON readers keep exact.
fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Seq::deserialize(deserializer).map(|number| number.0)
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    parsed_field(deserializer, "device")
}

/// Addresses of people: not more of them than a question may name.
fn people<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct People;
    impl<'de> de::Visitor<'de> for People {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list for `users`, of {} addresses at most", limits::PRESENCE_USERS)
        }
        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut users = Vec::new();
            while let Some(user) = list.next_element()? {
                if users.len() == limits::PRESENCE_USERS {
                    return Err(de::Error::custom(format_args!("`users` names more than {}", limits::PRESENCE_USERS)));
                }
                users.push(user);
            }
            Ok(users)
        }
    }
    deserializer.deserialize_seq(People)
}

fn with<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "with")
}

fn to<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "to")
}

/// How many at most, from 1 up: what is more than any page has means that, also where it is more than a number holds.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Limit;
    impl de::Visitor<'_> for Limit {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number from 1 up for `limit`")
        }
        fn visit_u64<E: de::Error>(self, limit: u64) -> Result<u64, E> {
            if limit == 0 { Err(E::invalid_value(de::Unexpected::Unsigned(0), &self)) } else { Ok(limit) }
        }
        // A reader of JSON makes one of what is 2^64 or more.
        fn visit_f64<E: de::Error>(self, limit: f64) -> Result<u64, E> {
            const ABOVE_ALL: f64 = 18_446_744_073_709_551_616.0;
            if limit < ABOVE_ALL { Err(E::invalid_type(de::Unexpected::Float(limit), &self)) } else { Ok(u64::MAX) }
        }
    }
    deserializer.deserialize_u64(Limit)
}

/// A title that people are to see: of what is stored already it is not asked.
fn title<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DeviceTitle>, D::Error> {
    let title = Option::<DeviceTitle>::deserialize(deserializer)?;
    match &title {
        Some(title) if !title.is_seen() => {
            Err(de::Error::custom("`title`: a title needs a character that can be seen"))
        }
        Some(_) | None => Ok(title),
    }
}

fn person<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "user")
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
        #[serde(with = "devices")]
        #[schemars(with = "Vec<DeviceItem>")]
        items: Vec<DeviceItem>,
    },
    /// Whether people are connected.
    Presence {
        /// Each under the address that was asked for.
        users: BTreeMap<Open<Address>, Presence>,
    },
    /// The user's conversations.
    Conversations {
        /// Each once, the one with the latest message first.
        items: Vec<ConversationItem>,
        /// Where the next page begins; `None` where there is none.
        next: Option<Seq>,
    },
    /// The messages of a conversation, without those that were taken back.
    History {
        /// The latest first.
        entries: Vec<HistoryEntry>,
        /// Where the next page begins; `None` where there is none.
        next: Option<Seq>,
    },
    /// Whom the user has blocked.
    Blocks {
        /// Each once, in the order of their names.
        users: Vec<Address>,
    },
    /// The user's settings.
    Settings {
        /// Who may write to the user.
        who_may_write: Open<Audience>,
        /// Who sees whether the user is there, and when they were last.
        who_sees_presence: Open<Audience>,
    },
    /// When something that the user sent was stored, delivered and read.
    Receipts {
        /// When it was accepted.
        stored: Millis,
        /// When it had come to a device of the recipient's, at the latest; `None` where nothing is known of that.
        delivered: Option<Millis>,
        /// When the recipient had read it, at the latest; `None` where nothing is known of that.
        read: Option<Millis>,
    },
}

impl Answer {
    /// The answers' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] =
        &["done", "devices", "presence", "conversations", "history", "blocks", "settings", "receipts"];
}

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConversationItem {
    /// The other side.
    pub with: Open<Address>,
    /// Its last message as it is now; `None` where that went meanwhile.
    pub last: Option<HistoryEntry>,
    /// Messages of the other side that the user has not read, of those that are kept.
    pub unread: u64,
    /// Up to which order the user has read what the other side sent; `None` where nothing is known of that.
    pub read: Option<Seq>,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryEntry {
    /// The sequence of its entry in the user's mailbox.
    pub seq: Seq,
    /// When it was accepted.
    pub time: Millis,
    /// The id its sender gave it.
    pub id: MessageId,
    /// Who sent it.
    pub from: Open<Address>,
    /// What it was sent to.
    pub to: Open<Address>,
    /// Its order among what the sender sent to `to`.
    pub order: Option<Seq>,
    /// What it says now, after its last edit.
    pub content: EntryContent,
    /// When its last edit was accepted.
    pub edited: Option<Millis>,
    /// The reactions to it that stand, the oldest first; the first 64 of them.
    pub reactions: Vec<ReactionItem>,
}

/// A reaction that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReactionItem {
    /// Whose it is.
    pub from: Open<Address>,
    /// The emoji.
    pub emoji: String,
    /// When it was accepted.
    pub time: Millis,
}

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
