//! Whether a token is to be trusted, decided without I/O.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_schema::{DeviceName, Millis, TokenId, UserName, limits};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{error::TokenError, jwt::Jwt, key_set::KeySet, names};
use crate::config::Issuer;

/// Who a token says is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The user.
    pub(crate) user: UserName,
    /// The only device that the token is for, if it names one.
    pub(crate) device: Option<DeviceName>,
    /// When the token ends.
    pub(crate) until: Millis,
    /// What a revocation may know it by.
    pub(crate) token: Token,
    /// The people in whose names it may send as a back end, where one of the words of its `scope` is `service`.
    pub(crate) serves: Option<People>,
    /// What it may revoke, where one of the words is `admin`.
    pub(crate) administers: Option<Administered>,
}

/// What a revocation may know a token by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    /// Its name, where it has a `jti`.
    pub(crate) id: Option<TokenId>,
    /// When it was issued, where it says so.
    pub(crate) issued: Option<Millis>,
    /// Whether it is for one device alone.
    pub(crate) is_pinned: bool,
}

impl Token {
    /// Whether it was issued up to then, or may have been.
    pub(crate) fn is_of(&self, time: Millis) -> bool {
        self.issued.is_none_or(|issued| issued <= time)
    }
}

/// What a token may revoke: tokens of its issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Administered {
    /// Whose.
    pub(crate) people: People,
    issuer: String,
}

impl Administered {
    /// The name of the token with this `jti`.
    pub(crate) fn token(&self, jti: &str) -> TokenId {
        token_id(&self.issuer, jti)
    }
}

/// A token's name: a digest of its issuer, as it says, and its `jti`.
fn token_id(issuer: &str, jti: &str) -> TokenId {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [issuer, jti] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    TokenId::new(&URL_SAFE_NO_PAD.encode(context.finish())).expect("43 characters of base64url are a name")
}

/// The people of a token's issuer: those whose names begin with its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct People {
    pub(super) prefix: String,
}

impl People {
    pub(crate) fn has(&self, user: &UserName) -> bool {
        user.as_str().starts_with(&self.prefix)
    }
}

/// Who the token says is there, at the time `now`, as its issuer is configured. Errors: see [`TokenError`].
pub(super) fn verify(jwt: &Jwt<'_>, keys: &KeySet, issuer: &Issuer, now: Millis) -> Result<Identity, TokenError> {
    keys.verify(jwt)?;
    let missing = |claim: &str| TokenError::Missing(claim.to_owned());
    let audience = jwt.claim(&issuer.audience_claim).ok_or_else(|| missing(&issuer.audience_claim))?;
    if !is_for(audience, &issuer.audience) {
        return Err(TokenError::Audience);
    }
    if let Some(wanted) = &issuer.issuer {
        let said = jwt.claim("iss").ok_or_else(|| missing("iss"))?;
        if said != wanted.as_str() {
            return Err(TokenError::Issuer);
        }
    }
    let until = time(jwt, "exp")?.ok_or_else(|| missing("exp"))?;
    if until <= now {
        return Err(TokenError::Expired);
    }
    for claim in ["nbf", "iat"] {
        if time(jwt, claim)?.is_some_and(|time| time > now.plus(limits::CLOCK_SKEW)) {
            return Err(TokenError::NotYet(claim));
        }
    }
    let issued = time(jwt, "iat")?;
    if until.since(issued.unwrap_or(now)) > limits::TOKEN_LIFE {
        return Err(TokenError::LivesTooLong);
    }
    let user = text(jwt, &issuer.user_claim)?.ok_or_else(|| missing(&issuer.user_claim))?;
    let user = names::name(user, issuer.user_map, &issuer.prefix)
        .map_err(|why| TokenError::User { claim: issuer.user_claim.clone(), why })?;
    let device = text(jwt, "dev")?.map(DeviceName::new).transpose().map_err(TokenError::Device)?;
    // A person's token may have whatever its issuer says there.
    let scope = jwt.claim("scope").and_then(Value::as_str).unwrap_or_default();
    let people = |role: &str| {
        let has_it = scope.split(' ').any(|word| word == role);
        has_it.then(|| People { prefix: issuer.prefix.clone() })
    };
    let said = jwt.issuer().unwrap_or_default();
    let administers = people("admin").map(|people| Administered { people, issuer: said.to_owned() });
    let id = text(jwt, "jti")?.map(|jti| token_id(said, jti));
    let token = Token { id, issued, is_pinned: device.is_some() };
    Ok(Identity { user, device, until, token, serves: people("service"), administers })
}

/// Whether one of a claim's audiences, of which it has one or a list, is one of those that are wanted.
fn is_for(claim: &Value, wanted: &[String]) -> bool {
    let is_wanted = |said: &Value| wanted.iter().any(|wanted| said == wanted.as_str());
    claim.as_array().map_or_else(|| is_wanted(claim), |several| several.iter().any(is_wanted))
}

fn text<'a>(jwt: &'a Jwt<'_>, name: &str) -> Result<Option<&'a str>, TokenError> {
    let text = |claim: &'a Value| claim.as_str().ok_or_else(|| TokenError::NoText(name.to_owned()));
    jwt.claim(name).map(text).transpose()
}

/// A NumericDate (RFC 7519): seconds, perhaps with a fraction. Negative ones are the Unix epoch.
fn time(jwt: &Jwt<'_>, name: &'static str) -> Result<Option<Millis>, TokenError> {
    let seconds = |claim: &Value| claim.as_f64().ok_or(TokenError::NoTime(name));
    Ok(jwt.claim(name).map(seconds).transpose()?.map(|seconds| Millis((seconds * 1_000.0) as u64)))
}

#[cfg(test)]
pub(super) mod tests;
