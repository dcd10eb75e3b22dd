//! `dunlin presence`, in a region that runs.

use std::path::Path;

use serde_json::{Value, json};

use super::{beside, until};

fn told(folder: &Path, users: &[&str]) -> Vec<Value> {
    let told = beside(folder, &[&["presence", "--as", "carol"], users].concat());
    assert!(told.status.success(), "{told:?}");
    let text = String::from_utf8(told.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Says who is there: whoever asks, and nobody who has never been here.
pub(super) fn is_told(folder: &Path) {
    let states = || {
        told(folder, &["nobody", "carol", "bob@elsewhere"])
            .into_iter()
            .map(|line| [line["user"].clone(), line["state"].clone()])
    };
    let expected = [["bob@elsewhere", "unknown"], ["carol", "online"], ["nobody", "offline"]];
    assert_eq!(states().collect::<Vec<_>>(), expected.map(|line| line.map(Value::from)));
    // Who asked a moment ago was seen then.
    beside(folder, &["presence", "--as", "dave", "nobody"]);
    until("dave to be gone", || {
        let line = told(folder, &["dave"]).remove(0);
        line["state"] == json!("offline") && line["last_seen"].is_u64()
    });
    let wrong = beside(folder, &["presence", "--as", "carol", "b.b"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("b.b"), "{wrong:?}");
}
