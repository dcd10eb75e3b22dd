//! A request that is refused: its status, a code, and words.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use dunlin_schema::{Code, Millis};
use serde::Serialize;

/// For how long a gateway that has no room, or goes away, sends clients away.
pub(super) const BUSY: Millis = Millis(1_000);

/// Why a request is refused.
#[derive(Serialize)]
pub(super) struct Refusal {
    #[serde(skip)]
    pub(super) status: StatusCode,
    #[serde(skip)]
    header: Option<(HeaderName, HeaderValue)>,
    code: Code,
    message: String,
    retry_after: Option<Millis>,
}

pub(super) fn refusal(status: StatusCode, code: Code, message: impl Into<String>) -> Refusal {
    Refusal { status, header: None, code, message: message.into(), retry_after: None }
}

impl Refusal {
    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Refusal {
        Refusal { header: Some((name, HeaderValue::from_static(value))), ..self }
    }

    /// Trying again helps after this span.
    pub(super) fn until(self, span: Millis) -> Refusal {
        Refusal { header: Some((RETRY_AFTER, seconds(span))), retry_after: Some(span), ..self }
    }
}

/// A span as `Retry-After` says it: in whole seconds, and not before its end.
pub(super) fn seconds(span: Millis) -> HeaderValue {
    HeaderValue::from(span.0.div_ceil(1_000))
}

impl IntoResponse for Refusal {
    fn into_response(mut self) -> Response {
        (self.status, self.header.take().map(|header| [header]), Json(self)).into_response()
    }
}
