//! Counts, as they are by definition.

use dunlin_schema::counts::MemberMarks;
use proptest::{collection::vec, prelude::*};

use super::*;

const EPOCH: Epoch = Epoch(7);

fn user(name: &str) -> UserName {
    name.parse().unwrap()
}

/// Windows that open and close in turn at these orders.
fn windows(turns: &[u64]) -> Windows {
    let mut windows = Windows::default();
    for (at, order) in turns.iter().enumerate() {
        if at % 2 == 0 { windows.open(Seq(*order)) } else { windows.close(Seq(*order)) }
    }
    windows
}

fn marks(name: &str, epoch: Epoch, given: &[(u64, u64)], read: u64) -> GroupMarks {
    let given = Spans::from_iter(given.iter().map(|&(above, upto)| Span { above: Seq(above), upto: Seq(upto) }));
    let marks = MemberMarks { epoch, given, read: Seq(read), devices: Vec::new() };
    GroupMarks { members: [(user(name), marks)].into() }
}

/// What somebody may read, what they have, and up to where they have read it.
type Is<'a> = (&'a str, &'a [u64], &'a [(u64, u64)], u64);

fn tally(members: &[Is<'_>], messages: &[(u64, &str)]) -> Tally {
    let mut tally = Tally::default();
    tally.epoch(EPOCH);
    for (name, turns, given, read) in members {
        tally.member(user(name), windows(turns));
        tally.marks(marks(name, EPOCH, given, *read));
    }
    for (order, sender) in messages {
        tally.entry(Seq(*order), Some(user(sender)));
    }
    tally
}

/// Delivered to, read by, of.
fn told(tally: &Tally, sender: &str, order: u64) -> (u32, u32, u32) {
    let counts = tally.counts();
    let (_, count) = counts[&user(sender)].iter().find(|(of, _)| *of == Seq(order)).unwrap();
    assert_eq!(*count, tally.count(Seq(order), &user(sender)), "asked for, it is the same");
    (count.delivered, count.read, count.of)
}

#[test]
fn members_count_for_what_they_may_read() {
    let tally = tally(
        &[
            ("alice", &[1], &[(0, 40)], 40), // she sends
            ("bob", &[1], &[(0, 30)], 9),
            ("carol", &[20], &[(0, 40)], 30),       // joined behind 9
            ("dave", &[1, 15, 25], &[(0, 40)], 40), // was away for 20
            ("erin", &[1, 10], &[(8, 10)], 0),      // has left
            ("frank", &[1], &[(25, 40)], 0),        // one live device
            ("grace", &[1], &[], 0),
        ],
        &[(9, "alice"), (20, "alice"), (30, "alice")],
    );
    assert_eq!(told(&tally, "alice", 9), (3, 2, 5));
    assert_eq!(told(&tally, "alice", 20), (2, 1, 4));
    assert_eq!(told(&tally, "alice", 30), (4, 2, 5));
}

#[test]
fn nobody_is_told_who_is_no_member_any_more() {
    let tally = tally(&[("alice", &[1, 10], &[], 0), ("bob", &[1], &[(0, 9)], 0)], &[(9, "alice"), (8, "bob")]);
    assert_eq!(tally.counts().into_keys().collect::<Vec<_>>(), [user("bob")]);
}

#[test]
fn in_another_epoch_marks_say_nothing_and_messages_are_to_be_told_again() {
    let mut tally = tally(&[("alice", &[1], &[], 0), ("bob", &[1], &[(0, 9)], 9)], &[(9, "alice")]);
    tally.marks(marks("carol", Epoch(8), &[], 0));
    assert_eq!((tally.in_epoch(), tally.end(), tally.counts().len()), (Epoch(8), Seq(0), 0));
    tally.entry(Seq(9), Some(user("alice")));
    assert_eq!(told(&tally, "alice", 9), (0, 0, 1), "the number may have been used again");
}

#[test]
fn a_read_mark_ends_with_the_log_and_with_what_may_be_read() {
    let tally = tally(&[("bob", &[5, 10, 20], &[], 0), ("erin", &[1, 10], &[], 0)], &[(30, "bob")]);
    for (name, upto, expected) in [
        ("bob", 4, None),
        ("bob", 7, Some(7)),
        ("bob", 15, Some(10)),
        ("bob", 25, Some(25)),
        ("bob", 1_000_000, Some(30)),
        ("erin", 30, Some(10)),
        ("nobody", 30, None),
    ] {
        assert_eq!(tally.readable(&user(name), Seq(upto)), expected.map(Seq), "{name} {upto}");
    }
}

#[test]
fn who_has_something_is_told_in_pages_of_names() {
    let names: Vec<String> = (0..7).map(|n| format!("u{n}")).collect();
    let members: Vec<Is<'_>> = names.iter().map(|name| (name.as_str(), &[1][..], &[(0, 9)][..], 0)).collect();
    let tally = tally(&members, &[(9, "u3")]);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (items, next) = tally.reached(Seq(9), &user("u3"), &MembersPage { after, limit: 2 });
        assert!(items.len() <= 2 && items.iter().all(|item| item.delivered && !item.read));
        found.extend(items.into_iter().map(|item| item.user.to_string()));
        match next {
            Some(_) => after = next,
            None => break,
        }
    }
    assert_eq!(found, ["u0", "u1", "u2", "u4", "u5", "u6"]);
}

