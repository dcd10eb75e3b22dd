//! Whether a token is to be trusted, decided without I/O.

use dunlin_schema::{DeviceName, Millis, UserName, limits};
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
    /// The people in whose names it may send as a back end, where one of the words of its `scope` is `service`.
    pub(crate) serves: Option<People>,
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
    let user = text(jwt, &issuer.user_claim)?.ok_or_else(|| missing(&issuer.user_claim))?;
    let user = names::name(user, issuer.user_map, &issuer.prefix)
        .map_err(|why| TokenError::User { claim: issuer.user_claim.clone(), why })?;
    let device = text(jwt, "dev")?.map(DeviceName::new).transpose().map_err(TokenError::Device)?;
    // A person's token may have whatever its issuer says there.
    let scope = jwt.claim("scope").and_then(Value::as_str).unwrap_or_default();
    let is_service = scope.split(' ').any(|word| word == "service");
    let serves = is_service.then(|| People { prefix: issuer.prefix.clone() });
    Ok(Identity { user, device, until, serves })
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
