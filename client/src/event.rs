//! What happens to a client, as its application sees it.

use std::{fmt, ops::Deref, time::Duration};

use dunlin_schema::{
    Address, Code, DeviceName, LogName, Millis, Open, RegionName, Seq, UserName, frame::EntryFrame, presence::Presence,
};

use crate::{
    checkpointer::Mark,
    error::{Ended, Lost, StoreError},
};

pub use crate::core::Receipt;

/// What happened. Everything that carries a cursor has a `done`: call it, in order, once what came is stored.
#[derive(Debug)]
pub enum Event {
    /// A gateway welcomed this client.
    Connected(Connected),
    /// An entry that this application has not seen.
    Entry(Entry),
    /// Entries are missing, or may be: see [`Gap`].
    Gap(Gap),
    /// From here on entries are live.
    CaughtUp(CaughtUp),
    /// The gateway refused a frame that was no send. Sends are answered where they were sent.
    Refused {
        /// Why.
        code: Open<Code>,
        /// The same in words.
        message: String,
    },
    /// Somebody does something just now. It was never stored, and may have been lost.
    Signal {
        /// Who.
        from: Open<Address>,
        /// What, as applications agree on it: `typing`.
        kind: String,
        /// In which group; `None` of what is told to the user alone.
        group: Option<Open<Address>>,
    },
    /// How somebody is who is watched: once at first, and then whenever that changes.
    Presence {
        /// Who.
        user: Open<Address>,
        /// Whether they are connected, and when they last were.
        presence: Presence,
    },
    /// How far what the user sent to an address has come. It only rises, and is told again with each connection.
    Receipt(Receipt),
    /// The user has read a conversation, on whichever device, and that is stored.
    Marked {
        /// With whom.
        with: Open<Address>,
        /// Up to this order.
        read: Seq,
    },
    /// The connection is lost; the client connects again by itself.
    Disconnected(Disconnected),
    /// The client is over for good. Nothing follows.
    Ended(Ended),
}

/// How a client stands right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// No connection; one is being made, or waited for. Why there is none, where a try has failed or one was lost.
    Connecting(Option<Lost>),
    /// Welcomed by a gateway.
    Connected(Connected),
    /// Over for good.
    Ended(Ended),
}

/// A gateway's welcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The gateway.
    pub url: String,
    /// Who the token says is there.
    pub user: UserName,
    /// Which device.
    pub device: DeviceName,
    /// The user's region.
    pub region: RegionName,
}

/// Why a connection is lost, and when the next one is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnected {
    /// Why.
    pub why: Lost,
    /// The pause before the next try.
    pub retry_in: Duration,
}

/// An entry of a log. Its fields are those of [`EntryFrame`].
pub struct Entry {
    frame: Box<EntryFrame>,
    mark: Mark,
}

/// Entries between two times are no longer there, or can't be shown to be complete: after 10,000 newer ones, after 30 days, or after
/// the region lost power. The client goes on after them, and has begun to repeat what it sent itself.
pub struct Gap {
    /// The log.
    pub log: LogName,
    /// Nothing is missing before this time.
    pub from: Millis,
    /// Nothing is missing after this time.
    pub to: Millis,
    mark: Mark,
}

/// From here on entries are live.
pub struct CaughtUp {
    /// The log.
    pub log: LogName,
    /// The last entry of the log that was given; 0 while there never was one.
    pub seq: Seq,
    mark: Mark,
}

impl Entry {
    pub(crate) fn new(frame: Box<EntryFrame>, mark: Mark) -> Entry {
        Entry { frame, mark }
    }

    /// Says that this entry and everything before it of its log is stored: saves the cursor, then tells the gateway.
    /// Errors: the store's; nothing is told to the gateway then.
    pub async fn done(&self) -> Result<(), StoreError> {
        self.mark.done().await
    }

    /// The entry itself.
    pub fn into_frame(self) -> EntryFrame {
        *self.frame
    }
}

impl Deref for Entry {
    type Target = EntryFrame;
    fn deref(&self) -> &EntryFrame {
        &self.frame
    }
}

impl Gap {
    pub(crate) fn new(log: LogName, from: Millis, to: Millis, mark: Mark) -> Gap {
        Gap { log, from, to, mark }
    }

    /// Says that the application has taken note of the gap: from now on it resumes after it. See [`Entry::done`].
    pub async fn done(&self) -> Result<(), StoreError> {
        self.mark.done().await
    }
}

impl CaughtUp {
    pub(crate) fn new(log: LogName, seq: Seq, mark: Mark) -> CaughtUp {
        CaughtUp { log, seq, mark }
    }

    /// Says that everything before this of its log is stored: keeps the fresher cursor that came with it. See [`Entry::done`].
    pub async fn done(&self) -> Result<(), StoreError> {
        self.mark.done().await
    }
}

impl Event {
    /// `done` of what carries a cursor; nothing for the others. Errors: the store's.
    pub async fn done(&self) -> Result<(), StoreError> {
        match self {
            Event::Entry(entry) => entry.done().await,
            Event::Gap(gap) => gap.done().await,
            Event::CaughtUp(caught_up) => caught_up.done().await,
            Event::Connected(_)
            | Event::Refused { .. }
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. }
            | Event::Disconnected(_)
            | Event::Ended(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.frame.fmt(f)
    }
}

impl fmt::Debug for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gap").field("log", &self.log).field("from", &self.from).field("to", &self.to).finish()
    }
}

impl fmt::Debug for CaughtUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaughtUp").field("log", &self.log).field("seq", &self.seq).finish()
    }
}
