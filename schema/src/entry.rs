//! What a log holds. The wire form is [`v1`]: a version byte, Postcard, CRC-32C; golden bytes hold it still.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Address, Content, Log, MessageId, Millis, Peer, Sender, Seq, UserName, envelope};

pub use crate::envelope::EnvelopeError;

/// The first version of the wire form.
pub mod v1 {
    /// The version byte.
    pub const VERSION: u8 = 1;
}

/// One entry of a log. Its fields but for the body are its [`Header`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The id its sender gave it.
    pub id: MessageId,
    /// Who sent it.
    pub from: Sender,
    /// What it was sent to, with its region.
    pub to: Address,
    /// Its order among what the sender sent to `to`; `None` in the log that gives the order: there it is the entry's own sequence.
    pub order: Option<Seq>,
    /// When a gateway took it from its sender: what `accepted` tells. A repeat tells it as well, while the recipient's log holds the entry.
    pub time: Millis,
    /// What it says.
    pub body: Body,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// What was sent.
    Content(Content),
    /// An entry with this sender and id, and with the address of the tombstone itself, was erased. It stays, so that a late repeat is not
    /// stored again.
    Tombstone {
        /// Who had sent it.
        sender: Sender,
        /// Its id.
        id: MessageId,
    },
}

/// What an entry is about, readable alone: the beginning of its bytes, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// See [`Entry::id`].
    pub id: MessageId,
    /// See [`Entry::from`].
    pub from: Sender,
    /// See [`Entry::to`].
    pub to: Address,
    /// See [`Entry::order`].
    pub order: Option<Seq>,
    /// See [`Entry::time`].
    pub time: Millis,
}

impl Header {
    /// The header of an entry's stored bytes, whatever the entry says, and unchecked: for choices that may be wrong. `None` where the bytes
    /// are no entry of a version that this release reads.
    pub fn read(bytes: &[u8]) -> Option<Header> {
        let (version, rest) = bytes.split_first()?;
        let (header, _) = postcard::take_from_bytes(rest).ok()?;
        (*version == v1::VERSION).then_some(header)
    }

    /// Whether the entry, in `owner`'s mailbox, is the copy of what `owner` sent to somebody else.
    pub fn is_sent_copy(&self, owner: &UserName) -> bool {
        is_sent_copy(&self.from, &self.to, owner)
    }

    /// The tombstone, under an id of its own, of the entry with this header that stands at `seq`. It has what `accepted` tells, so that
    /// a repeat of what was erased gets its first answer.
    pub fn tombstone(self, seq: Seq, id: MessageId) -> Entry {
        let body = Body::Tombstone { sender: self.from.clone(), id: self.id };
        Entry { id, from: self.from, to: self.to, order: self.order.or(Some(seq)), time: self.time, body }
    }
}

fn is_sent_copy(from: &Sender, to: &Address, owner: &UserName) -> bool {
    from.user == *owner && to.peer != Peer::User(owner.clone())
}

impl Entry {
    /// The bytes that are stored.
    pub fn encode(&self) -> Bytes {
        envelope::seal(v1::VERSION, self).into()
    }

    /// The entry of stored bytes. Errors: see [`EnvelopeError`].
    pub fn decode(bytes: &[u8]) -> Result<Entry, EnvelopeError> {
        envelope::open(v1::VERSION, bytes)
    }

    /// Everything but what it says.
    pub fn header(&self) -> Header {
        let Entry { id, from, to, order, time, body: _ } = self;
        Header { id: *id, from: from.clone(), to: to.clone(), order: *order, time: *time }
    }

    /// Who sent the item that this entry is or tells of, and its id.
    pub fn item(&self) -> (&Sender, MessageId) {
        match &self.body {
            Body::Content(_) => (&self.from, self.id),
            Body::Tombstone { sender, id } => (sender, *id),
        }
    }

    /// Where this entry of `log` is the copy in its sender's own mailbox, or tells of one: to whom the item was sent. One id sent to two
    /// people makes two copies, which this tells apart.
    pub fn copy_to(&self, log: &Log) -> Option<&Address> {
        let (sender, _) = self.item();
        let own = log.owner == Peer::User(sender.user.clone()) && log.region == sender.region;
        let to_oneself =
            self.to.peer == log.owner && self.to.region.as_ref().is_none_or(|region| *region == log.region);
        (own && !to_oneself).then_some(&self.to)
    }

    /// Whether this entry of `log` is, or tells of, the same item as `other`: what the late path of an append looks for.
    pub fn accounts_for(&self, log: &Log, other: &Entry) -> bool {
        self.item() == other.item() && self.copy_to(log) == other.copy_to(log)
    }

    /// Whether this entry of `owner`'s mailbox is the copy of what `owner` sent to somebody else.
    pub fn is_sent_copy(&self, owner: &UserName) -> bool {
        is_sent_copy(&self.from, &self.to, owner)
    }

    /// Whether this entry only remembers an erased one.
    pub fn is_tombstone(&self) -> bool {
        matches!(self.body, Body::Tombstone { .. })
    }
}
