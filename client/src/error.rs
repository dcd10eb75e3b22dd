//! What can go wrong, by operation.

use dunlin_schema::{
    Code, Millis, NameError, Open,
    address::AddressError,
    content::ContentError,
    frame::{Answer, Goodbye},
};

/// Why options can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No gateway is named.
    #[error("a client needs the URL of at least one gateway, for example ws://localhost:8080")]
    NoUrl,
    /// A URL that is none.
    #[error("{url:?} can't be a gateway: {why}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A bound of zero.
    #[error("the option {0} has to be at least 1")]
    Zero(&'static str),
}

/// Why a client did not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The options can't be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The kept cursor can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No gateway will ever take this client as it is.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Why a client is over for good: it does not connect again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The gateway said so, by a goodbye or by refusing the upgrade, and trying again as before can't help, or there is no other token.
    #[error("the gateway ended this client: {} ({})", .0.message, .0.code)]
    Goodbye(Goodbye),
    /// There is no token; where a gateway refused the last one, its [`Ended::Goodbye`] says so instead.
    #[error("there is no token")]
    NoToken,
    /// The application closed it.
    #[error("the client was closed")]
    Closed,
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The gateway said goodbye.
    #[error("the gateway said goodbye: {} ({})", .0.message, .0.code)]
    Goodbye(Goodbye),
    /// The gateway, or something before it, refused the upgrade.
    #[error("the upgrade was refused with HTTP status {status}")]
    Http {
        /// The status.
        status: u16,
        /// The answer's `Retry-After`.
        retry_after: Option<Millis>,
        /// What a gateway says itself: its refusals are JSON with a `code`. `None` is the word of something before it.
        refusal: Option<Goodbye>,
    },
    /// The WebSocket was closed without a goodbye.
    #[error("the WebSocket was closed with code {code:?}: {reason}")]
    Closed {
        /// The close code (RFC 6455, section 7.4); `None` where the socket just ended.
        code: Option<u16>,
        /// The reason that came with it.
        reason: String,
    },
    /// The socket failed, or none could be had.
    #[error("the connection failed: {0}")]
    Socket(String),
    /// Nothing came within the time in which a gateway pings.
    #[error("the gateway has been silent for too long")]
    Silent,
    /// No token could be had.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The machine slept, or its clock was set forward: the socket is dead, and the gateway's time has to be asked for again.
    #[error("this machine has slept, or its clock was set forward")]
    Slept,
    /// The gateway sent something that is no frame.
    #[error("the gateway sent what is no frame: {0}")]
    BadFrame(String),
    /// The application fell behind while answers had to be read: the rest is read again over a new connection.
    #[error("the application fell behind; what it lacks is read again")]
    FellBehind,
}

/// Why a token could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not now: asked again later.
    #[error("no token could be had: {0}")]
    Failed(String),
    /// There will be no other token: the client ends.
    #[error("there is no fresh token")]
    NoMore,
}

/// Why something was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The content may not be sent.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// The frame would be larger than a gateway takes.
    #[error("the message takes {0} bytes on the wire, a gateway takes at most {max}", max = dunlin_schema::limits::FRAME_BYTES)]
    TooLarge(usize),
    /// As many sends wait for their answer as are allowed (`try_submit` only: the others wait).
    #[error("too many sends wait for their answer")]
    Full,
    /// The gateway refused it, and trying again can't help; or it did with a code that this release does not know, and named no time to try
    /// again. With [`Code::TooOld`] it may have been stored.
    #[error("the gateway refused the message: {message} ({code})")]
    Rejected {
        /// Why.
        code: Open<Code>,
        /// The same in words.
        message: String,
    },
    /// The client is over; what had no answer may or may not be stored. The message says why: no source repeats it.
    #[error("the client is over before the message was accepted: {0}")]
    Ended(Ended),
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The gateway refused it.
    #[error("the gateway refused the question: {message} ({code})")]
    Refused {
        /// Why.
        code: Open<Code>,
        /// The same in words.
        message: String,
        /// When asking again may help; `None` where it can't.
        retry_after: Option<Millis>,
    },
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The connection was lost before the answer came. Ask again.
    #[error("the connection was lost before the answer came")]
    Disconnected,
    /// No answer came in time.
    #[error("no answer came in time")]
    TimedOut,
    /// The gateway answered what only a newer release knows: its name.
    #[error("the gateway answered {0:?}, which this release does not know")]
    Newer(String),
    /// The gateway answered something else than what was asked: the answer.
    #[error("the gateway answered something else than what was asked: {0}")]
    Unexpected(String),
    /// The client is over.
    #[error("the client is over before the answer came: {0}")]
    Ended(Ended),
}

impl AskError {
    pub(crate) fn unexpected(answer: &Answer) -> AskError {
        AskError::Unexpected(format!("{answer:?}"))
    }
}

/// Why a signal was not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The kind is none.
    #[error("the kind of a signal: {0}")]
    Kind(#[from] NameError),
    /// The client is over.
    #[error("the client is over: {0}")]
    Ended(Ended),
}

impl From<Ended> for SendError {
    fn from(ended: Ended) -> SendError {
        SendError::Ended(ended)
    }
}

/// A store of cursors failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the cursor store failed while {doing}: {why}")]
pub struct StoreError {
    /// What was being done, with what.
    pub doing: String,
    /// What went wrong.
    pub why: String,
}
