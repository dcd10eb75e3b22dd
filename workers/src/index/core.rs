//! What an entry of a mailbox means for its owner's conversations, what changes make of a message, and what is unread: decided without
//! I/O.
//!
//! Drive it: give the entries of a mailbox to [`meaning`] in their order; keep a [`Standing`] for each message by its conversation, author
//! and id, and let each change have it, also where the message itself has not come yet. Of groups, whose entries are kept once for all
//! members, [`group`] says the same.

pub mod group;

use dunlin_schema::{
    Address, Content, Entry, MediaId, MessageId, Millis, Peer, RegionName, Seq, UserName, content::reaction_key,
    entry::Body, index::Place, limits, media::Attachment, record::ReadMark,
};
use serde::{Deserialize, Serialize};

/// What an entry means for a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The other side, without a region where it is the owner's own.
    pub with: Address,
    /// Whether the mailbox's owner said it.
    pub mine: bool,
    /// When it was accepted.
    pub time: Millis,
    /// What it says.
    pub what: What,
}

/// What an entry says, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A message.
    Message {
        /// Its id.
        id: MessageId,
        /// Its order, where it is not the entry's sequence.
        order: Option<Seq>,
        /// Files that it refers to.
        media: Vec<MediaId>,
    },
    /// Something about a message.
    Change {
        /// The message's id.
        target: MessageId,
        /// What.
        change: Change,
    },
}

/// Something about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Other words.
    Edit,
    /// It is taken back, or was erased.
    Delete,
    /// A reaction.
    React {
        /// Which.
        emoji: String,
        /// Whether it is set or taken back.
        on: bool,
    },
}

/// What an entry of `owner`'s mailbox means; `None` where it is part of no conversation, or of a newer release.
pub fn meaning(owner: &UserName, region: &RegionName, payload: &[u8]) -> Option<Item> {
    let entry = Entry::decode(payload).ok()?;
    let (author, id) = entry.item();
    let mine = author.user == *owner && author.region == *region;
    let with = if mine { entry.to.clone().seen_from(region) } else { author.seen_from(region) };
    let time = entry.time;
    let change = |target, change| Some(What::Change { target, change });
    let what = match entry.body {
        Body::Content(Content::Message { attachments, .. }) => {
            Some(What::Message { id, order: entry.order, media: referred(&attachments) })
        }
        Body::Content(Content::Edit { target, .. }) => change(target, Change::Edit),
        Body::Content(Content::Delete { target }) => change(target, Change::Delete),
        Body::Content(Content::React { target, emoji, on }) => change(target, Change::React { emoji, on }),
        Body::Content(Content::Membership(_) | Content::Failed(_) | Content::Settings(_)) => None,
        Body::Tombstone { .. } => change(id, Change::Delete),
    };
    Some(Item { with, mine, time, what: what? })
}

/// The files that a message refers to.
fn referred(attachments: &[Attachment]) -> Vec<MediaId> {
    attachments.iter().map(|attachment| attachment.media).collect()
}

/// Whose messages an item may be about, the likelier author first: true is the mailbox's owner. Edits and deletions are about one's own;
/// a reaction is about either's, the other side's where neither is known, and in a conversation with oneself only about one's own.
pub fn authors(owner: &UserName, item: &Item, change: &Change) -> &'static [bool] {
    let with_oneself = item.with == Address { peer: Peer::User(owner.clone()), region: None };
    match (change, item.mine) {
        (Change::Edit | Change::Delete, true) => &[true],
        (Change::Edit | Change::Delete, false) => &[false],
        (Change::React { .. }, _) if with_oneself => &[true],
        (Change::React { .. }, true) => &[false, true],
        (Change::React { .. }, false) => &[true, false],
    }
}

/// A message, and what has changed it. Where it has no place, only changes have come: its own entry may come behind them, because the
/// sender's copy is stored late where it failed at first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing<By = bool> {
    /// Where its entry lies.
    pub at: Option<Place>,
    /// When it was accepted.
    pub time: Millis,
    /// Its order.
    pub order: Seq,
    /// Where its last edit lies.
    pub edit: Option<Place>,
    /// Whether it was taken back.
    pub deleted: bool,
    /// The reactions that stand, the oldest first.
    pub reactions: Vec<Reacted<By>>,
    /// The sequence of the last change.
    pub changed: Seq,
}

/// A reaction that stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reacted<By> {
    /// Whose it is: in a mailbox, whether it is the owner's.
    pub by: By,
    /// The emoji, as it was first set.
    pub emoji: String,
    /// When it was accepted.
    pub time: Millis,
    /// Where it was set.
    pub at: Seq,
}

impl<By> Default for Standing<By> {
    fn default() -> Standing<By> {
        let (at, edit, reactions) = (None, None, Vec::new());
        Standing { at, time: Millis(0), order: Seq(0), edit, deleted: false, reactions, changed: Seq(0) }
    }
}

impl<By: PartialEq + Clone> Standing<By> {
    /// The message's own entry has come. Where it came before, the first one counts: returns whether this is it.
    pub fn sent(&mut self, at: Place, time: Millis, order: Option<Seq>) -> bool {
        if self.at.is_some() {
            return false;
        }
        (self.at, self.time, self.order) = (Some(at), time, order.unwrap_or(at.seq));
        true
    }

    /// A change has come, from somebody: in a mailbox, from its owner or not. What comes behind a deletion has no effect.
    pub fn change(&mut self, at: Place, by: &By, time: Millis, change: &Change) {
        self.changed = at.seq;
        if self.deleted {
            return;
        }
        match change {
            Change::Edit => self.edit = Some(at),
            Change::Delete => {
                self.deleted = true;
                self.edit = None;
                self.reactions.clear();
            }
            Change::React { emoji, on } => {
                let key = reaction_key(emoji);
                let same = |kept: &Reacted<By>| kept.by == *by && reaction_key(&kept.emoji) == key;
                let stands = self.reactions.iter().position(same);
                match (stands, on) {
                    (Some(stands), false) => _ = self.reactions.remove(stands),
                    (None, true) if self.reactions.len() < limits::REACTIONS_KEPT => {
                        let (by, emoji, at) = (by.clone(), emoji.clone(), at.seq);
                        self.reactions.push(Reacted { by, emoji, time, at });
                    }
                    (Some(_), true) | (None, true | false) => {}
                }
            }
        }
    }
}

/// What is unread of the other side's messages.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    mark: Option<ReadMark>,
    /// Whether the mark was made in the epoch that holds.
    holds: bool,
}

impl Unread {
    /// By this mark, in this epoch.
    pub fn of(mark: Option<ReadMark>, epoch: dunlin_schema::Epoch) -> Unread {
        Unread { mark, holds: mark.is_some_and(|mark| mark.epoch == epoch) }
    }

    /// The first sequence that may be unread.
    pub fn from(&self) -> Seq {
        match self.mark {
            Some(mark) if self.holds => mark.order.next(),
            Some(_) | None => Seq(0),
        }
    }

    /// Whether the message of this order, stored at this place, is unread. In another epoch the numbers may have been used again: there a
    /// mark says nothing of what was stored after it was made.
    pub fn counts(&self, order: Seq, at: Place) -> bool {
        match self.mark {
            None => true,
            Some(mark) if order > mark.order => true,
            Some(mark) => !self.holds && at.time.millis() > mark.time,
        }
    }

    /// Up to which order everything was read.
    pub fn read(&self) -> Option<Seq> {
        self.mark.map(|mark| mark.order)
    }
}

#[cfg(test)]
mod tests;
