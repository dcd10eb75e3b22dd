//! What a person or program says, and the checks it must pass.

mod message;

use std::{borrow::Cow, collections::HashSet};

use base64::{
    Engine as _, alphabet,
    engine::{
        DecodePaddingMode,
        general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD},
    },
};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use unicode_properties::UnicodeEmoji;
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    Address, Code, GroupAddress, MessageId, Open, Peer, RegionName, Title, limits, media::Attachment,
    role::GroupSettings, text::named,
};

/// Opaque bytes: base64 in JSON, raw in Postcard. Written in the standard alphabet with padding (RFC 4648, section 4); read in either
/// alphabet, with padding or without, and with line breaks as MIME and PEM have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Base64 of either alphabet, in the standard one and in one line.
fn standard(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')) {
        return Cow::Borrowed(text);
    }
    let one_line = text.chars().filter(|c| !c.is_ascii_whitespace());
    let standard = one_line.map(|c| match c {
        '-' => '+',
        '_' => '/',
        c => c,
    });
    Cow::Owned(standard.collect())
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = Cow::<str>::deserialize(deserializer)?;
            LENIENT.decode(standard(&text).as_bytes()).map(|bytes| Blob(bytes.into())).map_err(|error| {
                de::Error::custom(format_args!("`data` is base64, with or without padding and line breaks: {error}"))
            })
        } else {
            Bytes::deserialize(deserializer).map(Blob)
        }
    }
}

impl schemars::JsonSchema for Blob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Blob".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "contentEncoding": "base64" })
    }
}

/// What is sent: a message, or something about an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A message.
    #[serde(with = "message")]
    #[schemars(with = "message::Message")]
    Message {
        /// What a person reads.
        text: Option<String>,
        /// What a program reads.
        data: Option<Blob>,
        /// Media that goes with it.
        attachments: Vec<Attachment>,
        /// The message that this one answers.
        reply_to: Option<MessageId>,
        /// Of a message in a group, members whom it is meant for above others: each once, [`limits::MENTIONS`] at most.
        mentions: Vec<Address>,
    },
    /// New words for an earlier message.
    Edit {
        /// The message to change.
        target: MessageId,
        /// Its new text.
        text: Option<String>,
        /// Its new data.
        data: Option<Blob>,
    },
    /// An earlier message is taken back.
    Delete {
        /// The message to take back.
        target: MessageId,
    },
    /// A reaction to an earlier message.
    React {
        /// The message reacted to.
        target: MessageId,
        /// The reaction.
        emoji: String,
        /// Whether it is set or taken back.
        on: bool,
    },
    /// Said by the system alone: a group's members changed.
    Membership(Box<Membership>),
    /// Said by the system alone: something that was accepted could not be delivered.
    Failed(Box<Failed>),
    /// Said by the system alone: a group was made, changed or deleted.
    Settings(Box<Settings>),
}

/// A group's members changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Membership {
    /// The group.
    pub group: GroupAddress,
    /// Whose membership: each once, [`limits::GROUP_USERS`] at most.
    pub users: Vec<Address>,
    /// What became of it.
    pub change: Open<Change>,
    /// Who did it.
    pub by: Address,
}

/// A group was made, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Settings {
    /// The group.
    pub group: GroupAddress,
    /// What became of it.
    pub change: Open<GroupChange>,
    /// What it is called from here on.
    pub title: Option<Title>,
    /// What it has decided about itself from here on.
    pub settings: GroupSettings,
    /// Where it was made, its members beside its owner: [`limits::GROUP_USERS`] at most.
    pub users: Vec<Address>,
    /// Who did it: the owner, where it was made.
    pub by: Address,
}

/// What became of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum GroupChange {
    /// It is there from here on.
    Created,
    /// Its title or its settings are others from here on.
    Changed,
    /// It is no more: the last entry of its log.
    Deleted,
}

impl GroupChange {
    /// Every change.
    pub const ALL: &[GroupChange] = &[GroupChange::Created, GroupChange::Changed, GroupChange::Deleted];

    /// The change as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            GroupChange::Created => "created",
            GroupChange::Changed => "changed",
            GroupChange::Deleted => "deleted",
        }
    }
}

named!(GroupChange, ChangeError);

/// Something that was accepted could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failed {
    /// Its id.
    pub id: MessageId,
    /// What it was sent to.
    pub to: Address,
    /// Why.
    pub code: Open<Code>,
    /// The same in words.
    pub message: String,
}

/// What became of a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Change {
    /// The user is a member from here on.
    Added,
    /// Somebody else removed the user: the last entry of the group that it gets.
    Removed,
    /// The user left.
    Left,
    /// The user is a member as others are from here on.
    Member,
    /// The user is an admin from here on.
    Admin,
    /// The user is an owner from here on.
    Owner,
}

impl Change {
    /// Every change.
    pub const ALL: &[Change] =
        &[Change::Added, Change::Removed, Change::Left, Change::Member, Change::Admin, Change::Owner];

    /// The change as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Left => "left",
            Change::Member => "member",
            Change::Admin => "admin",
            Change::Owner => "owner",
        }
    }
}

/// A text that is no change of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no change that this release knows")]
pub struct ChangeError;

named!(Change, ChangeError);

/// Why content is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Text and data are too long together.
    #[error("text and data have at most {max} bytes together, these have {0}", max = limits::BODY_BYTES)]
    TooLarge(usize),
    /// Too many attachments.
    #[error("a message has at most {max} attachments, this one has {0}", max = limits::ATTACHMENTS)]
    TooManyAttachments(usize),
    /// A file more than once.
    #[error("a message refers to each file once")]
    Attachments,
    /// Nothing is said.
    #[error("a message needs text, data or attachments, and an edit text or data")]
    Empty,
    /// Not people, each once, of whom there are not too many.
    #[error("`mentions` names people, each once and at most {max}", max = limits::MENTIONS)]
    Mentions,
    /// Not one emoji.
    #[error("`emoji` is one emoji of at most {max} characters", max = limits::EMOJI_CHARS)]
    Emoji,
    /// What only the system says.
    #[error("this is said by the system alone")]
    Systems,
}

