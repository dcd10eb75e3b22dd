//! One device's connection, decided without I/O: what is given to its socket, what is read, asked and appended for it.
//!
//! Drive it: give every input to [`Session::handle`] in the order it happened, with the time it happened; then carry out the outputs in
//! order. It never waits, and never needs an output's result but as a later input. It begins once `hello` was accepted and ends with the
//! socket; tokens, rate limits and pings are the loop's.
//!
//! - **Outputs are answered once each**: [`Output::Read`] with [`Input::Read`], [`Output::Append`] with [`Input::Appended`] under its key,
//!   [`Output::Verify`] with [`Input::Verified`], [`Output::AskHeads`] with [`Input::Heads`] or [`Input::HeadsUnanswered`]; at most one
//!   read and one verify are on their way. `AskHeads` is asked at the opening alone: the comparison every
//!   [`limits::HEADS_EVERY`] and after a loss is the loop's, for all its sessions at once.
//!   A share of an answer is given only to sessions whose [`Input::Subscribed`] came before the question was sent.
//! - **The writer** calls [`Session::take`] until there is nothing, and writes. When all it took is written, and
//!   [`Session::waits_for_drain`] says so, it gives [`Input::Drained`].
//! - **The reader** of the socket stops while [`Session::wants_input`] is false.
//! - **Time**: [`Input::Tick`] at, or soon after, [`Session::next_deadline`].
//! - **The end**: [`Session::finish`], once, when the socket is gone.

mod acks;
mod around;
mod follow;
mod outbound;
mod sending;
#[cfg(test)]
mod tests;

use dunlin_schema::{
    Cursor, Entry, Log, LogName, MessageId, Millis, Position, RegionName, Seal, Seq, UserName,
    frame::{Send, ServerFrame},
    heads::Head,
    limits::{self, Bounds},
    live::LiveEntry,
    read::{ReadAnswer, ReadRequest},
};

use acks::Acks;
use around::{Around, SentHere, Wants};
use follow::Follow;
use outbound::{Outbound, Taken};
use sending::{Me, Sending};

/// Who is there, and where the mailbox goes on.
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
    /// Where the mailbox goes on.
    pub start: Start,
    /// The bounds that hold: [`Bounds::STANDARD`] everywhere but in the simulation.
    pub bounds: &'static Bounds,
}

/// When a sent copy goes to the sender's own mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentCopies {
    /// Always: later devices see what was sent, too.
    Always,
    /// Only for a user of several devices.
    SeveralDevices,
}

/// Where a mailbox goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the first entry that is still there.
    Beginning,
    /// With what comes from now on.
    Live,
    /// After what was consumed.
    Cursor(Cursor),
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The client sends something.
    Send {
        /// What.
        send: Send,
        /// What the rate limiter says: the error is when to try again.
        admitted: Result<(), Millis>,
    },
    /// The client has everything of its mailbox up to a sequence.
    Ack {
        /// Up to here.
        delivered: Seq,
    },
    /// The interest in `user.<user>` is in place: from here on live entries come, unless they are lost.
    Subscribed,
    /// A live entry of the mailbox.
    Live(LiveEntry),
    /// This session's share of a comparison of heads.
    Heads(HeadOf),
    /// A comparison of heads got no answer.
    HeadsUnanswered,
    /// The answer to [`Output::Verify`]: the reader's position.
    Verified(Result<Position, NoAnswer>),
    /// The answer to [`Output::Read`].
    Read(Result<ReadAnswer, ReadFailed>),
    /// The answer to [`Output::Append`].
    Appended {
        /// Which append.
        key: AppendKey,
        /// What came of it.
        outcome: Result<Stored, AppendFailure>,
    },
    /// The user has, or had, another device than this one.
    SeveralDevices,
    /// Everything that was taken is written.
    Drained,
    /// Time has passed.
    Tick,
}

/// What the deliver reader says of one mailbox: true of the moment when it stood at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadOf {
    /// How far the reader has come in the shard, and in which epoch.
    pub position: Position,
    /// The mailbox's last entry, where the reader knows it.
    pub head: Option<Head>,
    /// Where it does not, the mailbox has no entry between this sequence and `position`.
    pub floor: Seq,
}

/// A question had no answer in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// A read had no answer in time, or one that proves nothing. It is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadFailed;

/// Which append: a session has one at a time for each recipient.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppendKey {
    /// To whom the item is sent.
    pub to: UserName,
    /// The item's id.
    pub id: MessageId,
    /// Whether this is the sent copy, in the sender's own mailbox.
    pub copy: bool,
}

/// An item is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The sequence of what accounts for it.
    pub seq: Seq,
    /// What is stored: on a repeat the first one's entry, or the tombstone that names it.
    pub entry: Entry,
    /// Whether it had been stored before.
    pub repeat: bool,
}

