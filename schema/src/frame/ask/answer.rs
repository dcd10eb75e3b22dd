//! What is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    super::{DeviceItem, Extensible, devices},
    conversations::{self, ConversationItem, HistoryEntry},
};
use crate::{
    Address, Attachment, LinkToken, MediaId, Millis, Open, Seq, Title,
    group::{GroupRole, GroupSettings},
    media::MediaType,
    presence::Presence,
    settings::Audience,
};

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
    #[serde(with = "conversations")]
    #[schemars(with = "conversations::Conversations")]
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
    /// A group.
    Group(Box<GroupItem>),
    /// Who is in a group.
    Members {
        /// Each once, in the order in which they last changed what they are. One who changes meanwhile may come twice.
        items: Vec<MemberItem>,
        /// Where the next page begins; `None` where there is none.
        next: Option<Seq>,
    },
    /// The groups that the user is in.
    Groups {
        /// In the order in which the user joined them.
        items: Vec<GroupItem>,
        /// Where the next page begins; `None` where there is none.
        next: Option<Seq>,
    },
    /// By what people join a group.
    Link {
        /// The token: whoever has it may.
        token: LinkToken,
        /// Until when it holds.
        expires: Millis,
    },
    /// To how many members of a group something came that the user sent.
    Counts {
        /// When it was accepted.
        stored: Millis,
        /// Members that may read it, beside the user.
        of: u32,
        /// How many of them have it.
        delivered: u32,
        /// How many of them have read it.
        read: u32,
    },
    /// To which members of a group something came that the user sent.
    ReceiptsOf {
        /// In the order of their names, without the user.
        items: Vec<ReachedItem>,
        /// The last member named, where more may follow; `None` where there is none.
        next: Option<Open<Address>>,
    },
    /// It is done, but for these people, who do not let the user add them to a group.
    Without {
        /// Who. Which of their settings says so is not told.
        users: Vec<Open<Address>>,
        /// The group that was made, where that was asked for.
        group: Option<Box<GroupItem>>,
    },
    /// What is to be uploaded, and where.
    Upload {
        /// What it is called from now on.
        media: MediaId,
        /// What is to be put: nothing, where the bytes are there already.
        parts: Vec<UploadPart>,
        /// Until when.
        expires: Millis,
        /// Where the bytes are there already: what `upload_done` answers with `proof`, in base64url without padding.
        challenge: Option<String>,
    },
    /// A file, as messages may name it. Its `media` is another one than that of the upload where the same bytes had been stored before.
    Media(Box<Attachment>),
    /// Where a file can be had.
    Download {
        /// By `GET`. One without a host is of the gateway that says so, or of any other of the region.
        url: String,
        /// What is to stand in the request.
        headers: BTreeMap<String, String>,
        /// Its bytes; `None` of a small picture.
        size: Option<u64>,
        /// What it is.
        #[serde(rename = "type")]
        kind: MediaType,
        /// Until when.
        expires: Millis,
    },
}

impl Answer {
    /// The answers' names in JSON, in the order of their numbers in Postcard.
    pub const NAMES: &[&str] = &[
        "done",
        "devices",
        "presence",
        "conversations",
        "history",
        "blocks",
        "settings",
        "receipts",
        "group",
        "members",
        "groups",
        "link",
        "counts",
        "receipts_of",
        "without",
        "upload",
        "media",
        "download",
    ];
}

/// A part of a file that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct UploadPart {
    /// Where to. One without a host is of the gateway that says so, or of any other of the region.
    pub url: String,
    /// How: `PUT`.
    pub method: String,
    /// What is to stand in the request.
    pub headers: BTreeMap<String, String>,
    /// Where in the file the part begins.
    pub from: u64,
    /// Its bytes.
    pub size: u64,
}

/// Whether something came to a member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ReachedItem {
    /// Who.
    pub user: Open<Address>,
    /// Whether a device of theirs has it.
    pub delivered: bool,
    /// Whether they have read it.
    pub read: bool,
}

/// A group, as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupItem {
    /// Its address.
    pub group: Open<Address>,
    /// What it is called.
    pub title: Option<Title>,
    /// How many members it has.
    pub members: u32,
    /// What it has decided about itself.
    pub settings: GroupSettings,
    /// What the user is in it.
    pub role: Open<GroupRole>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct MemberItem {
    /// Who.
    pub user: Open<Address>,
    /// What they are in the group.
    pub role: Open<GroupRole>,
    /// When they joined.
    pub joined: Millis,
}
