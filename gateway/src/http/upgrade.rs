//! `GET /v1/connect`: whether a request becomes a WebSocket (RFC 6455, section 4.2), and with which subprotocol.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
        header::{
            ALLOW, CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
            SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE,
        },
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dunlin_schema::{Code, frame::Encoding};

use super::{
    Handoff, Slot, bearer,
    refusal::{BUSY, Refusal, refusal},
};
use crate::{gateway::Gateway, tokens::Identity};

/// Answers an upgrade, or why it is none.
pub(super) async fn connect(
    State(gateway): State<Arc<Gateway>>,
    Extension(slot): Extension<Slot>,
    request: Request,
) -> Response {
    match agree(&gateway, request).await {
        Ok((handoff, response)) => {
            *slot.lock() = Some(handoff);
            response
        }
        Err(refusal) => {
            gateway.metrics.refused_upgrade(refusal.status_number());
            refusal.into_response()
        }
    }
}

/// What this address says to another method.
pub(super) async fn only_gets() -> Refusal {
    another_method()
}

fn another_method() -> Refusal {
    refusal(Code::BadFrame, "an upgrade is a GET request").status(StatusCode::METHOD_NOT_ALLOWED).with(ALLOW, "GET")
}

async fn agree(gateway: &Gateway, request: Request) -> Result<(Handoff, Response), Refusal> {
    // The route takes HEAD where it takes GET.
    if request.method() != Method::GET {
        return Err(another_method());
    }
    let headers = request.headers();
    handshake(headers)?;
    if request.version() != Version::HTTP_11
        // Proxies say that there is none.
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
        || headers.contains_key(TRANSFER_ENCODING)
    {
        let message = "an upgrade is an HTTP/1.1 request without a body";
        return Err(refusal(Code::BadFrame, message));
    }
    let encoding = subprotocol(headers)?;
    origin(headers, &gateway.config.origins)?;
    if gateway.is_draining() {
        let away = "this gateway is going away, others are there";
        return Err(refusal(Code::Draining, away).until(BUSY));
    }
    if gateway.sockets.count() > gateway.config.limits.connections {
        let full = "this gateway has as many connections as it may";
        return Err(refusal(Code::Unavailable, full).until(BUSY));
    }
    let identity = identity(gateway, headers).await?;
    let (answer, _by_hyper) =
        fastwebsockets::upgrade::upgrade(request).map_err(|error| refusal(Code::BadFrame, error.to_string()))?;
    let mut answer = answer.map(Body::new);
    answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(encoding.subprotocol()));
    Ok((Handoff { encoding, identity, gathering: gateway.gathering.clone() }, answer))
}

fn handshake(headers: &HeaderMap) -> Result<(), Refusal> {
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        let message = "this address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`";
        return Err(refusal(Code::BadFrame, message).status(StatusCode::UPGRADE_REQUIRED).with(UPGRADE, "websocket"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let message = "this address speaks version 13 of the WebSocket protocol: send `Sec-WebSocket-Version: 13`";
        return Err(refusal(Code::BadFrame, message)
            .status(StatusCode::UPGRADE_REQUIRED)
            .with(SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        let message = "`Sec-WebSocket-Key` has 16 bytes in base64";
        return Err(refusal(Code::BadFrame, message));
    }
    Ok(())
}

/// The first subprotocol of the client's that is spoken here: it is the client's preference that counts.
fn subprotocol(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    items(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(Encoding::of_subprotocol).ok_or_else(|| {
        let [json, postcard] = [Encoding::Json, Encoding::Postcard].map(Encoding::subprotocol);
        let message = format!("say how frames are written: `Sec-WebSocket-Protocol: {json}` or `{postcard}`");
        refusal(Code::BadFrame, message)
    })
}

fn origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    match headers.get(ORIGIN) {
        Some(origin) if !allowed.is_empty() && !allowed.iter().any(|allowed| origin == allowed.as_str()) => {
            Err(refusal(Code::Forbidden, "pages of this origin may not connect here"))
        }
        _ => Ok(()),
    }
}

/// Who is there, where the request says so; then it counts as a connection of that user's.
async fn identity(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
    let Some(identity) = bearer::identity(gateway, headers).await? else { return Ok(None) };
    gateway.limiter.connect(&identity.user).map_err(|retry_after| {
        let often = "this user connects more often than is allowed";
        refusal(Code::RateLimited, often).until(retry_after)
    })?;
    Ok(Some(identity))
}

/// The items of a header that is a list, which may be given more than once.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn lists(headers: &HeaderMap, name: &HeaderName, item: &str) -> bool {
    items(headers, name).any(|found| found.eq_ignore_ascii_case(item))
}
