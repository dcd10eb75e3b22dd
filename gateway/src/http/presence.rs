//! `GET /v1/presence`: a back end asks whether people are connected, by the rules of `ask presence` on a socket.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{RawQuery, State},
    http::HeaderMap,
};
use dunlin_schema::{Code, frame::Answer, limits, post::PRESENCE};
use utoipa::openapi::{
    ArrayBuilder, Ref, RefOr, Required, Response,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::{
    bearer, openapi,
    refusal::{Refusal, refusal, stays},
};
use crate::{asks, gateway::Gateway};

/// Whom the request is about.
struct Users;

impl utoipa::IntoParams for Users {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let addresses = ArrayBuilder::new().items(Ref::from_schema_name("Address"));
        let addresses = addresses.min_items(Some(1)).max_items(Some(limits::PRESENCE_USERS));
        let user = ParameterBuilder::new().name("user").parameter_in(ParameterIn::Query).required(Required::True);
        let words = "Who is looked for. The parameter is repeated for each of them.";
        vec![user.description(Some(words)).schema(Some(addresses)).build()]
    }
}

/// How such a request is refused.
struct Refused;

impl utoipa::IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let codes = [
            Code::Unauthorized,
            Code::TokenExpired,
            Code::TokenRevoked,
            Code::Forbidden,
            Code::BadQuestion,
            Code::BadAddress,
            Code::Unsupported,
            Code::RateLimited,
            Code::Unavailable,
            Code::Draining,
        ];
        openapi::refused(&codes, &[(405, "another method than GET")])
    }
}

/// Ask whether people are connected.
///
/// Each is told of under the address that was asked for, as in the answer to `presence` on a WebSocket, and by its rules.
#[utoipa::path(
    get,
    path = PRESENCE,
    operation_id = "presence",
    tag = "back ends",
    security(("token" = ["service"])),
    params(Users),
    responses(
        (status = 200, description = "Who is there.", body = ref("#/components/schemas/Present"), content_type = "application/json"),
        Refused,
    ),
)]
pub(super) async fn ask(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, Refusal> {
    stays(&gateway)?;
    let (own, _) = bearer::service(&gateway, &headers).await?;
    let users = users(query.as_deref().unwrap_or_default())?;
    gateway.metrics.asks.inc();
    let answer = answer(&gateway, &own, &users).await;
    answer.map(Json).map_err(|refused| {
        gateway.metrics.refused_ask(refused.code);
        refused.into()
    })
}

async fn answer(
    gateway: &Gateway,
    asker: &dunlin_schema::UserName,
    users: &[String],
) -> Result<Answer, crate::refusal::Refusal> {
    gateway.limiter.ask(asker).map_err(crate::refusal::Refusal::over_the_share)?;
    let _permit = gateway.asking.try_acquire().map_err(|_full| crate::refusal::Refusal::crowded())?;
    let nowhere = || crate::refusal::Refusal::unavailable("this gateway serves no region now");
    asks::presence(gateway.home().ok_or_else(nowhere)?, asker, users).await
}

/// Who is named in a query. Parameters of other names are passed over, as unknown fields are.
fn users(query: &str) -> Result<Vec<String>, Refusal> {
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "user");
    let users: Vec<String> = named.map(|(_, user)| user.into_owned()).take(limits::PRESENCE_USERS + 1).collect();
    match users.len() {
        0 => Err(refusal(Code::BadQuestion, "say who is looked for: `?user=alice`, once for each person")),
        count if count > limits::PRESENCE_USERS => {
            let message = format!("`user` names more than {}: ask about the others apart", limits::PRESENCE_USERS);
            Err(refusal(Code::BadQuestion, message))
        }
        _ => Ok(users),
    }
}
