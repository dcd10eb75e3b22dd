//! How a gateway refuses a request over HTTP: a problem document (RFC 9457), and which status goes with which code.
//!
//! Programs depend on `code` and `retry_after`, which mean the same as on a WebSocket; `title` and `detail` are for people.

use serde::Serialize;

use crate::{Code, Millis};

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where a gateway explains its codes: what stands behind it is a code's name.
pub const CODES: &str = "/codes/";

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Problem {
    /// Where this gateway explains the code: `/codes/` and its name.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the code means. The same for each problem with this code.
    pub title: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// What is wrong with this request, in words.
    pub detail: String,
    /// Why, for programs.
    pub code: Code,
    /// When to try again, in milliseconds; `null` where that can't help.
    pub retry_after: Option<Millis>,
    /// Where a message was looked at and refused: the frame that a WebSocket would be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Rejected>,
}

/// A message that is refused, or whose outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Rejected {
    /// Its id, as it came.
    pub id: String,
    /// Why.
    pub code: Code,
    /// The same in words.
    pub message: String,
    /// When to try again, in milliseconds; `null` where that can't help.
    pub retry_after: Option<Millis>,
}

impl Problem {
    /// The refusal with this code and status, and these words.
    pub fn new(code: Code, status: u16, detail: String) -> Problem {
        let title = code.meaning().trim_end_matches('.');
        Problem { kind: format!("{CODES}{code}"), title, status, detail, code, retry_after: None, rejected: None }
    }

    /// The same as the refusal of the message with this id.
    pub fn of_message(mut self, id: String) -> Problem {
        let Problem { code, retry_after, .. } = self;
        self.rejected = Some(Rejected { id, code, message: self.detail.clone(), retry_after });
        self
    }
}

/// The HTTP status that says what a code says (RFC 9110; 429 is RFC 6585's); `None` for what is told on sockets alone.
pub fn status(code: Code) -> Option<u16> {
    match code {
        Code::BadFrame => Some(400),
        Code::TokenExpired | Code::TokenRevoked | Code::Unauthorized => Some(401),
        Code::Forbidden | Code::NotYours | Code::Refused | Code::NotAMember | Code::NotAllowed => Some(403),
        Code::NotFound => Some(404),
        Code::Exists | Code::TooMany => Some(409),
        Code::MediaLost => Some(410),
        Code::TooLarge => Some(413),
        Code::Elsewhere => Some(421),
        Code::BadQuestion
        | Code::BadAddress
        | Code::BadContent
        | Code::BadId
        | Code::Unsupported
        | Code::NotUploaded
        | Code::TooOld
        | Code::FromTheFuture => Some(422),
        Code::RateLimited => Some(429),
        Code::Draining | Code::Unavailable | Code::UnknownOutcome | Code::RegionUnreachable => Some(503),
        Code::HelloTimeout
        | Code::Replaced
        | Code::TooManyDevices
        | Code::UnknownFrame
        | Code::UnknownQuestion
        | Code::UnknownLog
        | Code::BadCursor => None,
    }
}
