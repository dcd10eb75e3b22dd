//! What is erased of a log, decided without I/O.
//!
//! Drive it: give a log's entries to [`Reading::add`], oldest first, from the time of the deleted message on; then erase what
//! [`Reading::erasures`] names, the tombstone first. Everything that was deleted by then is named, also what other deletions than the one
//! that made somebody read have taken back: a crowd of them costs one reading.
//!
//! A deletion takes its author's message, and the edits of it, which have its text. Reactions stay: they are of others, and say nothing of
//! it. In a group admins take back what others have said: where who deletes has said nothing under the id, it is these.

use std::collections::{HashMap, HashSet};

use dunlin_schema::{
    Address, Content, Entry, Epoch, MediaId, MessageId, Millis, Peer, Position, Sender, Seq, StreamTime,
    entry::{Body, Header},
    limits,
};

/// Logs of which is remembered what was looked through. When there are more, all are forgotten.
const REMEMBERED: usize = 1_024;

/// An entry that makes the eraser look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A deletion.
    Deletion {
        /// The message that is taken back.
        target: MessageId,
    },
    /// An edit, whose message may have been deleted while the edit was on its way.
    Edit {
        /// The message that it is about.
        target: MessageId,
    },
}

impl Cause {
    /// What an entry asks for; `None` of most.
    pub fn of(entry: &Entry) -> Option<Cause> {
        match &entry.body {
            Body::Content(Content::Delete { target }) => Some(Cause::Deletion { target: *target }),
            Body::Content(Content::Edit { target, .. }) => Some(Cause::Edit { target: *target }),
            Body::Content(
                Content::Message { .. }
                | Content::React { .. }
                | Content::Membership(_)
                | Content::Failed(_)
                | Content::Settings(_),
            )
            | Body::Tombstone { .. } => None,
        }
    }

    /// The message that it is about.
    pub fn target(&self) -> MessageId {
        match self {
            Cause::Deletion { target } | Cause::Edit { target } => *target,
        }
    }
}

/// Before this time nobody can have stored the message of this id.
pub fn stored_since(target: MessageId) -> StreamTime {
    target.time().minus(limits::LATE_MARGIN).into()
}

/// What somebody sent to somebody under an id. Of an edit or a deletion, the id is that of the message.
type Item = (Sender, Address, MessageId);

/// An entry that is to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Where it stands.
    pub seq: Seq,
    /// What its tombstone is made of.
    pub header: Header,
    /// The message that was deleted: it, or the one of which it is an edit.
    pub message: MessageId,
    /// Its tombstone, where that was read.
    pub tombstone: Option<Seq>,
    /// The files that it refers to.
    pub files: Vec<MediaId>,
}

#[derive(Clone, Debug)]
struct Written {
    seq: Seq,
    header: Header,
    /// The message, whose own id this is or of which it is an edit.
    message: MessageId,
    files: Vec<MediaId>,
}

/// What was read of a log.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Whoever is erased: everything that they say goes.
    everything_from: Option<Sender>,
    written: Vec<Written>,
    deleted: HashSet<Item>,
    tombstones: HashMap<Item, Seq>,
    upto: Seq,
}

impl Reading {
    /// Of the log of somebody to whom the sender, who is erased, has sent something.
    pub fn of_everything_from(sender: Sender) -> Reading {
        Reading { everything_from: Some(sender), ..Reading::default() }
    }

    /// The log's next entry.
    pub fn add(&mut self, seq: Seq, payload: &[u8]) {
        match Entry::decode(payload) {
            Ok(entry) => self.add_entry(seq, &entry),
            Err(_) => self.upto = seq,
        }
    }

