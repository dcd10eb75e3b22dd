//! `POST /v1/messages`: a back end sends in the name of any person. What is stored is answered with the frame that a socket would be given,
//! what is refused with a problem document that has this frame in it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::BodyDataStream,
    extract::{Request, State},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
    },
    response::{IntoResponse, Response},
};
use dunlin_schema::{
    Code, UserName, limits,
    post::{self, Accepted, MESSAGES, Post, Sent},
};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use utoipa::openapi::RefOr;

use super::{
    bearer, openapi,
    refusal::{BUSY, Refusal, refusal},
};
use crate::{clock, gateway::Gateway, sending::Answer};

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// How long an answer is waited for: longer than the steps of one item take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How much of the body of a refused request is read all the same, and for how long: with bytes unread the connection would be reset, and
/// its answer lost on the way.
const PASSED_OVER_BYTES: usize = 8 * limits::FRAME_BYTES;
const PASSED_OVER_FOR: Duration = Duration::from_secs(2);

/// What a post may be refused with.
pub(super) const CODES: [Code; 20] = [
    Code::BadFrame,
    Code::Unauthorized,
    Code::TokenExpired,
    Code::TokenRevoked,
    Code::Forbidden,
    Code::NotYours,
    Code::NotFound,
    Code::TooLarge,
    Code::Elsewhere,
    Code::BadAddress,
    Code::BadContent,
    Code::BadId,
    Code::Unsupported,
    Code::TooOld,
    Code::FromTheFuture,
    Code::RateLimited,
    Code::Draining,
    Code::Unavailable,
    Code::UnknownOutcome,
    Code::RegionUnreachable,
];

/// How a post is refused.
struct Refused;

impl utoipa::IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let others =
            [(405, "another method than POST"), (408, "the body did not come in time"), (415, "no `application/json`")];
        openapi::refused(&CODES, &others)
    }
}

/// Send as a back end, in the name of any person.
///
/// The same rules and codes as for a `send` on a WebSocket. A request without an answer, and one answered 429 or 503, is repeated with the
/// same id: it is stored once.
#[utoipa::path(
    post,
    path = MESSAGES,
    operation_id = "send",
    tag = "back ends",
    security(("token" = ["service"])),
    request_body(content = ref("#/components/schemas/Post"), content_type = "application/json"),
    responses(
        (status = 200, description = "It is stored.", body = ref("#/components/schemas/Sent"), content_type = "application/json"),
        Refused,
    ),
)]
pub(super) async fn send(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut body = body.into_data_stream();
    let response = match answer(&gateway, &head.headers, &mut body).await {
        Ok(sent) => Json(sent).into_response(),
        Err(refusal) => {
            // Whoever waits to be told to go on has not begun.
            if !head.headers.contains_key(EXPECT) {
                let _ = timeout(PASSED_OVER_FOR, gather(&mut body, PASSED_OVER_BYTES, |_| ())).await;
            }
            refusal.into_response()
        }
    };
    gateway.metrics.post(response.status().as_u16());
    response
}

async fn answer(gateway: &Gateway, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Sent, Refusal> {
    if gateway.is_draining() {
        let away = "this gateway is going away, others are there";
        return Err(refusal(Code::Draining, away).until(BUSY));
    }
    let (own, people) = bearer::service(gateway, headers).await?;
    json(headers)?;
    let permit = gateway.posts.permit().ok_or_else(|| {
        let full = "this gateway has as many posts under way as it may";
        refusal(Code::Unavailable, full).until(BUSY)
    })?;
    let body = read(headers, body).await?;
    let (from, send) = match Post::read(&body) {
        Ok(post) => post.into_send(),
        Err(post::Unread { send: Some(send), why }) => {
            let (id, code, why) = send.explained(why);
            return Err(refusal(code, why).of_message(id));
        }
        Err(post::Unread { send: None, why }) => {
            return Err(refusal(Code::BadFrame, format!("the body can't be read: {why}")));
        }
    };
    let from = match from.as_deref().map_or(Ok(own), UserName::new) {
        Ok(from) => from,
        Err(why) => {
            return Err(refusal(Code::BadAddress, format!("in `from`: {why}")).of_message(send.id.to_string()));
        }
    };
    if !people.has(&from) {
        let message = format!("{from} is of another issuer's people: this token's issuer can't name them");
        return Err(refusal(Code::Forbidden, message));
    }
    let id = send.id;
    let sent = gateway.sent(&from, clock::now(), send);
    let answered = timeout(ANSWER_WITHIN, gateway.posts.send(&from, sent, permit)).await;
    // Of one that did not come in time, or that a panic took, nobody knows.
    match answered.ok().and_then(Result::ok).unwrap_or_else(|| Answer::unknown(id)) {
        Answer::Accepted { id, order, time } => Ok(Sent { accepted: Accepted { id, order: Some(order), time } }),
        Answer::Rejected { id, code, message, retry_after } => {
            Err(refusal(code, message).until(retry_after).of_message(id.to_string()))
        }
    }
}

/// Whether the body is said to be JSON, as it is.
fn json(headers: &HeaderMap) -> Result<(), Refusal> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).map(str::trim);
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|encoding| encoding == "identity");
    if plain && kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Ok(());
    }
    let message = "the body is JSON as it is: send `Content-Type: application/json` and no `Content-Encoding`";
    Err(refusal(Code::BadFrame, message).status(StatusCode::UNSUPPORTED_MEDIA_TYPE))
}

async fn read(headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Vec<u8>, Refusal> {
    let too_large = || {
        let message = format!("a body has at most {} bytes", limits::FRAME_BYTES);
        refusal(Code::TooLarge, message)
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits::FRAME_BYTES as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let gathered = gather(body, limits::FRAME_BYTES, |chunk| bytes.extend_from_slice(chunk));
    match timeout(BODY_WITHIN, gathered).await {
        Ok(Gathered::Whole) => Ok(bytes),
        Ok(Gathered::TooMuch) => Err(too_large()),
        Ok(Gathered::BrokenOff) => Err(refusal(Code::BadFrame, "the body broke off")),
        Err(_late) => {
            let message = format!("the body did not come within {} s", BODY_WITHIN.as_secs());
            Err(refusal(Code::BadFrame, message).status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// How a body ended.
enum Gathered {
    Whole,
    TooMuch,
    BrokenOff,
}

/// Reads a body to its end, or until it has more than `most` bytes.
async fn gather(body: &mut BodyDataStream, most: usize, mut take: impl FnMut(&[u8])) -> Gathered {
    let mut length = 0;
    while let Some(chunk) = body.next().await {
        let Ok(chunk) = chunk else { return Gathered::BrokenOff };
        length += chunk.len();
        if length > most {
            return Gathered::TooMuch;
        }
        take(&chunk);
    }
    Gathered::Whole
}
