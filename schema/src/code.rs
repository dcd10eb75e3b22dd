//! Every code that a client can be told, in one table: what it is called, whether it ends the socket, and whether to try again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a client can do about a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Trying again can't help.
    Never,
    /// The same again after `retry_after`; for a send with the same id.
    Later,
    /// With a new token.
    NewToken,
    /// At the place that the message names.
    Elsewhere,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $close:expr, $retry:ident;)*) => {
        /// A code that a client can be told. In JSON its name in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The WebSocket close code that goes with it (RFC 6455, section 7.4); `None` for a code that ends no socket.
            pub fn close(self) -> Option<u16> {
                match self { $(Code::$name => $close,)* }
            }

            /// What a client can do about it.
            pub fn retry(self) -> Retry {
                match self { $(Code::$name => Retry::$retry,)* }
            }
        }
    };
}

impl Code {
    /// The code as clients see it, in snake case.
    pub fn name(self) -> String {
        let name = serde_json::to_value(self).expect("a code is a word in JSON");
        name.as_str().expect("a code is a word in JSON").to_owned()
    }
}

/// The code as clients see it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

codes! {
    // What ends a socket.
    /// The gateway is going away.
    Draining Some(1012), Later;
    /// The token's time is over.
    TokenExpired Some(4401), NewToken;
    /// The token was taken back.
    TokenRevoked Some(4401), NewToken;
    /// There is no token, or it is not to be trusted.
    Unauthorized Some(4401), Never;
    /// The token does not allow this.
    Forbidden Some(4403), Never;
    /// No `hello` came in time.
    HelloTimeout Some(4400), Never;
    /// A frame that can't be read, or comes out of turn.
    BadFrame Some(4400), Never;
    /// A frame or a body over the limit.
    TooLarge Some(1009), Never;
    /// The same device connected again.
    Replaced Some(4409), Never;
    /// The user has as many devices connected as are allowed.
    TooManyDevices Some(4429), Later;
    /// More than the user's share.
    RateLimited Some(4429), Later;
    /// The user belongs to a region that this gateway does not serve.
    Elsewhere Some(4421), Elsewhere;
    /// The region's storage can't be reached, or refuses; or nobody can say now whether the token is to be trusted.
    Unavailable Some(1013), Later;
    // What refuses a frame or a send.
    /// A frame of a kind that this release does not know.
    UnknownFrame None, Never;
    /// A well-formed request for something that this release does not do.
    Unsupported None, Never;
    /// An address that is none.
    BadAddress None, Never;
    /// Content that may not be sent.
    BadContent None, Never;
    /// The id is older than what can be looked up: the item may be stored.
    TooOld None, Never;
    /// The id's time is ahead of the server's.
    FromTheFuture None, Never;
    /// It may be stored; repeat the same id.
    UnknownOutcome None, Later;
    /// The recipient's region can't be reached, and what waits for it has no more room.
    RegionUnreachable None, Later;
    /// A log that this gateway does not follow for the user.
    UnknownLog None, Never;
    /// What an `edit` or a `delete` names is no message of the author's to this address, or is no longer stored.
    NotYours None, Never;
    /// What a `react` names is no message of this conversation, or is no longer stored.
    NotFound None, Never;
}
