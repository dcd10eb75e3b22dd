//! Tables of inputs and exactly what follows from them. Entry `n` is stored in second `n` unless a case says otherwise; it is second 100.

mod began;
mod chaos;
mod files;
mod groups;
mod logs;
mod looking;
mod marks;
mod opening;
mod resuming;
mod sending;
mod shared;
mod signals;
mod small;
mod socket;
mod tail;
mod windows;

use bytes::Bytes;
use dunlin_schema::{
    Address, Attachment, Content, CursorText, Entry, Epoch, MediaId, MessageId, Sender, StreamTime, Windows,
    entry::Body,
    index::Place,
    live::LiveEntry,
    read::{Evidence, ReadFrom, Source, StoredEntry},
};

use super::*;
use crate::sending::{Append, Do, InGroup, LookUp, Refer, Step};

/// A mailbox of 10 entries that keeps each for 1,000 s; a queue of 4 frames; a fresh cursor every 200 s.
static BOUNDS: Bounds = Bounds {
    mailbox_entries: 10,
    retention: Millis(1_000_000),
    retention_slack: Millis(100_000),
    cursor_refreshed_every: Millis(200_000),
    outbound_frames: 4,
    outbound_bytes: 64 * 1024,
    ..Bounds::STANDARD
};

/// The log of whose inputs the tables mostly speak, and its shard.
const MAILBOX: LogName = LogName::Mailbox;
const SHARD: Shard = Shard(4);

fn region() -> RegionName {
    "local".parse().unwrap()
}

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

fn seconds(time: u64) -> StreamTime {
    StreamTime(time * 1_000_000_000)
}

fn position(epoch: u64, seq: u64) -> Position {
    Position { epoch: Epoch(epoch), seq: Seq(seq), time: seconds(seq) }
}

/// The cursor of entry `seq`.
fn at(epoch: u64, seq: u64) -> Start {
    Start::Cursor(Cursor::of_entry(position(epoch, seq)))
}

fn message(seq: u64) -> Entry {
    let from = Sender { user: user("alice"), region: region() };
    let text = Some(format!("{seq}"));
    Entry {
        id: MessageId::from_parts(Millis(seq), 0),
        from,
        to: Address::local(user("bob")).said_in(&region()),
        order: None,
        time: Millis(seq * 1_000),
        body: Body::Content(Content::Message {
            text,
            data: None,
            attachments: vec![],
            reply_to: None,
            mentions: vec![],
        }),
    }
}

fn tombstone(seq: u64) -> Entry {
    let entry = message(seq);
    let body = Body::Tombstone { sender: entry.from.clone(), id: entry.id };
    Entry { body, ..entry }
}

fn stored(seq: u64, time: u64, entry: &Entry) -> StoredEntry {
    StoredEntry { seq: Seq(seq), time: seconds(time), payload: entry.encode() }
}

fn entries(seqs: &[u64]) -> Vec<StoredEntry> {
    seqs.iter().map(|seq| stored(*seq, *seq, &message(*seq))).collect()
}

fn live(epoch: u64, seq: u64, after: u64) -> Input {
    live_entry(epoch, seq, after, &message(seq))
}

fn live_entry(epoch: u64, seq: u64, after: u64, entry: &Entry) -> Input {
    Input::Live(MAILBOX, ready(LiveEntry { position: position(epoch, seq), after: Seq(after), entry: entry.encode() }))
}

/// A live entry of the mailbox as its followers get it.
fn ready(live: LiveEntry) -> Arc<TailEntry> {
    Arc::new(Tail::of(&log_of(&MAILBOX), MAILBOX).entry(live, 1))
}

/// The reader stands at `at` and knows the mailbox's head.
fn head(epoch: u64, at: u64, head: u64) -> Input {
    let head = Some(Head { seq: Seq(head), time: seconds(head) });
    Input::Heads(MAILBOX, HeadOf { position: position(epoch, at), head, floor: Seq(0) })
}

/// The reader stands at `at` and knows nothing of the mailbox above `floor`.
fn floor(epoch: u64, at: u64, floor: u64) -> Input {
    Input::Heads(MAILBOX, HeadOf { position: position(epoch, at), head: None, floor: Seq(floor) })
}

/// A replica's answer.
fn any(seqs: &[u64]) -> Input {
    answer(entries(seqs), false, None)
}

/// The leader's answer: the log begins at `first`, and the stream ends at `end`.
fn leader(seqs: &[u64], first: Option<u64>, end: u64) -> Input {
    leader_of(entries(seqs), first, end)
}

fn leader_of(entries: Vec<StoredEntry>, first: Option<u64>, end: u64) -> Input {
    let evidence = evidence(first, end, entries.len());
    answer(entries, false, Some(evidence))
}

fn evidence(first: Option<u64>, end: u64, count: usize) -> Evidence {
    Evidence { first: first.map(Seq), stream_last: Seq(end), weight: count as u64 }
}

