//! What comes: which entries were given already, and where to resume.

use std::collections::{HashSet, VecDeque};

use dunlin_schema::{
    Address, CursorText, MessageId, Seq,
    frame::{EntryFrame, StartAt},
    limits,
};

/// Where something that was given to the application stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its number among all that this client has given, from 1.
    pub(crate) ordinal: u64,
    /// How many gaps came before it: sequences are comparable within one such life.
    pub(crate) life: u64,
    /// The cursor that came with it.
    pub(crate) cursor: CursorText,
}

/// What is to be acknowledged: everything up to a sequence of a life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) life: u64,
    pub(crate) seq: Seq,
}

/// What to do with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Give it: it stands here.
    Give(Place),
    /// The same sequence was given.
    Known,
    /// The same id was given under another sequence: not given again, but the cursor moves past it.
    Repeat(Place),
}

/// What a mailbox has given so far.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Where the next connection goes on: after what was given, not only after what is done.
    resume: Option<StartAt>,
    last: Seq,
    given: u64,
    life: u64,
    ids: HashSet<(Address, MessageId)>,
    order: VecDeque<(Address, MessageId)>,
}

impl Inbox {
    /// An inbox that goes on after what was kept, else where `start` says.
    pub(crate) fn new(kept: Option<CursorText>, start: Option<StartAt>) -> Inbox {
        Inbox {
            resume: kept.map(StartAt::Cursor).or(start),
            last: kept.map_or(Seq(0), |kept| kept.seq()),
            given: 0,
            life: 0,
            ids: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    pub(crate) fn resume(&self) -> Option<&StartAt> {
        self.resume.as_ref()
    }

    pub(crate) fn life(&self) -> u64 {
        self.life
    }

    pub(crate) fn entry(&mut self, entry: &EntryFrame) -> Verdict {
        if entry.seq <= self.last {
            return Verdict::Known;
        }
        self.last = entry.seq;
        self.resume = Some(StartAt::Cursor(entry.cursor));
        if self.remember((entry.from.clone(), entry.id)) {
            Verdict::Give(self.give(entry.cursor))
        } else {
            Verdict::Repeat(self.place(entry.cursor))
        }
    }

    /// After a gap sequences may begin again.
    pub(crate) fn gap(&mut self, cursor: CursorText) -> Place {
        self.life += 1;
        self.caught_up(cursor)
    }

    pub(crate) fn caught_up(&mut self, cursor: CursorText) -> Place {
        self.last = cursor.seq();
        self.resume = Some(StartAt::Cursor(cursor));
        self.give(cursor)
    }

    fn give(&mut self, cursor: CursorText) -> Place {
        self.given += 1;
        self.place(cursor)
    }

    fn place(&self, cursor: CursorText) -> Place {
        Place { ordinal: self.given, life: self.life, cursor }
    }

    /// Whether the id is new among the last ones.
    fn remember(&mut self, id: (Address, MessageId)) -> bool {
        if !self.ids.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > limits::CLIENT_REMEMBERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}
