//! A message's fields as they are written. Mentions are left out where there are none: so such a message has the bytes that every release
//! reads.

use serde::{
    Deserialize, Deserializer, Serializer,
    de::{Error, SeqAccess, Visitor},
    ser::SerializeStruct,
};

use super::Blob;
use crate::{
    Address, MessageId, limits,
    media::{Attachment, Attachments},
    text::null_is_default,
};

/// The fields, in their order.
pub(super) type Fields = (Option<String>, Option<Blob>, Vec<Attachment>, Option<MessageId>, Vec<Address>);

/// Those that stand in every message.
const ALWAYS: usize = 4;

/// A message.
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(inline)]
pub(super) struct Message {
    /// What a person reads.
    text: Option<String>,
    /// What a program reads.
    data: Option<Blob>,
    /// Media that goes with it.
    #[serde(default, deserialize_with = "null_is_default")]
    #[schemars(with = "Option<Vec<Attachment>>", length(max = limits::ATTACHMENTS))]
    attachments: Vec<Attachment>,
    /// The message that this one answers.
    reply_to: Option<MessageId>,
    /// Of a message in a group, members whom it is meant for above others: each once.
    #[serde(default, deserialize_with = "null_is_default")]
    #[schemars(with = "Option<Vec<Address>>", length(max = limits::MENTIONS))]
    mentions: Vec<Address>,
}

pub(super) fn serialize<S: Serializer>(
    text: &Option<String>,
    data: &Option<Blob>,
    attachments: &[Attachment],
    reply_to: &Option<MessageId>,
    mentions: &Vec<Address>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("message", ALWAYS + usize::from(!mentions.is_empty()))?;
    fields.serialize_field("text", text)?;
    fields.serialize_field("data", data)?;
    fields.serialize_field("attachments", &Attachments(attachments.to_vec()))?;
    fields.serialize_field("reply_to", reply_to)?;
    if !mentions.is_empty() {
        fields.serialize_field("mentions", mentions)?;
    }
    fields.end()
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fields, D::Error> {
    if deserializer.is_human_readable() {
        let Message { text, data, attachments, reply_to, mentions } = Message::deserialize(deserializer)?;
        return Ok((text, data, attachments, reply_to, mentions));
    }
    // A list of mentions is its length and its items, each of which is read like a field.
    deserializer.deserialize_tuple(ALWAYS + 1 + limits::MENTIONS, InOrder)
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = Fields;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a message")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Fields, A::Error> {
        let ends = || Error::custom("the message ends too early");
        let text = fields.next_element()?.ok_or_else(ends)?;
        let data = fields.next_element()?.ok_or_else(ends)?;
        let Attachments(attachments) = fields.next_element()?.ok_or_else(ends)?;
        let reply_to = fields.next_element()?.ok_or_else(ends)?;
        // A message that has none ends here.
        let count = fields.next_element::<u32>().ok().flatten().unwrap_or_default() as usize;
        if count > limits::MENTIONS {
            return Err(Error::custom(format_args!("a message has at most {} mentions", limits::MENTIONS)));
        }
        let mut mentions = Vec::with_capacity(count);
        for _ in 0..count {
            mentions.push(fields.next_element()?.ok_or_else(ends)?);
        }
        Ok((text, data, attachments, reply_to, mentions))
    }
}
