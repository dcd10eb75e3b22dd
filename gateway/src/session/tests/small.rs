//! Tens of thousands of sessions are idle: one is small.

use super::*;

#[test]
fn a_session_is_small() {
    let size = std::mem::size_of::<Session>();
    assert!(size <= 600, "{size} bytes");
}
