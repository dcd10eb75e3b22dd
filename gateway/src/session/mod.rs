//! One device's connection, decided without I/O: what its socket is given of each log, what is read, asked and appended for it.
//!
//! Drive it: give every input to [`Session::handle`] in the order it happened, with the time it happened; then carry out the outputs in
//! order. It never waits, and never needs an output's result but as a later input. It begins once `hello` was accepted and ends with the
//! socket; tokens, rate limits and pings are the loop's.
//!
//! A session follows logs, each from [`Input::Follow`] until [`Input::Unfollow`]. What happens to a log, and what is wanted for it, carries
//! its name.
//!
//! - **Outputs are answered once each**: [`Output::Read`] with [`Input::Read`], [`Output::Sending`] with [`Input::Sending`] under its key,
//!   [`Output::Verify`] with [`Input::Verified`], [`Output::Look`] with [`Input::Looked`] under its number, [`Output::AskHeads`] with
//!   [`Input::Heads`] or [`Input::HeadsUnanswered`]; at most one read of each log, [`limits::READS_AT_ONCE`] in all, and one verify of
//!   each shard are on their way. `AskHeads` is asked at the opening alone: the comparison every [`limits::HEADS_EVERY`] and after a loss
//!   is the loop's, for all its sessions at once. A share of an answer is given only to sessions whose [`Input::Subscribed`] came before
//!   the question was sent.
//! - **The writer** calls [`Session::take`] until there is nothing, and writes. When all it took is written, and
//!   [`Session::waits_for_drain`] says so, it gives [`Input::Drained`].
//! - **The reader** of the socket stops while [`Session::wants_input`] is false.
//! - **Time**: [`Input::Tick`] at, or soon after, [`Session::next_deadline`].
//! - **The end**: [`Input::Unfollow`] of each log when the socket is gone, which brings the last acknowledgements.

mod acks;
mod around;
mod asking;
mod copies;
mod follow;
mod followed;
mod logs;
pub(crate) mod marks;
mod named;
mod queue;
mod reach;
mod senders;
mod tail;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc};

use dunlin_schema::{
    Address, Code, Cursor, Epoch, GroupAddress, Log, LogName, Millis, Open, Peer, Position, RegionName, Seal, Seq,
    Shard, UserName,
    frame::ServerFrame,
    heads::Head,
    limits::{self, Bounds},
    live::Signal,
    read::{ReadAnswer, ReadRequest},
};
use serde::Deserialize;

use crate::sending::{self, Author, Sending, Then};
use around::SentHere;
use copies::Copies;
use follow::Follow;
use logs::{Handing, Logs};
use marks::{Marks, MarksRead, News};
use named::Named;
use queue::pop;
pub use reach::Sight;
pub use senders::Acknowledged;
pub use tail::{Outgoing, SharedFrame, Tail, TailEntry};

/// Who is there.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The user's region.
    pub region: RegionName,
    /// The region's shards.
    pub shards: u16,
    /// The user.
    pub user: UserName,
    /// When a sent copy goes to the sender's own mailbox.
    pub sent_copies: SentCopies,
    /// Whether the user has, or had, another device than this one: see [`SentCopies::SeveralDevices`].
    pub several_devices: bool,
    /// The bounds that hold: [`Bounds::STANDARD`] everywhere but in the simulation.
    pub bounds: &'static Bounds,
}

/// Whether a sender's own mailbox gets a copy of what it sends, for its other devices and later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SentCopies {
    /// Always: a device that joins later sees both sides of a conversation.
    #[default]
    Always,
    /// Only while the sender has several devices connected to this gateway.
    SeveralDevices,
}

/// Where a log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the first entry that is still there.
    Beginning,
    /// With what comes from now on.
    Live,
    /// After what was consumed.
    Cursor(Cursor),
}

