//! `dunlin receipts`, in a region that runs.

use std::path::Path;

use serde_json::{Value, json};

use super::{beside, listen, send, stderr, stdout, until};

fn told(folder: &Path, order: &str) -> Value {
    let told = beside(folder, &["receipts", "bob", order, "--as", "alice"]);
    assert!(told.status.success(), "{}", stderr(&told));
    serde_json::from_str(&stdout(&told)).unwrap()
}

/// Says when a message of alice's was stored, and, once bob's device has it, when it was delivered.
pub(super) fn are_told(folder: &Path) {
    let accepted = send(folder, "with receipts");
    let order = accepted["order"].to_string();
    assert_eq!(told(folder, &order), json!({ "stored": accepted["time"], "delivered": null, "read": null }));
    assert!(listen(folder, "phone").contains(&"with receipts".to_owned()));
    until("the receipt", || told(folder, &order)["delivered"].is_u64());
    for (arguments, code, said) in [
        (["bob", "0", "--as", "alice"], 1, "(not_found)"),
        (["bob", &order, "--as", "carol"], 1, "(not_found)"),
        (["#team", "1", "--as", "alice"], 1, "(not_found)"),
        (["#team@eu", "1", "--as", "alice"], 1, "(unsupported)"),
        (["bob", "first", "--as", "alice"], 2, "invalid digit"),
        (["b.b", "1", "--as", "alice"], 2, "b.b"),
    ] {
        let refused = beside(folder, &[&["receipts"][..], &arguments].concat());
        assert_eq!(refused.status.code(), Some(code), "{arguments:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(said), "{arguments:?}: {}", stderr(&refused));
    }
}
