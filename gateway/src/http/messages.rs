//! `POST /v1/messages`: a back end sends in the name of any person. What is stored is answered with the frame that a socket would be given,
//! what is refused with a problem document that has this frame in it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::BodyDataStream,
    extract::{Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use dunlin_schema::{
    Code, UserName,
    post::{self, Accepted, MESSAGES, Post, Sent},
};
use tokio::time::timeout;
use utoipa::openapi::RefOr;

use super::{
    bearer, body, openapi,
    refusal::{BUSY, Refusal, refusal, stays},
};
use crate::{clock, gateway::Gateway, sending::Answer};

/// How long an answer is waited for: longer than the steps of one item take.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What a post may be refused with.
pub(super) const CODES: [Code; 25] = [
    Code::BadFrame,
    Code::Unauthorized,
    Code::TokenExpired,
    Code::TokenRevoked,
    Code::Forbidden,
    Code::NotYours,
    Code::Refused,
    Code::NotAMember,
    Code::NotAllowed,
    Code::NotFound,
    Code::MediaLost,
    Code::TooLarge,
    Code::Elsewhere,
    Code::BadAddress,
    Code::BadContent,
    Code::BadId,
    Code::Unsupported,
    Code::NotUploaded,
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
        openapi::refused(&CODES, &body::REFUSED)
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
            body::pass_over(&head.headers, &mut body).await;
            refusal.into_response()
        }
    };
    gateway.metrics.post(response.status().as_u16());
    response
}

async fn answer(gateway: &Gateway, headers: &HeaderMap, body: &mut BodyDataStream) -> Result<Sent, Refusal> {
    stays(gateway)?;
    let (own, people) = bearer::service(gateway, headers).await?;
    body::json(headers)?;
    let permit = gateway.posts.permit().ok_or_else(|| {
        let full = "this gateway has as many posts under way as it may";
        refusal(Code::Unavailable, full).until(BUSY)
    })?;
    let body = body::read(headers, body).await?;
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
    bearer::named(&people, &from)?;
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
