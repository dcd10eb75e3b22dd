//! `dunlin conversations` and `dunlin history`, in a region that runs.

use std::path::Path;

use serde_json::{Value, json};

use super::{beside, stderr, stdout};

fn lines(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let listed = beside(folder, arguments);
    assert!(listed.status.success(), "{}", stderr(&listed));
    stdout(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Alice has sent bob these, and nobody anything else.
pub(super) fn are_listed(folder: &Path, messages: &[&str]) {
    let listed = lines(folder, &["conversations", "--as", "bob"]);
    let items: Vec<_> = listed.iter().map(|item| (&item["with"], &item["unread"], &item["read"])).collect();
    assert_eq!(items, [(&json!("alice"), &json!(messages.len()), &Value::Null)], "{listed:?}");
    let said = |arguments: &[&str]| -> Vec<String> {
        let entries = lines(folder, &[&["history", "--as", "bob"], arguments].concat());
        entries.iter().map(|entry| entry["content"]["message"]["text"].as_str().unwrap().to_owned()).collect()
    };
    let backwards: Vec<_> = messages.iter().rev().copied().collect();
    assert_eq!(said(&["alice"]), backwards);
    assert_eq!(said(&["alice", "--limit", "1"]), backwards[..1]);
    assert_eq!((said(&["carol"]), said(&["alice", "--before", "1"])), (vec![], vec![]));
    let nothing = beside(folder, &["conversations", "--as", "bob", "--limit", "0"]);
    assert!(stderr(&nothing).contains("'0' for '--limit"), "{}", stderr(&nothing));
    let refused = beside(folder, &["history", "--as", "bob", "#team"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("there is no such group, or you are not in it"), "{}", stderr(&refused));
}
