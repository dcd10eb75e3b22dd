//! What is erased of a log, and when nothing has to be read again.

use super::*;
use dunlin_schema::media::Attachment;

fn id(number: u64) -> MessageId {
    MessageId::from_parts(Millis(100_000 + number), 1)
}

fn entry(number: u64, from: &str, to: &str, body: Body) -> Entry {
    let from = Sender { user: from.parse().unwrap(), region: "local".parse().unwrap() };
    let to = format!("{to}@local").parse().unwrap();
    Entry { id: id(number), from, to, order: None, time: Millis(number), body }
}

fn message() -> Body {
    Body::Content(Content::Message {
        text: Some("hi".to_owned()),
        data: None,
        attachments: vec![],
        reply_to: None,
        mentions: vec![],
    })
}

fn edit(target: u64) -> Body {
    Body::Content(Content::Edit { target: id(target), text: Some("ho".to_owned()), data: None })
}

fn delete(target: u64) -> Body {
    Body::Content(Content::Delete { target: id(target) })
}

fn react(target: u64) -> Body {
    Body::Content(Content::React { target: id(target), emoji: "👍".to_owned(), on: true })
}

/// Where something is to be erased, and where its tombstone stands.
fn erased(entries: &[(u64, Entry)]) -> Vec<(u64, Option<u64>)> {
    let mut reading = Reading::default();
    for (seq, entry) in entries {
        reading.add(Seq(*seq), &entry.encode());
    }
    let erasures = reading.erasures().into_iter();
    erasures.map(|erasure| (erasure.seq.0, erasure.tombstone.map(|seq| seq.0))).collect()
}

#[test]
fn a_deletion_takes_the_message_and_all_its_edits_and_nothing_else() {
    let log = [
        (1, entry(1, "alice", "bob", message())),
        (2, entry(2, "alice", "bob", message())),
        (3, entry(3, "alice", "bob", edit(1))),
        (4, entry(4, "bob", "bob", react(1))),
        (5, entry(1, "carol", "bob", message())), // the same id, of somebody else
        (6, entry(5, "carol", "bob", edit(1))),
        (7, entry(6, "alice", "bob", delete(1))),
        (8, entry(7, "alice", "bob", edit(1))), // on its way when the message was deleted
        (9, entry(8, "alice", "bob", react(1))),
    ];
    assert_eq!(erased(&log), [(1, None), (3, None), (8, None)]);
    assert_eq!(erased(&log[..6]), []);
}

#[test]
fn in_a_group_an_admin_takes_back_what_others_have_said() {
    let log = [
        (1, entry(1, "bob", "#team", message())),
        (2, entry(2, "bob", "#team", edit(1))),
        (3, entry(3, "carol", "#team", message())),
        (4, entry(4, "alice", "#team", delete(1))),
        (5, entry(5, "bob", "#team", edit(1))), // on its way when the message was deleted
        // Eve says something under carol's id, and takes her own back.
        (6, entry(3, "eve", "#team", message())),
        (7, entry(7, "eve", "#team", delete(3))),
    ];
    assert_eq!(erased(&log), [(1, None), (2, None), (5, None), (6, None)]);
    let eves = log[5].1.header().tombstone(Seq(6), id(9));
    let again = [log[2].clone(), (5, eves), log[6].clone()];
    assert_eq!(erased(&again), [], "hers is gone, and carol's is not meant");
    let mailbox = [(1, entry(1, "bob", "alice", message())), (2, entry(2, "alice", "alice", delete(1)))];
    assert_eq!(erased(&mailbox), [], "in a mailbox nobody does");
}

#[test]
fn of_two_copies_with_one_id_the_one_goes_that_was_sent_where_the_deletion_was() {
    let log = [
        (1, entry(1, "alice", "bob", message())),
        (2, entry(1, "alice", "carol", message())),
        (3, entry(2, "alice", "carol", delete(1))),
    ];
    assert_eq!(erased(&log), [(2, None)]);
}

#[test]
fn an_erased_message_names_the_files_that_it_referred_to() {
    let files = [7, 8].map(|number| MediaId(id(number)));
    let mut with_files = entry(1, "alice", "bob", message());
    if let Body::Content(Content::Message { attachments, .. }) = &mut with_files.body {
        attachments.extend(files.map(|media| Attachment::named(media, None)));
    }
    let mut reading = Reading::default();
    let log = [with_files, entry(2, "alice", "bob", edit(1)), entry(3, "alice", "bob", delete(1))];
    for (entry, seq) in log.iter().zip(1..) {
        reading.add_entry(Seq(seq), entry);
    }
    let named: Vec<_> = reading.erasures().into_iter().map(|erasure| erasure.files).collect();
    assert_eq!(named, [files.to_vec(), vec![]]);
}

#[test]
fn a_tombstone_that_stands_already_is_not_set_again() {
    let message = entry(1, "alice", "bob", message());
    let tombstone = message.header().tombstone(Seq(1), id(9));
    let log = [(1, message), (2, entry(2, "alice", "bob", delete(1))), (3, tombstone)];
    assert_eq!(erased(&log), [(1, Some(3))]);
    assert_eq!(erased(&log[1..]), [], "and what is gone is not erased");
}

#[test]
fn deletions_that_were_looked_through_cost_nothing_more() {
    let peer = |name: &str| Peer::User(name.parse().unwrap());
    let at = |epoch, seq| Position { epoch: Epoch(epoch), seq: Seq(seq), time: StreamTime(0) };
    let mut looked = LookedThrough::default();
    looked.note(&peer("bob"), Epoch(1), StreamTime(50), Seq(9));
    for (owner, position, since, covered) in [
        ("bob", at(1, 9), 50, true),
        ("bob", at(1, 9), 49, false),
        ("bob", at(1, 10), 50, false),
        ("bob", at(2, 9), 50, false),
        ("carol", at(1, 9), 50, false),
    ] {
        assert_eq!(looked.covers(&peer(owner), position, StreamTime(since)), covered, "{owner} {position:?} {since}");
    }
    for number in 0..REMEMBERED {
        looked.note(&peer(&format!("user-{number}")), Epoch(1), StreamTime(0), Seq(20));
    }
    assert!(!looked.covers(&peer("bob"), at(1, 9), StreamTime(50)) && looked.logs.len() <= REMEMBERED);
}

#[test]
fn the_deliver_reader_goes_first_but_is_not_waited_for_for_ever() {
    let at = |seq| Some(Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(0) });
    for (position, waited, past) in [
        (at(9), 0, true),
        (at(8), 0, false),
        (None, 0, false),
        (None, DELIVER_WITHIN.0, true),
        (at(8), DELIVER_WITHIN.0, true),
    ] {
        assert_eq!(is_past(position, Seq(9), Millis(waited)), past, "{position:?} {waited}");
    }
}

#[test]
fn of_whoever_is_erased_everything_goes_that_they_said() {
    let alice = entry(1, "alice", "bob", message());
    let mut reading = Reading::of_everything_from(alice.from.clone());
    let log = [
        (1, alice),
        (2, entry(2, "carol", "bob", message())),
        (3, entry(3, "alice", "bob", edit(1))),
        (4, entry(4, "alice", "bob", react(2))),
        (5, entry(5, "carol", "bob", react(2))),
        (6, entry(6, "alice", "bob", delete(1))),
    ];
    for (seq, entry) in &log {
        reading.add_entry(Seq(*seq), entry);
    }
    let erased: Vec<_> = reading.erasures().into_iter().map(|erasure| erasure.seq.0).collect();
    assert_eq!(erased, [1, 3, 4]);
}
