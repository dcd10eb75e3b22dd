//! The library for browsers, as every gateway serves it: the modules of `client/web`, part of the binary. In a debug build they are read
//! from their folder, so that whoever writes them need not build.
//!
//! [`answer`] serves any embedded file; the page of `dunlin dev` is given by it, too.

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderMap, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use dunlin_schema::Code;
use rust_embed::{Embed, EmbeddedFile};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, ObjectBuilder, RefOr, Required, ResponseBuilder, Type,
    path::{Parameter, ParameterBuilder, ParameterIn},
};

use super::{openapi, refusal::refusal};

/// What applications import, and what that imports. Tests and settings beside it are neither embedded nor served.
#[derive(Embed)]
#[folder = "../client/web"]
#[include = "dunlin.js"]
#[include = "dunlin.d.ts"]
#[include = "dunlin/*.js"]
#[include = "dunlin/*.d.ts"]
struct Library;

/// The library's addresses.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/dunlin.js", get(library)).route("/dunlin/{*path}", get(module))
}

/// An embedded file, asked for with these headers: whoever has it as it is now is told so. Browsers ask each time, and a page may be newer
/// than what another release served.
pub fn answer(file: EmbeddedFile, kind: &'static str, asked: &HeaderMap) -> Response {
    let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(file.metadata.sha256_hash()));
    let has =
        asked.get_all(IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok()).flat_map(|tags| tags.split(','));
    let has = has.map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag);
    let headers = [(ETAG, tag.as_str()), (CACHE_CONTROL, "no-cache"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    if has {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, [(CONTENT_TYPE, kind)], Bytes::from_owner(file.data)).into_response()
}

/// What an address of the library takes and answers, for the document.
struct Asked;

impl utoipa::IntoParams for Asked {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let known = ParameterBuilder::new().name(IF_NONE_MATCH.as_str()).parameter_in(ParameterIn::Header);
        let known = known.required(Required::False).description(Some("The `ETag` of what the asker has."));
        vec![known.schema(Some(ObjectBuilder::new().schema_type(Type::String))).build()]
    }
}

struct Answered;

impl utoipa::IntoResponses for Answered {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let tagged = |response: ResponseBuilder| {
            let tag = HeaderBuilder::new().schema(Some(text())).description(Some("Which version this is.")).build();
            RefOr::T(response.header(ETAG.as_str(), tag).build())
        };
        let module = ContentBuilder::new().schema(Some(text())).build();
        let module = ResponseBuilder::new().description("A module in JavaScript.").content("text/javascript", module);
        let unchanged = ResponseBuilder::new().description("The asker has it as it is now.");
        [("200".to_owned(), tagged(module)), ("304".to_owned(), tagged(unchanged))].into()
    }
}

struct Missing;

impl utoipa::IntoResponses for Missing {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        openapi::refused(&[Code::NotFound], &[])
    }
}

/// The library for browsers.
#[utoipa::path(get, path = "/dunlin.js", tag = "pages", params(Asked), responses(Answered, Missing))]
pub(super) async fn library(asked: HeaderMap) -> Response {
    module_at("dunlin.js", &asked)
}

/// A module of the library for browsers.
#[utoipa::path(
    get,
    path = "/dunlin/{path}",
    tag = "pages",
    params(("path" = String, Path, description = "Its file; its folders are part of it.", example = "readable.js"), Asked),
    responses(Answered, Missing),
)]
pub(super) async fn module(Path(path): Path<String>, asked: HeaderMap) -> Response {
    module_at(&format!("dunlin/{path}"), &asked)
}

fn module_at(path: &str, asked: &HeaderMap) -> Response {
    // In a debug build a path leads through the folder, and out of what is served.
    let file = if path.contains("..") { None } else { Library::get(path) };
    let Some(file) = file else {
        return refusal(Code::NotFound, "the library has no such module; /dunlin.js is its entry").into_response();
    };
    // A page of anybody's may import it: it holds nothing of whoever asks.
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], answer(file, "text/javascript", asked)).into_response()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use axum::body::{Body, to_bytes};
    use hyper::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str, known: Option<&str>) -> (StatusCode, HeaderMap, Bytes) {
        let mut request = Request::get(path);
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let response = routes().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        (head.status, head.headers, to_bytes(body, usize::MAX).await.unwrap())
    }

    #[tokio::test]
    async fn the_library_is_served_as_it_is_in_its_folder() {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../client/web");
        let (status, headers, body) = get("/dunlin.js", None).await;
        assert_eq!((status, &body[..]), (StatusCode::OK, &std::fs::read(folder.join("dunlin.js")).unwrap()[..]));
        for (name, value) in [
            (CONTENT_TYPE, "text/javascript"),
            (CACHE_CONTROL, "no-cache"),
            (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ] {
            assert_eq!(headers[&name], value, "{name}");
        }
    }

    #[tokio::test]
    async fn whoever_has_it_is_not_given_it_again() {
        let tag = get("/dunlin.js", None).await.1[ETAG].to_str().unwrap().to_owned();
        for (known, status) in [
            (tag.clone(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (tag.trim_matches('"').to_owned(), 200),
        ] {
            let (got, headers, body) = get("/dunlin.js", Some(&known)).await;
            assert_eq!((got.as_u16(), body.is_empty()), (status, status == 304), "{known}");
            assert!(headers[ETAG] == tag && headers[ACCESS_CONTROL_ALLOW_ORIGIN] == "*", "{known}: {headers:?}");
        }
    }

    #[tokio::test]
    async fn nothing_else_of_the_folder_is_served() {
        for path in [
            "/dunlin/nothing.js",
            "/dunlin/../package.json",
            "/dunlin/../tests/package.json",
            "/dunlin/%2e%2e/package.json",
            "/dunlin/..%2ftests%2fpackage.json",
            "/dunlin//dunlin.js",
            "/dunlin/%00.js",
        ] {
            let (status, headers, _) = get(path, None).await;
            let is_refused = status == StatusCode::NOT_FOUND && headers[CONTENT_TYPE] == "application/problem+json";
            assert!(is_refused, "{path}: {status}, {headers:?}");
        }
    }
}
