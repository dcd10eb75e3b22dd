//! `GET /v1/connect`: whether a request becomes a WebSocket (RFC 6455, section 4.2), and with which subprotocol.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
        header::{
            ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, ORIGIN, RETRY_AFTER, SEC_WEBSOCKET_KEY,
            SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE, WWW_AUTHENTICATE,
        },
    },
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dunlin_schema::{Code, Millis, frame::Encoding, limits};
use serde::Serialize;
use tokio::time::timeout;

use super::{Handoff, Slot};
use crate::{clock, gateway::Gateway, tokens::Identity};

/// Why a request is no upgrade.
#[derive(Serialize)]
struct Refusal {
    #[serde(skip)]
    status: StatusCode,
    #[serde(skip)]
    header: Option<(HeaderName, HeaderValue)>,
    code: Code,
    message: String,
    retry_after: Option<Millis>,
}

fn refusal(status: StatusCode, code: Code, message: impl Into<String>) -> Refusal {
    Refusal { status, header: None, code, message: message.into(), retry_after: None }
}

impl Refusal {
    fn with(self, name: HeaderName, value: &'static str) -> Refusal {
        Refusal { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    /// Trying again helps after this span.
    fn until(self, span: Millis) -> Refusal {
        let seconds = HeaderValue::from(span.0.div_ceil(1_000));
        Refusal { header: Some((RETRY_AFTER, seconds)), retry_after: Some(span), ..self }
    }
}

const BUSY: Millis = Millis(1_000);
const WELCOME_WITHIN: Duration = Duration::from_millis(limits::WELCOME_WITHIN.0);

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
            gateway.metrics.refused_upgrade(refusal.status.as_u16());
            let (status, header) = (refusal.status, refusal.header.clone());
            (status, header.map(|header| [header]), Json(refusal)).into_response()
        }
    }
}

async fn agree(gateway: &Gateway, request: Request) -> Result<(Handoff, Response), Refusal> {
    // The route takes HEAD where it takes GET.
    if request.method() != Method::GET {
        let message = "an upgrade is a GET request";
        return Err(refusal(StatusCode::METHOD_NOT_ALLOWED, Code::BadFrame, message).with(ALLOW, "GET"));
    }
    let headers = request.headers();
    handshake(headers)?;
    if request.version() != Version::HTTP_11
        // Proxies say that there is none.
        || headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0")
        || headers.contains_key(TRANSFER_ENCODING)
    {
        let message = "an upgrade is an HTTP/1.1 request without a body";
        return Err(refusal(StatusCode::BAD_REQUEST, Code::BadFrame, message));
    }
    let encoding = subprotocol(headers)?;
    origin(headers, &gateway.config.origins)?;
    if gateway.is_draining() {
        let away = "this gateway is going away, others are there";
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, Code::Draining, away).until(BUSY));
    }
    if gateway.sockets.count() > gateway.config.limits.connections {
        let full = "this gateway has as many connections as it may";
        return Err(refusal(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, full).until(BUSY));
    }
    let identity = identity(gateway, headers).await?;
    let (answer, _by_hyper) = fastwebsockets::upgrade::upgrade(request)
        .map_err(|error| refusal(StatusCode::BAD_REQUEST, Code::BadFrame, error.to_string()))?;
    let mut answer = answer.map(Body::new);
    answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(encoding.subprotocol()));
    Ok((Handoff { encoding, identity, gathering: gateway.gathering.clone() }, answer))
}

fn handshake(headers: &HeaderMap) -> Result<(), Refusal> {
    if !lists(headers, &CONNECTION, "upgrade") || !lists(headers, &UPGRADE, "websocket") {
        let message = "this address speaks WebSocket: send `Connection: Upgrade` and `Upgrade: websocket`";
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, Code::BadFrame, message).with(UPGRADE, "websocket"));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let message = "this address speaks version 13 of the WebSocket protocol: send `Sec-WebSocket-Version: 13`";
        return Err(refusal(StatusCode::UPGRADE_REQUIRED, Code::BadFrame, message).with(SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key).ok());
    if key.is_none_or(|key| key.len() != 16) {
        let message = "`Sec-WebSocket-Key` has 16 bytes in base64";
        return Err(refusal(StatusCode::BAD_REQUEST, Code::BadFrame, message));
    }
    Ok(())
}

/// The first subprotocol of the client's that is spoken here: it is the client's preference that counts.
fn subprotocol(headers: &HeaderMap) -> Result<Encoding, Refusal> {
    items(headers, &SEC_WEBSOCKET_PROTOCOL).find_map(Encoding::of_subprotocol).ok_or_else(|| {
        let [json, postcard] = [Encoding::Json, Encoding::Postcard].map(Encoding::subprotocol);
        let message = format!("say how frames are written: `Sec-WebSocket-Protocol: {json}` or `{postcard}`");
        refusal(StatusCode::BAD_REQUEST, Code::BadFrame, message)
    })
}

fn origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    match headers.get(ORIGIN) {
        Some(origin) if !allowed.is_empty() && !allowed.iter().any(|allowed| origin == allowed.as_str()) => {
            Err(refusal(StatusCode::FORBIDDEN, Code::Forbidden, "pages of this origin may not connect here"))
        }
        _ => Ok(()),
    }
}

/// Who is there, where the request says so; then it counts as a connection of that user's. An `Authorization` of another scheme was for a
/// proxy before the gateway.
async fn identity(gateway: &Gateway, headers: &HeaderMap) -> Result<Option<Identity>, Refusal> {
    let bearer = headers.get_all(AUTHORIZATION).iter().find_map(|header| {
        let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let Some(token) = bearer else { return Ok(None) };
    let unauthorized = |code, message: String| {
        refusal(StatusCode::UNAUTHORIZED, code, message).with(WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
    };
    let unavailable =
        |message: String| refusal(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, message).until(BUSY);
    let verified = timeout(WELCOME_WITHIN, gateway.keys.verify(token, clock::now())).await;
    let verified = verified.map_err(|_late| unavailable("the key set does not answer".to_owned()))?;
    let identity = verified.map_err(|error| {
        let (code, message) = (error.code(), error.to_string());
        if code == Code::Unavailable { unavailable(message) } else { unauthorized(code, message) }
    })?;
    gateway.limiter.connect(&identity.user).map_err(|retry_after| {
        let often = "this user connects more often than is allowed";
        refusal(StatusCode::TOO_MANY_REQUESTS, Code::RateLimited, often).until(retry_after)
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
