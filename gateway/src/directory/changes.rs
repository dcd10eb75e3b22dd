//! Whose first device came to this gateway, and whose last one left it, for those who watch them.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use dunlin_schema::UserName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Directory;

/// Changes that wait to be told; of more those who watch hear when they ask again by themselves.
const WAITING: usize = 65_536;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first device of a user is here, and whoever asks is answered.
    Came(UserName),
    /// The last device of a user left.
    Left(UserName),
}

/// What was not told yet.
#[derive(Default)]
pub(super) struct Changes {
    waiting: Mutex<Vec<Change>>,
    more: Notify,
    untold: AtomicUsize,
}

impl Directory {
    pub(super) fn change(&self, change: Change) {
        let mut waiting = self.changes.waiting.lock();
        if waiting.len() >= WAITING {
            self.metrics.presence_untold.inc();
            return;
        }
        waiting.push(change);
        self.changes.untold.fetch_add(1, SeqCst);
        self.changes.more.notify_one();
    }

    /// What changed since this was last called; whoever calls it says [`Directory::told`] of each. Waits for something. Cancel-safe.
    pub(crate) async fn changed(&self) -> Vec<Change> {
        loop {
            self.changes.more.notified().await;
            let changes = std::mem::take(&mut *self.changes.waiting.lock());
            if !changes.is_empty() {
                return changes;
            }
        }
    }

    /// A change was told.
    pub(crate) fn told(&self) {
        self.changes.untold.fetch_sub(1, SeqCst);
    }

    /// Whether changes are still to be told.
    pub(crate) fn has_untold(&self) -> bool {
        self.changes.untold.load(SeqCst) > 0
    }
}
