//! Look-ups under way: the real [`AppendOnce`], which only looks, and whether it overlooks what is there.

use dunlin_gateway::{sending, session};
use dunlin_nats::append::core::{AppendError, AppendOnce, Item, Origin, Place, Stored};
use dunlin_schema::{Seq, StreamTime};

use super::{
    Rule, World,
    append::{Append, failure, stored},
    history::Fate,
    plant::Plant,
};

impl Append {
    /// Whether it stores nothing.
    pub(super) fn looks(&self) -> bool {
        !matches!(self.key.step, sending::Step::Store | sending::Step::Copy)
    }
}

impl World {
    /// A session looks for an item.
    pub(crate) fn look_up(&mut self, session: usize, wanted: sending::LookUp) {
        let sending::LookUp { key, log, entry } = wanted;
        let Some((gateway, life)) = self.gateway_of(session) else { return };
        let (log_index, now) = (self.log_index(&log), self.gateway_clock(gateway));
        let there = self.accounting(log_index, &entry);
        let item = Item { log, entry, origin: Origin::Client, first_try: false, copy_of_new: false };
        let core = AppendOnce::looking(item, *self.shape.bounds, now);
        let losses = self.history.losses;
        self.begin_append(Append { core, gateway, life, session, key, log: log_index, step: 0, losses, there }, now);
    }

    /// What accounts for an item in a log at this moment.
    fn accounting(&mut self, log: usize, entry: &dunlin_schema::Entry) -> Vec<(Seq, StreamTime)> {
        self.notice_gone();
        let (sender, id) = entry.item();
        let sender = self.users.iter().position(|user| user.sender == *sender).expect("senders are users");
        let facts = self.history.of_item(log, (sender, id)).filter(|fact| fact.fate == Fate::Present);
        facts.map(|fact| (fact.seq, fact.time)).collect()
    }

    pub(super) fn looked_up(&mut self, index: usize, result: Result<Option<Stored>, AppendError>) {
        let Some(append) = self.appends.calls[index].take() else { return };
        if result == Ok(None) {
            let now = self.accounting(append.log, &append.core.item().entry);
            if append.there.iter().any(|place| now.contains(place)) {
                let id = append.core.item().entry.id;
                self.history.blame(Rule::Overlooked, || format!("{id} was in log {} all along", append.log));
            }
        }
        let outcome = result.map(|found| found.map(stored)).map_err(failure);
        let told = sending::Input::LookedUp { key: append.key, outcome };
        self.tell(append.session, session::Input::Sending(told));
    }

    /// [`Plant::LookEndsWhereAnyReplicaDoes`]: the end of a log as some replica has it.
    pub(super) fn end_of_any_replica(&mut self, log: usize) -> Option<Option<Place>> {
        if self.plant != Some(Plant::LookEndsWhereAnyReplicaDoes) {
            return None;
        }
        let last = self.some_copy().of(log).next_back().map(|entry| Place { seq: entry.seq, time: entry.time });
        Some(last)
    }
}
