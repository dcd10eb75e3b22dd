//! What a back end sends over HTTP, and what it is told when that is stored. How it is refused: [`crate::problem`].

use std::collections::BTreeMap;

use schemars::JsonSchema as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Address, Content, DeviceName, MessageId, Millis, Open, Seq, UserName,
    frame::{Send, UnreadSend, as_written},
    limits,
    presence::Presence,
    text::reason,
};

/// The path at which tokens are revoked.
pub const REVOCATIONS: &str = "/v1/revocations";
/// A `jti` has so many bytes at most: no longer one is in a token that is looked at.
const JTI_BYTES: usize = limits::TOKEN_BYTES;

/// What is revoked, as the body of `POST /v1/revocations` says it.
#[derive(Clone, Debug, PartialEq, Eq, schemars::JsonSchema)]
#[schemars(untagged)]
pub enum Revocation {
    /// One token of the issuer that also signed the token of this request.
    Token {
        /// Its `jti`.
        jti: String,
    },
    /// The tokens of one of a person's devices: those that name it, and those that name none.
    Device {
        /// The person.
        user: UserName,
        /// The device.
        device: DeviceName,
    },
    /// The tokens of a person.
    User {
        /// The person.
        user: UserName,
    },
}

/// That it is written down, as it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Done {
    /// Nothing more is said.
    pub done: Nothing,
}

/// An object without fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Nothing {}

impl Revocation {
    /// What a body says. Errors: what is wrong with it.
    pub fn read(body: &[u8]) -> Result<Revocation, String> {
        #[derive(Deserialize)]
        struct Written {
            jti: Option<String>,
            user: Option<UserName>,
            device: Option<DeviceName>,
        }
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err("it is no JSON object".to_owned());
        }
        let Written { jti, user, device } = serde_json::from_slice(body).map_err(|error| reason(&error))?;
        match (jti, user, device) {
            (Some(jti), None, None) if (1..=JTI_BYTES).contains(&jti.len()) => Ok(Revocation::Token { jti }),
            (Some(_), None, None) => Err(format!("`jti` has 1 to {JTI_BYTES} bytes")),
            (None, Some(user), Some(device)) => Ok(Revocation::Device { user, device }),
            (None, Some(user), None) => Ok(Revocation::User { user }),
            (Some(_), _, _) | (None, None, _) => {
                Err("it has `jti` alone, or `user`, or `user` and `device`".to_owned())
            }
        }
    }
}

/// The path at which it is sent.
pub const MESSAGES: &str = "/v1/messages";

/// The path at which it is asked who is connected.
pub const PRESENCE: &str = "/v1/presence";

/// The body of `POST /v1/messages`, in JSON: a `send` with the person in whose name it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Post {
    /// The id, made by the sender: a repeat with the same id is stored once and gets the first answer.
    pub id: MessageId,
    /// The user who is to have sent it; the token's own where it is left out.
    #[schemars(with = "Option<UserName>")]
    pub from: Option<String>,
    /// The address to send to.
    #[schemars(with = "Address")]
    pub to: String,
    /// What is sent.
    #[schemars(schema_with = "sendable")]
    pub content: Content,
}

/// Content without what only the system says.
fn sendable(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = Content::json_schema(generator);
    if let Some(Value::Array(kinds)) = schema.get_mut("oneOf") {
        let by_system =
            |kind: &Value| ["membership", "failed"].iter().any(|name| kind["properties"].get(name).is_some());
        kinds.retain(|kind| !by_system(kind));
    }
    schema
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

/// The answer to `GET /v1/presence`: what a WebSocket would be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Present {
    /// Whether people are connected.
    pub presence: PresentUsers,
}

/// Whether people are connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PresentUsers {
    /// Each under the address that was asked for.
    pub users: BTreeMap<Open<Address>, Presence>,
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
