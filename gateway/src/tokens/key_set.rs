//! A key set (JWKS, RFC 7517), read so that one odd key does no harm to those beside it.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use super::{error::TokenError, jwt::Jwt};

/// Some issuers pad, against RFC 7515.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
/// RSA keys outside these bounds can't be used (RFC 7518, section 3.3).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=8_192;

/// The keys of one key set that verify tokens.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Of each key that can't be read, which it is and why. Keys for something else are not among them.
    pub(super) odd: Vec<String>,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Why an entry of a key set is not among its keys.
enum Passed {
    /// It is for something else.
    ForOthers,
    Odd(String),
}

impl KeySet {
    /// The keys of a key set that verify tokens. Errors: it can't be read, or has none.
    pub(super) fn parse(set: &[u8]) -> Result<KeySet, String> {
        let set = set.strip_prefix(b"\xef\xbb\xbf").unwrap_or(set);
        let set: Value = serde_json::from_slice(set).map_err(|error| format!("this is no JWKS (RFC 7517): {error}"))?;
        let Some(Value::Array(entries)) = set.get("keys") else {
            return Err("this is no JWKS (RFC 7517): it has no list `keys`".to_owned());
        };
        let mut keys = KeySet::default();
        for (index, entry) in entries.iter().enumerate() {
            match Key::read(entry) {
                Ok(key) => keys.keys.push(key),
                Err(Passed::ForOthers) => {}
                Err(Passed::Odd(why)) => {
                    let id = entry.get("kid").and_then(Value::as_str).map(|id| format!(" ({id:?})"));
                    keys.odd.push(format!("key {}{}: {why}", index + 1, id.unwrap_or_default()));
                }
            }
        }
        if keys.keys.is_empty() {
            let odd = if keys.odd.is_empty() { String::new() } else { format!(" ({})", keys.odd.join("; ")) };
            return Err(format!("it has no key for EdDSA, ES256 or RS256{odd}"));
        }
        Ok(keys)
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The ids of its keys.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.id.as_deref())
    }

    /// Whether one of its keys has signed the token. Errors: there is no such key, or it has not.
    pub(super) fn verify(&self, jwt: &Jwt<'_>) -> Result<(), TokenError> {
        let algorithm = algorithm(&jwt.algorithm).ok_or(TokenError::Unsupported)?;
        let mut keys = self.keys_of(jwt)?;
        // Two keys of one id are told apart by what they are for.
        keys.retain(|key| key.algorithm == algorithm);
        if keys.is_empty() {
            return Err(TokenError::Algorithm);
        }
        let signed = |key: &&Key| crypto::verify(jwt.signature, jwt.signed.as_bytes(), &key.key, key.algorithm);
        if keys.iter().any(|key| signed(key).unwrap_or(false)) { Ok(()) } else { Err(TokenError::Signature) }
    }

    fn keys_of(&self, jwt: &Jwt<'_>) -> Result<Vec<&Key>, TokenError> {
        match (&jwt.key_id, &self.keys[..]) {
            (None, [only]) => Ok(vec![only]),
            (None, _) => Err(TokenError::NoKeyId),
            // An id is a hint (RFC 7515, section 4.1.4): the only key that there is needs none.
            (Some(_), [only]) if only.id.is_none() => Ok(vec![only]),
            (Some(_), keys) => {
                let named: Vec<_> = keys.iter().filter(|key| key.id == jwt.key_id).collect();
                if named.is_empty() { Err(TokenError::UnknownKey) } else { Ok(named) }
            }
        }
    }
}

/// The algorithm that a token or key names. `Ed25519` is EdDSA with the only curve that is taken here (RFC 9864).
fn algorithm(name: &str) -> Option<Algorithm> {
    match name {
        "EdDSA" | "Ed25519" => Some(Algorithm::EdDSA),
        "ES256" => Some(Algorithm::ES256),
        "RS256" => Some(Algorithm::RS256),
        _ => None,
    }
}

