//! Entries and changes, by tables.

use dunlin_schema::{Epoch, Sender, StreamTime};

use super::*;

fn owner() -> UserName {
    UserName::new("bob").unwrap()
}

fn region() -> RegionName {
    RegionName::new("local").unwrap()
}

fn id(number: u128) -> MessageId {
    MessageId::from_parts(Millis(1), number)
}

fn file() -> MediaId {
    MediaId(id(9))
}

fn place(seq: u64) -> Place {
    Place { seq: Seq(seq), time: StreamTime(seq * 1_000_000) }
}

fn entry(from: &str, to: &str, body: Body) -> Vec<u8> {
    let (user, of) = from.split_once('@').unwrap_or((from, "local"));
    let from = Sender { user: UserName::new(user).unwrap(), region: RegionName::new(of).unwrap() };
    let to = to.parse::<Address>().unwrap().said_in(&region());
    Entry { id: id(1), from, to, order: None, time: Millis(5), body }.encode().to_vec()
}

fn message() -> Body {
    Body::Content(Content::Message {
        text: Some("hi".into()),
        data: None,
        attachments: vec![Attachment::named(file(), None)],
        reply_to: None,
        mentions: vec![],
    })
}

#[test]
fn an_entry_is_of_the_conversation_with_its_other_side() {
    for (from, to, with, mine) in [
        ("alice", "bob", "alice", false),
        ("bob", "alice", "alice", true),
        ("bob", "bob", "bob", true),
        ("alice@eu", "bob", "alice@eu", false),
        ("bob@eu", "bob", "bob@eu", false),
        ("bob", "alice@eu", "alice@eu", true),
    ] {
        let item = meaning(&owner(), &region(), &entry(from, to, message())).unwrap();
        assert_eq!((item.with.to_string().as_str(), item.mine), (with, mine), "{from} to {to}");
        assert_eq!((item.what, item.time), (What::Message { id: id(1), order: None, media: vec![file()] }, Millis(5)));
    }
    let react = || Change::React { emoji: "👍".into(), on: true };
    let alice = Sender { user: UserName::new("alice").unwrap(), region: region() };
    for (body, change) in [
        (Body::Content(Content::Edit { target: id(7), text: Some("ho".into()), data: None }), Change::Edit),
        (Body::Content(Content::Delete { target: id(7) }), Change::Delete),
        (Body::Content(Content::React { target: id(7), emoji: "👍".into(), on: true }), react()),
        (Body::Tombstone { sender: alice, id: id(7) }, Change::Delete),
    ] {
        let item = meaning(&owner(), &region(), &entry("alice", "bob", body)).unwrap();
        assert_eq!(item.what, What::Change { target: id(7), change });
    }
    assert_eq!(meaning(&owner(), &region(), b"no entry"), None);
}

#[test]
fn a_tombstone_is_the_deletion_of_the_item_that_it_tells_of() {
    let bob = Sender { user: owner(), region: region() };
    let body = Body::Tombstone { sender: bob, id: id(7) };
    let item = meaning(&owner(), &region(), &entry("bob", "alice", body)).unwrap();
    assert_eq!((item.with.to_string().as_str(), item.mine), ("alice", true));
}

#[test]
fn edits_are_about_ones_own_and_reactions_about_either() {
    let item = |with: &str, mine| Item {
        with: with.parse().unwrap(),
        mine,
        time: Millis(5),
        what: What::Message { id: id(1), order: None, media: vec![] },
    };
    let react = Change::React { emoji: "👍".into(), on: true };
    for (with, mine, change, expected) in [
        ("alice", true, &Change::Edit, &[true][..]),
        ("alice", false, &Change::Delete, &[false]),
        ("alice", true, &react, &[false, true]),
        ("alice", false, &react, &[true, false]),
        ("bob", true, &react, &[true]),
        ("bob@eu", false, &react, &[true, false]),
    ] {
        assert_eq!(authors(&owner(), &item(with, mine), change), expected, "{with} {mine} {change:?}");
    }
}