impl Start {
    fn position(&self) -> Position {
        match self {
            Start::Beginning | Start::Live => Position::default(),
            Start::Cursor(cursor) => cursor.position,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The client sends something, or something came of what it sent.
    Sending(sending::Input),
    /// The client has everything of a log up to a sequence.
    Ack {
        /// The log.
        log: LogName,
        /// Up to here.
        delivered: Seq,
    },
    /// A log is to be followed; one that is followed already goes on as it is, and one that has ended from where it stands.
    Follow {
        /// The log.
        log: LogName,
        /// Where it goes on.
        start: Start,
    },
    /// A log is to be followed no longer.
    Unfollow(LogName),
    /// What the session's user is in a group may have changed; in any of them, where none is named.
    Groups(Option<LogName>),
    /// The answer to [`Output::Look`], with its number.
    Looked(LogName, u32, Result<Sight, ReadFailed>),
    /// The interest in a log's live entries is in place: from here on they come, unless they are lost.
    Subscribed(LogName),
    /// A live entry of a log: the same for all who follow it here.
    Live(LogName, Arc<TailEntry>),
    /// A log's share of a comparison of heads.
    Heads(LogName, HeadOf),
    /// A comparison of heads got no answer for this log.
    HeadsUnanswered(LogName),
    /// The answer to [`Output::Verify`]: the reader's position.
    Verified(Shard, Result<Position, NoAnswer>),
    /// The answer to [`Output::Read`].
    Read(LogName, Result<ReadAnswer, ReadFailed>),
    /// Somebody does something just now.
    Signal(Signal),
    /// The user has read a conversation up to an order; the address names its region.
    MarkRead {
        /// With whom.
        with: Address,
        /// Up to here.
        upto: Seq,
    },
    /// A receipt for what the user has sent, or a read mark of the user's own: just now.
    News(News),
    /// The answer to [`Output::ReadMarks`].
    Marks(Result<MarksRead, ReadFailed>),
    /// A record of the user's marks was written under this revision.
    MarksChanged(Seq),
    /// Any of the user's marks may have been written, or have gone back with STATE.
    MarksUnknown,
    /// The user has, or had, another device than this one.
    SeveralDevices,
    /// Everything that was taken is written.
    Drained,
    /// Time has passed.
    Tick,
}

/// What the deliver reader says of one log: true of the moment when it stood at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadOf {
    /// How far the reader has come in the shard, and in which epoch.
    pub position: Position,
    /// The log's last entry, where the reader knows it.
    pub head: Option<Head>,
    /// Where it does not, the log has no entry between this sequence and `position`.
    pub floor: Seq,
}

/// A question had no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A read had no answer in time, or one that proves nothing. It is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFailed;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Carry out a step of what the client sends.
    Sending(sending::Do),
    /// Read a log.
    Read(LogName, ReadRequest),
    /// Look up what the user may read of a group's log, with the leaders of STATE and of the log.
    Look(LogName, u32),
    /// Follow the logs of groups that the user is in, or was, and that are not followed; of one group, where it is named.
    Open(Option<LogName>),
    /// The user may read nothing more of a group's log, which stands here. What is queued of it is still to be written, and may be
    /// acknowledged.
    Ended(LogName, Position),
    /// Ask the deliver reader for a log's head.
    AskHeads(LogName),
    /// Ask a shard's deliver reader to compare itself with the stream: this position is not to be found again.
    Verify(Shard, Position),
    /// The device has everything of a log up to here: at most once in [`limits::ACKNOWLEDGE_EVERY`], never backwards.
    Acknowledge(LogName, Acknowledged),
    /// The user has read a conversation up to an order, which the mailbox, or the group's log, gave in this epoch.
    MarkRead(Address, Seq, Epoch),
    /// Read those of the user's marks whose revisions are above this one. At most one such read is on its way.
    ReadMarks(Seq),
    /// For the log and a metric: an entry that can't be read. The client is told by a `gap`.
    Corrupt(LogName, Position),
    /// For a metric: too much of a log was queued, which is read again when the socket has drained.
    Overflowed(LogName),
    /// For a metric: a signal came while too much waited for the socket, and is let go.
    SignalLost,
}

/// What a session has of what its client sent.
#[derive(Debug, Default)]
struct Sends {
    sending: Sending,
    copies: Copies,
}

/// One device's connection.
#[derive(Debug)]
pub struct Session {
    me: Author,
    bounds: &'static Bounds,
    logs: Logs,
    /// `None` until something is sent: most who are there say nothing.
    sends: Option<Box<Sends>>,
    marks: Marks,
    /// What the client waits for, which is never dropped; and signals, which find room where little waits.
    answers: VecDeque<ServerFrame>,
}

impl Session {
    /// A session at the moment its `hello` was accepted.
    pub fn new(setup: Setup) -> Session {
        let Setup { region, shards, user, sent_copies, several_devices, bounds } = setup;
        let copies = several_devices || sent_copies == SentCopies::Always;
        let me = Author { user, region, shards, copies };
        let (logs, marks) = (Logs::default(), Marks::default());
        Session { me, bounds, logs, sends: None, marks, answers: VecDeque::new() }
    }

