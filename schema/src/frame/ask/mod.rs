//! Asking: a question with a number of the client's, and its answer, or its refusal, under the same number.
//!
//! A family of questions is a few variants here, their answers beside them in `answer`, and a file of `asks/` in the gateway.

mod answer;
mod conversations;
mod fields;
mod unread;

use serde::{Deserialize, Serialize};

pub use self::{
    answer::{Answer, AnswerFrame, GroupItem, MemberItem, ReachedItem, UploadPart},
    conversations::{ConversationItem, HistoryEntry, ReactionItem},
    unread::UnreadAsk,
};
use crate::{
    Address, DeviceName, GroupAddress, LinkToken, MessageId, Millis, Seq, Title,
    group::{GroupRole, GroupSettingsChange},
    limits,
    media::{FileName, MediaId, MediaType, Sha256},
    settings::Audience,
    text::null_is_default,
};

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ask {
    /// The client's number for it: the answer bears it. Two questions of one number are both answered.
    #[serde(rename = "ref", deserialize_with = "fields::reference")]
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
        #[serde(deserialize_with = "fields::device")]
        device: DeviceName,
    },
    /// Whether people are connected, and when those who are not last were.
    Presence {
        /// Their addresses, as the client wrote them, 200 at most: a bad one is answered with `refused`.
        #[serde(deserialize_with = "fields::people")]
        #[schemars(length(max = limits::PRESENCE_USERS))]
        users: Vec<String>,
    },
    /// These people are to be watched from now on, instead of those before: `presence` frames say how they are, at once and whenever
    /// that changes, until the connection ends. Answered with `done`.
    Watch {
        /// Their addresses, as in `presence`; none where nobody is to be watched any more.
        #[serde(deserialize_with = "fields::people")]
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
        #[serde(deserialize_with = "fields::limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// The messages of a conversation, the latest first.
    History {
        /// The other side: a person, or a group.
        #[serde(deserialize_with = "fields::with")]
        with: Address,
        /// Those below this `seq` of the mailbox, or of the group's log: `next` of the page before. Left out: from the latest one on.
        before: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "fields::limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Somebody is to reach the user no more: what they send is refused, their signals are not seen, and they see `offline`. Answered with
    /// `done`, also where they are blocked already.
    Block {
        /// Whom: a person's address.
        #[serde(deserialize_with = "fields::person")]
        user: Address,
    },
    /// Somebody is no longer blocked. Answered with `done`, also where they were not.
    Unblock {
        /// Whom: a person's address.
        #[serde(deserialize_with = "fields::person")]
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
        #[serde(deserialize_with = "fields::to")]
        to: Address,
        /// Its order, as `accepted` told it.
        order: Seq,
    },
    /// A device of the user's is called something. Answered with `done`, and refused with `not_found` where there is no such device.
    DeviceName {
        /// Which.
        #[serde(deserialize_with = "fields::device")]
        device: DeviceName,
        /// What it is called from now on; left out: nothing.
        #[serde(default, deserialize_with = "fields::title")]
        title: Option<Title>,
    },
    /// A group is to be made, with the user as its owner. Answered with `group`, or with `without` where others do not let the user add
    /// them.
    GroupCreate {
        /// The id of this command: a repeat is done once, and gets the first answer.
        id: MessageId,
        /// Its address.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// What it is called.
        #[serde(default, deserialize_with = "fields::title")]
        title: Option<Title>,
        /// Its other members: people's addresses, 256 at most.
        #[serde(default, deserialize_with = "fields::members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        members: Vec<Address>,
        /// What it decides about itself: what is left out is as it is where nobody says anything.
        #[serde(default)]
        settings: Option<GroupSettingsChange>,
    },
    /// People are to become members. Those who are members stay what they are. Answered with `done`, or with `without` where some do not
    /// let the user add them; refused with `refused` where nobody does.
    GroupAdd {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// Whom: people's addresses, 256 at most.
        #[serde(deserialize_with = "fields::members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        users: Vec<Address>,
    },
    /// People are to be members no longer. Answered with `done`, also where they were not.
    GroupRemove {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// Whom: people's addresses, 256 at most.
        #[serde(deserialize_with = "fields::members")]
        #[schemars(length(max = limits::GROUP_USERS))]
        users: Vec<Address>,
    },
    /// The user leaves. Where that is the last owner, somebody else becomes one. Answered with `done`.
    GroupLeave {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
    },
    /// A member is to be something else. Answered with `done`.
    GroupRole {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// Who.
        #[serde(deserialize_with = "fields::person")]
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
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// What it is called.
        #[serde(default, deserialize_with = "fields::title")]
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
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
    },
    /// What a group is, and what the user is in it.
    GroupInfo {
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
    },
    /// Who is in a group. Answered with `members`.
    GroupMembers {
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// Those behind this place: `next` of the page before. Left out: from the first one on.
        after: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "fields::limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Which groups the user is in.
    Groups {
        /// Those behind this place: `next` of the page before. Left out: from the first one on.
        after: Option<Seq>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "fields::limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// Whoever has a token is to be able to join a group. Answered with `link`. A repeat gets another token, and that of the first answer
    /// holds no more.
    GroupLink {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// For how long, in ms: from a second to 30 days. Left out: 7 days.
        #[serde(default, deserialize_with = "fields::lasts")]
        #[schemars(range(min = limits::LINK_LASTS_AT_LEAST.0, max = limits::LINK_LASTS_AT_MOST.0))]
        ttl: Option<Millis>,
        /// How many may join. Left out: as many as want to.
        #[serde(default, deserialize_with = "fields::uses")]
        #[schemars(range(min = 1, max = limits::GROUP_MEMBERS))]
        uses: Option<u32>,
    },
    /// The user becomes a member of the group that a token names. Answered with `group`.
    GroupJoin {
        /// The id of this command.
        id: MessageId,
        /// The token.
        #[serde(deserialize_with = "fields::token")]
        token: LinkToken,
    },
    /// Tokens are to hold no more. Answered with `done`, also where they did not.
    GroupUnlink {
        /// The id of this command.
        id: MessageId,
        /// The group.
        #[serde(deserialize_with = "fields::group")]
        group: GroupAddress,
        /// The token. Left out: all of the group's where the user is an admin or an owner, otherwise all that the user has made.
        #[serde(default)]
        token: Option<LinkToken>,
    },
    /// To which members of a group something came that the user sent. Answered with `receipts_of`.
    ReceiptsOf {
        /// The group that it was sent to.
        #[serde(deserialize_with = "fields::to_group")]
        to: GroupAddress,
        /// Its order, as `accepted` told it.
        order: Seq,
        /// Those behind this member: `next` of the page before. Left out: from the first one on.
        #[serde(default, deserialize_with = "fields::after")]
        after: Option<Address>,
        /// How many at most; a page has no more than 100.
        #[serde(deserialize_with = "fields::limit")]
        #[schemars(range(min = 1))]
        limit: u64,
    },
    /// A file is to be uploaded. Answered with `upload`: what is to be put where.
    Upload {
        /// Its bytes.
        #[serde(deserialize_with = "fields::media_size")]
        #[schemars(range(min = 1, max = limits::MEDIA_BYTES))]
        size: u64,
        /// What it is.
        #[serde(rename = "type", deserialize_with = "fields::media_type")]
        kind: MediaType,
        /// The hash of its bytes.
        #[serde(deserialize_with = "fields::sha256")]
        sha256: Sha256,
        /// An upload of the user's of the same file that is to go on: only what it lacks is to be put. Left out: a new one.
        #[serde(default)]
        media: Option<MediaId>,
    },
    /// A file was uploaded. Answered with `media` once its bytes were looked at.
    UploadDone {
        /// The upload.
        #[serde(deserialize_with = "fields::media")]
        media: MediaId,
        /// Where `upload` had a `challenge`: the SHA-256 of its bytes, followed by the file's.
        #[serde(default)]
        proof: Option<Sha256>,
    },
    /// A file is to be had: one that the user has uploaded, or that a message refers to which the user may read. Answered with `download`.
    Download {
        /// Which.
        #[serde(deserialize_with = "fields::media")]
        media: MediaId,
        /// Whether the small picture of it is wanted. Left out: no.
        #[serde(default, deserialize_with = "null_is_default")]
        #[schemars(with = "Option<bool>")]
        thumbnail: bool,
        /// What it is to be called where it is saved. Left out: as it is called here.
        #[serde(default)]
        name: Option<FileName>,
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
        "upload",
        "upload_done",
        "download",
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
            | Question::ReceiptsOf { .. }
            | Question::Upload { .. }
            | Question::UploadDone { .. }
            | Question::Download { .. } => None,
        }
    }
}
