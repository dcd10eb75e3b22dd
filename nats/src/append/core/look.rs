//! A call that only looks: whether an item, or a tombstone that names it, is in its log.
//!
//! It goes the late way of an append, with the same proofs, and ends where that would publish: with [`Step::Absent`]. It takes no turn and
//! leaves nothing behind, so that those who append wait for nobody who looks.
//!
//! An append of a tombstone takes only a tombstone for what it looks for: what is to be erased is still there. What is remembered does not
//! tell the two apart, so it is not asked; a second tombstone does no harm.

use dunlin_schema::{Entry, Millis, Seq, limits::Bounds, read::StoredEntry};

use super::{AppendOnce, Item, State, Step};

impl AppendOnce {
    /// A call that looks for `item`, and begins at `now`. It gives no [`Step::Publish`] and no [`Step::TakeTurn`].
    pub fn looking(item: Item, bounds: Bounds, now: Millis) -> AppendOnce {
        let item = Item { first_try: false, copy_of_new: false, ..item };
        AppendOnce { looks: true, turn: true, ..AppendOnce::new(item, false, bounds, now) }
    }

    /// Nobody has stored the item since S.
    pub(super) fn absent(&mut self) -> Step {
        self.state = State::Done;
        Step::Absent
    }

    pub(super) fn accounts(&self, entry: &Entry) -> bool {
        let buries = self.item.entry.is_tombstone() && !self.looks;
        (entry.is_tombstone() || !buries) && entry.accounts_for(&self.item.log, &self.item.entry)
    }

    /// Where an earlier call has read the item.
    pub(super) fn remembered(&self) -> Option<Seq> {
        let Item { log, entry, .. } = &self.item;
        self.known.as_ref().filter(|_| !entry.is_tombstone())?.find(log, entry)
    }

    pub(super) fn accounting(&self, found: &StoredEntry) -> Option<Entry> {
        Entry::decode(&found.payload).ok().filter(|entry| self.accounts(entry))
    }
}
