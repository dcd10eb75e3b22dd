//! `dunlin devices`, in a region that runs.

use std::path::Path;

use serde_json::Value;

use super::{beside, listen, stderr, stdout, until};

/// The names of bob's devices. The one that the command makes for its question is none.
fn names(folder: &Path) -> Vec<String> {
    let listed = beside(folder, &["devices", "--as", "bob"]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    let items = stdout(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
    items.iter().map(|item| item["device"].as_str().unwrap().to_owned()).collect()
}

/// Bob has listened as `phone` and as `laptop`, and was given `messages`.
pub(super) fn are_listed_named_and_removed(folder: &Path, messages: &[&str]) {
    until("both devices", || names(folder) == ["laptop", "phone"]);
    let named = beside(folder, &["devices", "name", "--as", "bob", "laptop", "Bob's laptop"]);
    assert!(named.status.success(), "{named:?}");
    let listed = beside(folder, &["devices", "--as", "bob"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains(r#""title":"Bob's laptop""#), "{listed:?}");
    let wrong = beside(folder, &["devices", "name", "--as", "bob", "laptop", ""]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    let nowhere = beside(folder, &["devices", "name", "--as", "bob", "no-such-device", "TV"]);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("there is no such device"), "{nowhere:?}");
    let removed = beside(folder, &["devices", "remove", "--as", "bob", "laptop"]);
    assert!(removed.status.success(), "{}", stderr(&removed));
    assert_eq!(stdout(&removed).trim_end(), r#"{"removed":"laptop"}"#);
    assert_eq!(names(folder), ["phone"]);
    // Its cursor is kept beside the folder as well, and is not what was removed.
    assert_eq!(listen(folder, "laptop"), [""; 0]);
    assert_eq!(listen(folder, "tablet"), messages, "a new device");
    let unlisted = beside(folder, &["devices", "remove", "--as", "bob", "nosuch"]);
    assert_eq!((unlisted.status.code(), stdout(&unlisted).as_str()), (Some(1), ""));
    assert!(stderr(&unlisted).contains("removing the device nosuch: no device of this name is listed"), "{unlisted:?}");
    let wrong = beside(folder, &["devices", "remove", "--as", "bob", "my phone"]);
    assert_eq!(wrong.status.code(), Some(2));
    let nobody = beside(folder, &["devices", "--as", "bob", "--url", "ws://127.0.0.1:1", "--timeout", "1s"]);
    assert_eq!(nobody.status.code(), Some(1));
    for words in ["no gateway could be reached", "Connection refused", "no answer came in time"] {
        assert!(stderr(&nobody).contains(words), "{}", stderr(&nobody));
    }
    let address = beside(folder, &["block", "--as", "bob", "x y"]);
    assert!(stderr(&address).contains("blocking x y: ") && !stderr(&address).contains("gateway"), "{address:?}");
}
