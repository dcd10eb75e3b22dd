//! Every code that a client can be told, in one table: what it is called, whether it ends the socket, and whether to try again.

use std::fmt;

use crate::{Millis, Open, text::named};

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
    ($($(#[doc = $doc:literal])* $name:ident $text:literal $close:expr, $retry:ident;)*) => {
        /// A code that a client can be told. On the wire its name in snake case.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, schemars::JsonSchema)]
        #[schemars(rename_all = "snake_case")]
        pub enum Code { $($(#[doc = $doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$name),*];

            /// The code as clients see it.
            pub fn name(self) -> &'static str {
                match self { $(Code::$name => $text,)* }
            }

            /// What it means, in a sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),*).trim_ascii_start(),)* }
            }

            /// The page that tells what it means, when it comes and what to do, in Markdown.
            pub fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("../../docs/codes/", $text, ".md")),)* }
            }

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

/// The code as clients see it.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no code of this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code that this release knows")]
pub struct CodeError;

named!(Code, CodeError);

impl Open<Code> {
    /// What a client can do about it. Of a code that it does not know, `retry_after` tells.
    pub fn retry(&self, retry_after: Option<Millis>) -> Retry {
        match (self, retry_after) {
            (Open::Known(code), _) => code.retry(),
            (Open::Unknown(_), Some(_)) => Retry::Later,
            (Open::Unknown(_), None) => Retry::Never,
        }
    }
}

codes! {
    // What ends a socket.
    /// The gateway is going away.
    Draining "draining" Some(1012), Later;
    /// The token's time is over.
    TokenExpired "token_expired" Some(4401), NewToken;
    /// The token was revoked, or the user removed the device that it came with.
    TokenRevoked "token_revoked" Some(4401), NewToken;
    /// There is no token, or it is not to be trusted.
    Unauthorized "unauthorized" Some(4401), Never;
    /// The token does not allow this.
    Forbidden "forbidden" Some(4403), Never;
    /// No `hello` came in time.
    HelloTimeout "hello_timeout" Some(4400), Later;
    /// A frame or a request that can't be read, or comes out of turn.
    BadFrame "bad_frame" Some(4400), Never;
    /// A frame or a body over the limit.
    TooLarge "too_large" Some(1009), Never;
    /// The same device connected again.
    Replaced "replaced" Some(4409), Never;
    /// The user has as many devices connected as are allowed.
    TooManyDevices "too_many_devices" Some(4429), Later;
    /// More than the user's share.
    RateLimited "rate_limited" Some(4429), Later;
    /// The user belongs to a region that this gateway does not serve.
    Elsewhere "elsewhere" Some(4421), Elsewhere;
    /// The region's storage can't be reached, or refuses; or nobody can say now whether the token is to be trusted.
    Unavailable "unavailable" Some(1013), Later;
    // What refuses a frame or a send.
    /// A frame of a kind that this release does not know.
    UnknownFrame "unknown_frame" None, Never;
    /// A well-formed request for something that this release does not do.
    Unsupported "unsupported" None, Never;
    /// An address that is none.
    BadAddress "bad_address" None, Never;
    /// Content that may not be sent.
    BadContent "bad_content" None, Never;
    /// The id is older than what can be looked up: the item may be stored.
    TooOld "too_old" None, Never;
    /// The id's time is ahead of the server's.
    FromTheFuture "from_the_future" None, Never;
    /// It may be stored; repeat the same id.
    UnknownOutcome "unknown_outcome" None, Later;
    /// The recipient's region can't be reached, and what waits for it has no more room.
    RegionUnreachable "region_unreachable" None, Later;
    /// A log that this gateway does not follow for the user.
    UnknownLog "unknown_log" None, Never;
    /// What an `edit` or a `delete` names is no message of the author's to this address, or is no longer stored.
    NotYours "not_yours" None, Never;
    /// What is named is not there: a page, a message of this conversation that is still stored, a device of the user's, an invitation that
    /// holds.
    NotFound "not_found" None, Never;
    /// A cursor that this gateway can't open: its log goes on as if none had been named.
    BadCursor "bad_cursor" None, Never;
    /// An id that is no ULID.
    BadId "bad_id" None, Never;
    /// A question that this release does not know.
    UnknownQuestion "unknown_question" None, Never;
    /// A question that this release knows, in a form that it does not have.
    BadQuestion "bad_question" None, Never;
    /// Whom it is for does not let the user write to them, or add them to a group.
    Refused "refused" None, Never;
    /// There is no such group, or the user is not in it.
    NotAMember "not_a_member" None, Never;
    /// The user's role in the group does not allow this.
    NotAllowed "not_allowed" None, Never;
    /// There is a group of this name, or there was one.
    Exists "exists" None, Never;
    /// As many as may be are there already: members of the group, its invitations, groups of the user, or bytes of the user's files.
    TooMany "too_many" None, Never;
    /// A file that was not uploaded whole, or is not what it was announced to be.
    NotUploaded "not_uploaded" None, Never;
    /// A file whose bytes the store has lost.
    MediaLost "media_lost" None, Never;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_that_says_what_the_table_says() {
        for &code in Code::ALL {
            let words = code.page().split_whitespace().collect::<Vec<_>>().join(" ");
            let again = match code.retry() {
                Retry::Never => "Trying again does not help.",
                Retry::Later => "Trying again helps, after `retry_after`.",
                Retry::NewToken => "Trying again helps with a new token.",
                Retry::Elsewhere => "Trying again helps at the place that the words beside the code name.",
            };
            assert!(words.starts_with(&format!("# {code} {} {again}", code.meaning())), "{code}: {words}");
            let closes = words.split_once("with WebSocket close code ").map(|(_, close)| close[..4].parse().unwrap());
            assert_eq!(closes, code.close(), "{code}");
            assert!(words.contains("**When.** ") && words.contains("**What to do.** "), "{code}");
        }
        let pages = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/codes")).unwrap();
        assert_eq!(pages.count(), Code::ALL.len(), "a page of no code");
    }
}
