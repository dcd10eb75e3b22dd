//! `dunlin group`, in a region that runs.

use std::path::Path;

use serde_json::{Value, json};

use super::{beside, stderr, stdout};

/// What a command prints as somebody, line by line.
fn group(folder: &Path, user: &str, arguments: &[&str]) -> Vec<Value> {
    let done = beside(folder, &[&["group"], arguments, &["--as", user]].concat());
    assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
    stdout(&done).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The code that a command ends with, and what it says then.
fn refused(folder: &Path, user: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let refused = beside(folder, &[&["group"], arguments, &["--as", user]].concat());
    assert_eq!(stdout(&refused), "", "{arguments:?}");
    (refused.status.code(), stderr(&refused))
}

/// Who is in the group, and what they are, as somebody is told.
fn members(folder: &Path, user: &str) -> Vec<(String, String)> {
    let of = |item: &Value, field: &str| item[field].as_str().unwrap().to_owned();
    let items = group(folder, user, &["members", "team", "--limit", "1000"]);
    let mut members: Vec<_> = items.iter().map(|item| (of(item, "user"), of(item, "role"))).collect();
    members.sort_unstable();
    members
}

/// What somebody's device is given of the group: what it says, or of what kind it is.
fn heard(folder: &Path, user: &str) -> String {
    let heard = beside(folder, &["listen", "--as", user, "--until-caught-up"]);
    assert!(heard.status.success(), "{}", stderr(&heard));
    let entries = stdout(&heard).lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
    let said = |line: &Value| {
        let entry = &line["entry"];
        assert_eq!(entry["log"], "#team", "{line}");
        let kind = entry["content"].as_object().unwrap().keys().next().unwrap().clone();
        entry["content"]["message"]["text"].as_str().map_or(kind, str::to_owned)
    };
    let first = entries.first().map(|line| line["entry"]["content"]["settings"].clone());
    if let Some(settings) = first.filter(Value::is_object) {
        assert_eq!([&settings["by"], &settings["group"], &settings["users"][0]], ["gina", "#team", "hal"]);
    }
    entries.iter().map(said).collect::<Vec<_>>().join(", ")
}

/// Gina makes a group with Hal, and it goes its way to its end.
pub(super) fn are_made_changed_and_deleted(folder: &Path) {
    let item = |title: Value, members: u32, role: &str| {
        let settings = json!({ "who_may_add": "admins", "who_may_write": "members", "history": false });
        json!({ "group": "#team", "title": title, "members": members, "settings": settings, "role": role })
    };
    assert!(beside(folder, &["block", "--as", "lea", "gina"]).status.success());
    let made = group(folder, "gina", &["create", "team", "hal", "lea", "--title", "The \u{1f436} team"]);
    let mut expected = item(json!("The \u{1f436} team"), 2, "owner");
    expected["without"] = json!(["lea"]);
    assert_eq!(made, [expected]);
    let is = |user: &str, role: &str| (user.to_owned(), role.to_owned());
    assert_eq!(members(folder, "hal"), [is("gina", "owner"), is("hal", "member")]);

    assert_eq!(
        group(folder, "gina", &["add", "#team", "ida", "lea", "jo"]),
        [json!({ "added": ["ida", "jo"], "without": ["lea"] })]
    );
    assert!(refused(folder, "gina", &["add", "team", "lea"]).1.contains("(refused)"));
    assert_eq!(group(folder, "gina", &["role", "team", "ida", "admin"]), [json!({ "user": "ida", "role": "admin" })]);
    assert_eq!(group(folder, "ida", &["remove", "team", "jo"]), [json!({ "removed": ["jo"] })]);
    assert_eq!(members(folder, "ida"), [is("gina", "owner"), is("hal", "member"), is("ida", "admin")]);
    assert_eq!(group(folder, "ida", &["set", "team", "--title", "Dogs"]), [json!({ "set": "#team" })]);
    assert_eq!(group(folder, "hal", &["info", "team"]), [item(json!("Dogs"), 3, "member")]);
    assert_eq!(group(folder, "hal", &["list"]), [item(json!("Dogs"), 3, "member")]);

    let sent = beside(folder, &["send", "--as", "hal", "#team", "hello"]);
    assert!(sent.status.success(), "{}", stderr(&sent));
    let begins = "settings, membership, membership, membership, settings, hello";
    assert_eq!(heard(folder, "hal"), begins);
    assert_eq!(heard(folder, "hal"), "", "each once, also over restarts");
    assert_eq!(heard(folder, "ida"), begins.replacen("settings, ", "", 1), "from when she joined");
    assert_eq!(group(folder, "gina", &["leave", "team"]), [json!({ "left": "#team" })]);
    assert_eq!(members(folder, "ida"), [is("hal", "member"), is("ida", "owner")], "the admin is the heir");

    for (user, arguments, code, said) in [
        ("gina", &["info", "team"][..], 1, "(not_a_member)"),
        ("hal", &["add", "team", "kim"], 1, "(not_allowed)"),
        ("hal", &["delete", "team"], 1, "(not_allowed)"),
        ("kim", &["create", "team"], 1, "(exists)"),
        ("ida", &["role", "team", "kim", "admin"], 1, "(not_found)"),
        ("ida", &["role", "team", "hal", "king"], 2, "member, admin and owner"),
        ("ida", &["add", "team"], 2, "USERS"),
        ("ida", &["add", "team", "#others"], 1, "(bad_address)"),
        ("ida", &["add", "team", "kim@eu"], 1, "(unsupported)"),
        ("ida", &["info", "team@eu"], 1, "(unsupported)"),
        ("ida", &["info", "te.am"], 2, "te.am"),
    ] {
        let (ended, words) = refused(folder, user, arguments);
        assert_eq!(ended, Some(code), "{arguments:?}: {words}");
        assert!(words.contains(said), "{arguments:?}: {words}");
    }

    assert_eq!(group(folder, "ida", &["delete", "team"]), [json!({ "deleted": "#team" })]);
    assert_eq!(group(folder, "ida", &["list"]), [Value::Null; 0]);
    assert!(refused(folder, "hal", &["members", "team"]).1.contains("(not_a_member)"));
    let sent = beside(folder, &["send", "--as", "hal", "#team", "hello?"]);
    assert!(stderr(&sent).contains("(not_a_member)"), "{}", stderr(&sent));
}
