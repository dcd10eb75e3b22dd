//! What `dunlin dev` serves to browsers on this machine: its page, the library, tokens for anybody, how the parts are, and their end by
//! `kill -9`. Who may ask for it: [`guard`].

mod guard;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, anyhow};
use axum::{
    Json, Router,
    extract::{Path, RawQuery, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, REFERRER_POLICY,
            VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use dunlin_gateway::web;
use dunlin_schema::{Code, DeviceName, UserName, problem, problem::Problem};
use dunlin_workers::pages;
use rust_embed::Embed;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::part::Handle;
use crate::{
    folder::Folder,
    keys::{self, Wanted},
    span::Span,
};

/// The page. In a debug build it is read from its folder.
#[derive(Embed)]
#[folder = "page"]
struct Page;

/// How long a token holds where nobody says.
const TTL: &str = "3600";

/// An address at which browsers are served.
pub(super) struct Console {
    listener: TcpListener,
    address: SocketAddr,
}

/// What the answers are made of.
struct Shown {
    address: SocketAddr,
    folder: Folder,
    parts: Vec<Handle>,
    /// What a page of here may load, and from where.
    policy: HeaderValue,
}

impl Console {
    /// Listens. Errors: somebody else does.
    pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<Console> {
        let listener = TcpListener::bind(address).await;
        let listener = listener.with_context(|| {
            format!(
                "listening on {address} for the page: choose another address with --page, or have none with --no-page"
            )
        })?;
        let address = listener.local_addr().context("listening for the page")?;
        Ok(Console { listener, address })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until it is dropped.
    pub(super) async fn serve(self, folder: Folder, parts: Vec<Handle>) -> anyhow::Result<()> {
        let Console { listener, address } = self;
        let policy = HeaderValue::try_from(policy(&parts)).context("writing what the page may load")?;
        let shown = Arc::new(Shown { address, folder, parts, policy });
        pages::serve(listener, routes(shown), || {}, CancellationToken::new()).await;
        Err(anyhow!("the page's listener ended by itself"))
    }
}

/// The Content-Security-Policy (Level 3) of everything here.
fn policy(parts: &[Handle]) -> String {
    let gateways = |scheme| {
        let gateways = parts.iter().filter(|part| part.number().is_some());
        gateways.map(|part| format!(" {}", part.url(scheme))).collect::<String>()
    };
    let (http, ws) = (gateways("http"), gateways("ws"));
    // Gateways give pictures, and take what is uploaded.
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{http}; connect-src 'self'{http}{ws}; \
         base-uri 'none'; frame-ancestors 'none'; form-action 'none'"
    )
}

fn routes(shown: Arc<Shown>) -> Router {
    Router::new()
        .route("/dev/token", get(token))
        .route("/dev/parts", get(parts))
        .route("/dev/kill/{*part}", post(end))
        .merge(web::routes())
        .fallback(get(page))
        .layer(from_fn_with_state(shown.clone(), guarded))
        .with_state(shown)
}

/// Lets a request in that is to this console, and says of each answer what it may be used for.
async fn guarded(State(shown): State<Arc<Shown>>, request: Request, next: Next) -> Response {
    let mut answer = if guard::is_to_console(request.headers(), shown.address.port()) {
        next.run(request).await
    } else {
        let own = format!("this is at http://{}, and `Host` says something else", shown.address);
        refused(Code::Forbidden, own)
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, shown.policy.clone());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    answer
}

/// A file of the page.
async fn page(request: Request) -> Response {
    let path = match request.uri().path().trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    // In a debug build a path leads through the folder.
    let file = if path.contains("..") { None } else { Page::get(path) };
    match file {
        Some(file) => web::answer(file, kind(path), request.headers()),
        None => refused(Code::NotFound, "there is no such file of the page: it is at /"),
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some(_) | None => "application/octet-stream",
    }
}

/// `GET /dev/token?user=alice&device=phone&ttl=60`: a token that the gateways trust, and nothing else. Other parameters are passed over.
async fn token(State(shown): State<Arc<Shown>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    if !guard::is_of_this_machine(&headers) {
        return refused(Code::Forbidden, "tokens are for pages of this machine: `Origin` is none of its addresses");
    }
    let answer = match signed(&shown.folder, query.as_deref().unwrap_or_default()) {
        Ok(token) => ([(CACHE_CONTROL, "no-store")], token).into_response(),
        Err(why) => refused(Code::BadQuestion, format!("{why:#}")),
    };
    // Whoever may have it may read it.
    let reader = headers.get(ORIGIN).map(|origin| [(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())]);
    (reader, [(VARY, "origin")], answer).into_response()
}

fn signed(folder: &Folder, query: &str) -> anyhow::Result<String> {
    let value =
        |name: &str| form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    let user = value("user").context("say who the token is for: `?user=alice`")?;
    let user = user.parse::<UserName>().context("`user`")?;
    let device = value("device").map(|device| device.parse::<DeviceName>()).transpose().context("`device`")?;
    let ttl = value("ttl").unwrap_or(TTL.into());
    let ttl = format!("{ttl}s")
        .parse::<Span>()
        .ok()
        .with_context(|| format!("`ttl`: {ttl:?} is no number of seconds above 0"))?;
    keys::sign(folder, &Wanted { user: &user, ttl, device: device.as_ref(), scope: None, at: None })
}

/// `GET /dev/parts`: how they are.
async fn parts(State(shown): State<Arc<Shown>>) -> impl IntoResponse {
    let gateways: Vec<Value> = shown.parts.iter().filter_map(gateway).collect();
    let one = |name: &str, scheme| shown.parts.iter().find(|part| part.name() == name).map(|part| part.shown(scheme));
    let parts = json!({ "gateways": gateways, "worker": one("worker", "http"), "nats": one("nats", "nats") });
    ([(CACHE_CONTROL, "no-store")], Json(parts))
}

fn gateway(part: &Handle) -> Option<Value> {
    let mut shown = part.shown("http");
    shown["number"] = part.number()?.into();
    Some(shown)
}

impl Handle {
    /// Which gateway it is, if it is one.
    fn number(&self) -> Option<u16> {
        self.name().strip_prefix("gateway/")?.parse().ok()
    }

    /// In JSON; times in milliseconds since 1970.
    fn shown(&self, scheme: &str) -> Value {
        let state = self.state();
        let url = state.address.map(|_| self.url(scheme));
        json!({ "url": url, "pid": state.pid, "since": state.since, "restarts": state.restarts })
    }
}

/// `POST /dev/kill/gateway/1`: ends a part as `kill -9` does.
async fn end(State(shown): State<Arc<Shown>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    if !guard::may_change(&headers) {
        let how = format!("this is for the page itself; a program says `{}: me`, and no `Origin`", guard::NOT_A_FORM);
        return refused(Code::Forbidden, how);
    }
    let Some(part) = shown.parts.iter().find(|part| part.name() == name) else {
        let names: Vec<&str> = shown.parts.iter().map(Handle::name).collect();
        return refused(Code::NotFound, format!("there is no such part: there are {}", names.join(", ")));
    };
    match part.kill().await {
        Some(pid) => Json(json!({ "killed": name, "pid": pid })).into_response(),
        None => refused(Code::Unavailable, format!("{name} has just ended, and is being started again")),
    }
}

/// A problem document (RFC 9457).
fn refused(code: Code, detail: impl Into<String>) -> Response {
    let status = problem::status(code).and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // Codes are explained by gateways.
    let problem = Problem { kind: "about:blank".to_owned(), ..Problem::new(code, status.as_u16(), detail.into()) };
    (status, [(CONTENT_TYPE, problem::MEDIA_TYPE)], Json(problem)).into_response()
}
