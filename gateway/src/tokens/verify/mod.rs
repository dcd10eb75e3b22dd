//! Whether a token is to be trusted, decided without I/O.

use std::collections::HashMap;

use dunlin_schema::{Code, DeviceName, Millis, UserName, limits};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use crate::config::Tokens;

/// Who a token says is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user: UserName,
    /// The only device that the token is for, if it names one.
    pub(crate) device: Option<DeviceName>,
    /// When the token ends.
    pub(crate) until: Millis,
}

/// Why a token is not to be trusted. No variant carries a part of the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token has {0} bytes, at most {max} are read", max = limits::TOKEN_BYTES)]
    TooLong(usize),
    #[error("this is no JWT of an algorithm that is taken: EdDSA, ES256 or RS256")]
    Malformed,
    #[error("the token's header has `crit`: extensions that have to be understood, and none is here")]
    Critical,
    #[error("the key set has no key with the token's `kid`")]
    UnknownKey,
    #[error("the key set has no key with the token's `kid`, and can't be asked for a newer one")]
    NoKeySet,
    #[error("the token has no `kid`, and the key set has more than one key")]
    NoKeyId,
    #[error("the token's algorithm is not its key's")]
    Algorithm,
    #[error("the signature is not that of the token's key")]
    Signature,
    #[error("the token has no `{0}`")]
    Missing(&'static str),
    #[error("the token's `{0}` is no time: a number of seconds since 1970")]
    NoTime(&'static str),
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token's `sub` is no user's name")]
    User,
    #[error("the token's `dev` is no device's name")]
    Device,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token's time is over")]
    Expired,
}

impl TokenError {
    /// The code that the client is told.
    pub(crate) fn code(&self) -> Code {
        match self {
            TokenError::Expired => Code::TokenExpired,
            TokenError::NoKeySet => Code::Unavailable,
            TokenError::TooLong(_)
            | TokenError::Malformed
            | TokenError::Critical
            | TokenError::UnknownKey
            | TokenError::NoKeyId
            | TokenError::Algorithm
            | TokenError::Signature
            | TokenError::Missing(_)
            | TokenError::NoTime(_)
            | TokenError::Audience
            | TokenError::Issuer
            | TokenError::User
            | TokenError::Device
            | TokenError::NotYet => Code::Unauthorized,
        }
    }
}

/// The keys of one key set, ready for use.
pub(crate) struct Keys {
    keys: HashMap<String, Key>,
    /// The key for a token without `kid`: the only one there is.
    only: Option<Key>,
}

#[derive(Clone)]
struct Key {
    key: DecodingKey,
    validation: Validation,
}

/// Of any type, so that a claim of a wrong one is refused by its name.
#[derive(Deserialize)]
struct Claims {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    dev: Option<Value>,
}

impl Keys {
    /// The usable keys of a key set. Keys for encryption, secret keys and keys of other algorithms are passed over. Errors: it can't
    /// be read, or has no usable key.
    pub(crate) fn parse(set: &[u8], tokens: &Tokens) -> Result<Keys, String> {
        let set: JwkSet =
            serde_json::from_slice(set).map_err(|error| format!("this is no JWKS (RFC 7517): {error}"))?;
        let mut keys: Vec<_> = set.keys.iter().filter_map(|jwk| Some((jwk, Key::of(jwk, tokens)?))).collect();
        if keys.is_empty() {
            return Err("it has no key for EdDSA, ES256 or RS256".to_owned());
        }
        let only = if keys.len() == 1 { Some(keys[0].1.clone()) } else { None };
        let keys = keys.drain(..).filter_map(|(jwk, key)| Some((jwk.common.key_id.clone()?, key))).collect();
        Ok(Keys { keys, only })
    }

    /// Who the token says is there, at the time `now`. Errors: see [`TokenError`].
    pub(crate) fn verify(&self, token: &str, now: Millis) -> Result<Identity, TokenError> {
        if token.len() > limits::TOKEN_BYTES {
            return Err(TokenError::TooLong(token.len()));
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // RFC 7515, section 4.1.11.
        if header.crit.is_some() {
            return Err(TokenError::Critical);
        }
        let key = match &header.kid {
            Some(kid) => self.keys.get(kid).ok_or(TokenError::UnknownKey)?,
            None => self.only.as_ref().ok_or(TokenError::NoKeyId)?,
        };
        let claims = decode::<Claims>(token, &key.key, &key.validation).map_err(|error| wrong(error.kind()))?.claims;
        identity(&claims, now)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the list of another crate, and an open one")]
fn wrong(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => TokenError::Missing("iss"),
            _ => TokenError::Missing("aud"),
        },
        // What is left are broken encodings, and claims that are no object.
        _ => TokenError::Malformed,
    }
}

fn identity(claims: &Claims, now: Millis) -> Result<Identity, TokenError> {
    let until = time("exp", claims.exp.as_ref())?.ok_or(TokenError::Missing("exp"))?;
    if until <= now {
        return Err(TokenError::Expired);
    }
    if time("nbf", claims.nbf.as_ref())?.is_some_and(|nbf| nbf > now) {
        return Err(TokenError::NotYet);
    }
    let user = UserName::new(text(claims.sub.as_ref().ok_or(TokenError::Missing("sub"))?));
    let device = claims.dev.as_ref().map(|dev| DeviceName::new(text(dev)));
    Ok(Identity {
        user: user.map_err(|_| TokenError::User)?,
        device: device.transpose().map_err(|_| TokenError::Device)?,
        until,
    })
}

/// What is no text is no name either.
fn text(claim: &Value) -> &str {
    claim.as_str().unwrap_or_default()
}

/// A NumericDate (RFC 7519): seconds, perhaps with a fraction. Negative ones are the Unix epoch.
fn time(name: &'static str, claim: Option<&Value>) -> Result<Option<Millis>, TokenError> {
    let seconds = |claim: &Value| claim.as_f64().ok_or(TokenError::NoTime(name));
    Ok(claim.map(seconds).transpose()?.map(|seconds| Millis((seconds * 1_000.0) as u64)))
}

impl Key {
    fn of(jwk: &Jwk, tokens: &Tokens) -> Option<Key> {
        let (algorithm, name) = algorithm(&jwk.algorithm)?;
        let said = jwk.common.key_algorithm.is_none_or(|said| said == name);
        let signs = jwk.common.public_key_use.as_ref().is_none_or(|key_use| *key_use == PublicKeyUse::Signature);
        let key = DecodingKey::from_jwk(jwk).ok().filter(|_| said && signs)?;
        Some(Key { key, validation: validation(algorithm, tokens) })
    }
}

/// The one algorithm that a key is for.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list of another crate, and an open one")]
fn algorithm(key: &AlgorithmParameters) -> Option<(Algorithm, KeyAlgorithm)> {
    match key {
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some((Algorithm::EdDSA, KeyAlgorithm::EdDSA))
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some((Algorithm::ES256, KeyAlgorithm::ES256))
        }
        AlgorithmParameters::RSA(_) => Some((Algorithm::RS256, KeyAlgorithm::RS256)),
        _ => None,
    }
}

/// Times are looked at here and not there, so that the clock is an argument.
fn validation(algorithm: Algorithm, tokens: &Tokens) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_audience(&[&tokens.audience]);
    match &tokens.issuer {
        Some(issuer) => {
            validation.set_issuer(&[issuer]);
            validation.set_required_spec_claims(&["aud", "iss"]);
        }
        None => validation.set_required_spec_claims(&["aud"]),
    }
    validation
}

#[cfg(test)]
mod tests;
