//! The OpenAPI document, and the bodies and statuses that it describes.

use dunlin_schema::{Code, Content, frame::UnreadSend, openapi::document, post::Post, problem::status};
use serde_json::{Value, json};

const ID: &str = "01J0000000000000000000000Z";

#[test]
fn every_reference_leads_somewhere_and_every_status_is_there() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let responses = document.pointer("/paths/~1v1~1messages/post/responses").and_then(Value::as_object).unwrap();
    let statuses: Vec<&str> = responses.keys().map(String::as_str).collect();
    let expected = ["200", "400", "401", "403", "404", "405", "408", "413", "415", "421", "422", "429", "503"];
    assert_eq!(statuses, expected);
    for (code, status) in Code::ALL.iter().filter_map(|code| Some((code, status(*code)?))) {
        assert!(responses.contains_key(&status.to_string()), "{code}");
        assert_eq!([429, 503].contains(&status), code.retry() == dunlin_schema::Retry::Later, "{code}");
    }
}

/// Bodies, and what they are read as: a post, nothing with an id, or nothing.
#[test]
fn a_body_is_what_the_document_says() {
    let delete = json!({ "delete": { "target": ID } });
    let mut schema = document();
    schema["$ref"] = json!("#/components/schemas/Post");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (body, is_post, id) in [
        (json!({ "id": ID, "to": "bob", "content": delete }), true, true),
        (json!({ "id": ID, "from": "alice", "to": "bob", "content": delete, "new": 1 }), true, true),
        (json!({ "id": ID, "from": null, "to": "", "content": delete }), true, true),
        (json!({ "id": ID, "from": 7, "to": "bob", "content": delete }), false, true),
        (json!({ "id": ID, "content": delete }), false, true),
        (json!({ "id": ID, "to": "bob", "content": { "poll": {} } }), false, true),
        (json!({ "id": "x", "to": "bob", "content": delete }), false, false),
        (json!({ "id": 7, "to": "bob", "content": delete }), false, false),
        (json!({ "to": "bob", "content": delete }), false, false),
        (json!([ID]), false, false),
        (json!([ID, null, "bob", delete]), false, false),
        (json!(null), false, false),
    ] {
        let read = Post::read(body.to_string().as_bytes());
        assert_eq!((read.is_ok(), validator.is_valid(&body)), (is_post, is_post), "{body}: {read:?}");
        let of_unread = |send: &UnreadSend| send.bad_id.is_none().then(|| send.id.clone());
        let found =
            read.map_or_else(|unread| unread.send.as_ref().and_then(of_unread), |post| Some(post.id.to_string()));
        assert_eq!(found.as_deref(), id.then_some(ID), "{body}");
    }
    let (from, send) = Post::read(br#"{"id":"01J0000000000000000000000Z","from":"alice","to":"bob","content":{"delete":{"target":"01J0000000000000000000000Z"}}}"#)
        .unwrap()
        .into_send();
    assert_eq!((from.as_deref(), send.to.as_str()), (Some("alice"), "bob"));
    assert_eq!(send.content, Content::Delete { target: ID.parse().unwrap() });
    let broken = Post::read(b"{\"id\":").unwrap_err();
    assert!(broken.send.is_none() && broken.why.contains("EOF"), "{broken:?}");
}