fn answer(entries: Vec<StoredEntry>, more: bool, evidence: Option<Evidence>) -> Input {
    Input::Read(MAILBOX, Ok(ReadAnswer { entries, more, evidence }))
}

/// What somebody may read: these windows, looked up when the shard ended at `upto`.
fn sight(windows: &[(u64, Option<u64>)], upto: u64) -> Sight {
    let mut found = Windows::default();
    for (from, until) in windows {
        found.open(Seq(*from));
        until.iter().for_each(|until| found.close(Seq(*until)));
    }
    Sight { windows: found, upto: Place { seq: Seq(upto), time: seconds(upto) } }
}

/// A session and the clock that it sees.
struct Rig {
    session: Session,
    now: Millis,
    /// Whether the socket takes everything at once.
    writes: bool,
    /// What is answered at once where windows are looked up.
    sight: Option<Sight>,
}

impl Rig {
    fn new(start: Start) -> Rig {
        let setup = Setup {
            region: region(),
            shards: 8,
            user: user("bob"),
            sent_copies: SentCopies::Always,
            several_devices: false,
            bounds: &BOUNDS,
        };
        let now = Millis(100_000);
        let mut rig = Rig { session: Session::new(setup), now, writes: true, sight: Some(sight(&[(0, None)], 1_000)) };
        rig.runs([(Input::Follow { log: MAILBOX, start }, "")]);
        rig
    }

    /// A session at `seq` that was caught up when the reader stood at `sure`.
    fn live_at(seq: u64, sure: u64) -> Rig {
        let mut rig = Rig::new(at(1, seq));
        rig.step(Input::Subscribed(MAILBOX));
        let said = rig.step(head(1, sure, seq));
        assert_eq!(said, format!("caught up {seq} 1/{seq}@{sure}"));
        rig
    }

    /// Gives one input, and says in words what follows.
    fn step(&mut self, input: Input) -> String {
        let mut said = Vec::new();
        let mut out = Vec::new();
        self.session.handle(self.now, input, &mut out);
        self.look(&mut out);
        said.extend(out.drain(..).filter(is_told).map(|output| output_in_words(&output)));
        while self.writes {
            while let Some(frame) = self.take() {
                said.push(frame_in_words(&frame));
            }
            if !self.session.waits_for_drain() {
                break;
            }
            self.session.handle(self.now, Input::Drained, &mut out);
            self.look(&mut out);
            if out.is_empty() {
                break;
            }
            said.extend(out.drain(..).filter(is_told).map(|output| output_in_words(&output)));
        }
        said.join("; ")
    }

    /// Answers what is looked up.
    fn look(&mut self, out: &mut Vec<Output>) {
        let Some(sight) = self.sight.clone() else { return };
        while let Some(at) = out.iter().position(|output| matches!(output, Output::Look(..))) {
            let Output::Look(log, number) = out.remove(at) else { unreachable!() };
            let mut then = Vec::new();
            self.session.handle(self.now, Input::Looked(log, number, Ok(sight.clone())), &mut then);
            out.splice(at..at, then);
        }
    }

    /// The next frame that the socket takes.
    fn take(&mut self) -> Option<ServerFrame> {
        self.session.take().map(|frame| frame.frame().clone())
    }

    /// Runs a table.
    #[track_caller]
    fn runs<const N: usize>(&mut self, table: [(Input, impl AsRef<str>); N]) {
        for (line, (input, expected)) in table.into_iter().enumerate() {
            let said = format!("{input:?}");
            assert_eq!(self.step(input), expected.as_ref(), "line {line}: {said}");
        }
    }

    /// Opens the session: the reader's first word is `first`.
    #[track_caller]
    fn opens(&mut self, first: Input, expected: &str) {
        self.runs([(Input::Subscribed(MAILBOX), "ask heads"), (first, expected)]);
    }
}

/// The first read of marks is the same for all sessions, and has tests of its own.
fn is_told(output: &Output) -> bool {
    *output != Output::ReadMarks(Seq(0))
}

fn cursor_in_words(cursor: &Cursor) -> String {
    format!("{}/{}@{}", cursor.position.epoch.0, cursor.position.seq.0, cursor.at.0 / 1_000)
}

fn log_of(log: &LogName) -> Log {
    Log::named(&region(), 8, &user("bob"), log)
}

fn text_in_words(log: &LogName, text: &CursorText) -> String {
    let cursor = text.open(&log_of(log)).unwrap();
    cursor_in_words(&cursor)
}

