//! What was accepted, came to nobody yet as far as is known, and may have to be repeated after a gap.
//!
//! A receipt names an order, and in each life of the recipient's log orders begin anew: one of another life says nothing of an item. A
//! receipt tells when the life began that it is about. No answer to a send can tell in which life it was stored, since a log that went back
//! is known for it only later; so an item is held to be of a receipt's life where that had begun before the item was stored, and where it
//! was stored before the receipt came about: a later life may have used the number again. Whatever is in doubt is repeated, which does no
//! harm.

use std::collections::BTreeMap;

use dunlin_schema::{Address, Content, MessageId, Millis, Seq, Spans, limits};

/// The last things that were accepted, by id, so in the order in which they were first sent: at most
/// [`limits::CLIENT_REPEATS`] of the last [`limits::CLIENT_REPEATS_FOR`].
#[derive(Debug, Default)]
pub(crate) struct History {
    items: BTreeMap<MessageId, Kept>,
    /// What was last said of people: as many as there may be items.
    receipts: BTreeMap<Address, Delivered>,
}

/// Something that was accepted.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) to: Address,
    pub(crate) content: Content,
    /// Without one no receipt is ever about it.
    pub(crate) order: Option<Seq>,
    /// When a gateway took it, by its clock.
    pub(crate) taken: Millis,
    /// When it was stored, by that of the last answer.
    pub(crate) stored: Millis,
}

#[derive(Debug)]
struct Kept {
    item: Item,
    /// Of what life of the recipient's log receipts told when its answer came: it was stored in that one, or later.
    life: Option<Millis>,
}

/// What a receipt says: everything that was sent to somebody in this life of their log, up to an order, came to a device of theirs.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    pub(crate) upto: Seq,
    /// But not this.
    pub(crate) missing: Spans,
    /// When the life began.
    pub(crate) since: Millis,
    /// When this came about.
    pub(crate) time: Millis,
}

impl Delivered {
    fn covers(&self, Kept { item, life }: &Kept) -> bool {
        // Clocks differ, and what was stored just before the life began may be gone.
        let began = if *life == Some(self.since) { self.since } else { self.since.plus(limits::CLOCK_SKEW) };
        let reaches = item.order.is_some_and(|order| order <= self.upto && !self.missing.holds(order));
        reaches && item.stored >= began && item.taken <= self.time
    }
}

impl History {
    /// Something was accepted that this person, as a gateway names them, is to get.
    pub(crate) fn keep(&mut self, id: MessageId, item: Item, recipient: &Address) {
        let receipt = self.receipts.get(recipient);
        let kept = Kept { item, life: receipt.map(|receipt| receipt.since) };
        if receipt.is_some_and(|receipt| receipt.covers(&kept)) {
            self.items.remove(&id);
            return;
        }
        self.items.insert(id, kept);
        if self.items.len() > limits::CLIENT_REPEATS {
            self.items.pop_first();
        }
    }

    pub(crate) fn forget(&mut self, id: MessageId) {
        self.items.remove(&id);
    }

    /// Something came to a person. `is_theirs` tells which addresses are theirs.
    pub(crate) fn delivered(&mut self, to: Address, receipt: Delivered, is_theirs: impl Fn(&Address) -> bool) {
        self.items.retain(|_, kept| !(receipt.covers(kept) && is_theirs(&kept.item.to)));
        self.receipts.insert(to, receipt);
        if self.receipts.len() > limits::CLIENT_REPEATS {
            self.receipts.pop_first();
        }
    }

    /// What to repeat, oldest first, `now` being the gateway's time.
    pub(crate) fn repeats(&mut self, now: Millis) -> Vec<(MessageId, Address, Content)> {
        let oldest = now.minus(limits::CLIENT_REPEATS_FOR);
        self.items.retain(|id, _| id.time() >= oldest);
        self.items.iter().map(|(id, Kept { item, .. })| (*id, item.to.clone(), item.content.clone())).collect()
    }
}