#[test]
fn the_last_edit_counts_and_a_deletion_ends_all() {
    let mut standing = Standing::default();
    assert!(standing.sent(place(3), Millis(30), None));
    assert!(!standing.sent(place(4), Millis(40), None), "the first one counts");
    assert_eq!((standing.at, standing.order, standing.time), (Some(place(3)), Seq(3), Millis(30)));
    standing.change(place(5), &true, Millis(50), &Change::Edit);
    standing.change(place(6), &true, Millis(60), &Change::Edit);
    assert_eq!((standing.edit, standing.changed), (Some(place(6)), Seq(6)));
    standing.change(place(7), &false, Millis(70), &Change::React { emoji: "👍".into(), on: true });
    standing.change(place(8), &true, Millis(75), &Change::Edit);
    assert_eq!((standing.edit, standing.reactions.len()), (Some(place(8)), 1), "a reaction stays");
    standing.change(place(8), &true, Millis(80), &Change::Delete);
    standing.change(place(9), &true, Millis(90), &Change::Edit);
    standing.change(place(10), &false, Millis(100), &Change::React { emoji: "👍".into(), on: true });
    standing.change(place(11), &true, Millis(110), &Change::Delete);
    assert_eq!((standing.edit, standing.deleted, standing.reactions.len()), (None, true, 0));
}

#[test]
fn changes_wait_for_a_message_that_comes_behind_them() {
    let mut standing = Standing::default();
    standing.change(place(5), &true, Millis(50), &Change::Edit);
    assert_eq!((standing.at, standing.changed), (None, Seq(5)));
    assert!(standing.sent(place(6), Millis(30), Some(Seq(2))));
    assert_eq!((standing.edit, standing.order), (Some(place(5)), Seq(2)));
}

#[test]
fn a_reaction_is_one_for_each_person_and_emoji() {
    let mut standing = Standing::default();
    let mut react = |seq, mine, emoji: &str, on| {
        standing.change(place(seq), &mine, Millis(seq), &Change::React { emoji: emoji.into(), on });
        standing.reactions.iter().map(|kept| (kept.by, kept.time.0)).collect::<Vec<_>>()
    };
    assert_eq!(react(1, true, "❤\u{fe0f}", true), [(true, 1)]);
    assert_eq!(react(2, true, "❤", true), [(true, 1)], "the same without its selector");
    assert_eq!(react(3, false, "❤", true), [(true, 1), (false, 3)]);
    assert_eq!(react(4, true, "👍", true), [(true, 1), (false, 3), (true, 4)]);
    assert_eq!(react(5, true, "❤\u{fe0e}", false), [(false, 3), (true, 4)]);
    assert_eq!(react(6, true, "❤", false), [(false, 3), (true, 4)], "taken back twice");
    assert_eq!(react(7, true, "❤", true), [(false, 3), (true, 4), (true, 7)]);
    for number in 0..2 * limits::REACTIONS_KEPT as u64 {
        let emoji = char::from_u32(0x1f300 + number as u32).unwrap().to_string();
        assert!(react(8 + number, true, &emoji, true).len() <= limits::REACTIONS_KEPT);
    }
    assert_eq!(standing.reactions.len(), limits::REACTIONS_KEPT);
}

#[test]
fn unread_is_what_lies_above_the_mark_and_in_another_epoch_what_was_stored_after_it() {
    let mark = |epoch| Some(ReadMark { epoch: Epoch(epoch), order: Seq(10), time: Millis(12) });
    for (mark, order, stored, unread) in [
        (None, 1, 1, true),
        (mark(1), 10, 10, false),
        (mark(1), 11, 11, true),
        // In the epoch that holds, the clock of whoever made the mark says nothing.
        (mark(1), 10, 13, false),
        (mark(2), 10, 12, false),
        (mark(2), 10, 13, true),
        (mark(2), 11, 11, true),
    ] {
        let at = Place { seq: Seq(order), time: StreamTime::from(Millis(stored)) };
        let rule = Unread::of(mark, Epoch(1));
        assert_eq!(rule.counts(Seq(order), at), unread, "{mark:?} {order} {stored}");
        assert!(!unread || rule.from() <= Seq(order), "nothing unread is passed over");
    }
}