impl Content {
    /// Whether the content may be sent. Errors: see [`ContentError`].
    pub fn check(&self) -> Result<(), ContentError> {
        match self {
            Content::Message { text, data, attachments, reply_to: _, mentions } => {
                match body(text, data) {
                    Err(ContentError::Empty) if !attachments.is_empty() => {}
                    checked => checked?,
                }
                are_people(mentions)?;
                are_files(attachments)
            }
            Content::Edit { text, data, .. } => body(text, data),
            Content::React { emoji, .. } if !is_emoji(emoji) => Err(ContentError::Emoji),
            Content::Delete { .. } | Content::React { .. } => Ok(()),
            Content::Membership(_) | Content::Failed(_) | Content::Settings(_) => Err(ContentError::Systems),
        }
    }
}

impl Content {
    /// The same as a reader in `region` says it: see [`Address::seen_from`].
    pub fn seen_from(mut self, region: &RegionName) -> Content {
        let out = |of: &mut Option<RegionName>| drop(of.take_if(|of| of == region));
        match &mut self {
            Content::Membership(said) => {
                let Membership { group, users, change: _, by } = said.as_mut();
                out(&mut group.region);
                users.iter_mut().chain([by]).for_each(|user| out(&mut user.region));
            }
            Content::Settings(said) => {
                let Settings { group, change: _, title: _, settings: _, users, by } = said.as_mut();
                out(&mut group.region);
                users.iter_mut().chain([by]).for_each(|user| out(&mut user.region));
            }
            Content::Failed(failed) => out(&mut failed.to.region),
            Content::Message { mentions, .. } => mentions.iter_mut().for_each(|user| out(&mut user.region)),
            Content::Edit { .. } | Content::Delete { .. } | Content::React { .. } => {}
        }
        self
    }
}

/// An emoji as reactions are compared: of each person a message has one for each of these. Variation selectors only choose how an emoji is
/// drawn (UTS 51), and keyboards differ in whether they write them. What was sent is stored and given as it is.
pub fn reaction_key(emoji: &str) -> String {
    emoji.chars().filter(|c| !matches!(c, '\u{fe0e}' | '\u{fe0f}')).collect()
}

/// The flags that are written with tags. UTS 51 lets any region be written so, but a subdivision's code that has no flag shows a black one
/// with letters behind it that nobody sees.
const TAG_FLAGS: [&str; 3] = ["gbeng", "gbsct", "gbwls"];

/// Whether a text is one emoji as people see it: one extended grapheme cluster (UAX 29) of what emoji sequences are made of (UTS 51), with
/// or without variation selectors.
fn is_emoji(text: &str) -> bool {
    const AS_TEXT: char = '\u{fe0e}';
    const JOINER: char = '\u{200d}';
    const KEYCAP: char = '\u{20e3}';
    if text.chars().any(is_tag) {
        return is_tag_flag(text);
    }
    let one = text.chars().count() <= limits::EMOJI_CHARS && text.graphemes(true).count() == 1;
    let made_of_parts = text.chars().all(|c| c.is_emoji_char_or_emoji_component() || c == AS_TEXT);
    // Half of a flag is none, and digits, `#` and `*` are emojis only as keycaps.
    let whole = !text.ends_with(JOINER) && text.chars().filter(|c| matches!(c, '🇦'..='🇿')).count() % 2 == 0;
    let shows =
        text.chars().next().is_some_and(|c| if c.is_ascii() { text.ends_with(KEYCAP) } else { c.is_emoji_char() });
    one && made_of_parts && whole && shows
}

fn is_tag(c: char) -> bool {
    ('\u{e0000}'..='\u{e007f}').contains(&c)
}

/// A black flag, the letters of a subdivision as tags, and the tag that ends them.
fn is_tag_flag(text: &str) -> bool {
    const END: char = '\u{e007f}';
    let Some(tags) = text.strip_prefix('🏴').and_then(|tags| tags.strip_suffix(END)) else { return false };
    let letters: Option<String> = tags.chars().map(|tag| char::from_u32((tag as u32).checked_sub(0xe_0000)?)).collect();
    letters.is_some_and(|letters| TAG_FLAGS.contains(&letters.as_str()))
}

fn are_people(mentions: &[Address]) -> Result<(), ContentError> {
    let mut seen = HashSet::new();
    let each_once = mentions.iter().all(|user| matches!(user.peer, Peer::User(_)) && seen.insert(user));
    if each_once && mentions.len() <= limits::MENTIONS { Ok(()) } else { Err(ContentError::Mentions) }
}

fn are_files(attachments: &[Attachment]) -> Result<(), ContentError> {
    let mut seen = HashSet::new();
    match attachments.len() {
        count if count > limits::ATTACHMENTS => Err(ContentError::TooManyAttachments(count)),
        _ if !attachments.iter().all(|attachment| seen.insert(attachment.media)) => Err(ContentError::Attachments),
        _ => Ok(()),
    }
}

fn body(text: &Option<String>, data: &Option<Blob>) -> Result<(), ContentError> {
    let length = text.as_ref().map_or(0, String::len) + data.as_ref().map_or(0, |data| data.0.len());
    match length {
        0 => Err(ContentError::Empty),
        length if length > limits::BODY_BYTES => Err(ContentError::TooLarge(length)),
        _ => Ok(()),
    }
}
