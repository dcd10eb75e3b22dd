//! What a back end sends over HTTP, and with which status it is answered.

use serde::Deserialize;

use crate::{
    Code, Content, MessageId,
    frame::{Send, UnreadSend, as_written},
    text::reason,
};

/// The path at which it is sent.
pub const MESSAGES: &str = "/v1/messages";

/// The body of `POST /v1/messages`, in JSON: a `send` with the person in whose name it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Post {
    /// The id, made by the sender: a repeat with the same id is stored once and gets the first answer.
    pub id: MessageId,
    /// The user who is to have sent it; the token's own where it is left out.
    pub from: Option<String>,
    /// The address to send to.
    pub to: String,
    /// What is sent.
    pub content: Content,
}

/// A body that is no [`Post`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// What the refusal says of the id, where the body has one.
    pub send: Option<UnreadSend>,
    /// What is wrong.
    pub why: String,
}

impl Post {
    /// The post of a body. Errors: see [`Unread`].
    pub fn read(body: &[u8]) -> Result<Post, Unread> {
        #[derive(Deserialize)]
        struct OnlyId {
            #[serde(deserialize_with = "as_written")]
            id: String,
        }
        // In JSON a struct may be a list as well, which the document does not say.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Unread { send: None, why: "it is no JSON object".to_owned() });
        }
        serde_json::from_slice(body).map_err(|error| {
            let send = serde_json::from_slice(body).ok().map(|OnlyId { id }| UnreadSend::of(id));
            Unread { send, why: reason(&error) }
        })
    }

    /// What is sent, and in whose name.
    pub fn into_send(self) -> (Option<String>, Send) {
        let Post { id, from, to, content } = self;
        (from, Send { id, to, content })
    }
}

/// The HTTP status that says what a code says (RFC 9110; 429 is RFC 6585's); `None` for what is told on sockets alone.
pub fn status(code: Code) -> Option<u16> {
    match code {
        Code::BadFrame => Some(400),
        Code::TokenExpired | Code::TokenRevoked | Code::Unauthorized => Some(401),
        Code::Forbidden | Code::NotYours => Some(403),
        Code::NotFound => Some(404),
        Code::TooLarge => Some(413),
        Code::Elsewhere => Some(421),
        Code::BadAddress | Code::BadContent | Code::BadId | Code::Unsupported | Code::TooOld | Code::FromTheFuture => {
            Some(422)
        }
        Code::RateLimited => Some(429),
        Code::Draining | Code::Unavailable | Code::UnknownOutcome | Code::RegionUnreachable => Some(503),
        Code::HelloTimeout
        | Code::Replaced
        | Code::TooManyDevices
        | Code::DeviceRemoved
        | Code::UnknownFrame
        | Code::UnknownQuestion
        | Code::BadQuestion
        | Code::UnknownLog
        | Code::BadCursor => None,
    }
}
