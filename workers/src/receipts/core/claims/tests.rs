//! Claims: what is new, who is known to have sent it, and that any order and repetition comes to the same.

use std::collections::BTreeMap;

use dunlin_schema::{Millis, Position, Sender};
use proptest::prelude::*;

use super::*;
use crate::receipts::core::is_higher;

fn region() -> RegionName {
    "local".parse().unwrap()
}

fn sender(name: &str) -> Sender {
    Sender { user: name.parse().unwrap(), region: region() }
}

/// Up to this sequence, in a run that began behind another.
fn cursor(epoch: u64, began: u64, seq: u64) -> Cursor {
    let position = Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(seq) };
    Cursor { position, at: Millis(seq), began: Seq(began) }
}

fn hint(from: u64, highest: &[(&str, u64)]) -> Senders {
    Senders { from: Seq(from), highest: highest.iter().map(|(name, order)| (sender(name), Seq(*order))).collect() }
}

fn claims(epoch: u64, began: u64, seq: u64, senders: Option<Senders>) -> Claims {
    Claims::of(&cursor(epoch, began, seq), senders.as_ref(), &region())
}

/// Who is known to have sent what, and what has to be read.
type Told = (Vec<(String, u64)>, Vec<(u64, u64)>);

fn told(news: &News) -> Told {
    let mut known: Vec<_> = news.known.iter().map(|known| (known.sender.to_string(), known.order.0)).collect();
    known.sort();
    let mut unread: Vec<_> = news.unread.iter().map(|unread| (unread.span.above.0, unread.span.upto.0)).collect();
    unread.sort_unstable();
    (known, unread)
}

#[test]
fn a_hint_is_enough_where_it_begins_low_enough() {
    let alice: &[_] = &[("alice", 8)];
    type Case<'a> = (&'a str, Option<Cursor>, Claims, &'a [(&'a str, u64)], &'a [(u64, u64)]);
    let cases: [Case<'_>; 12] = [
        // what, stored of the device, said, known, unread
        ("a first one with a whole hint", None, claims(1, 0, 9, Some(hint(0, alice))), alice, &[]),
        ("no hint", None, claims(1, 0, 9, None), &[], &[(0, 9)]),
        ("a hint that begins above", None, claims(1, 0, 9, Some(hint(6, alice))), alice, &[(0, 6)]),
        ("above what is stored", Some(cursor(1, 0, 6)), claims(1, 0, 9, Some(hint(6, alice))), alice, &[]),
        ("a hint that begins lower", Some(cursor(1, 0, 7)), claims(1, 0, 9, Some(hint(2, alice))), alice, &[]),
        ("a hint of what is known", Some(cursor(1, 0, 8)), claims(1, 0, 9, Some(hint(2, alice))), &[], &[]),
        ("a repeat", Some(cursor(1, 0, 9)), claims(1, 0, 9, None), &[], &[]),
        ("a late one", Some(cursor(1, 0, 20)), claims(1, 0, 9, None), &[], &[]),
        ("a live device's first one", None, claims(1, 6, 9, None), &[], &[(6, 9)]),
        ("an older epoch", Some(cursor(2, 0, 3)), claims(1, 0, 900, None), &[], &[]),
        ("a newer epoch", Some(cursor(1, 0, 900)), claims(2, 0, 3, None), &[], &[(0, 3)]),
        ("nothing", None, claims(1, 0, 0, None), &[], &[]),
    ];
    for (what, stored, said, known, unread) in cases {
        let known = known.iter().map(|&(name, order)| (name.to_owned(), order)).collect();
        assert_eq!(told(&said.news(stored.as_ref())), (known, unread.to_vec()), "{what}");
    }
}

#[test]
fn a_run_says_nothing_of_what_was_before_it_and_what_is_known_of_another_run_does_not_hide_it() {
    // The device began live at 100, and comes again with a cursor from the beginning.
    let stored = cursor(1, 100, 120);
    let (_, unread) = told(&claims(1, 0, 130, Some(hint(125, &[("alice", 128)]))).news(Some(&stored)));
    assert_eq!(unread, [(0, 100), (120, 125)]);
    // What was acknowledged before a gap comes late.
    let (_, unread) = told(&claims(1, 0, 90, None).news(Some(&stored)));
    assert_eq!(unread, [(0, 90)]);
}

#[test]
fn what_is_said_together_counts_together() {
    let mut all = claims(1, 0, 5, Some(hint(0, &[("alice", 3), ("carol", 5)])));
    all.merge(claims(1, 0, 9, Some(hint(5, &[("alice", 9)]))));
    all.merge(claims(1, 0, 7, None));
    assert_eq!(told(&all.news(None)), (vec![("alice".to_owned(), 9), ("carol".to_owned(), 5)], vec![]));
    // Behind a gap, and in a newer epoch: each for itself.
    all.merge(claims(1, 20, 30, None));
    all.merge(claims(2, 0, 4, None));
    assert_eq!(told(&all.news(None)).1, [(0, 4), (20, 30)]);
    let times: Vec<_> = all.news(None).unread.iter().map(|unread| (unread.epoch.0, unread.time.0)).collect();
    assert_eq!(times, [(1, 30), (2, 4)]);
}

