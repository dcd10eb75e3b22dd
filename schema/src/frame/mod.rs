//! What clients and gateways say to each other, version 1: the same enums in JSON (externally tagged) and in Postcard.
//!
//! One message, one frame. In JSON an absent field and `null` are the same, and unknown fields are ignored. Variants and fields are
//! added at the end and never changed: Postcard numbers them. What clients pass over where they do not know it (logs, codes, addresses,
//! content) has a length of its own in Postcard, and so has each frame: the message that it is.

mod ask;
mod devices;
mod encoding;
mod extensible;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    Address, Code, Content, CursorText, DeviceName, LogName, MessageId, Millis, Open, RegionName, Seq, Spans, UserName,
    limits, presence::PresenceState,
};

pub(crate) use self::encoding::as_written;
pub use self::{
    ask::{
        Answer, AnswerFrame, Ask, ConversationItem, GroupItem, HistoryEntry, MemberItem, Question, ReachedItem,
        ReactionItem, UnreadAsk, UploadPart,
    },
    devices::DeviceItem,
    encoding::{Encoding, FrameError, UnreadSend},
    extensible::{Extensible, UnknownContent},
};

/// What an entry says.
pub type EntryContent = Extensible<Content>;

/// What a client says. Its debug form never shows the token, nor what is sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientFrame {
    /// The first frame, within 5 s: who is there, and where each log is to go on.
    Hello {
        /// The JWT, where it did not come in the `Authorization` header. Where both are there this one counts, and `sub` must be the same.
        token: Option<String>,
        /// Which of the user's devices this is.
        device: Option<DeviceName>,
        /// Where to go on, by log. One that this gateway does not follow for the user is passed over, and `refused` says which. Where a
        /// cursor can't be opened, `refused` says so too, and the log goes on as if none had been named: after what was last acknowledged.
        #[serde(default, deserialize_with = "cursors")]
        #[schemars(with = "Option<BTreeMap<Open<LogName>, Option<StartAt>>>")]
        cursors: BTreeMap<Open<LogName>, StartAt>,
    },
    /// Something to send.
    Send(Send),
    /// This device has everything of a log up to a sequence.
    Ack {
        /// The log. One that is not followed here is answered with `refused`.
        log: Open<LogName>,
        /// Up to this sequence.
        delivered: Seq,
    },
    /// A question.
    Ask(Ask),
    /// Something that the user does just now. It is never stored, and may be lost.
    Signal {
        /// The address to tell, a person's or a group's, as the client wrote it: a bad one is answered with `refused`.
        to: String,
        /// What, as applications agree on it: `typing`. A name of 1 to 64 of `A-Z a-z 0-9 _ -`; another one is answered with `refused`.
        kind: String,
    },
    /// The user has read a conversation. It is answered with `marked` once that is stored.
    Read {
        /// With whom, as the client wrote it: a bad address is answered with `refused`.
        with: String,
        /// Up to this order of what the other one sent; beyond the last one it means the last.
        upto: Seq,
    },
}

/// Something to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Send {
    /// The id, made by the sender: a repeat with the same id is stored once.
    pub id: MessageId,
    /// The address to send to, as the client wrote it: a bad one is answered with the id.
    pub to: String,
    /// What is sent.
    pub content: Content,
}

impl Send {
    /// The address. Errors: the reason why it is none.
    pub fn address(&self) -> Result<Address, crate::address::AddressError> {
        self.to.parse()
    }
}

impl ClientFrame {
    /// The frames' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &["hello", "send", "ack", "ask", "signal", "read"];
}

