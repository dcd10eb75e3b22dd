//! The clock on the wall.

use std::time::{SystemTime, UNIX_EPOCH};

use dunlin_schema::Millis;

/// The time; a clock before 1970 shows 0.
pub(crate) fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
