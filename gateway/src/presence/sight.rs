//! What somebody is shown of a person's presence: the one place that decides it, for answers and for each who watches.
//!
//! Who may not see a person, or is blocked by them, sees somebody who is offline and was never seen.

use dunlin_nats::Reads;
use dunlin_schema::{UserName, presence::Presence};

use crate::settings::People;

/// Asks what people have decided.
#[derive(Clone, Copy)]
pub(crate) struct Sight<'a> {
    pub(crate) people: &'a People,
    pub(crate) reads: &'a Reads,
}

impl Sight<'_> {
    /// Whether a person lets somebody see them; `None` where nobody can say now.
    pub(crate) async fn visible(&self, asker: &UserName, person: &UserName) -> Option<bool> {
        self.people.may_see(self.reads, &self.people.sender(asker), person).await.ok()
    }

    /// The same, where nothing has to be asked for it; `None` where something has to be.
    pub(super) fn known_visible(&self, asker: &UserName, person: &UserName) -> Option<bool> {
        self.people.known_to_show(&self.people.sender(asker), person)
    }
}

/// What is shown of a presence to who may see it, may not, or of whom nobody can say.
pub(crate) fn shown(visible: Option<bool>, presence: Presence) -> Presence {
    match visible {
        Some(true) => presence,
        Some(false) => Presence::offline(None),
        None => Presence::unknown(),
    }
}
