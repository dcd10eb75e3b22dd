//! The machine-readable form of the client protocol: an AsyncAPI 3.0 document with JSON Schemas, made from the types in [`crate::frame`].
//!
//! It describes the gateway: what it receives from clients, what it sends to them, and what it answers with. Nothing here says anything
//! that the types do not: a frame, a code or a field that is added to them is added to the document.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Code, Retry,
    frame::{ClientFrame, Encoding, ServerFrame},
    limits,
};

mod examples;

/// The path at which clients connect.
pub const CONNECT: &str = "/v1/connect";

/// The document, as `/asyncapi.json` serves it, and as it stands in `docs/asyncapi.json`.
pub fn document() -> Value {
    // AsyncAPI's own schema dialect is a superset of JSON Schema draft 7.
    let mut settings = SchemaSettings::draft07();
    settings.meta_schema = None;
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();

    let client = frames::<ClientFrame>(&mut generator, ClientFrame::NAMES);
    let server = frames::<ServerFrame>(&mut generator, ServerFrame::NAMES);
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(join_lines);
    let mut messages = Map::new();
    let client = client.into_iter().map(|(name, schema)| (name, name.to_owned(), schema, examples::client(name)));
    let server = server.into_iter().map(|(name, schema)| (name, server_key(name), schema, examples::server(name)));
    for (name, key, schema, examples) in client.chain(server) {
        messages.insert(key.clone(), message(name, &key, &schema, examples));
        let replaced = schemas.insert(frame_schema(&key), schema);
        assert_eq!(replaced, None, "no type is called like the schema of a frame");
    }
    schemas.insert("ClientFrame".into(), one_of(ClientFrame::NAMES.iter().map(|name| frame_schema(name))));
    schemas.insert("ServerFrame".into(), one_of(ServerFrame::NAMES.iter().map(|name| frame_schema(&server_key(name)))));

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Dunlin client protocol",
            "version": "1.0.0",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
            "description": DESCRIPTION,
        },
        "defaultContentType": "application/json",
        "servers": {
            "gateway": {
                "host": "{host}",
                "protocol": "wss",
                "description": "Any gateway of the user's region.",
                "variables": { "host": { "description": "Host and port of the gateway.", "default": "localhost" } },
                "security": [{ "$ref": "#/components/securitySchemes/token" }],
            },
        },
        "channels": {
            "connect": {
                "address": CONNECT,
                "title": "One device's connection",
                "description": "A WebSocket. One message is one frame.",
                "messages": messages.keys().map(|name| (name.clone(), reference("messages", name))).collect::<Map<_, _>>(),
                "bindings": { "ws": { "method": "GET", "headers": upgrade_headers(), "bindingVersion": "0.1.0" } },
            },
        },
        "operations": {
            "open": receive("hello", &["welcome", "gap", "entry", "caught_up", "goodbye"], "The first frame of a connection."),
            "send": receive("send", &["accepted", "rejected"], "Something to send. A repeat with the same id is stored once."),
            "acknowledge": receive("ack", &[], "What this device has consumed, cumulatively."),
            "read": receive("read", &["marked", "refused"], "What the user has read of a conversation, cumulatively."),
            "mark": emit(&["receipt", "marked"], "How far what the user sent has come, and what the user has read, on whichever device."),
            "ask": receive("ask", &["answer", "refused"], "A question. Each has one answer, or one refusal, under its number."),
            "signal": receive("signal", &[], "Something that the user does just now: never stored, and lost where nobody is there to see it."),
            "tell": emit(&["server_signal", "group_signal"], "What others do just now."),
            "watch": emit(&["presence"], "How those are who are watched: the state of each at once, and again whenever it changes."),
            "deliver": emit(&["entry", "gap", "caught_up"], "What the user's logs hold, oldest first, then live."),
            "refuse": emit(&["refused"], "What this gateway does not take: a frame, a question or a log that it does not know, or a cursor that it can not open."),
            "end": emit(&["goodbye"], "The last frame before the close."),
        },
        "components": {
            "messages": messages,
            "schemas": schemas,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "In the Authorization header of the upgrade, or in `hello`; never in the URL.",
                },
            },
        },
        "x-codes": codes(),
        "x-limits": {
            "frame_bytes": limits::FRAME_BYTES,
            "body_bytes": limits::BODY_BYTES,
            "hello_within_ms": limits::HELLO_WITHIN,
            "ping_every_ms": limits::PING_EVERY,
            "message_within_ms": limits::PING_EVERY,
            "clock_skew_ms": limits::CLOCK_SKEW,
            "sends_in_flight": limits::SENDS_IN_FLIGHT,
            "asks_in_flight": limits::ASKS_IN_FLIGHT,
            "ask_within_ms": limits::ASK_WITHIN,
            "asks_per_second": limits::ASKS_PER_SECOND,
            "asks_burst": limits::ASKS_BURST,
            "presence_users": limits::PRESENCE_USERS,
            "signals_per_second": limits::SIGNALS_PER_SECOND,
            "signals_burst": limits::SIGNALS_BURST,
        },
    })
}

