//! The machine-readable form of what a gateway answers over HTTP. What an operation takes and answers stands at its handler, and utoipa
//! gathers it; the schemas are those of the types in `schema`, which the AsyncAPI document shows as well.

use std::collections::{BTreeMap, BTreeSet};

use dunlin_schema::{
    Code, openapi,
    problem::{self, status},
};
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Type,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Dunlin over HTTP",
        version = "1.0.0",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
        description = "What a gateway answers beside its WebSocket. Fields, codes and paths may be added, never changed.",
    ),
    paths(
        super::what_this_is,
        super::messages::send,
        super::media::put,
        super::media::get,
        super::presence::ask,
        super::revocations::revoke,
        super::code,
        super::asyncapi_document,
        super::openapi_document,
        super::web::library,
        super::web::module,
        super::livez,
        super::readyz,
        super::metrics,
    ),
    modifiers(&Tokens, &Bodies)
)]
struct Api;

/// How a request says who is there.
struct Tokens;

impl Modify for Tokens {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// That a body has to be there, which an operation can't say of its own.
struct Bodies;

impl Modify for Bodies {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let operations = document.paths.paths.values_mut().filter_map(|path| path.post.as_mut());
        for body in operations.filter_map(|operation| operation.request_body.as_mut()) {
            if let RefOr::T(body) = body {
                body.required = Some(Required::True);
            }
        }
    }
}

/// The document, as `/openapi.json` serves it.
pub(super) fn document() -> Value {
    let mut document = serde_json::to_value(Api::openapi()).expect("a document is JSON");
    document["components"]["schemas"] = openapi::schemas().into();
    document
}

/// The responses of a request that is refused: for each status the codes that come with it, or other words.
pub(super) fn refused(codes: &[Code], others: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for (code, status) in codes.iter().filter_map(|code| Some((code, status(*code)?))) {
        by_status.entry(status).or_default().insert(format!("`{code}`"));
    }
    for (status, why) in others {
        by_status.entry(*status).or_default().insert((*why).to_owned());
    }
    let response = |(status, why): (u16, BTreeSet<String>)| {
        let why: Vec<String> = why.into_iter().collect();
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let mut response = ResponseBuilder::new().description(why.join(", ")).content(problem::MEDIA_TYPE, problem);
        if [429, 503].contains(&status) {
            let seconds = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::Integer))).build();
            response = response.header("Retry-After", seconds);
        }
        (status.to_string(), RefOr::T(response.build()))
    };
    by_status.into_iter().map(response).collect()
}

#[cfg(test)]
mod tests;
