//! What a URL of the embedded store lets its bearer do: a signed token (RFC 7515, HS256), which every gateway that shares the store's
//! folder knows. It names who asked for it, and ends with what they are let in by.

use dunlin_schema::{
    DeviceName, MediaId, Millis, UserName,
    media::{FileName, MediaType},
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::tokens::Token;

/// Under which uploads are put, one part each.
pub(crate) const UPLOADS: &str = "/v1/media/uploads/";
/// Under which files are had.
pub(crate) const FILES: &str = "/v1/media/";

/// What is allowed to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ticket {
    /// To whom.
    pub(crate) user: UserName,
    /// On which device.
    pub(crate) device: DeviceName,
    /// What that came with.
    pub(crate) token: Token,
    /// Until when, in ms.
    pub(crate) until: Millis,
    /// What.
    pub(crate) what: What,
}

/// What is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// To put a part of an upload.
    Put {
        /// The upload.
        media: MediaId,
        /// The part, from 1.
        part: u32,
        /// Where in the file it begins.
        from: u64,
        /// Its bytes.
        size: u64,
    },
    /// To have a file.
    Get {
        /// What it is called in the store.
        object: MediaId,
        /// Its bytes; `None` of a small picture, of which only the store knows.
        size: Option<u64>,
        /// What it is; `None` of a small picture, whose bytes tell it.
        #[serde(rename = "type")]
        kind: Option<MediaType>,
        /// What it is to be called.
        name: Option<FileName>,
    },
}

/// Writes tickets, and reads them.
pub(crate) struct Tickets {
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tickets").finish_non_exhaustive()
    }
}

impl Tickets {
    /// With the secret of a store.
    pub(crate) fn new(secret: &[u8; 32]) -> Tickets {
        Tickets { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret) }
    }

    /// A ticket as it stands in a URL.
    pub(crate) fn write(&self, ticket: &Ticket) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), ticket, &self.encoding)
            .expect("names and numbers are JSON")
    }

    /// A ticket that holds now; `None` where it is no longer one, or never was.
    pub(crate) fn read(&self, text: &str, now: Millis) -> Option<Ticket> {
        let mut validation = Validation::new(Algorithm::HS256);
        // Its time is looked at below, with this process's clock.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let ticket = jsonwebtoken::decode::<Ticket>(text, &self.decoding, &validation).ok()?.claims;
        (now < ticket.until).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use dunlin_schema::{MessageId, TokenId};

    use super::*;

    #[test]
    fn a_ticket_holds_until_its_time_as_it_was_written_and_for_one_store() {
        let (own, others) = (Tickets::new(&[1; 32]), Tickets::new(&[2; 32]));
        let media = MediaId(MessageId::from_bytes([7; 16]));
        let whats = [
            What::Put { media, part: 2, from: 8, size: 3 },
            What::Get {
                object: media,
                size: Some(9),
                kind: "image/png".parse().ok(),
                name: "a \"b\".png".parse().ok(),
            },
            What::Get { object: media, size: None, kind: None, name: None },
        ];
        for what in whats {
            let ticket = Ticket {
                user: "bob".parse().unwrap(),
                device: "phone".parse().unwrap(),
                token: Token { id: TokenId::new("a1").ok(), issued: Some(Millis(5)), is_pinned: false },
                until: Millis(10),
                what,
            };
            let text = own.write(&ticket);
            assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{text}");
            assert_eq!(own.read(&text, Millis(9)), Some(ticket));
            assert_eq!((own.read(&text, Millis(10)), others.read(&text, Millis(9))), (None, None));
            let (head, rest) = text.split_once('.').unwrap();
            let (claims, signature) = rest.split_once('.').unwrap();
            // {"typ":"JWT","alg":"none"}
            let unsigned = format!("eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0.{claims}.");
            for wrong in ["", "..", &text[1..], &text[..text.len() - 2], &format!("{head}.e30.{signature}"), &unsigned]
            {
                assert_eq!(own.read(wrong, Millis(9)), None, "{wrong}");
            }
        }
    }
}
