//! Entries, their envelope, and live entries: round trips, and a typed refusal for everything else.

use bytes::Bytes;
use dunlin_schema::{
    Content, Entry, Log, MessageId, Millis, Sender, Seq,
    entry::{Body, EnvelopeError, Header},
    envelope,
    live::{LiveError, Mark, UserMessage},
};
use proptest::{collection, prelude::*};

use crate::strategy;

fn entry(id: u128, body: Body) -> Entry {
    let from = Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let id = MessageId::from_parts(Millis(1), id);
    Entry { id, from, to: "bob@eu".parse().unwrap(), order: None, time: Millis(2), body }
}

fn delete(target: u128) -> Body {
    Body::Content(Content::Delete { target: MessageId::from_parts(Millis(1), target) })
}

#[test]
fn a_sent_copy_is_what_its_owner_sent_to_somebody_else() {
    let entry = entry(1, delete(9));
    let is_copy = |owner: &str| entry.is_sent_copy(&owner.parse().unwrap());
    assert!(is_copy("alice"));
    assert!(!is_copy("bob"), "it came to bob");
    let note = Entry { to: "alice@eu".parse().unwrap(), ..entry.clone() };
    assert!(!note.is_sent_copy(&"alice".parse().unwrap()), "a note to oneself is what there is");
}

#[test]
fn an_entry_accounts_for_its_own_item_and_a_tombstone_for_the_one_it_names() {
    let alice = Sender { user: "alice".parse().unwrap(), region: "eu".parse().unwrap() };
    let elsewhere = Sender { region: "us".parse().unwrap(), ..alice };
    let bobs = Log::mailbox(&"eu".parse().unwrap(), 1, &"bob".parse().unwrap());
    let other = |number| Entry { order: Some(Seq(4)), time: Millis(9), ..entry(number, delete(8)) };
    let from_elsewhere = |number| Entry { from: elsewhere.clone(), ..other(number) };

    let content = entry(1, delete(9));
    assert!(content.accounts_for(&bobs, &other(1)));
    assert!(!content.accounts_for(&bobs, &other(9)), "what it speaks of is another item");
    assert!(!content.accounts_for(&bobs, &from_elsewhere(1)), "an id is a sender's own");
    assert!(!content.is_tombstone());

    let body = Body::Tombstone { sender: elsewhere.clone(), id: MessageId::from_parts(Millis(1), 1) };
    let tombstone = entry(2, body);
    assert!(tombstone.accounts_for(&bobs, &from_elsewhere(1)));
    assert!(!tombstone.accounts_for(&bobs, &other(1)));
    assert!(!tombstone.accounts_for(&bobs, &other(2)), "a tombstone is nobody's item");
    assert!(tombstone.is_tombstone());
}

#[test]
fn one_id_sent_to_two_people_is_two_copies_in_the_senders_own_mailbox() {
    let log = |user: &str| Log::mailbox(&"eu".parse().unwrap(), 1, &user.parse().unwrap());
    let to = |address: &str| Entry { to: address.parse().unwrap(), ..entry(1, delete(9)) };
    let (bob, carol, note) = (to("bob@eu"), to("carol@eu"), to("alice@eu"));
    for (one, other) in [(&bob, &carol), (&bob, &note), (&carol, &bob)] {
        assert!(one.accounts_for(&log("alice"), one));
        assert!(!one.accounts_for(&log("alice"), other), "{one:?} {other:?}");
    }
    assert!(to("alice@us").copy_to(&log("alice")).is_some(), "who has the name elsewhere is somebody else");
    assert_eq!((note.copy_to(&log("alice")), bob.copy_to(&log("bob"))), (None, None));

    let (sender, id) = bob.item();
    let body = Body::Tombstone { sender: sender.clone(), id };
    let erased = Entry { id: MessageId::from_parts(Millis(1), 2), body, ..bob.clone() };
    assert!(erased.accounts_for(&log("alice"), &bob));
    assert!(!erased.accounts_for(&log("alice"), &carol), "another copy was not erased");
}

#[test]
fn every_changed_bit_is_found() {
    let bytes = entry(1, delete(9)).encode();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Entry::decode(&changed), Err(EnvelopeError::Checksum), "bit {bit}");
    }
}

#[test]
fn every_cut_is_found() {
    let bytes = entry(1, delete(9)).encode();
    for length in 0..bytes.len() {
        let error = Entry::decode(&bytes[..length]).unwrap_err();
        assert!(matches!(error, EnvelopeError::Short(_) | EnvelopeError::Checksum), "{length} bytes: {error}");
    }
}

