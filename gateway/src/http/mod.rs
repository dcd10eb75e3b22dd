//! HTTP: the upgrade to a WebSocket, what back ends post, and the few pages beside them.

mod accept;
mod bearer;
mod messages;
mod refusal;
mod upgrade;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use dunlin_schema::{Code, problem};
use parking_lot::Mutex;

use self::refusal::refusal;
use crate::{clock::Uptime, gateway::Gateway, tokens::Identity};

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

/// Said to who looks with a browser.
const WHAT_THIS_IS: &str = concat!(
    "This is a gateway of Dunlin ",
    env!("CARGO_PKG_VERSION"),
    ", an edge messaging system. Clients connect to /v1/connect with a WebSocket; /asyncapi.json describes what is said there. \
     Back ends post to /v1/messages; /openapi.json describes that.\n",
    "The documents are in the folder docs of Dunlin's repository: begin with README.md.\n"
);

/// What clients are served.
pub(crate) fn of_clients(gateway: Arc<Gateway>) -> Router {
    let document = |document: serde_json::Value| {
        let document = Bytes::from(document.to_string());
        move || std::future::ready(([(CONTENT_TYPE, "application/json")], document.clone()))
    };
    Router::new()
        .route("/", get(|| std::future::ready(WHAT_THIS_IS)))
        .route("/v1/connect", get(upgrade::connect).fallback(upgrade::only_gets))
        .route(dunlin_schema::post::MESSAGES, post(messages::send).fallback(messages::only_posts))
        .route(&format!("{}{{code}}", problem::CODES), get(code))
        .route("/asyncapi.json", get(document(dunlin_schema::asyncapi::document())))
        .route("/openapi.json", get(document(dunlin_schema::openapi::document())))
        .fallback(nothing_here)
        .with_state(gateway)
}

/// What operators are served. Load balancers ask how it is by GET, HEAD or OPTIONS.
pub(crate) fn of_operators(gateway: Arc<Gateway>) -> Router {
    let livez = || std::future::ready("alive\n");
    Router::new()
        .route("/livez", get(livez).options(livez))
        .route("/readyz", get(readyz).options(readyz))
        .route("/metrics", get(metrics))
        .with_state(gateway)
}

/// What a code means.
async fn code(Path(name): Path<String>) -> Response {
    match name.parse() {
        Ok(code) => problem::explanation(code).into_response(),
        Err(_) => refusal(Code::NotFound, "there is no such code here").into_response(),
    }
}

async fn nothing_here(uri: Uri) -> Response {
    let message =
        format!("there is nothing at {:.64}: WebSockets are at /v1/connect, and / says what this is", uri.path());
    refusal(Code::NotFound, message).into_response()
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response {
    match gateway.unready(Uptime::now()) {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let appenders = gateway.regions.values().map(|region| &region.appender);
    let refused = gateway.regions.values().flat_map(|region| region.refused());
    let text = gateway.metrics.text(appenders, refused, gateway.services.ages(Uptime::now()));
    ([(CONTENT_TYPE, kind)], text).into_response()
}