fn output_in_words(output: &Output) -> String {
    match output {
        Output::Sending(Do::Append(append)) => {
            let Append { key, log, entry, first_try, copy_of_new } = append.as_ref();
            let order = entry.order.map_or(String::new(), |order| format!(" order {}", order.0));
            let again = if *first_try { "" } else { " again" };
            let old = if key.step == Step::Copy && !copy_of_new { " of an old one" } else { "" };
            assert_eq!((key.id, &log.region), (entry.id, &region()));
            format!("append {} to {}{order}{old}{again}", entry.id.time().0, log.owner)
        }
        Output::Sending(Do::LookUp(wanted)) => {
            let LookUp { key, log, entry } = wanted.as_ref();
            let (sender, id) = entry.item();
            let what = if key.step == Step::FindItself { "itself" } else { "target" };
            assert_eq!((id == key.id, id), (key.step == Step::FindItself, entry.id));
            format!("find {what} {} of {} in {}", id.time().0, sender.user, log.owner)
        }
        Output::Sending(Do::InGroup(wanted)) => {
            let InGroup { key, wanted, .. } = wanted.as_ref();
            assert_eq!((key.id, key.step), (wanted.id, Step::Store));
            format!("say {} in {}", wanted.id.time().0, wanted.group)
        }
        Output::Sending(Do::Refer(wanted)) => {
            let Refer { key, from, media, .. } = wanted.as_ref();
            let media: Vec<_> = media.iter().map(|media| media.0.time().0.to_string()).collect();
            assert_eq!((key.step, &from.user), (Step::Refer, &user("bob")));
            format!("keep {} for {}", media.join(" "), key.id.time().0)
        }
        Output::Read(log, ReadRequest { from, source }) => {
            let of = of(log);
            let source = match source {
                Source::Any => "any",
                Source::Leader => "leader",
            };
            match from {
                ReadFrom::Seq(seq) => format!("read {source} {}{of}", seq.0),
                ReadFrom::Time(time) => format!("read {source} after {}{of}", (time.0 - 1) / 1_000_000_000),
            }
        }
        Output::Look(log, number) => format!("look {number}{}", of(log)),
        Output::Open(log) => format!("open{}", log.as_ref().map_or(" all".to_owned(), of)),
        Output::Ended(log, at) => format!("ended at {}/{}{}", at.epoch.0, at.seq.0, of(log)),
        Output::AskHeads(log) => format!("ask heads{}", of(log)),
        Output::Verify(shard, position) => {
            let elsewhere = if *shard == SHARD { String::new() } else { format!(" in {shard}") };
            format!("verify {}/{}{elsewhere}", position.epoch.0, position.seq.0)
        }
        Output::Acknowledge(log, said) => format!("acknowledge {}{}", cursor_in_words(&said.cursor), of(log)),
        Output::MarkRead(with, upto, epoch) => format!("read {with} {}/{}", epoch.0, upto.0),
        Output::ReadMarks(after) => format!("read marks after {}", after.0),
        Output::Corrupt(log, position) => format!("corrupt {}{}", position.seq.0, of(log)),
        Output::Overflowed(log) => format!("overflowed{}", of(log)),
        Output::SignalLost => "signal lost".to_owned(),
    }
}

/// Names a log that is not the mailbox.
fn of(log: &LogName) -> String {
    match log {
        LogName::Mailbox => String::new(),
        LogName::Group(address) => format!(" of {address}"),
    }
}

fn frame_in_words(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Entry(entry) => {
            // Its cursor is one of this log.
            let log = entry.log.known().unwrap();
            assert_eq!(entry.cursor.open(&log_of(log)).unwrap().position.seq, entry.seq);
            format!("entry {}{}", entry.seq.0, of(log))
        }
        ServerFrame::Gap { log, from, to, cursor } => {
            let log = log.known().unwrap();
            format!("gap {}..{} {}{}", from.0 / 1_000, to.0 / 1_000, text_in_words(log, cursor), of(log))
        }
        ServerFrame::CaughtUp { log, seq, cursor } => {
            let log = log.known().unwrap();
            format!("caught up {} {}{}", seq.0, text_in_words(log, cursor), of(log))
        }
        ServerFrame::Accepted { id, order, time } => {
            format!("accepted {} order {} at {}", id.time().0, order.unwrap().0, time.0 / 1_000)
        }
        ServerFrame::Rejected { id, code, retry_after, .. } => {
            let id: MessageId = id.parse().unwrap();
            format!("rejected {} {code:?} {:?}", id.time().0, retry_after.map(|span| span.0))
        }
        ServerFrame::Refused { code, .. } => format!("refused {code:?}"),
        ServerFrame::Answer(answer) => format!("answer {}", answer.reference),
        ServerFrame::Signal { from, kind } => format!("{kind} of {from}"),
        ServerFrame::Receipt { by, delivered, read, .. } => {
            format!("receipt {} {delivered:?} {read:?}", by.as_ref().unwrap())
        }
        ServerFrame::Marked { with, read } => format!("marked {with} {}", read.0),
        ServerFrame::GroupSignal { group, from, kind } => format!("signal {group} {from} {kind}"),
        ServerFrame::Welcome { .. } | ServerFrame::Goodbye(_) | ServerFrame::Presence { .. } => {
            panic!("not a session's: {frame:?}")
        }
    }
}
