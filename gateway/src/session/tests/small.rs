//! Tens of thousands of sessions are idle: one is small.

use super::*;

#[test]
fn a_session_is_small() {
    let size = std::mem::size_of::<Session>();
    assert!(size <= 320, "{size} bytes");
}

#[test]
fn a_log_that_is_followed_in_step_is_small() {
    let size = crate::session::followed::QUIET;
    assert!(size <= 96, "{size} bytes");
}