impl Key {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list of another crate, and an open one")]
    fn read(entry: &Value) -> Result<Key, Passed> {
        let Value::Object(jwk) = entry else { return Err(Passed::Odd("it is no JSON object".to_owned())) };
        let kty = text(jwk, "kty")?.ok_or_else(|| Passed::Odd("it has no `kty`".to_owned()))?;
        let curve = text(jwk, "crv")?;
        let id = text(jwk, "kid")?;
        let is_for = |name: &str, wanted: &str| Ok(text(jwk, name)?.is_none_or(|said| said == wanted));
        if !is_for("use", "sig")? || !may_verify(jwk)? {
            return Err(Passed::ForOthers);
        }
        let found = match (kty, curve) {
            ("OKP", Some("Ed25519")) => Algorithm::EdDSA,
            ("EC", Some("P-256")) => Algorithm::ES256,
            ("RSA", _) => Algorithm::RS256,
            ("OKP" | "EC", None) => return Err(Passed::Odd("it has no `crv`".to_owned())),
            _ => return Err(Passed::ForOthers),
        };
        if text(jwk, "alg")?.is_some_and(|said| algorithm(said) != Some(found)) {
            return Err(Passed::ForOthers);
        }
        let key = match found {
            Algorithm::EdDSA => DecodingKey::from_ed_der(&coordinate(jwk, "x")?),
            Algorithm::ES256 => {
                // A point that is not compressed (SEC 1, section 2.3.3).
                let (x, y) = (coordinate(jwk, "x")?, coordinate(jwk, "y")?);
                let point = [&[4][..], &x, &y].concat();
                DecodingKey::from_ec_der(&point)
            }
            _ => rsa(jwk)?,
        };
        Ok(Key { id: id.map(str::to_owned), algorithm: found, key })
    }
}

/// A member that is text where it is there.
fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Passed> {
    match jwk.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(Passed::Odd(format!("its `{name}` is no text")))
        }
    }
}

fn may_verify(jwk: &Map<String, Value>) -> Result<bool, Passed> {
    match jwk.get("key_ops") {
        None | Some(Value::Null) => Ok(true),
        Some(Value::Array(operations)) => Ok(operations.iter().any(|operation| operation == "verify")),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => {
            Err(Passed::Odd("its `key_ops` is no list".to_owned()))
        }
    }
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Passed> {
    let text = text(jwk, name)?.ok_or_else(|| Passed::Odd(format!("it has no `{name}`")))?;
    // Older issuers write the other alphabet of base64.
    let text = text.replace('+', "-").replace('/', "_");
    BASE64.decode(text).map_err(|_| Passed::Odd(format!("its `{name}` is no base64url")))
}

/// A number of 32 bytes. Some issuers leave out the zeros that it begins with.
fn coordinate(jwk: &Map<String, Value>, name: &str) -> Result<[u8; 32], Passed> {
    let bytes = bytes(jwk, name)?;
    let mut coordinate = [0; 32];
    match coordinate.len().checked_sub(bytes.len()) {
        Some(zeros) if !bytes.is_empty() => coordinate[zeros..].copy_from_slice(&bytes),
        _ => return Err(Passed::Odd(format!("its `{name}` has {} bytes in place of 32", bytes.len()))),
    }
    Ok(coordinate)
}

fn rsa(jwk: &Map<String, Value>) -> Result<DecodingKey, Passed> {
    let number = |name| {
        let bytes = bytes(jwk, name)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Ok(bytes[zeros..].to_vec())
    };
    let (modulus, exponent) = (number("n")?, number("e")?);
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) {
        let (least, most) = (RSA_BITS.start(), RSA_BITS.end());
        return Err(Passed::Odd(format!("its `n` has {bits} bits, and {least} to {most} are taken")));
    }
    if exponent.is_empty() {
        return Err(Passed::Odd("its `e` is 0".to_owned()));
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}