/// Somebody: when they join and go, what they have, what they have read, and in which epoch.
type Somebody = (Vec<u64>, Vec<(u64, u64)>, u64, bool);

fn somebody() -> impl Strategy<Value = Somebody> {
    let turns = vec(1..60_u64, 0..6).prop_map(|mut turns| {
        turns.sort_unstable();
        turns.dedup();
        turns
    });
    (turns, vec((0..60_u64, 0..60_u64), 0..5), 0..70_u64, any::<bool>())
}

proptest! {
    /// Against the definition, one member and one message after the other.
    #[test]
    fn each_message_has_come_to_whom_it_has_come(
        people in vec(somebody(), 1..12), senders in vec((0..12_usize, 1..3_u64), 0..90),
    ) {
        let name = |number: usize| user(&format!("u{number}"));
        let mut tally = Tally::default();
        tally.epoch(EPOCH);
        for (number, (turns, given, read, old)) in people.iter().enumerate() {
            let epoch = if *old { Epoch(EPOCH.0 - 1) } else { EPOCH };
            tally.marks(marks(name(number).as_str(), epoch, given, *read));
            tally.member(name(number), windows(turns));
        }
        let mut order = 0;
        let mut messages = Vec::new();
        for (sender, step) in senders {
            order += step;
            tally.entry(Seq(order), Some(name(sender)));
            messages.push((order, sender));
        }
        let last = messages.len().saturating_sub(limits::GROUP_COUNTED);
        let counts = tally.counts();
        for (order, sender) in &messages[last..] {
            let (mut of, mut delivered, mut read) = (0, 0, 0);
            for (number, (turns, given, upto, old)) in people.iter().enumerate() {
                if number != *sender && windows(turns).contain(Seq(*order)) {
                    of += 1;
                    let has_read = !old && order <= upto;
                    let has = has_read || !old && given.iter().any(|(above, upto)| above < order && order <= upto);
                    delivered += u32::from(has);
                    read += u32::from(has_read);
                }
            }
            let is_member = people.get(*sender).is_some_and(|(turns, ..)| windows(turns).are_open());
            let told = counts.get(&name(*sender)).and_then(|told| told.iter().find(|(of, _)| of.0 == *order));
            prop_assert_eq!(told.map(|(_, count)| *count), is_member.then_some(Count { delivered, read, of }));
            prop_assert!(read <= delivered && delivered <= of);
        }
    }
}
