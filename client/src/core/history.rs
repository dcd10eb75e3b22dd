//! What was accepted and may have to be repeated after a gap.

use std::collections::BTreeMap;

use dunlin_schema::{Address, Content, MessageId, Millis, limits};

/// The last things that were accepted, by id, so in the order in which they were first sent: at most
/// [`limits::CLIENT_REPEATS`] of the last [`limits::CLIENT_REPEATS_FOR`].
#[derive(Debug, Default)]
pub(crate) struct History(BTreeMap<MessageId, (Address, Content)>);

impl History {
    pub(crate) fn keep(&mut self, id: MessageId, to: Address, content: Content) {
        self.0.insert(id, (to, content));
        if self.0.len() > limits::CLIENT_REPEATS {
            self.0.pop_first();
        }
    }

    pub(crate) fn forget(&mut self, id: MessageId) {
        self.0.remove(&id);
    }

    /// What to repeat, oldest first, `now` being the gateway's time.
    pub(crate) fn repeats(&mut self, now: Millis) -> Vec<(MessageId, Address, Content)> {
        let oldest = now.minus(limits::CLIENT_REPEATS_FOR);
        self.0.retain(|id, _| id.time() >= oldest);
        self.0.iter().map(|(id, (to, content))| (*id, to.clone(), content.clone())).collect()
    }
}
