//! A user's conversations, as an answer lists them. In Postcard, whose lists have no room for a field that an item did not have at first,
//! what came later of each stands behind all the rest, in their order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, SeqAccess, Visitor},
    ser::SerializeStruct,
};

use crate::{Address, MessageId, Millis, Open, Seq, Title, frame::EntryContent};

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConversationItem {
    /// The other side: a person, or a group.
    pub with: Open<Address>,
    /// Its last message as it is now; `None` where there is none, as in a new group, or where that went meanwhile.
    pub last: Option<HistoryEntry>,
    /// Messages of others that the user has not read, of those that are kept.
    pub unread: u64,
    /// Up to which order the user has read what others sent; `None` where nothing is known of that.
    pub read: Option<Seq>,
    /// How many of the unread ones mention the user.
    #[serde(default)]
    pub mentions: u64,
    /// What the group is called; `None` of a person.
    #[serde(default)]
    pub title: Option<Title>,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HistoryEntry {
    /// The sequence of its entry in the user's mailbox, or in the group's log.
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

/// What each item has in Postcard, at its place.
#[derive(Serialize, Deserialize)]
struct Item {
    with: Open<Address>,
    last: Option<HistoryEntry>,
    unread: u64,
    read: Option<Seq>,
}

/// What it has behind all items.
#[derive(Default, Serialize, Deserialize)]
struct Later {
    mentions: u64,
    title: Option<Title>,
}

/// A page of conversations.
#[derive(Deserialize, schemars::JsonSchema)]
#[schemars(inline)]
pub(super) struct Conversations {
    /// Each once, the one with the latest message first.
    items: Vec<ConversationItem>,
    /// Where the next page begins; `None` where there is none.
    next: Option<Seq>,
}

pub(super) fn serialize<S: Serializer>(
    items: &Vec<ConversationItem>,
    next: &Option<Seq>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        let mut fields = serializer.serialize_struct("conversations", 2)?;
        fields.serialize_field("items", items)?;
        fields.serialize_field("next", next)?;
        return fields.end();
    }
    let parts = |item: &ConversationItem| {
        let ConversationItem { with, last, unread, read, mentions, title } = item.clone();
        (Item { with, last, unread, read }, Later { mentions, title })
    };
    let (items, later): (Vec<_>, Vec<_>) = items.iter().map(parts).unzip();
    (items, next, later).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(Vec<ConversationItem>, Option<Seq>), D::Error> {
    if deserializer.is_human_readable() {
        let Conversations { items, next } = Conversations::deserialize(deserializer)?;
        Ok((items, next))
    } else {
        deserializer.deserialize_tuple(3, Listed)
    }
}

struct Listed;

impl<'de> Visitor<'de> for Listed {
    type Value = (Vec<ConversationItem>, Option<Seq>);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("conversations, and what came later of each")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        let items: Vec<Item> = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
        let next = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(1, &self))?;
        // A gateway of an older release ends here.
        let later = parts.next_element::<Vec<Later>>().ok().flatten().unwrap_or_default();
        let later = later.into_iter().chain(std::iter::repeat_with(Later::default));
        let item = |(Item { with, last, unread, read }, Later { mentions, title })| ConversationItem {
            with,
            last,
            unread,
            read,
            mentions,
            title,
        };
        Ok((items.into_iter().zip(later).map(item).collect(), next))
    }
}