/// Why an item is not known to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFailure {
    /// The id is older than what can be looked up: it may be stored.
    TooOld,
    /// The id's time is ahead of the server's.
    FromTheFuture,
    /// The stream has no room: it is not stored.
    Full,
    /// The entry is larger than the stream takes.
    TooLarge,
    /// It may be stored.
    Unknown,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append an entry to a log, once.
    Append(Box<Append>),
    /// Read the mailbox.
    Read(ReadRequest),
    /// Ask the deliver reader for the mailbox's head.
    AskHeads,
    /// Ask the deliver reader to compare itself with the stream: this position is not to be found again.
    Verify(Position),
    /// The device has everything up to here: at most once a second, never backwards.
    Acknowledge(Cursor),
    /// For the log and a metric: an entry that can't be read. The client is told by a `gap`.
    Corrupt(Position),
    /// For a metric: the queue was full, and what was in it is read again when the socket has drained.
    Overflowed,
}

/// An entry that is to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Names the append in its answer.
    pub key: AppendKey,
    /// The log.
    pub log: Log,
    /// The entry.
    pub entry: Entry,
    /// Whether this session has not tried this item before.
    pub first_try: bool,
    /// Whether it is the sent copy of what the recipient's log has just stored for the first time.
    pub copy_of_new: bool,
}

/// One device's connection.
#[derive(Debug)]
pub struct Session {
    me: Me,
    bounds: &'static Bounds,
    sent_copies: SentCopies,
    several_devices: bool,
    mailbox: Follow,
    sending: Sending,
    acks: Acks,
    outbound: Outbound,
}

impl Session {
    /// A session at the moment its `hello` was accepted.
    pub fn new(setup: Setup, now: Millis) -> Session {
        let Setup { region, shards, user, sent_copies, several_devices, start, bounds } = setup;
        let seal = Seal::of(&Log::mailbox(&region, shards, &user));
        let began = match start {
            Start::Beginning | Start::Live => Position::default(),
            Start::Cursor(cursor) => cursor.position,
        };
        Session {
            me: Me { user, region, shards },
            bounds,
            sent_copies,
            several_devices,
            mailbox: Follow::new(LogName::Mailbox, seal, start, now),
            sending: Sending::default(),
            acks: Acks::new(began),
            outbound: Outbound::default(),
        }
    }

    /// Takes in what happened, and adds what is to be done to `out`.
    pub fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        let Session { me, bounds, sent_copies, several_devices, mailbox, sending, acks, outbound } = self;
        let mut around = Around { now, bounds, outbound, wants: Wants { out }, sent: SentHere { me, sending } };
        match input {
            Input::Send { send, admitted } => {
                let answer = sending.send(now, me, send, admitted, out);
                outbound.answers(answer);
            }
            Input::Appended { key, outcome } => {
                let copy_wanted = *several_devices || *sent_copies == SentCopies::Always;
                let answer = sending.appended(me, copy_wanted, key, outcome, out);
                outbound.answers(answer);
            }
            Input::SeveralDevices => *several_devices = true,
            Input::Ack { delivered } => acks.acknowledge(now, delivered, out),
            Input::Subscribed => mailbox.subscribed(&mut around),
            Input::Live(live) => mailbox.live(live, &mut around),
            Input::Heads(head) => mailbox.heads(head, &mut around),
            Input::HeadsUnanswered => mailbox.heads_unanswered(&mut around),
            Input::Verified(answer) => mailbox.verified(answer, &mut around),
            Input::Read(answer) => mailbox.answered(answer, &mut around),
            Input::Drained => mailbox.drained(&mut around),
            Input::Tick => {
                mailbox.tick(&mut around);
                acks.tick(now, out);
            }
        }
    }

    /// Queues an answer of the loop's own (`refused`, `goodbye`). Like all answers it is never dropped.
    pub fn answer(&mut self, frame: ServerFrame) {
        self.outbound.answers(Some(frame));
    }

    /// The next frame to write. Taking it is what moves the cursor.
    pub fn take(&mut self) -> Option<ServerFrame> {
        let Taken { frame, moves } = self.outbound.take()?;
        if let Some((to, then)) = moves {
            self.mailbox.taken(then);
            self.acks.taken(to);
        }
        Some(frame)
    }

    /// Whether [`Session::take`] has a frame.
    pub fn has_outgoing(&self) -> bool {
        !self.outbound.is_empty()
    }

    /// Whether [`Input::Drained`] is waited for.
    pub fn waits_for_drain(&self) -> bool {
        self.mailbox.waits_for_drain() && self.outbound.is_empty()
    }

    /// Whether frames of the client may be read: false while too many wait for their answer.
    pub fn wants_input(&self) -> bool {
        let (sends, bytes) = self.sending.waiting();
        sends + self.outbound.answers_waiting() < limits::SENDS_IN_FLIGHT && bytes < limits::OUTBOUND_BYTES
    }

    /// When [`Input::Tick`] is wanted.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.mailbox.deadline(self.bounds).into_iter().chain(self.acks.deadline()).min()
    }

    /// The socket is gone: adds the last acknowledgement to `out`.
    pub fn finish(&mut self, out: &mut Vec<Output>) {
        self.acks.finish(out);
    }
}
