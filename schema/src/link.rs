//! Invitations by link: what whoever has it joins a group with, and what is kept of it.
//!
//! A token names its group and carries a secret. What is stored is the secret's hash, so nobody who reads records can join by them.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{GroupAddress, text::parsed};

/// What is at the end of a token: random, and known to nobody but those who were given the token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinkSecret(pub [u8; 16]);

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

/// A link's token: `team@eu.` or `team.`, and 22 letters of base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkToken {
    /// The group.
    pub group: GroupAddress,
    /// That one may join it.
    pub secret: LinkSecret,
}

/// A text that is no token of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no token of an invitation, or was cut or changed on its way")]
pub struct LinkTokenError;

impl fmt::Display for LinkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GroupAddress { group, region } = &self.group;
        let region = region.as_ref().map_or_else(String::new, |region| format!("@{region}"));
        write!(f, "{group}{region}.{}", URL_SAFE_NO_PAD.encode(self.secret.0))
    }
}

impl FromStr for LinkToken {
    type Err = LinkTokenError;
    fn from_str(text: &str) -> Result<LinkToken, LinkTokenError> {
        let (group, secret) = text.split_once('.').ok_or(LinkTokenError)?;
        let group = format!("#{group}").parse().map_err(|_| LinkTokenError)?;
        Ok(LinkToken { group, secret: LinkSecret(bytes(secret).ok_or(LinkTokenError)?) })
    }
}

impl Serialize for LinkToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LinkToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer)
    }
}

impl schemars::JsonSchema for LinkToken {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LinkToken".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,64}(@[A-Za-z0-9_-]{1,64})?\\.[A-Za-z0-9_-]{21}[AQgw]$",
            "description": "Whoever has it may join the group that it names."
        })
    }
}

/// What a link is kept under: the SHA-256 (FIPS 180-4) of its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LinkKey(pub [u8; 32]);

impl fmt::Display for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for LinkKey {
    type Err = LinkTokenError;
    fn from_str(text: &str) -> Result<LinkKey, LinkTokenError> {
        bytes(text).map(LinkKey).ok_or(LinkTokenError)
    }
}

/// So many bytes of base64url, and nothing else.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_in_one_form_alone() {
        let secret = LinkSecret([0xfb; 16]);
        for (text, group) in [("team@eu.-_v7-_v7-_v7-_v7-_v7-w", "#team@eu"), ("team.-_v7-_v7-_v7-_v7-_v7-w", "#team")]
        {
            let token = LinkToken { group: group.parse().unwrap(), secret };
            assert_eq!(text.parse(), Ok(token.clone()));
            assert_eq!(token.to_string(), text);
        }
        for none in [
            "",
            "team",
            "team.",
            ".-_v7-_v7-_v7-_v7-_v7-w",
            "#team.-_v7-_v7-_v7-_v7-_v7-w",
            "team.-_v7-_v7-_v7-_v7-_v7-x",
            "team.-_v7-_v7-_v7-_v7-_v7-w==",
            "team.+/v7+/v7+/v7+/v7+/v7+w",
            "team.-_v7-_v7-_v7-_v7-_v7",
            "team.-_v7-_v7-_v7-_v7-_v7-_v7",
            "te.am.-_v7-_v7-_v7-_v7-_v7-w",
            "team@.-_v7-_v7-_v7-_v7-_v7-w",
            " team.-_v7-_v7-_v7-_v7-_v7-w",
        ] {
            assert_eq!(none.parse::<LinkToken>(), Err(LinkTokenError), "{none:?}");
        }
    }

    #[test]
    fn a_secret_is_not_seen_where_frames_are_logged() {
        let token: LinkToken = "team.-_v7-_v7-_v7-_v7-_v7-w".parse().unwrap();
        assert!(!format!("{token:?}").contains("251"), "{token:?}");
    }
}
