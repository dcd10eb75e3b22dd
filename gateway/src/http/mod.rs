//! HTTP: the upgrade to a WebSocket, what back ends post, and the few pages beside them.

mod accept;
mod bearer;
mod body;
mod media;
mod messages;
mod openapi;
mod presence;
mod ranges;
mod refusal;
mod revocations;
mod upgrade;
pub mod web;

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, StatusCode, Uri,
        header::{ACCEPT, CONTENT_TYPE, VARY},
    },
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use bytes::Bytes;
use dunlin_schema::{Code, problem};
use parking_lot::Mutex;

use self::refusal::{Refusal, refusal};
use crate::{
    clock::Uptime,
    gateway::Gateway,
    tickets::{FILES, UPLOADS},
    tokens::Identity,
};

pub(crate) use accept::{Entrance, accept};

/// What an upgrade agreed on, from the request's handler to the connection's task.
pub(crate) struct Handoff {
    encoding: dunlin_schema::frame::Encoding,
    identity: Option<Identity>,
    /// What all sockets share.
    pub(crate) gathering: crate::socket::Gathering,
}

/// Where a connection's task finds the [`Handoff`] when HTTP is done.
type Slot = Arc<Mutex<Option<Handoff>>>;

/// Whether a file moves over a connection: some of it has since this was last looked at.
#[derive(Clone, Default)]
struct Moving(Arc<AtomicBool>);

impl Moving {
    fn moves(&self) {
        self.0.store(true, Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Relaxed)
    }
}

/// Said to who looks with a browser.
const WHAT_THIS_IS: &str = concat!(
    "This is a gateway of Dunlin ",
    env!("CARGO_PKG_VERSION"),
    ", an edge messaging system. Clients connect to /v1/connect with a WebSocket; /asyncapi.json describes what is said there. \
     Back ends post to /v1/messages; /openapi.json describes that. Browsers import /dunlin.js, the client library.\n",
    "The documents are in the folder docs of Dunlin's repository: begin with README.md.\n"
);

/// What clients are served.
pub(crate) fn of_clients(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/", get(what_this_is))
        .route("/v1/connect", get(upgrade::connect).fallback(upgrade::only_gets))
        .route(dunlin_schema::post::MESSAGES, post(messages::send))
        .route(&format!("{UPLOADS}{{ticket}}"), axum::routing::put(media::put).options(media::preflight))
        .route(&format!("{FILES}{{ticket}}"), get(media::get).options(media::preflight))
        .route(dunlin_schema::post::PRESENCE, get(presence::ask))
        .route(dunlin_schema::post::REVOCATIONS, post(revocations::revoke))
        .route(&format!("{}{{code}}", problem::CODES), get(code))
        .route("/asyncapi.json", get(asyncapi_document))
        .route("/openapi.json", get(openapi_document))
        .merge(web::routes())
        .method_not_allowed_fallback(another_method)
        .fallback(nothing_here)
        .with_state(gateway)
}

/// What operators are served. Load balancers ask how it is by GET, HEAD or OPTIONS.
pub(crate) fn of_operators(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/livez", get(livez).options(livez))
        .route("/readyz", get(readyz).options(readyz))
        .route("/metrics", get(metrics))
        .method_not_allowed_fallback(another_method)
        .with_state(gateway)
}

/// What this is.
#[utoipa::path(
    get,
    path = "/",
    tag = "pages",
    responses(
        (status = 200, description = "Words.", body = String),
        (status = 303, description = "Where a browser is sent, if the gateway's `page` says so.", headers(("Location" = String))),
    ),
)]
async fn what_this_is(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|accepted| accepted.to_str().ok());
    let answer = match &gateway.config.page {
        Some(page) if accepted.any(|accepted| accepted.contains("text/html")) => Redirect::to(page).into_response(),
        Some(_) | None => WHAT_THIS_IS.into_response(),
    };
    ([(VARY, "accept")], answer).into_response()
}

/// A document that never changes.
type Document = ([(HeaderName, &'static str); 1], Bytes);

/// The machine-readable form of what is said on a WebSocket.
#[utoipa::path(get, path = "/asyncapi.json", tag = "pages", responses((status = 200, description = "AsyncAPI 3.0.", body = serde_json::Value)))]
async fn asyncapi_document() -> Document {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(dunlin_schema::asyncapi::document().to_string()));
    ([(CONTENT_TYPE, "application/json")], TEXT.clone())
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "pages", responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value)))]
async fn openapi_document() -> Document {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(openapi::document().to_string()));
    ([(CONTENT_TYPE, "application/json")], TEXT.clone())
}

/// What a code means.
#[utoipa::path(
    get,
    path = "/codes/{code}",
    tag = "pages",
    params(("code" = String, Path, description = "The code.", example = "rate_limited")),
    responses(
        (status = 200, description = "Words, in Markdown.", body = String, content_type = "text/markdown"),
        (status = 404, description = "There is no such code.", body = ref("#/components/schemas/Problem"), content_type = "application/problem+json"),
    ),
)]
async fn code(Path(name): Path<String>) -> Response {
    match name.parse() {
        Ok(code) => ([(CONTENT_TYPE, "text/markdown; charset=utf-8")], Code::page(code)).into_response(),
        Err(_) => refusal(Code::NotFound, "there is no such code here").into_response(),
    }
}

/// Whether the process lives. Where operators have a listener of their own, it is there.
#[utoipa::path(get, path = "/livez", tag = "operators", responses((status = 200, description = "It does.", body = String)))]
async fn livez() -> &'static str {
    "alive\n"
}

async fn nothing_here(uri: Uri) -> Response {
    let message =
        format!("there is nothing at {:.64}: WebSockets are at /v1/connect, and / says what this is", uri.path());
    refusal(Code::NotFound, message).into_response()
}

/// Axum says which methods an address has.
async fn another_method() -> Refusal {
    refusal(Code::BadFrame, "this address has other methods: `Allow` lists them").status(StatusCode::METHOD_NOT_ALLOWED)
}

/// Whether clients are welcome. Where operators have a listener of their own, it is there.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operators",
    responses(
        (status = 200, description = "They are.", body = String),
        (status = 503, description = "They are not: why.", body = String),
    ),
)]
async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.unready(Uptime::now()) {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

/// Metrics for Prometheus. Where operators have a listener of their own, it is there.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operators",
    responses((status = 200, description = "OpenMetrics.", body = String, content_type = "application/openmetrics-text")),
)]
async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let appenders = gateway.regions.values().map(|region| &region.appender);
    let refused = gateway.regions.values().flat_map(|region| region.refused());
    let text = gateway.metrics.text(appenders, refused, gateway.services.ages(Uptime::now()));
    ([(CONTENT_TYPE, kind)], text).into_response()
}