    /// Takes in what happened, and adds what is to be done to `out`.
    pub fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        let Session { me, bounds, logs, sends, marks, answers } = self;
        let copies = sends.as_mut().map(|sends| &mut sends.copies);
        let mut handing = Handing { now, bounds, sent: SentHere { me, copies }, out };
        let handing = &mut handing;
        match input {
            Input::Sending(input) => {
                let Sends { sending, copies } = &mut **sends.get_or_insert_default();
                let Then { todo, answer, given_up } = sending.handle(now, me, input);
                if let Some(sending::Do::Append(append)) = &todo {
                    copies.append(&append.key);
                }
                out.extend(todo.map(Output::Sending));
                answers.extend(answer.into_iter().chain(given_up).map(ServerFrame::from));
            }
            Input::Signal(signal) if !logs.hears(&signal.to.peer) => {}
            Input::Signal(signal) if answers.len() < limits::SIGNALS_WAITING => {
                answers.push_back(signalled(signal, &me.region));
            }
            Input::Signal(_) => out.push(Output::SignalLost),
            Input::SeveralDevices => me.copies = true,
            Input::Follow { log, .. } if logs.goes_on(&log) => logs.give(&log, handing, Follow::may_read_on),
            Input::Follow { log, start } => logs.follow(named(me, log), start, now, handing.out),
            Input::Unfollow(log) => logs.unfollow(&log, handing.out),
            Input::Ack { log, delivered } => {
                if !logs.acknowledge(&log, delivered, handing) {
                    answers.push_back(not_followed(&log.into()));
                }
            }
            Input::Groups(Some(log)) if logs.goes_on(&log) => logs.give(&log, handing, Follow::may_read_on),
            Input::Groups(log) => handing.out.push(Output::Open(log)),
            Input::Looked(log, number, answer) => logs.looked(&log, number, answer, handing),
            Input::Subscribed(log) => {
                logs.give(&log, handing, Follow::subscribed);
                // What comes from now on is heard of; what was before is in STATE.
                if log == LogName::Mailbox {
                    handing.out.extend(marks.read().map(Output::ReadMarks));
                }
            }
            Input::MarkRead { with, upto } => {
                let log = read_in(&with);
                match logs.epoch(&log) {
                    Some(epoch) => handing.out.push(Output::MarkRead(with, upto, epoch)),
                    // The mailbox is not followed yet, or no more.
                    None if log == LogName::Mailbox => {}
                    None => answers.push_back(not_followed(&log.into())),
                }
            }
            Input::News(news) => marks.tell(news),
            Input::Marks(read) => marks.were_read(now, read),
            Input::MarksChanged(revision) => handing.out.extend(marks.changed(revision).map(Output::ReadMarks)),
            Input::MarksUnknown => handing.out.extend(marks.read_all().map(Output::ReadMarks)),
            Input::Live(log, live) => logs.live(&log, &live, handing),
            Input::Heads(log, head) => logs.give(&log, handing, |follow, around| follow.heads(head, around)),
            Input::HeadsUnanswered(log) => logs.give(&log, handing, Follow::heads_unanswered),
            Input::Verified(shard, answer) => logs.verified(shard, answer, handing),
            Input::Read(log, answer) => logs.read(&log, answer, handing),
            Input::Drained => {
                logs.drained(handing);
                handing.out.extend(marks.drained().map(Output::ReadMarks));
            }
            Input::Tick => {
                logs.tick(handing);
                handing.out.extend(marks.tick(now).map(Output::ReadMarks));
            }
        }
    }

    /// Queues an answer of the loop's own (`refused`, `goodbye`). Like all answers it is never dropped.
    pub fn answer(&mut self, frame: ServerFrame) {
        self.answers.push_back(frame);
    }

    /// The next frame to write. Taking it is what moves the cursor. Answers come first: somebody waits for them.
    pub fn take(&mut self) -> Option<Outgoing> {
        let mark = |session: &mut Session| session.marks.take(&session.me.region).map(Outgoing::own);
        self.take_answer().or_else(|| mark(self)).or_else(|| self.logs.take(&self.me, self.bounds))
    }

    /// The same, of answers alone.
    pub fn take_answer(&mut self) -> Option<Outgoing> {
        pop(&mut self.answers).map(Outgoing::own)
    }

    /// Whether [`Session::take`] has a frame.
    pub fn has_outgoing(&self) -> bool {
        !self.answers.is_empty() || self.marks.has_frames() || self.logs.has_frames()
    }

    /// Whether [`Input::Drained`] is waited for.
    pub fn waits_for_drain(&self) -> bool {
        self.logs.wait_for_drain() || self.marks.wait_for_drain()
    }

    /// Whether frames of the client may be read: false while too many wait for their answer.
    pub fn wants_input(&self) -> bool {
        let (sends, bytes) = self.sends.as_ref().map_or((0, 0), |sends| sends.sending.waiting());
        sends + self.answers.len() < limits::SENDS_IN_FLIGHT && bytes < limits::OUTBOUND_BYTES
    }

    /// When [`Input::Tick`] is wanted.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.logs.deadline().into_iter().chain(self.marks.deadline()).min()
    }
}

/// What a device is told of a signal.
fn signalled(signal: Signal, region: &RegionName) -> ServerFrame {
    let Signal { from, kind, to, at: _ } = signal;
    let (from, kind) = (from.seen_from(region).into(), kind.to_string());
    match to.peer {
        Peer::User(_) => ServerFrame::Signal { from, kind },
        Peer::Group(_) => ServerFrame::GroupSignal { group: to.seen_from(region).into(), from, kind },
    }
}

/// The answer to a frame about a log that is not followed here.
pub(crate) fn not_followed(log: &Open<LogName>) -> ServerFrame {
    ServerFrame::refused(Code::UnknownLog, format!("this gateway does not follow {} for you", log.shortened()))
}

/// Of which log what is read has its order.
fn read_in(with: &Address) -> LogName {
    match &with.peer {
        Peer::User(_) => LogName::Mailbox,
        Peer::Group(group) => LogName::group(GroupAddress { group: group.clone(), region: None }),
    }
}

/// Where a log is, for this session's user.
fn named(Author { user, region, shards, .. }: &Author, log: LogName) -> Named {
    let of = Log::named(region, *shards, user, &log);
    Named { log, shard: of.shard, seal: Seal::of(&of) }
}
