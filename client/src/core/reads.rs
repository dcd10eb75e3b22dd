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

    fn said(reads: &mut Reads, now: u64) -> Vec<(String, u64)> {
        let mut said = Vec::new();
        reads.pump(Millis(now), |with, upto| said.push((with, upto.0)));
        said
    }

    fn alice() -> Address {
        "alice".parse().unwrap()
    }

    #[test]
    fn it_is_said_until_it_is_stored() {
        let mut reads = Reads::default();
        reads.read(alice(), Seq(5));
        assert_eq!(said(&mut reads, 0), [("alice".to_owned(), 5)]);
        assert_eq!(said(&mut reads, 1_999), []);
        assert_eq!(said(&mut reads, 2_000), [("alice".to_owned(), 5)]);
        reads.connected(Millis(2_500));
        assert_eq!(
            said(&mut reads, 2_500),
            [("alice".to_owned(), 5)],
            "the gateway may have died before it was stored"
        );
        reads.marked(&"bob".parse().unwrap(), Seq(9));
        reads.marked(&alice(), Seq(4));
        assert!(reads.next_deadline().is_some());
        reads.marked(&"alice@eu".parse().unwrap(), Seq(5));
        assert_eq!((reads.next_deadline(), said(&mut reads, 60_000)), (None, vec![]));
    }

    #[test]
    fn what_is_known_to_be_stored_is_not_said() {
        let mut reads = Reads::default();
        reads.marked(&"alice@eu".parse().unwrap(), Seq(5));
        for upto in [4, 5] {
            reads.read(alice(), Seq(upto));
            assert_eq!(said(&mut reads, 0), [], "nothing would come of it");
        }
        reads.read("bob".parse().unwrap(), Seq(4));
        reads.read(alice(), Seq(6));
        assert_eq!(said(&mut reads, 0), [("alice".to_owned(), 6), ("bob".to_owned(), 4)]);
        // Orders have begun anew since, or another gateway knows less.
        reads.marked(&alice(), Seq(6));
        reads.connected(Millis(1));
        reads.read(alice(), Seq(3));
        assert_eq!(said(&mut reads, 1), [("alice".to_owned(), 3), ("bob".to_owned(), 4)]);
    }

    #[test]
    fn a_higher_one_takes_the_place_of_what_waits() {
        let mut reads = Reads::default();
        for upto in [5, 9, 7] {
            reads.read(alice(), Seq(upto));
        }
        assert_eq!(said(&mut reads, 0), [("alice".to_owned(), 9)]);
    }

    #[test]
    fn what_lies_beyond_the_last_order_is_stored_as_that() {
        let mut reads = Reads::default();
        reads.read(alice(), Seq(900));
        said(&mut reads, 0);
        reads.marked(&alice(), Seq(7));
        said(&mut reads, 2_000);
        reads.marked(&alice(), Seq(7));
        assert_eq!(reads.next_deadline(), None);
    }

    #[test]
    fn what_is_never_stored_is_let_go() {
        let mut reads = Reads::default();
        reads.read(alice(), Seq(5));
        let times = (0..1_000).map(|minute| said(&mut reads, minute * 70_000).len()).sum::<usize>();
        assert_eq!(times, SAID as usize);
        (0..2_000).for_each(|number| reads.read(format!("u{number}").parse().unwrap(), Seq(1)));
        assert_eq!(reads.pending.len(), CONVERSATIONS);
    }
}
