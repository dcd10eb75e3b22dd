//! What comes: which entries were given already, and where to resume.

use std::collections::{BTreeMap, HashSet, VecDeque};

use dunlin_schema::{
    Address, CursorText, LogName, MessageId, Open, Seq,
    frame::{EntryFrame, StartAt},
    limits,
};

/// How far the application is in a log once it is done with what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Its log.
    pub(crate) log: Open<LogName>,
    /// Its number among all that this client has given of the log, from 1.
    pub(crate) ordinal: u64,
    /// How many gaps of the log came before it: only between the same two gaps are sequences comparable.
    pub(crate) gaps: u64,
    /// Its sequence; 0 is not known.
    pub(crate) seq: Seq,
    /// The cursor that came with it.
    pub(crate) cursor: CursorText,
}

/// What is to be acknowledged of a log: everything up to a sequence, between two of its gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub(crate) gaps: u64,
    pub(crate) seq: Seq,
}

/// What to do with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Give it: it stands here.
    Give(Progress),
    /// The same sequence was given.
    Known,
    /// The same id was given under another sequence, or the log is one that only a newer release knows: not given, but the cursor moves
    /// past it.
    Skip(Progress),
}

/// From whom, to whom, and under which id: one id sent to two people is two messages.
type Item = (Open<Address>, Open<Address>, MessageId);

/// What a client has been given so far, log by log.
#[derive(Debug)]
pub(crate) struct Inbox {
    logs: BTreeMap<Open<LogName>, LogInbox>,
    /// Where the mailbox begins while nothing of it was given.
    start: Option<StartAt>,
}

/// What was given of one log.
#[derive(Debug, Default)]
struct LogInbox {
    /// Where the next connection goes on: after what was given, not only after what is done.
    resume: Option<CursorText>,
    last: Seq,
    given: u64,
    gaps: u64,
    /// Whether this connection has shown behind how many gaps its sequences are.
    resumed: bool,
    done: Acknowledged,
    acknowledged: Acknowledged,
    ids: HashSet<Item>,
    order: VecDeque<Item>,
}

impl Inbox {
    /// An inbox that goes on after what was kept of each log; the mailbox else where `start` says.
    pub(crate) fn new(kept: BTreeMap<Open<LogName>, CursorText>, start: Option<StartAt>) -> Inbox {
        let log = |cursor| LogInbox { resume: Some(cursor), ..LogInbox::default() };
        Inbox { logs: kept.into_iter().map(|(name, cursor)| (name, log(cursor))).collect(), start }
    }

    /// Where each log goes on: as many as a `hello` may name, the mailbox among them. The gateway knows of the others what this device
    /// has acknowledged.
    pub(crate) fn resume(&self) -> BTreeMap<Open<LogName>, StartAt> {
        let given =
            |(name, log): (&Open<LogName>, &LogInbox)| Some((name.clone(), StartAt::Cursor(log.resume.clone()?)));
        let mut resume: BTreeMap<_, _> = self.logs.iter().filter_map(given).take(limits::CURSORS - 1).collect();
        if let Some(start) = &self.start {
            resume.entry(LogName::Mailbox.into()).or_insert_with(|| start.clone());
        }
        resume
    }

    /// There is a new connection: a gap may come first, so that sequences of before mean nothing yet. Over each connection it is
    /// acknowledged once what is stored, by which the user's other devices see when this one was last there.
    pub(crate) fn connected(&mut self) {
        for log in self.logs.values_mut() {
            log.resumed = false;
            log.acknowledged = Acknowledged::default();
        }
    }

    pub(crate) fn entry(&mut self, entry: &EntryFrame) -> Verdict {
        let log = self.log(&entry.log);
        if entry.seq <= log.last {
            return Verdict::Known;
        }
        log.last = entry.seq;
        log.resume = Some(entry.cursor.clone());
        if log.remember((entry.from.clone(), entry.to.clone(), entry.id)) {
            match entry.log {
                Open::Known(_) => Verdict::Give(log.give(&entry.log, entry.cursor.clone())),
                Open::Unknown(_) => Verdict::Skip(log.place(&entry.log, entry.cursor.clone())),
            }
        } else {
            Verdict::Skip(log.place(&entry.log, entry.cursor.clone()))
        }
    }

    /// After a gap sequences of the log may begin again.
    pub(crate) fn gap(&mut self, name: &Open<LogName>, cursor: CursorText) -> Progress {
        self.log(name).gaps += 1;
        self.caught_up(name, Seq(0), cursor)
    }

    pub(crate) fn caught_up(&mut self, name: &Open<LogName>, seq: Seq, cursor: CursorText) -> Progress {
        let log = self.log(name);
        log.last = seq;
        log.resume = Some(cursor.clone());
        match name {
            Open::Known(_) => log.give(name, cursor),
            Open::Unknown(_) => log.place(name, cursor),
        }
    }

    /// The application has stored what was given of each log up to here.
    pub(crate) fn done(&mut self, done: BTreeMap<Open<LogName>, Acknowledged>) {
        for (name, done) in done {
            self.logs.entry(name).or_default().done = done;
        }
    }

    /// What is to be acknowledged and was not yet.
    pub(crate) fn acknowledge(&mut self, mut tell: impl FnMut(Open<LogName>, Seq)) {
        for (name, log) in &mut self.logs {
            let news = log.done.gaps == log.gaps && log.done != log.acknowledged && log.done.seq > Seq(0);
            if news && log.resumed {
                log.acknowledged = log.done;
                tell(name.clone(), log.done.seq);
            }
        }
    }

    /// A log of which something came.
    fn log(&mut self, name: &Open<LogName>) -> &mut LogInbox {
        let log = self.logs.entry(name.clone()).or_default();
        log.resumed = true;
        log
    }
}

impl LogInbox {
    fn give(&mut self, name: &Open<LogName>, cursor: CursorText) -> Progress {
        self.given += 1;
        self.place(name, cursor)
    }

    fn place(&self, name: &Open<LogName>, cursor: CursorText) -> Progress {
        Progress { log: name.clone(), ordinal: self.given, gaps: self.gaps, seq: self.last, cursor }
    }

    /// Whether the id is new among the last ones.
    fn remember(&mut self, id: Item) -> bool {
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