impl fmt::Debug for ClientFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientFrame::Hello { token, device, cursors } => f
                .debug_struct("Hello")
                .field("token", &token.as_ref().map(|_| "…"))
                .field("device", device)
                .field("cursors", cursors)
                .finish(),
            ClientFrame::Send(Send { id, to, content: _ }) => {
                f.debug_struct("Send").field("id", id).field("to", to).finish_non_exhaustive()
            }
            ClientFrame::Ack { log, delivered } => {
                f.debug_struct("Ack").field("log", log).field("delivered", delivered).finish()
            }
            ClientFrame::Ask(ask) => ask.fmt(f),
            ClientFrame::Read { with, upto } => f.debug_struct("Read").field("with", with).field("upto", upto).finish(),
            ClientFrame::Signal { to, kind } => f.debug_struct("Signal").field("to", to).field("kind", kind).finish(),
        }
    }
}

/// The cursors of a `hello`: the first [`limits::CURSORS`] and the mailbox's, no log twice. Those beyond are as good as not there: a device
/// that was in many groups is not locked out for it. In JSON `null` is an absent one, or none at all.
fn cursors<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<Open<LogName>, StartAt>, D::Error> {
    struct Cursors {
        is_json: bool,
    }
    impl<'de> de::Visitor<'de> for Cursors {
        type Value = BTreeMap<Open<LogName>, StartAt>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("cursors by log")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }
        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut cursors = BTreeMap::new();
            while let Some(log) = map.next_key()? {
                let start = if self.is_json { map.next_value()? } else { map.next_value().map(Some)? };
                if cursors.len() >= limits::CURSORS && log != LogName::Mailbox {
                    continue;
                }
                if cursors.insert(log, start).is_some() {
                    return Err(de::Error::custom("cursors names a log twice"));
                }
            }
            Ok(cursors.into_iter().filter_map(|(log, start)| Some((log, start?))).collect())
        }
    }
    // JSON says itself whether a map or null stands there.
    let is_json = deserializer.is_human_readable();
    if is_json {
        deserializer.deserialize_any(Cursors { is_json })
    } else {
        deserializer.deserialize_map(Cursors { is_json })
    }
}

/// Where a log is to go on: a cursor, or one of the words `beginning` and `live`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// From the first entry that is still there.
    Beginning,
    /// Only what comes from now on.
    Live,
    /// After what was consumed.
    Cursor(CursorText),
}

impl fmt::Display for StartAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartAt::Beginning => f.write_str("beginning"),
            StartAt::Live => f.write_str("live"),
            StartAt::Cursor(cursor) => cursor.fmt(f),
        }
    }
}

impl std::str::FromStr for StartAt {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "beginning" => Ok(StartAt::Beginning),
            "live" => Ok(StartAt::Live),
            // What is longer than any cursor can't be opened either: whoever stored it is told so, and goes on.
            text => Ok(StartAt::Cursor(text.parse().unwrap_or_else(|_| CursorText::unreadable()))),
        }
    }
}

impl Serialize for StartAt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StartAt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for StartAt {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StartAt".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let cursor = generator.subschema_for::<CursorText>();
        schemars::json_schema!({ "anyOf": [{ "enum": ["beginning", "live"] }, cursor] })
    }
}

