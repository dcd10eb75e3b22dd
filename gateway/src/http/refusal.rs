//! A request that is refused: the one place where a code and words become a response, which is a problem document (RFC 9457).

use axum::{
    Json,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use dunlin_schema::{
    Code, Millis,
    problem::{self, Problem},
};

use crate::gateway::Gateway;

/// For how long a gateway that has no room, or goes away, sends clients away.
pub(super) const BUSY: Millis = Millis(1_000);

/// Why a request is refused.
pub(super) struct Refusal {
    status: StatusCode,
    header: Option<(HeaderName, &'static str)>,
    code: Code,
    detail: String,
    retry_after: Option<Millis>,
    /// Of a message that was looked at: its id, as it came.
    message: Option<String>,
}

/// A refusal with the status that goes with its code.
pub(super) fn refusal(code: Code, detail: impl Into<String>) -> Refusal {
    let status = problem::status(code).and_then(|status| StatusCode::from_u16(status).ok());
    Refusal {
        status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        header: None,
        code,
        detail: detail.into(),
        retry_after: None,
        message: None,
    }
}

/// Whether the gateway stays. Errors: it is going away, and nothing is begun here.
pub(super) fn stays(gateway: &Gateway) -> Result<(), Refusal> {
    match gateway.is_draining() {
        false => Ok(()),
        true => Err(refusal(Code::Draining, "this gateway is going away, others are there").until(BUSY)),
    }
}

impl Refusal {
    /// With a status that says more than that of the code.
    pub(super) fn status(self, status: StatusCode) -> Refusal {
        Refusal { status, ..self }
    }

    pub(super) fn with(self, name: HeaderName, value: &'static str) -> Refusal {
        Refusal { header: Some((name, value)), ..self }
    }

    /// Trying again helps after this span, where there is one.
    pub(super) fn until(self, span: impl Into<Option<Millis>>) -> Refusal {
        Refusal { retry_after: span.into(), ..self }
    }

    /// As the refusal of the message with this id.
    pub(super) fn of_message(self, id: String) -> Refusal {
        Refusal { message: Some(id), ..self }
    }

    /// The status, as a number.
    pub(super) fn status_number(&self) -> u16 {
        self.status.as_u16()
    }
}

/// A question is refused as on a socket.
impl From<crate::refusal::Refusal> for Refusal {
    fn from(refused: crate::refusal::Refusal) -> Refusal {
        let crate::refusal::Refusal { code, message, retry_after } = refused;
        refusal(code, message).until(retry_after)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal { status, header, code, detail, retry_after, message } = self;
        let mut problem = Problem::new(code, status.as_u16(), detail);
        problem.retry_after = retry_after;
        if let Some(id) = message {
            problem = problem.of_message(id);
        }
        // In whole seconds, and not before its end.
        let again = retry_after.map(|span| [(RETRY_AFTER, HeaderValue::from(span.0.div_ceil(1_000)))]);
        (status, header.map(|header| [header]), again, [(CONTENT_TYPE, problem::MEDIA_TYPE)], Json(problem))
            .into_response()
    }
}
