//! What a back end sends over HTTP, and what it is told when that is stored. How it is refused: [`crate::problem`].

use serde::{Deserialize, Serialize};

use crate::{
    Content, MessageId, Millis, Seq,
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

/// The answer to what is stored: the frame that a WebSocket would be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Sent {
    /// It is stored.
    pub accepted: Accepted,
}

/// What is told of a message that is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Rises with each item of this sender to this address.
    pub order: Option<Seq>,
    /// When it was accepted.
    pub time: Millis,
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