#[test]
fn a_right_checksum_alone_makes_no_entry() {
    let sealed = |version: u8, content: &[u8]| {
        let mut bytes = vec![version];
        bytes.extend_from_slice(content);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    };
    let content = &entry(1, delete(9)).encode()[1..];
    let content = &content[..content.len() - 4];
    assert!(Entry::decode(&sealed(1, content)).is_ok());
    assert_eq!(Entry::decode(&sealed(2, content)), Err(EnvelopeError::Version { found: 2, known: 1 }));
    for (what, content) in [
        ("nothing", Vec::new()),
        ("a byte more", [content, &[0]].concat()),
        ("a byte less", content[..content.len() - 1].to_vec()),
        ("a name that is none", [&content[..16], &[1, b'*'], &content[22..]].concat()),
        ("a text of 2^63 bytes", [&content[..16], &[0xff; 9], &[0x01]].concat()),
    ] {
        let error = Entry::decode(&sealed(1, &content)).unwrap_err();
        assert!(matches!(error, EnvelopeError::Content(_)), "{what}: {error}");
    }
    assert_eq!(envelope::open::<Entry>(1, &[1, 2, 3, 4]), Err(EnvelopeError::Short(4)));
}

#[test]
fn a_live_message_of_a_newer_release_is_told_from_one_that_is_none() {
    let read = |bytes: &[u8]| UserMessage::decode(&Bytes::copy_from_slice(bytes));
    for bytes in [
        &b""[..],
        &[1],
        &[1, 0],
        &[1, 0, 0, 0, 0],
        &[1, 0xff, 0xff],
        &[1, 1, 2, b'*'],
        &[1, 2, 7],
        &[1, 4, 1, b'*'],
        &[1, 5],
        &[1, 6],
        &[1, 7, 0],
        &[1, 8, 1, b'*'],
        &[1, 9, 1, b'*'],
    ] {
        assert_eq!(read(bytes), Err(LiveError::Malformed), "{bytes:?}");
    }
    for bytes in [&[0, 0, 0, 0, 0, 0][..], &[2, 0, 0, 0, 0, 0], &[1, 11], &[1, 11, 0, 0], &[1, 0xff, 0x01, 7]] {
        assert_eq!(read(bytes), Err(LiveError::Unknown), "{bytes:?}");
    }
    let UserMessage::Entry(least) = read(&[1, 0, 0, 0, 0, 0]).unwrap() else { panic!("no entry") };
    assert!(least.entry.is_empty(), "the entry has a checksum of its own, which its reader looks at");
    // A field that a newer release adds at the end.
    let mark = Mark { with: "bob@eu".parse().unwrap(), read: Seq(7), revision: Seq(9) };
    let longer = [&UserMessage::Mark(mark.clone()).encode()[..], &[1, 2, 3]].concat();
    assert_eq!(read(&longer), Ok(UserMessage::Mark(mark)));
}

/// Whoever chooses the pace of an entry decodes no content, and need not know it.
#[test]
fn a_header_is_readable_where_the_rest_is_not() {
    let stored = entry(1, delete(9));
    let bytes = stored.encode();
    let body = postcard::to_stdvec(&stored.body).unwrap().len();
    let unknown = [&bytes[..bytes.len() - body - 4], &[0xff; 9]].concat();
    assert!(Entry::decode(&unknown).is_err());
    let header = Header::read(&unknown).unwrap();
    assert_eq!(Some(header.clone()), Header::read(&bytes));
    assert_eq!((header.id, header.time), (stored.id, stored.time));
    assert_eq!(header.is_sent_copy(&stored.from.user), stored.is_sent_copy(&stored.from.user));
    assert!(header.is_sent_copy(&stored.from.user), "{header:?}");
    for bytes in [&b""[..], &[1], &bytes[..20], &[&[2], &bytes[1..]].concat()] {
        assert_eq!(Header::read(bytes), None, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn an_entry_comes_back_as_it_was(entry in strategy::entry()) {
        let bytes = entry.encode();
        let read = Entry::decode(&bytes).unwrap();
        prop_assert_eq!(&read, &entry);
        prop_assert_eq!(read.encode(), bytes);
    }

    #[test]
    fn a_live_message_comes_back_as_it_was(message in strategy::user_message()) {
        prop_assert_eq!(UserMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn a_header_is_that_of_the_entry(entry in strategy::entry()) {
        let header = Header::read(&entry.encode()).unwrap();
        let Entry { id, from, to, order, time, body: _ } = entry;
        prop_assert_eq!(header, Header { id, from, to, order, time });
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in collection::vec(any::<u8>(), 0..200), version in 0..3_u8) {
        prop_assert!(Entry::decode(&bytes).is_err(), "one in four billion passes by chance");
        let _ = (UserMessage::decode(&Bytes::from(bytes.clone())), Header::read(&bytes));
        let _ = UserMessage::decode(&[&[1][..], &bytes].concat().into());
        // The same behind a right checksum: what a bug or a stranger may publish.
        let mut sealed = [vec![version], bytes].concat();
        let crc = crc32c::crc32c(&sealed);
        sealed.extend_from_slice(&crc.to_le_bytes());
        if let Ok(entry) = Entry::decode(&sealed) {
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }
}
