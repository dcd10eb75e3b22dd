//! Asking: a question with a number of the client's, and its answer, or its refusal, under the same number.
//!
//! A family of questions is a few variants here, their answers beside them in `answer`, and a file of `asks/` in the gateway.

mod answer;
mod conversations;
mod unread;

use std::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, de};

pub use self::{
    answer::{Answer, AnswerFrame, GroupItem, MemberItem, ReachedItem},
    conversations::{ConversationItem, HistoryEntry, ReactionItem},
    unread::UnreadAsk,
};
use crate::{
    Address, DeviceName, GroupAddress, LinkToken, MessageId, Millis, Seq, Title,
    group::{GroupRole, GroupSettingsChange},
    limits,
    settings::Audience,
    text::parsed_field,
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
    /// Which conversations the user has, with people and in groups, the one with the latest message first.
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
        /// The other side: a person, or a group.
        #[serde(deserialize_with = "with")]
        with: Address,
        /// Those below this `seq` of the mailbox, or of the group's log: `next` of the page before. Left out: from the latest one on.
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
    /// When something that the user sent was stored, delivered and read; of what went to a group, to how many members it came.
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
        title: Option<Title>,
    },
    /// A group is to be made, with the user as its owner. Answered with `group`.
    GroupCreate {
        /// The id of this command: a repeat is done once, and gets the first answer.
        id: MessageId,
        /// Its address.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// What it is called.
        #[serde(default, deserialize_with = "title")]
        title: Option<Title>,
        /// Its other members: people's addresses, 256 at most.
        #[serde(default, deserialize_with = "members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        members: Vec<Address>,
        /// What it decides about itself: what is left out is as it is where nobody says anything.
        #[serde(default)]
        settings: Option<GroupSettingsChange>,
    },
    /// People are to become members. Those who are members stay what they are. Answered with `done`.
    GroupAdd {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// Whom: people's addresses, 256 at most.
        #[serde(deserialize_with = "members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        users: Vec<Address>,
    },
    /// People are to be members no longer. Answered with `done`, also where they were not.
    GroupRemove {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// Whom: people's addresses, 256 at most.
        #[serde(deserialize_with = "members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        users: Vec<Address>,
    },
    /// The user leaves. Where that is the last owner, somebody else becomes one. Answered with `done`.
    GroupLeave {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
    },
    /// A member is to be something else. Answered with `done`.
    GroupRole {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// Who.
        #[serde(deserialize_with = "person")]
        user: Address,
        /// What.
        role: GroupRole,
    },
    /// A group is to be called something else, or to decide something else about itself: what is left out stays as it is. Answered with
    /// `done`.
    GroupSet {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// What it is called.
        #[serde(default, deserialize_with = "title")]
        title: Option<Title>,
        /// What it decides about itself.
        #[serde(default)]
        settings: Option<GroupSettingsChange>,
    },
    /// A group is to be no more. Nothing is read of it from then on but that. Answered with `done`.
    GroupDelete {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
    },
    /// What a group is, and what the user is in it.
    GroupInfo {
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
    },
    /// Who is in a group. Answered with `members`.
    GroupMembers {
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// Those behind this place: `next` of the page before. Left out: from the first one on.
        after: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Which groups the user is in.
    Groups {
        /// Those behind this place: `next` of the page before. Left out: from the first one on.
        after: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Whoever has a token is to be able to join a group. Answered with `link`. A repeat gets another token, and that of the first answer
    /// holds no more.
    GroupLink {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// For how long, in ms: from a second to 30 days. Left out: 7 days.
        #[serde(default, deserialize_with = "lasts")]
        #[schemars(range(min = limits::LINK_LASTS_AT_LEAST.0, max = limits::LINK_LASTS_AT_MOST.0))]
        ttl: Option<Millis>,
        /// How many may join. Left out: as many as want to.
        #[serde(default, deserialize_with = "uses")]
        #[schemars(range(min = 1, max = limits::GROUP_MEMBERS))]
        uses: Option<u32>,
    },
    /// The user becomes a member of the group that a token names. Answered with `group`.
    GroupJoin {
        /// The id of this command.
        id: MessageId,
        /// The token.
        #[serde(deserialize_with = "token")]
        token: LinkToken,
    },
    /// Tokens are to hold no more. Answered with `done`, also where they did not.
    GroupUnlink {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "group")]
        group: GroupAddress,
        /// The token. Left out: all of the group's where the user is an admin or an owner, otherwise all that the user has made.
        #[serde(default)]
        token: Option<LinkToken>,
    },
    /// To which members of a group something came that the user sent. Answered with `receipts_of`.
    ReceiptsOf {
        /// The group that it was sent to.
        #[serde(deserialize_with = "to_group")]
        to: GroupAddress,
        /// Its order, as `accepted` told it.
        order: Seq,
        /// Those behind this member: `next` of the page before. Left out: from the first one on.
        #[serde(default, deserialize_with = "after")]
        after: Option<Address>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "limit")]
        #[schemars(range(min = 1))]
        limit: u64,
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
        "group_create",
        "group_add",
        "group_remove",
        "group_leave",
        "group_role",
        "group_set",
        "group_delete",
        "group_info",
        "group_members",
        "groups",
        "group_link",
        "group_join",
        "group_unlink",
        "receipts_of",
    ];
}

