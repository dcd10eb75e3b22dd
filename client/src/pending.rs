//! The id of something that waits to be sent.

use std::sync::{Arc, OnceLock};

use dunlin_schema::MessageId;

/// The id of something that was handed over: given when it is first sent, since only then the gateway's time is known. By it a program
/// knows the copy in its own mailbox again, which may come before the answer.
#[derive(Clone, Debug, Default)]
pub struct PendingId(Arc<OnceLock<MessageId>>);

impl PendingId {
    /// The id; `None` while it was never sent.
    pub fn get(&self) -> Option<MessageId> {
        self.0.get().copied()
    }

    pub(crate) fn set(&self, id: MessageId) {
        // A message keeps its id.
        let _ = self.0.set(id);
    }
}