    /// The same, of one that was read before.
    pub fn add_entry(&mut self, seq: Seq, entry: &Entry) {
        self.upto = seq;
        let item = |id| (entry.from.clone(), entry.to.clone(), id);
        let message = match &entry.body {
            Body::Content(Content::Message { .. }) => entry.id,
            Body::Content(Content::Edit { target, .. }) => *target,
            Body::Content(Content::Delete { target }) => {
                let taken_back = self.taken_back(entry, *target);
                self.deleted.extend(taken_back);
                return;
            }
            Body::Tombstone { id, .. } => {
                self.tombstones.insert(item(*id), seq);
                return;
            }
            Body::Content(Content::React { .. }) if self.everything_from.as_ref() == Some(&entry.from) => entry.id,
            Body::Content(
                Content::React { .. } | Content::Membership(_) | Content::Failed(_) | Content::Settings(_),
            ) => return,
        };
        let files = match &entry.body {
            Body::Content(Content::Message { attachments, .. }) => attachments.iter().map(|file| file.media).collect(),
            Body::Content(_) | Body::Tombstone { .. } => Vec::new(),
        };
        self.written.push(Written { seq, header: entry.header(), message, files });
    }

    /// What a deletion takes back. In a group's log its worker lets nobody delete who may not.
    fn taken_back(&self, deletion: &Entry, target: MessageId) -> Vec<Item> {
        let own = (deletion.from.clone(), deletion.to.clone(), target);
        let is_of_target = |(_, to, id): &&Item| *id == target && *to == deletion.to;
        let written = self.written.iter().filter(|written| written.message == target);
        let written = written.map(|Written { header, .. }| (header.from.clone(), header.to.clone(), target));
        let said: Vec<Item> =
            written.chain(self.tombstones.keys().cloned()).filter(|item| is_of_target(&item)).collect();
        let is_anothers = matches!(deletion.to.peer, Peer::Group(_)) && !said.contains(&own);
        if is_anothers { said } else { vec![own] }
    }

    /// The last entry that was read.
    pub fn upto(&self) -> Seq {
        self.upto
    }

    /// What is to be erased, oldest first.
    pub fn erasures(self) -> Vec<Erasure> {
        let Reading { everything_from, written, deleted, tombstones, upto: _ } = self;
        let item = |header: &Header, id| (header.from.clone(), header.to.clone(), id);
        let erased = written.into_iter().filter(|written| {
            everything_from.as_ref() == Some(&written.header.from)
                || deleted.contains(&item(&written.header, written.message))
        });
        let erasure = |Written { seq, header, message, files }| {
            let tombstone = tombstones.get(&item(&header, header.id)).copied();
            Erasure { seq, header, message, tombstone, files }
        };
        erased.map(erasure).collect()
    }
}

/// What was looked through already.
#[derive(Clone, Debug, Default)]
pub struct LookedThrough {
    epoch: Epoch,
    logs: HashMap<Peer, (StreamTime, Seq)>,
}

impl LookedThrough {
    /// Whether what an entry of a log at this position asks for was done with what was asked before.
    pub fn covers(&self, owner: &Peer, at: Position, since: StreamTime) -> bool {
        let done = self.logs.get(owner).filter(|_| at.epoch == self.epoch);
        done.is_some_and(|(from, upto)| *from <= since && at.seq <= *upto)
    }

    /// All that was deleted in a log, as it is from `since` up to `upto`, is erased.
    pub fn note(&mut self, owner: &Peer, epoch: Epoch, since: StreamTime, upto: Seq) {
        if epoch != self.epoch || self.logs.len() >= REMEMBERED {
            *self = LookedThrough { epoch, logs: HashMap::new() };
        }
        self.logs.insert(owner.clone(), (since, upto));
    }
}

/// Whether the deliver reader, which is at `position`, is waited for no longer. Where it has not yet read what is erased it finds a hole,
/// forgets all heads that it knows, and makes sessions read: that costs reads, not messages, so a reader that is late is waited for only so
/// long.
pub fn is_past(position: Option<Position>, upto: Seq, waited: Millis) -> bool {
    position.is_some_and(|position| position.seq >= upto) || waited >= DELIVER_WITHIN
}

/// How long the deliver reader is waited for: less than a lease, which is not renewed meanwhile.
const DELIVER_WITHIN: Millis = Millis(limits::LEASE.0 * 2 / 3);

#[cfg(test)]
mod tests;
