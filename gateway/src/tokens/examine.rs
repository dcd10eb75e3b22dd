//! What a gateway would make of a token or of its key sets, in words: for operators, who may know what clients may not.

use dunlin_schema::{DeviceName, Millis, UserName};
use serde_json::Value;

use super::{jwt::Jwt, ring::KeyRing, source::Source};
use crate::config::{Issuer, KeySource, Tokens, UserMap};

/// What a key set is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySetReport {
    /// Where it is.
    pub source: KeySource,
    /// How many of its keys verify tokens. Errors: it can't be used, and why.
    pub usable: Result<usize, String>,
    /// Of each key that is passed over because it can't be read, which it is and why.
    pub odd: Vec<String>,
}

/// What a gateway would make of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenReport {
    /// What the token says, and what is trusted, a line each. None holds a part of the signature.
    pub found: Vec<String>,
    /// Who would be let in. Errors: why nobody would.
    pub outcome: Result<Admitted, String>,
}

/// Who would be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The user.
    pub user: UserName,
    /// The only device that the token is for, if it names one.
    pub device: Option<DeviceName>,
    /// When the token ends.
    pub until: Millis,
}

/// Looks at each issuer's key set, and asks where it is at a URL.
pub async fn key_sets(tokens: &Tokens) -> Vec<KeySetReport> {
    let mut reports = Vec::new();
    for issuer in &tokens.issuers {
        let source = issuer.keys.clone();
        let (usable, odd) = match Source::open(issuer, tokens.refresh).await {
            Err(error) => (Err(error.why), Vec::new()),
            Ok(opened) => match opened.keys() {
                Some(keys) => (Ok(keys.len()), keys.odd.clone()),
                None => (Err(opened.unready().unwrap_or_default()), Vec::new()),
            },
        };
        reports.push(KeySetReport { source, usable, odd });
    }
    reports
}

/// Looks at a token as a gateway with these settings would at the time `now`. Errors: a key set is a file and can't be used.
pub async fn token(tokens: &Tokens, token: &str, now: Millis) -> Result<TokenReport, String> {
    let ring =
        KeyRing::open(tokens).await.map_err(|error| format!("reading the key set {}: {error}", error.source_name))?;
    let jwt = match Jwt::parse(token) {
        Ok(jwt) => jwt,
        Err(why) => return Ok(TokenReport { found: Vec::new(), outcome: Err(why.to_string()) }),
    };
    let mut found = vec![format!("it is signed with {:?} by {}", jwt.algorithm, key(&jwt))];
    let issuers = tokens.issuers.iter().filter_map(|issuer| issuer.issuer.clone()).map(Value::String);
    found.push(said_and_wanted(&jwt, "iss", issuers.collect()));
    let source = match ring.source(&jwt) {
        Ok(source) => source,
        Err(why) => return Ok(TokenReport { found, outcome: Err(why.to_string()) }),
    };
    found.extend(of_issuer(&jwt, source, now));
    let outcome = source.verify_now(&jwt, now).map_err(|why| why.to_string());
    let outcome =
        outcome.map(|identity| Admitted { user: identity.user, device: identity.device, until: identity.until });
    Ok(TokenReport { found, outcome })
}

fn key(jwt: &Jwt<'_>) -> String {
    jwt.key_id.as_ref().map_or("a key that it does not name".to_owned(), |id| format!("the key {id:?}"))
}

fn of_issuer(jwt: &Jwt<'_>, source: &Source, now: Millis) -> Vec<String> {
    let Issuer { keys: place, audience, audience_claim, user_claim, user_map, prefix, .. } = &source.issuer;
    let mut found = vec![match source.keys() {
        Some(keys) => {
            let ids: Vec<_> = keys.ids().map(|id| format!("{id:?}")).collect();
            format!("keys that verify in the key set {place}: {}, with the ids: {}", keys.len(), ids.join(", "))
        }
        None => source.unready().unwrap_or_default(),
    }];
    found.extend(
        source.keys().iter().flat_map(|keys| &keys.odd).map(|odd| format!("of the key set is passed over: {odd}")),
    );
    found.push(said_and_wanted(jwt, audience_claim, audience.iter().cloned().map(Value::String).collect()));
    let how = match user_map {
        UserMap::Exact => "as it stands",
        UserMap::Escape => "escaped: every byte but letters, digits and `-` becomes `_` and two hexadecimal digits",
    };
    found.push(format!("{}; the user's name is the prefix {prefix:?} and that, {how}", said(jwt, user_claim)));
    if let Some(scope) = jwt.claim("scope") {
        found.push(format!("its `scope` is {scope}; the word `service` lets it send as a back end"));
    }
    for claim in ["exp", "nbf", "iat"] {
        if let Some(time) = jwt.claim(claim).and_then(Value::as_f64) {
            let ahead = time - now.0 as f64 / 1_000.0;
            let when = if ahead > 0.0 { "ahead" } else { "ago" };
            found.push(format!("its `{claim}` is {:.0} s {when}", ahead.abs()));
        }
    }
    found
}

fn said(jwt: &Jwt<'_>, claim: &str) -> String {
    jwt.claim(claim).map_or_else(|| format!("it has no `{claim}`"), |said| format!("its `{claim}` is {said}"))
}

fn said_and_wanted(jwt: &Jwt<'_>, claim: &str, wanted: Vec<Value>) -> String {
    match &wanted[..] {
        [] => format!("{}; any is trusted", said(jwt, claim)),
        wanted => {
            let wanted: Vec<_> = wanted.iter().map(Value::to_string).collect();
            format!("{}; trusted is {}", said(jwt, claim), wanted.join(" or "))
        }
    }
}
