//! The schemas of what is said over HTTP, and the bodies that they describe.

use dunlin_schema::{Content, frame::UnreadSend, openapi::schemas, post::Post};
use serde_json::json;

const ID: &str = "01J0000000000000000000000Z";

/// Bodies, and what they are read as: a post, nothing with an id, or nothing.
#[test]
fn a_body_is_what_the_document_says() {
    let delete = json!({ "delete": { "target": ID } });
    let schema = json!({ "components": { "schemas": schemas() }, "$ref": "#/components/schemas/Post" });
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (body, is_post, id) in [
        (json!({ "id": ID, "to": "bob", "content": delete }), true, true),
        (json!({ "id": ID, "from": "alice", "to": "bob", "content": delete, "new": 1 }), true, true),
        (json!({ "id": ID, "from": null, "to": "#team", "content": delete }), true, true),
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
    let by_system = json!({ "id": ID, "to": "bob", "content": { "membership": { "group": "#team", "user": "bob", "change": "left", "by": "bob" } } });
    assert!(!validator.is_valid(&by_system), "it is read, and then refused");
    let (from, send) = Post::read(br#"{"id":"01J0000000000000000000000Z","from":"alice","to":"bob","content":{"delete":{"target":"01J0000000000000000000000Z"}}}"#)
        .unwrap()
        .into_send();
    assert_eq!((from.as_deref(), send.to.as_str()), (Some("alice"), "bob"));
    assert_eq!(send.content, Content::Delete { target: ID.parse().unwrap() });
    let broken = Post::read(b"{\"id\":").unwrap_err();
    assert!(broken.send.is_none() && broken.why.contains("EOF"), "{broken:?}");
}
