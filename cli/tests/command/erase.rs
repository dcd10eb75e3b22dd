//! `dunlin erase`, in a region that runs.

use std::path::Path;

use super::{beside, listen, stderr, stdout, until};

/// Bob was given something, and asks to be erased.
pub(super) fn takes_the_name_to_confirm_it(folder: &Path) {
    let unconfirmed = beside(folder, &["erase", "--as", "bob"]);
    assert_eq!(unconfirmed.status.code(), Some(2), "{}", stderr(&unconfirmed));
    let wrong = beside(folder, &["erase", "--as", "bob", "--confirm", "alice"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("bad_question"), "{}", stderr(&wrong));
    let erased = beside(folder, &["erase", "--as", "bob", "--confirm", "bob"]);
    assert!(erased.status.success(), "{}", stderr(&erased));
    assert_eq!(stdout(&erased).trim_end(), r#"{"erasing":"bob"}"#);
    let mut device = 0;
    until("his mailbox to be empty", || {
        device += 1;
        listen(folder, &format!("new-{device}")).is_empty()
    });
}
