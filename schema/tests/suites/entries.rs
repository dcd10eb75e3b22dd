//! Entries, their envelope, and live entries: round trips, and a typed refusal for everything else.

use bytes::Bytes;
use dunlin_schema::{
    Content, Entry, MessageId, Millis, Sender,
    entry::{Body, EnvelopeError},
    envelope,
    live::LiveEntry,
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
    let elsewhere = Sender { region: "us".parse().unwrap(), ..alice.clone() };
    let id = |number| MessageId::from_parts(Millis(1), number);

    let content = entry(1, delete(9));
    assert!(content.accounts_for(&alice, id(1)));
    assert!(!content.accounts_for(&alice, id(9)), "what it speaks of is another item");
    assert!(!content.accounts_for(&elsewhere, id(1)), "an id is a sender's own");
    assert!(!content.is_tombstone());

    let tombstone = entry(2, Body::Tombstone { sender: elsewhere.clone(), id: id(1) });
    assert!(tombstone.accounts_for(&elsewhere, id(1)));
    assert!(!tombstone.accounts_for(&alice, id(1)));
    assert!(!tombstone.accounts_for(&alice, id(2)), "a tombstone is nobody's item");
    assert!(tombstone.is_tombstone());
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
fn a_live_entry_of_another_version_is_refused() {
    for bytes in [&b""[..], &[0, 0, 0, 0, 0], &[2, 0, 0, 0, 0], &[1], &[1, 0, 0, 0], &[1, 0xff, 0xff]] {
        assert!(LiveEntry::decode(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:?}");
    }
    let least = LiveEntry::decode(&Bytes::from_static(&[1, 0, 0, 0, 0])).unwrap();
    assert!(least.entry.is_empty(), "the entry has a checksum of its own, which its reader looks at");
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
    fn a_live_entry_comes_back_as_it_was(position in strategy::position(), after in strategy::seq(), entry in strategy::bytes()) {
        let live = LiveEntry { position, after, entry };
        prop_assert_eq!(LiveEntry::decode(&live.encode()), Ok(live));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in collection::vec(any::<u8>(), 0..200), version in 0..3_u8) {
        prop_assert!(Entry::decode(&bytes).is_err(), "one in four billion passes by chance");
        let _ = LiveEntry::decode(&Bytes::from(bytes.clone()));
        // The same behind a right checksum: what a bug or a stranger may publish.
        let mut sealed = [vec![version], bytes].concat();
        let crc = crc32c::crc32c(&sealed);
        sealed.extend_from_slice(&crc.to_le_bytes());
        if let Ok(entry) = Entry::decode(&sealed) {
            prop_assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }
}
