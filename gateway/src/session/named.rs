//! Which log is followed, and what marks its cursors.

use dunlin_schema::{Cursor, CursorText, LogName, Seal, Shard};

/// Which log is followed.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) log: LogName,
    pub(super) shard: Shard,
    pub(super) seal: Seal,
}

impl Named {
    pub(super) fn cursor(&self, cursor: Cursor) -> CursorText {
        self.seal.cursor(cursor)
    }
}
