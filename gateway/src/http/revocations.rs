//! `POST /v1/revocations`: tokens are taken back, at every gateway within a second.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    body::BodyDataStream,
    extract::{Request, State},
    http::{HeaderMap, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use dunlin_schema::{
    Code, Shard, limits,
    post::{Done, Nothing, REVOCATIONS, Revocation},
    revocation::Revoked,
};
use utoipa::openapi::RefOr;

use super::{
    bearer, body, openapi,
    refusal::{BUSY, Refusal, refusal},
};
use crate::{gateway::Gateway, revocations, tokens::Administered};

/// How a revocation is refused.
struct Refused;

impl utoipa::IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let codes = [
            Code::BadFrame,
            Code::Unauthorized,
            Code::TokenExpired,
            Code::TokenRevoked,
            Code::Forbidden,
            Code::TooLarge,
            Code::Unavailable,
        ];
        openapi::refused(&codes, &body::REFUSED)
    }
}

/// Take tokens back: one, those of a person, or those of one of a person's devices.
///
/// Once it is answered it is stored, and in force within a second at every gateway: sockets that came with such a token end with
/// `token_revoked`. Of a person it bars what was issued up to now; of a device also every token without `dev` that is issued within the
/// next 30 s. A token without `iat` is barred by either. A request that has no answer, or is answered 503, is repeated: that does no harm.
#[utoipa::path(
    post,
    path = REVOCATIONS,
    operation_id = "revoke",
    tag = "back ends",
    security(("token" = ["admin"])),
    request_body(content = ref("#/components/schemas/Revocation"), content_type = "application/json"),
    responses(
        (status = 200, description = "It is stored.", body = ref("#/components/schemas/Done"), content_type = "application/json"),
        Refused,
    ),
)]
pub(super) async fn revoke(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    match answer(&gateway, &head.headers, &mut body).await {
        Ok(done) => Json(done).into_response(),
        Err(refusal) => {
            body::pass_over(&head.headers, &mut body).await;
            refusal.into_response()
        }
    }
}

async fn answer(gateway: &Gateway, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Done, Refusal> {
    let admin = administered(gateway, headers).await?;
    body::json(headers)?;
    let body = body::read(headers, body).await?;
    let wanted = Revocation::read(&body);
    let wanted = wanted.map_err(|why| refusal(Code::BadFrame, format!("the body can't be read: {why}")))?;
    let (what, user) = match wanted {
        Revocation::Token { jti } => (Revoked::Token(admin.token(&jti)), None),
        Revocation::User { user } => (Revoked::User(user.clone()), Some(user)),
        Revocation::Device { user, device } => (Revoked::Device(user.clone(), device), Some(user)),
    };
    if let Some(user) = user {
        bearer::named(&admin.people, &user)?;
    }
    let unavailable = |message: String| refusal(Code::Unavailable, message).until(BUSY);
    let region = gateway.home().ok_or_else(|| unavailable("this gateway serves no region of its own".to_owned()))?;
    let revoke = revocations::revoke(what, true);
    let shard = Shard::of(revoke.what.owner(), region.settings.shards);
    let stored = region.accounts.revoke(shard, &revoke, limits::ASK_WITHIN).await;
    stored.map_err(|error| unavailable(error.to_string()))?;
    Ok(Done { done: Nothing {} })
}

/// What the request's token may revoke.
async fn administered(gateway: &Gateway, headers: &HeaderMap) -> Result<Administered, Refusal> {
    let Some(identity) = bearer::identity(gateway, headers).await? else {
        let nobody = "there is no token: send `Authorization: Bearer` with one that has the scope `admin`";
        return Err(refusal(Code::Unauthorized, nobody).with(WWW_AUTHENTICATE, "Bearer"));
    };
    identity.administers.ok_or_else(|| {
        let asked = "Bearer error=\"insufficient_scope\", scope=\"admin\"";
        let person = "only a token whose `scope` has the word `admin` revokes others";
        refusal(Code::Forbidden, person).with(WWW_AUTHENTICATE, asked)
    })
}
