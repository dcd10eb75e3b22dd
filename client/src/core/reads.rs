//! What the user has read: said until it is stored, over as many connections as that takes.

use std::collections::BTreeMap;

use dunlin_schema::{Address, Millis, Seq};

/// Conversations of which something is to be said. Above it that which comes first is let go: its mark rises with the next one.
const CONVERSATIONS: usize = 1_024;
/// When a `read` without an answer is said again: twice as long each time.
const AGAIN: Millis = Millis(2_000);
const AGAIN_DOUBLES: u32 = 5;
/// How often it is said in all: the gateway may have refused it for good, which says nothing of which it was.
const SAID: u32 = 32;

#[derive(Debug)]
struct Pending {
    upto: Seq,
    /// How often it was said.
    said: u32,
    next: Millis,
    /// What was stored below it since it was said.
    below: Option<Seq>,
}

/// What is said, and not known to be stored.
#[derive(Debug, Default)]
pub(super) struct Reads {
    pending: BTreeMap<Address, Pending>,
    /// What is stored, as far as this connection was told: nothing comes of a `read` at or below it.
    known: BTreeMap<Address, Seq>,
}

impl Reads {
    /// The user has read a conversation up to here.
    pub(super) fn read(&mut self, with: Address, upto: Seq) {
        if self.known.iter().any(|(known, read)| same(known, &with) && *read >= upto) {
            return;
        }
        if self.pending.len() == CONVERSATIONS && !self.pending.contains_key(&with) {
            self.pending.pop_first();
        }
        let fresh = || Pending { upto, said: 0, next: Millis(0), below: None };
        let pending = self.pending.entry(with).or_insert_with(fresh);
        if upto > pending.upto {
            *pending = fresh();
        }
    }

    /// A new connection: the last one may have ended before anything was stored.
    pub(super) fn connected(&mut self, now: Millis) {
        self.known.clear();
        self.pending.values_mut().for_each(|pending| pending.next = now);
    }

    /// What is to be said now.
    pub(super) fn pump(&mut self, now: Millis, mut say: impl FnMut(String, Seq)) {
        self.pending.retain(|_, pending| pending.said < SAID || now < pending.next);
        for (with, pending) in &mut self.pending {
            if pending.next <= now {
                say(with.to_string(), pending.upto);
                pending.next = now.plus(Millis(AGAIN.0 << pending.said.min(AGAIN_DOUBLES)));
                pending.said += 1;
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        self.pending.values().map(|pending| pending.next).min()
    }

    /// A mark is stored. What lies beyond the last order is stored as that: the same answer to two of them says so.
    pub(super) fn marked(&mut self, with: &Address, read: Seq) {
        if self.known.len() == CONVERSATIONS && !self.known.contains_key(with) {
            self.known.pop_first();
        }
        self.known.insert(with.clone(), read);
        self.pending.retain(|address, pending| {
            if !same(address, with) {
                return true;
            }
            let is_last = pending.said > 1 && pending.below == Some(read);
            pending.below = Some(read);
            read < pending.upto && !is_last
        });
    }
}

/// A region that is left out is the user's own.
fn same(address: &Address, other: &Address) -> bool {
    address.peer == other.peer && (address.region == other.region || address.region.is_none() || other.region.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_never_stored_is_let_go() {
        let mut reads = Reads::default();
        reads.read("alice".parse().unwrap(), Seq(5));
        let mut said = 0;
        (0..1_000).for_each(|minute| reads.pump(Millis(minute * 70_000), |_, _| said += 1));
        assert_eq!(said, SAID);
        (0..2_000).for_each(|number| reads.read(format!("u{number}").parse().unwrap(), Seq(1)));
        assert_eq!(reads.pending.len(), CONVERSATIONS);
    }
}
