//! What the core is told and what it says: its inputs, its outputs, and what the application hears of them.

use std::collections::BTreeMap;

use dunlin_schema::{
    Address, Code, Content, CursorText, DeviceName, LogName, MessageId, Millis, Open, RegionName, Seq, SignalKind,
    Spans, UserName,
    frame::{Answer, ClientFrame, EntryFrame, Question, ServerFrame, StartAt},
    presence::Presence,
};

use super::{
    inbox::{Acknowledged, Progress},
    outbox::{Accepted, RequestId},
};
use crate::{
    error::{AskError, Ended, Lost, SendError},
    token::Refusal,
};

/// What the core is told at its birth.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// How many gateways there are, at least 1.
    pub(crate) gateways: usize,
    pub(crate) device: Option<DeviceName>,
    /// The cursors that were kept.
    pub(crate) kept: BTreeMap<Open<LogName>, CursorText>,
    pub(crate) start: Option<StartAt>,
    pub(crate) backoff_first: Millis,
    pub(crate) backoff_most: Millis,
    pub(crate) connect_within: Millis,
    pub(crate) in_flight_per_address: usize,
    pub(crate) seed: [u8; 32],
}

/// What happens to a client.
#[derive(Debug)]
pub(crate) enum Input {
    /// Something to send.
    Submit { request: RequestId, to: Address, content: Content },
    /// Something to ask, which is over at this time of the steady clock.
    Ask { request: RequestId, what: Question, until: Millis },
    /// The user has read a conversation.
    Read { with: Address, upto: Seq },
    /// Something to tell just now, or never.
    Signal { to: Address, kind: SignalKind },
    /// The dial that was asked for has a socket and a token. `date` is the time that the gateway's answer bears (RFC 9110, section 6.6.1).
    Opened { token: String, date: Option<Millis> },
    /// A frame came.
    Frame(Box<ServerFrame>),
    /// Something else came: a ping, a pong, a frame of a later release.
    Heard,
    /// The dial failed or the socket ended.
    Lost(Lost),
    /// Whether there is room for events.
    Room(bool),
    /// The application has stored what came up to here.
    Done(BTreeMap<Open<LogName>, Acknowledged>),
    /// The application has had enough.
    Close,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// Get a token (a fresh one after `refused`) and a socket. `server_time` is the gateway's time, as far as it is known.
    Dial { gateway: usize, refused: Option<Refusal>, server_time: Option<Millis> },
    /// Write to the socket.
    Write(ClientFrame),
    /// Let go of the socket, or of the dial.
    HangUp,
    /// Tell the application.
    Notify(Notification),
    /// A repeat, or something of a log of a newer release, was not given, but its cursor is newer than the last one that was.
    Skip(Progress),
    /// A send has its id from now on.
    Named(RequestId, MessageId),
    /// A send has its outcome.
    Settle(RequestId, Result<Accepted, SendError>),
    /// A question has its answer, or has none.
    Answered(RequestId, Result<Answer, AskError>),
}

/// What the application is told.
#[derive(Debug, PartialEq)]
pub(crate) enum Notification {
    Connected { gateway: usize, user: UserName, device: DeviceName, region: RegionName },
    Entry(Box<EntryFrame>, Progress),
    Gap { log: LogName, from: Millis, to: Millis, place: Progress },
    CaughtUp { log: LogName, seq: Seq, place: Progress },
    Refused { code: Open<Code>, message: String },
    Signal { from: Open<Address>, kind: String, group: Option<Open<Address>> },
    Presence { user: Open<Address>, presence: Presence },
    Receipt(Receipt),
    Marked { with: Open<Address>, read: Seq },
    Disconnected { why: Lost, retry_in: Millis },
    Ended(Ended),
}

/// How far what the user sent to an address has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who has it, or has read it; `None` of a group.
    pub by: Option<Open<Address>>,
    /// The address that was sent to.
    pub to: Open<Address>,
    /// Of a group, of which message.
    pub order: Option<Seq>,
    /// Of a person, everything up to this order was delivered; of a group, to how many members.
    pub delivered: Option<u64>,
    /// Of a person, everything up to this order was read; of a group, by how many members.
    pub read: Option<u64>,
    /// Of a group, how many members there are beside the sender.
    pub of: Option<u32>,
    /// When it became so.
    pub time: Millis,
    /// Of a person, when the life of their log began that gave the orders.
    pub since: Option<Millis>,
    /// Of a person, orders below the marks that no device of theirs is known to have: neither delivered nor read.
    pub missing: Spans,
}