#[test]
fn a_hint_says_nothing_beyond_itself_and_of_nobody_elsewhere() {
    let mut senders = hint(5, &[("early", 5), ("late", 10), ("alice", 9), ("alice", 7)]);
    senders.highest.push((Sender { region: "other".parse().unwrap(), ..sender("dave") }, Seq(8)));
    let news = claims(1, 5, 9, Some(senders)).news(None);
    assert_eq!(told(&news), (vec![("alice".to_owned(), 9)], vec![]));
}

const ENTRIES: u64 = 30;
const NAMES: [&str; 3] = ["alice", "carol", "dave"];

/// What one acknowledgement is made of.
#[derive(Clone, Copy, Debug)]
struct Ack {
    began: u64,
    upto: u64,
    hinted_from: Option<u64>,
}

fn ack() -> impl Strategy<Value = Ack> {
    let began = prop_oneof![3 => Just(0), 1 => 0..ENTRIES];
    (began, 0..=ENTRIES, proptest::option::of(0..=ENTRIES)).prop_map(|(began, upto, hinted_from)| Ack {
        began,
        upto,
        hinted_from: hinted_from.filter(|from| *from <= upto),
    })
}

/// The mailbox, as who sent each of its entries.
struct Mailbox(Vec<usize>);

impl Mailbox {
    fn highest(&self, above: u64, upto: u64) -> BTreeMap<&'static str, u64> {
        let sent = self.0.iter().zip(1..).filter(|(_, seq)| above < *seq && *seq <= upto);
        sent.map(|(who, seq)| (NAMES[*who], seq)).collect()
    }

    fn claims(&self, Ack { began, upto, hinted_from }: Ack) -> Claims {
        let hint = hinted_from.map(|from| hint(from, &self.highest(from, upto).into_iter().collect::<Vec<_>>()));
        claims(1, began, upto, hint)
    }
}

proptest! {
    /// Acknowledgements of one device, in any order and any number of times, some of them together, come to the marks of exactly what was
    /// acknowledged, whatever was hinted.
    #[test]
    fn any_order_and_repetition_gives_the_right_marks(
        sent in proptest::collection::vec(0..NAMES.len(), ENTRIES as usize),
        acks in proptest::collection::vec(ack(), 1..8),
        order in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..20),
    ) {
        let mailbox = Mailbox(sent);
        let mut right: BTreeMap<&str, u64> = BTreeMap::new();
        for Ack { began, upto, .. } in &acks {
            for (name, seq) in mailbox.highest(*began, *upto) {
                right.entry(name).and_modify(|known| *known = seq.max(*known)).or_insert(seq);
            }
        }
        // Each once at least, then any of them again; some are brought together with the next one.
        let some_again = order.into_iter().map(|(index, together)| (*index.get(&acks), together));
        let said: Vec<_> = acks.iter().map(|ack| (*ack, false)).chain(some_again).collect();
        for said in [said.clone(), said.into_iter().rev().collect()] {
            let (mut stored, mut marks): (Option<Cursor>, BTreeMap<&str, u64>) = (None, BTreeMap::new());
            let mut waiting: Option<(Claims, Cursor)> = None;
            for (number, (ack, together)) in said.iter().enumerate() {
                let (claims, cursor) = (mailbox.claims(*ack), cursor(1, ack.began, ack.upto));
                match &mut waiting {
                    None => waiting = Some((claims, cursor)),
                    Some((all, highest)) => {
                        all.merge(claims);
                        if is_higher(cursor, *highest) {
                            *highest = cursor;
                        }
                    }
                }
                if *together && number + 1 < said.len() {
                    continue;
                }
                let (claims, cursor) = waiting.take().unwrap();
                let news = claims.news(stored.as_ref());
                let mut raise = |name: &str, order: u64| {
                    let name = NAMES.into_iter().find(|known| *known == name).unwrap();
                    let known = marks.entry(name).or_insert(order);
                    *known = order.max(*known);
                };
                for Known { sender: user, order, .. } in &news.known {
                    raise(user.as_str(), order.0);
                }
                for unread in &news.unread {
                    for (name, order) in mailbox.highest(unread.span.above.0, unread.span.upto.0) {
                        raise(name, order);
                    }
                }
                if stored.is_none_or(|stored| is_higher(cursor, stored)) {
                    stored = Some(cursor);
                }
            }
            prop_assert_eq!(&marks, &right);
        }
    }
}