/// What a gateway says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerFrame {
    /// The answer to `hello`.
    Welcome {
        /// Who the token says is there.
        user: UserName,
        /// Which device.
        device: DeviceName,
        /// The user's region.
        region: RegionName,
        /// The gateway's clock.
        server_time: Millis,
        /// What a client must keep to.
        limits: Limits,
    },
    /// Entries after the cursor are no longer there, or can't be shown to be complete.
    Gap {
        /// The log.
        log: Open<LogName>,
        /// Nothing is missing before this time.
        from: Millis,
        /// Nothing is missing after this time.
        to: Millis,
        /// Where the log goes on.
        cursor: CursorText,
    },
    /// An entry of a log.
    Entry(Box<EntryFrame>),
    /// From here on the log's entries are live.
    CaughtUp {
        /// The log.
        log: Open<LogName>,
        /// Where the log ends for this device, whether or not that entry was given to it; 0 while there never was one.
        seq: Seq,
        /// Where the log goes on.
        cursor: CursorText,
    },
    /// A send is stored.
    Accepted {
        /// The send's id.
        #[serde(with = "crate::id::as_text")]
        #[schemars(with = "MessageId")]
        id: MessageId,
        /// Rises with each item of this sender to this address.
        order: Option<Seq>,
        /// When it was accepted.
        time: Millis,
    },
    /// A send is refused, or its outcome is unknown.
    Rejected {
        /// The send's id, as it came: it may be none.
        id: String,
        /// Why.
        code: Open<Code>,
        /// The same in words.
        message: String,
        /// When to try again, in milliseconds; `None` where that can't help.
        retry_after: Option<Millis>,
    },
    /// A frame is refused, a question among others.
    Refused {
        /// The question's number, where the frame was one.
        #[serde(rename = "ref")]
        reference: Option<u64>,
        /// Why.
        code: Open<Code>,
        /// The same in words.
        message: String,
        /// When to try again, in milliseconds; `None` where that can't help.
        retry_after: Option<Millis>,
    },
    /// The last frame before the close.
    Goodbye(Goodbye),
    /// The answer to a question.
    Answer(AnswerFrame),
    /// Something that somebody does just now.
    Signal {
        /// Who.
        from: Open<Address>,
        /// What.
        kind: String,
    },
    /// How somebody is who is watched.
    Presence {
        /// Who.
        user: Open<Address>,
        /// Whether they are connected.
        state: Open<PresenceState>,
        /// When they last were, where they are not; `None` where nobody knows, or nobody is to know.
        last_seen: Option<Millis>,
    },
    /// How far what the user sent to an address has come. Marks: they only rise.
    Receipt {
        /// Who has it, or has read it; `None` of a group.
        by: Option<Open<Address>>,
        /// The address that was sent to.
        to: Open<Address>,
        /// Of a group, of which message; `None` of a person.
        order: Option<Seq>,
        /// Of a person, everything up to this order was delivered; of a group, to how many members.
        delivered: Option<u64>,
        /// Of a person, everything up to this order was read; of a group, by how many members.
        read: Option<u64>,
        /// Of a group, how many members there are beside the sender.
        of: Option<u32>,
        /// When the marks came so far.
        time: Millis,
        /// Of a person, when the life of their log began that gave the orders: of what was accepted before, only what was accepted anew
        /// since is meant. `None` of a group.
        since: Option<Millis>,
        /// Of a person, orders below the marks that no device of theirs is known to have: neither delivered nor read. In rising order.
        #[serde(default)]
        missing: Spans,
    },
    /// A read mark of the user's own is stored.
    Marked {
        /// With whom: a person or a group.
        with: Open<Address>,
        /// Up to this order.
        read: Seq,
    },
    /// Something that somebody does just now in a group.
    GroupSignal {
        /// Which.
        group: Open<Address>,
        /// Who.
        from: Open<Address>,
        /// What.
        kind: String,
    },
}

impl ServerFrame {
    /// The refusal of what is no question, where trying again can't help.
    pub fn refused(code: Code, message: impl Into<String>) -> ServerFrame {
        ServerFrame::Refused { reference: None, code: code.into(), message: message.into(), retry_after: None }
    }

    /// The frames' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &[
        "welcome",
        "gap",
        "entry",
        "caught_up",
        "accepted",
        "rejected",
        "refused",
        "goodbye",
        "answer",
        "signal",
        "presence",
        "receipt",
        "marked",
        "group_signal",
    ];
}

/// An entry of a log, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "Entry")]
pub struct EntryFrame {
    /// The log.
    pub log: Open<LogName>,
    /// The entry's sequence: rises within the log.
    pub seq: Seq,
    /// Where the log goes on after this entry.
    pub cursor: CursorText,
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
    /// What it says.
    pub content: EntryContent,
}

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Goodbye {
    /// Why.
    pub code: Open<Code>,
    /// The same in words.
    pub message: String,
    /// When to try again, in milliseconds; `None` where that can't help.
    pub retry_after: Option<Millis>,
}

/// What a client must keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Limits {
    /// Bytes of one frame.
    pub frame: u32,
    /// Bytes of one message's text and data.
    pub body: u32,
}
