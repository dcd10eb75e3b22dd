//! The AsyncAPI document: complete, and its schemas say what the parsers say.

use dunlin_schema::{
    Code,
    asyncapi::document,
    frame::{ClientFrame, Encoding, ServerFrame},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategy;

/// A validator of one of the document's schemas.
fn validator(schema: &str) -> jsonschema::Validator {
    let mut root = document();
    root["$ref"] = json!(format!("#/components/schemas/{schema}"));
    jsonschema::draft7::new(&root).unwrap()
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// For whoever reads about the protocol without a gateway that runs.
#[test]
fn the_document_beside_the_protocol_is_the_one_of_these_types() {
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/asyncapi.json")).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap_or_default();
    let same = kept == document();
    assert!(same, "docs/asyncapi.json is stale: cargo run -p dunlin-schema --example asyncapi > docs/asyncapi.json");
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50, "{}", found.len());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("references stay inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

/// What a frame is called in the document.
fn key(name: &str, action: &str) -> String {
    if action == "send" && ClientFrame::NAMES.contains(&name) { format!("server_{name}") } else { name.to_owned() }
}

#[test]
fn every_frame_is_a_message_that_an_operation_carries() {
    let document = document();
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["channels"]["connect"]["address"], "/v1/connect");
    let operations = document["operations"].as_object().unwrap();
    for (names, action) in [(ClientFrame::NAMES, "receive"), (ServerFrame::NAMES, "send")] {
        for name in names {
            let name = &key(name, action);
            let message = &document["components"]["messages"][name];
            assert!(message["summary"].is_string(), "{name} says what it is");
            assert!(
                message["examples"].as_array().is_some_and(|examples| !examples.is_empty()),
                "{name} has an example"
            );
            let wanted = json!({ "$ref": format!("#/channels/connect/messages/{name}") });
            let carried = operations.values().any(|operation| {
                let carries = |messages: &Value| messages.as_array().is_some_and(|messages| messages.contains(&wanted));
                operation["action"] == action && carries(&operation["messages"])
                    || action == "send" && carries(&operation["reply"]["messages"])
            });
            assert!(carried, "no operation carries {name}");
        }
    }
}

#[test]
fn every_example_fits_its_schema_and_is_read_as_a_frame() {
    let document = document();
    for (names, schema, action) in
        [(ClientFrame::NAMES, "ClientFrame", "receive"), (ServerFrame::NAMES, "ServerFrame", "send")]
    {
        let validator = validator(schema);
        for name in names {
            for example in document["components"]["messages"][key(name, action)]["examples"].as_array().unwrap() {
                let payload = &example["payload"];
                if let Err(error) = validator.validate(payload) {
                    panic!("{payload}: {error}");
                }
                let bytes = payload.to_string();
                let read = match schema {
                    "ClientFrame" => Encoding::Json.read_client(bytes.as_bytes()).map(|_| ()),
                    _ => Encoding::Json.read_server(bytes.as_bytes()).map(|_| ()),
                };
                assert_eq!(read, Ok(()), "{payload}");
            }
        }
    }
}

#[test]
fn a_schema_refuses_what_the_parser_refuses() {
    let validator = validator("ClientFrame");
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for (payload, fits) in [
        (json!({ "hello": {} }), true),
        (json!({ "hello": { "token": null, "device": null, "cursors": null } }), true),
        (json!({ "hello": { "device": "phone", "more": 1 } }), true),
        (json!({ "hello": { "cursors": { "mailbox": "live" } } }), true),
        (json!({ "hello": { "device": "a.b" } }), false),
        (json!({ "hello": { "cursors": { "mailbox": 17 } } }), false),
        (json!({ "hello": {}, "ack": { "log": "mailbox", "delivered": 1 } }), false),
        (json!({ "gesture": {} }), false),
        (json!({ "signal": { "to": "bob", "kind": "typing" } }), true),
        (json!({ "signal": { "to": "bob" } }), false),
        (json!({ "ask": { "ref": 1, "what": { "devices": {} } } }), true),
        (json!({ "ask": { "ref": 1, "what": { "device_remove": { "device": "phone" } } } }), true),
        (json!({ "ask": { "ref": 1, "what": { "device_remove": { "device": "a.b" } } } }), false),
        (json!({ "ask": { "ref": 1, "what": { "device_name": { "device": "tv", "title": "Bob's 📺" } } } }), true),
        (json!({ "ask": { "ref": 1, "what": { "device_name": { "device": "tv", "title": null } } } }), true),
        (json!({ "ask": { "ref": 1, "what": { "device_name": { "device": "tv", "title": "" } } } }), false),
        (json!({ "ask": { "ref": 1, "what": { "device_name": { "device": "tv", "title": "a\u{9b}b" } } } }), false),
        (json!({ "ask": { "ref": 1, "what": { "blocks": {} } } }), true),
        (json!({ "ask": { "ref": 1, "what": { "gestures": {} } } }), false),
        (json!({ "ask": { "ref": 1, "what": "devices" } }), false),
        (json!({ "ask": { "what": { "devices": {} } } }), false),
        (json!({}), false),
        (json!({ "ack": { "log": "mailbox", "delivered": 9_007_199_254_740_991_u64 } }), true),
        (json!({ "ack": { "log": "mailbox", "delivered": 9_007_199_254_740_992_u64 } }), false),
        (json!({ "ack": { "log": "mailbox", "delivered": -1 } }), false),
        (json!({ "ack": { "log": "mailbox" } }), false),
        (
            json!({ "send": { "id": id, "to": "bob", "content": { "message": { "text": "x", "attachments": null } } } }),
            true,
        ),
        (json!({ "send": { "id": id, "to": "bob", "content": { "delete": { "target": id } } } }), true),
        (json!({ "send": { "id": id.to_lowercase(), "to": "bob", "content": { "message": {} } } }), false),
        (json!({ "send": { "id": "01ARZ3NDEKTSV4RRFFQ69G5FAU", "to": "bob", "content": { "message": {} } } }), false),
        (json!({ "send": { "id": id, "to": "bob", "content": { "poll": {} } } }), false),
        (json!({ "send": { "id": id, "to": "bob" } }), false),
    ] {
        assert_eq!(validator.is_valid(&payload), fits, "{payload}");
        assert_eq!(Encoding::Json.read_client(payload.to_string().as_bytes()).is_ok(), fits, "{payload}");
    }
}

#[test]
fn every_code_is_described() {
    let document = document();
    let codes = document["x-codes"].as_array().unwrap();
    assert_eq!(codes.len(), Code::ALL.len());
    for (row, code) in codes.iter().zip(Code::ALL) {
        assert_eq!(row["code"], json!(code));
        assert_eq!(row["close"], json!(code.close()));
        assert!(row["description"].as_str().is_some_and(|words| !words.is_empty()), "{row}");
    }
    let draining =
        json!({ "code": "draining", "close": 1012, "retry": "later", "description": "The gateway is going away." });
    assert_eq!(codes[0], draining);
}

#[test]
fn the_document_is_the_same_each_time() {
    assert_eq!(document().to_string(), document().to_string());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_frame_fits_its_schema(client in strategy::client_frame(), server in strategy::server_frame()) {
        for (schema, frame) in [("ClientFrame", json!(client)), ("ServerFrame", json!(server))] {
            let validator = validator(schema);
            prop_assert!(validator.is_valid(&frame), "{}", frame);
        }
    }
}