const DESCRIPTION: &str = "What a client and a gateway say to each other over one WebSocket.\n\n\
    The subprotocol chooses the encoding: `dunlin.v1.json` (text messages) or `dunlin.v1.postcard` (binary messages; the same frames in the \
    same order, in Postcard). In JSON an absent field and `null` are the same, unknown fields are ignored, and an unknown frame is answered \
    with `refused`. Frames, fields and codes may be added, never changed. Times are milliseconds since the Unix epoch, ids are ULIDs, \
    sequences are below 2^53. A WebSocket message that is not whole within `message_within_ms` of `x-limits` may end the socket with close \
    code 1008. `x-codes` lists every code with the WebSocket close code that goes with it and whether to try again.";

/// Each frame of an externally tagged enum with its own schema, `names` being the order in which the enum has them.
fn frames<T: JsonSchema>(
    generator: &mut SchemaGenerator,
    names: &'static [&'static str],
) -> Vec<(&'static str, Value)> {
    let mut schema = T::json_schema(generator);
    for transform in generator.transforms_mut() {
        transform.transform(&mut schema);
    }
    let mut variants = match schema.remove("oneOf") {
        Some(Value::Array(variants)) => variants,
        _ => Vec::new(),
    };
    variants.iter_mut().for_each(join_lines);
    assert_eq!(variants.len(), names.len(), "the enum of frames and its NAMES have the same length");
    names.iter().copied().zip(variants).collect()
}

/// Descriptions come from comments, which are wrapped; here a line is a paragraph.
fn join_lines(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(join_lines);
        }
        Value::Array(values) => values.iter_mut().for_each(join_lines),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The name of a frame's schema: `caught_up` is `CaughtUpFrame`.
fn frame_schema(name: &str) -> String {
    let words = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<String>() + "Frame"
}

/// What a gateway's frame is called in the document: its name, unless a client has one of the same name.
fn server_key(name: &str) -> String {
    if ClientFrame::NAMES.contains(&name) { format!("server_{name}") } else { name.to_owned() }
}

fn one_of(schemas: impl Iterator<Item = String>) -> Value {
    json!({ "oneOf": schemas.map(|schema| reference("schemas", &schema)).collect::<Vec<_>>() })
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn in_channel(name: &str) -> Value {
    json!({ "$ref": format!("#/channels/connect/messages/{name}") })
}

fn message(name: &str, key: &str, schema: &Value, examples: Vec<Value>) -> Value {
    json!({
        "name": name,
        "title": frame_schema(key),
        "summary": schema["description"],
        "contentType": "application/json",
        "payload": reference("schemas", &frame_schema(key)),
        "examples": examples.into_iter().map(|payload| json!({ "payload": payload })).collect::<Vec<_>>(),
    })
}

fn receive(name: &str, answers: &[&str], summary: &str) -> Value {
    let mut operation = json!({
        "action": "receive",
        "channel": { "$ref": "#/channels/connect" },
        "summary": summary,
        "messages": [in_channel(name)],
    });
    if !answers.is_empty() {
        operation["reply"] = json!({
            "channel": { "$ref": "#/channels/connect" },
            "messages": answers.iter().map(|name| in_channel(name)).collect::<Vec<_>>(),
        });
    }
    operation
}

fn emit(names: &[&str], summary: &str) -> Value {
    json!({
        "action": "send",
        "channel": { "$ref": "#/channels/connect" },
        "summary": summary,
        "messages": names.iter().map(|name| in_channel(name)).collect::<Vec<_>>(),
    })
}

fn upgrade_headers() -> Value {
    let encodings = [Encoding::Json, Encoding::Postcard];
    json!({
        "type": "object",
        "required": ["Sec-WebSocket-Protocol"],
        "properties": {
            "Sec-WebSocket-Protocol": { "type": "string", "enum": encodings.map(Encoding::subprotocol) },
            "Authorization": { "type": "string", "pattern": "^Bearer .+$", "maxLength": limits::TOKEN_BYTES + "Bearer ".len() },
        },
    })
}

/// The table of codes.
fn codes() -> Vec<Value> {
    let row = |code: &Code| {
        let retry = match code.retry() {
            Retry::Never => "never",
            Retry::Later => "later",
            Retry::NewToken => "new_token",
            Retry::Elsewhere => "elsewhere",
        };
        json!({ "code": code, "close": code.close(), "retry": retry, "description": code.meaning() })
    };
    Code::ALL.iter().map(row).collect()
}
