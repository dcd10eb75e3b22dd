//! The machine-readable form of what a gateway answers over HTTP: an OpenAPI 3.1 document with JSON Schemas, made from the types.

use std::collections::{BTreeMap, BTreeSet};

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::{
    Code, limits,
    post::{MESSAGES, Post, Sent},
    problem::{self, Problem, status},
};

/// The document, as `/openapi.json` serves it.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let post = generator.subschema_for::<Post>().to_value();
    let sent = generator.subschema_for::<Sent>().to_value();
    let problem = generator.subschema_for::<Problem>().to_value();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Dunlin over HTTP",
            "version": "1.0.0",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "What a gateway answers beside its WebSocket. Fields, codes and paths may be added, never changed.",
        },
        "paths": {
            MESSAGES: { "post": {
                "operationId": "send",
                "summary": "Send as a back end, in the name of any person.",
                "description": format!(
                    "The same rules and codes as for a `send` on a WebSocket. A request without an answer, and one answered 503 or 429, is \
                     repeated with the same id: it is stored once. A body has at most {} bytes.",
                    limits::FRAME_BYTES
                ),
                "security": [{ "token": ["service"] }],
                "requestBody": { "required": true, "content": { "application/json": { "schema": post } } },
                "responses": responses(&sent, &problem),
            } },
            "/asyncapi.json": page("The machine-readable form of what is said on a WebSocket.", "application/json"),
            "/openapi.json": page("This document.", "application/json"),
            "/livez": page("200 while the process lives.", "text/plain"),
            "/readyz": page("200 when clients are welcome, 503 with the reason when not.", "text/plain"),
            "/metrics": page("For Prometheus.", "application/openmetrics-text"),
        },
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
        },
    })
}

/// Statuses that no code has.
const OTHERS: [(u16, &str); 3] =
    [(405, "another method than POST"), (408, "the body did not come in time"), (415, "no `application/json`")];

fn responses(sent: &Value, problem: &Value) -> BTreeMap<String, Value> {
    let mut by_status: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for (code, status) in Code::ALL.iter().filter_map(|code| Some((code, status(*code)?))) {
        by_status.entry(status).or_default().insert(format!("`{code}`"));
    }
    for (status, why) in OTHERS {
        by_status.entry(status).or_default().insert(why.to_owned());
    }
    let mut responses: BTreeMap<String, Value> = by_status
        .into_iter()
        .map(|(status, why)| {
            let why: Vec<String> = why.into_iter().collect();
            let mut response =
                json!({ "description": why.join(", "), "content": { problem::MEDIA_TYPE: { "schema": problem } } });
            if [429, 503].contains(&status) {
                response["headers"] = json!({ "Retry-After": { "schema": { "type": "integer" } } });
            }
            (status.to_string(), response)
        })
        .collect();
    responses.insert(
        "200".into(),
        json!({ "description": "It is stored.", "content": { "application/json": { "schema": sent } } }),
    );
    responses
}

fn page(summary: &str, kind: &str) -> Value {
    json!({ "get": { "summary": summary, "responses": { "200": { "description": summary, "content": { kind: {} } } } } })
}
