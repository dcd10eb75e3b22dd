//! Who a request's `Authorization: Bearer` says is there.

use std::time::Duration;

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, WWW_AUTHENTICATE},
};
use dunlin_schema::{Code, UserName, limits};
use tokio::time::timeout;

use super::refusal::{BUSY, Refusal, refusal};
use crate::{
    clock,
    gateway::Gateway,
    opening::REVOKED,
    region::Region,
    tokens::{Identity, People, Token},
};

const VERIFIED_WITHIN: Duration = Duration::from_millis(limits::WELCOME_WITHIN.0);

/// Who is there, where the request says so. An `Authorization` of another scheme was for a proxy before the gateway. Errors: the token is
/// not to be trusted, or nobody can say now.
pub(super) async fn identity(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
    let bearer = headers.get_all(AUTHORIZATION).iter().find_map(|header| {
        let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let Some(token) = bearer else { return Ok(None) };
    let unauthorized =
        |code, message: String| refusal(code, message).with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
    let unavailable = |message: String| refusal(Code::Unavailable, message).until(BUSY);
    let verified = timeout(VERIFIED_WITHIN, gateway.keys.verify(token, clock::now())).await;
    let verified = verified.map_err(|_late| unavailable("the key set does not answer".to_owned()))?;
    let identity = verified.map_err(|error| {
        let (code, message) = (error.code(), error.to_string());
        if code == Code::Unavailable { unavailable(message) } else { unauthorized(code, message) }
    })?;
    let Identity { user, device, token, .. } = &identity;
    let Some(region) = gateway.home() else { return Ok(Some(identity)) };
    told(region, token, user).await?;
    match region.revocations.bars(token, user, device.as_ref()) {
        true => Err(unauthorized(Code::TokenRevoked, REVOKED.to_owned())),
        false => Ok(Some(identity)),
    }
}

/// Waits until it is known what was revoked that may concern a token. Errors: nobody can say now.
pub(super) async fn told(region: &Region, token: &Token, user: &UserName) -> Result<(), Refusal> {
    let told = timeout(VERIFIED_WITHIN, region.revocations.told(token, user)).await;
    let unknown = "nobody can say now whether the token was revoked";
    told.map_err(|_late| refusal(Code::Unavailable, unknown).until(BUSY))
}

/// Whether a token may name somebody. Errors: it is another issuer's, whose people this one can't name.
pub(super) fn named(people: &People, user: &UserName) -> Result<(), Refusal> {
    if people.has(user) {
        return Ok(());
    }
    let message = format!("{user} is of another issuer's people: this token's issuer can't name them");
    Err(refusal(Code::Forbidden, message))
}

/// The user of a token that is a back end's, and the people it may name.
pub(super) async fn service(gateway: &Gateway, headers: &HeaderMap) -> Result<(UserName, People), Refusal> {
    let Some(identity) = identity(gateway, headers).await? else {
        let nobody = "there is no token: send `Authorization: Bearer` with one that has the scope `service`";
        return Err(refusal(Code::Unauthorized, nobody).with(WWW_AUTHENTICATE, "Bearer"));
    };
    let Some(people) = identity.serves else {
        let person = "the token is a person's: only one whose `scope` has the word `service` is taken here";
        let asked = "Bearer error=\"insufficient_scope\", scope=\"service\"";
        return Err(refusal(Code::Forbidden, person).with(WWW_AUTHENTICATE, asked));
    };
    Ok((identity.user, people))
}