impl Question {
    /// The id of a command, which is done once; `None` of what only asks, and of what may be done twice.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Question::GroupCreate { id, .. }
            | Question::GroupAdd { id, .. }
            | Question::GroupRemove { id, .. }
            | Question::GroupLeave { id, .. }
            | Question::GroupRole { id, .. }
            | Question::GroupSet { id, .. }
            | Question::GroupDelete { id, .. }
            | Question::GroupLink { id, .. }
            | Question::GroupJoin { id, .. }
            | Question::GroupUnlink { id, .. } => Some(*id),
            Question::Devices {}
            | Question::DeviceRemove { .. }
            | Question::DeviceName { .. }
            | Question::Presence { .. }
            | Question::Watch { .. }
            | Question::Erase { .. }
            | Question::Conversations { .. }
            | Question::History { .. }
            | Question::Block { .. }
            | Question::Unblock { .. }
            | Question::Blocks {}
            | Question::Set { .. }
            | Question::Settings {}
            | Question::Receipts { .. }
            | Question::GroupInfo { .. }
            | Question::GroupMembers { .. }
            | Question::Groups { .. }
            | Question::ReceiptsOf { .. } => None,
        }
    }
}

/// As a sequence is, a question's number is one that JSON readers keep exact.
fn reference<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Seq::deserialize(deserializer).map(|number| number.0)
}

fn device<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DeviceName, D::Error> {
    parsed_field(deserializer, "device")
}

/// A list of at most so many: `expected` says what it is, and `too_many` what is wrong with a longer one, each before the number.
struct AtMost<T> {
    most: usize,
    expected: &'static str,
    too_many: &'static str,
    item: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> de::Visitor<'de> for AtMost<T> {
    type Value = Vec<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} addresses at most", self.expected, self.most)
    }
    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == self.most {
                return Err(de::Error::custom(format_args!("{} {}", self.too_many, self.most)));
            }
            items.push(item);
        }
        Ok(items)
    }
}

/// Addresses of people: not more of them than a question may name.
fn people<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let (most, expected, too_many) = (limits::PRESENCE_USERS, "a list for `users`, of", "`users` names more than");
    deserializer.deserialize_seq(AtMost { most, expected, too_many, item: PhantomData })
}

fn group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GroupAddress, D::Error> {
    parsed_field(deserializer, "group")
}

fn token<'de, D: Deserializer<'de>>(deserializer: D) -> Result<LinkToken, D::Error> {
    parsed_field(deserializer, "token")
}

/// A value that is not said, or lies between two.
fn between<'de, D: Deserializer<'de>, T>(deserializer: D, name: &str, least: T, most: T) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de> + PartialOrd + fmt::Display,
{
    let value = Option::<T>::deserialize(deserializer)?;
    match &value {
        Some(value) if *value < least || *value > most => {
            Err(de::Error::custom(format_args!("`{name}` is a whole number from {least} to {most}")))
        }
        Some(_) | None => Ok(value),
    }
}

fn lasts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Millis>, D::Error> {
    let (least, most) = (limits::LINK_LASTS_AT_LEAST.0, limits::LINK_LASTS_AT_MOST.0);
    between(deserializer, "ttl", least, most).map(|lasts| lasts.map(Millis))
}

fn uses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    between(deserializer, "uses", 1, limits::GROUP_MEMBERS)
}

/// Addresses of people: not more of them than a command may name.
fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    let (most, expected, too_many) = (limits::GROUP_USERS, "a list of", "a command names at most");
    deserializer.deserialize_seq(AtMost { most, expected, too_many, item: PhantomData })
}

fn with<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    parsed_field(deserializer, "with")
}

fn to_group<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GroupAddress, D::Error> {
    parsed_field(deserializer, "to")
}

fn after<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    /// One that is there.
    #[derive(Deserialize)]
    struct After(#[serde(deserialize_with = "behind")] Address);
    fn behind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        parsed_field(deserializer, "after")
    }
    Ok(Option::<After>::deserialize(deserializer)?.map(|After(address)| address))
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
fn title<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Title>, D::Error> {
    let title = Option::<Title>::deserialize(deserializer)?;
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
