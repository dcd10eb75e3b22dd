//! Which ids the end of a group's log holds, so that a repeat gets its first answer and what is about a message finds it.
//!
//! Drive it: give it the log's entries in order, from one on; say from when on these are all that were stored.

use std::collections::{HashMap, VecDeque};

use dunlin_schema::{Entry, MessageId, Millis, Sender, Seq, StreamTime, content::Content, entry::Body, limits};

/// Entries that are kept of one log: more than it holds at a time.
const MOST: usize = 3 * limits::MAILBOX_ENTRIES as usize;

/// The end of a log, by ids.
#[derive(Clone, Debug)]
pub struct Known {
    since: StreamTime,
    ids: HashMap<MessageId, Vec<Said>>,
    /// In the order of the log, each with a time at which it was stored already.
    read: VecDeque<(MessageId, StreamTime)>,
    /// Of each of these, the log has lost the entry that it stands for.
    tombstones: usize,
}

/// What somebody has said under an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub by: Sender,
    /// Its order.
    pub order: Seq,
    /// When it was accepted.
    pub time: Millis,
    /// Whether it is a message, which can be changed and reacted to.
    pub is_message: bool,
}

impl Known {
    /// Of a log of which is known what was stored since this time; nothing yet.
    pub fn since(since: StreamTime) -> Known {
        Known { since, ids: HashMap::new(), read: VecDeque::new(), tombstones: 0 }
    }

    /// The log's next entry, which was stored by `stored` at the latest.
    pub fn add(&mut self, seq: Seq, stored: StreamTime, entry: &Entry) {
        let (by, id) = entry.item();
        let is_message = matches!(entry.body, Body::Content(Content::Message { .. }));
        // Of what was erased only its tombstone knows the order.
        let order = entry.order.unwrap_or(seq);
        let said = Said { by: by.clone(), order, time: entry.time, is_message };
        let same = self.ids.entry(id).or_default();
        match same.iter_mut().find(|known| known.by == said.by) {
            Some(known) => known.is_message &= is_message,
            None => same.push(said),
        }
        self.read.push_back((id, stored));
        self.tombstones += usize::from(entry.is_tombstone());
        if self.read.len() > MOST
            && let Some((id, stored)) = self.read.pop_front()
        {
            self.since = self.since.max(stored.next());
            self.ids.remove(&id);
        }
    }

    /// Whether all that was stored since this time is known.
    pub fn covers(&self, since: StreamTime) -> bool {
        self.since <= since
    }

    /// What somebody has said under an id, where that is known.
    pub fn said(&self, by: &Sender, id: MessageId) -> Option<&Said> {
        self.ids.get(&id)?.iter().find(|said| said.by == *by)
    }

    /// Who has written a message of this id that is still there, as far as is known.
    pub fn authors(&self, id: MessageId) -> Vec<Sender> {
        let said = self.ids.get(&id).into_iter().flatten();
        said.filter(|said| said.is_message).map(|said| said.by.clone()).collect()
    }

    /// Whether the log may have dropped others meanwhile, since it held as many as it keeps.
    pub fn is_full(&self) -> bool {
        (self.read.len() + self.tombstones) as u64 >= limits::MAILBOX_ENTRIES
    }

    /// What was stored before this time may have been dropped by the log.
    pub fn lost_below(&mut self, first: StreamTime) {
        self.since = self.since.max(first);
    }

    /// How many entries it holds.
    pub fn entries(&self) -> usize {
        self.read.len()
    }
}
