//! The parts of a token (JWS in its compact form, RFC 7515; JWT, RFC 7519), before anybody has looked at its signature.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::limits;
use serde_json::{Map, Value};

use super::error::TokenError;

/// A token's parts. Nothing in it is true before its signature was checked.
pub(super) struct Jwt<'a> {
    /// What was signed.
    pub(super) signed: &'a str,
    pub(super) signature: &'a str,
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
    pub(super) claims: Map<String, Value>,
}

impl Jwt<'_> {
    /// Takes a token apart. Errors: it is none that is read here.
    pub(super) fn parse(token: &str) -> Result<Jwt<'_>, TokenError> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TokenError::TooLong(token.len()));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = match signed.split('.').collect::<Vec<_>>()[..] {
            [header, claims] => (header, claims),
            // RFC 7516, section 9: what is encrypted has five parts.
            [_, _, _, _] => return Err(TokenError::Encrypted),
            _ => return Err(TokenError::Malformed),
        };
        let mut header = object(header)?;
        // RFC 7515, section 4.1.11.
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let Some(Value::String(algorithm)) = header.remove("alg") else { return Err(TokenError::Malformed) };
        let key_id = match header.remove("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(key_id)) => Some(key_id),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                return Err(TokenError::Malformed);
            }
        };
        Ok(Jwt { signed, signature, algorithm, key_id, claims: object(claims)? })
    }

    /// A claim that is there.
    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name).filter(|claim| !claim.is_null())
    }

    /// Whose token it says to be.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claim("iss").and_then(Value::as_str)
    }
}

fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&bytes).map_err(|_| TokenError::Malformed)
}
