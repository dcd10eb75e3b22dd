//! Names, addresses, ids and cursors: their grammar, and nothing outside it.

use dunlin_schema::{
    Address, Cursor, CursorText, GroupName, Log, MessageId, Millis, Peer, Position, RegionName, Seq, UserName,
    address::AddressError, cursor::CursorError, limits, name::NameError,
};
use proptest::prelude::*;

use crate::strategy;

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[test]
fn a_name_is_refused_with_its_reason() {
    let long = "a".repeat(65);
    for (text, reason) in [
        ("", NameError::Empty),
        (long.as_str(), NameError::TooLong(65)),
        ("a.b", NameError::Character('.')),
        ("*", NameError::Character('*')),
        (">", NameError::Character('>')),
        ("a b", NameError::Character(' ')),
        ("a\r\nPUB x", NameError::Character('\r')),
        ("a\n", NameError::Character('\n')),
        ("a\0", NameError::Character('\0')),
        ("$JS", NameError::Character('$')),
        ("a:b", NameError::Character(':')),
        ("a@b", NameError::Character('@')),
        ("#a", NameError::Character('#')),
        ("ålice", NameError::Character('å')),
        ("аlice", NameError::Character('а')), // a Cyrillic letter that looks like a Latin one
    ] {
        assert_eq!(UserName::new(text), Err(reason), "{text:?}");
    }
    assert_eq!(UserName::new(&"é".repeat(33)), Err(NameError::TooLong(66)), "the bound is in bytes");
}

#[test]
fn an_address_is_read_as_the_protocol_writes_it() {
    let user = |name| Peer::User(UserName::new(name).unwrap());
    let group = |name| Peer::Group(GroupName::new(name).unwrap());
    let eu = RegionName::new("eu").ok();
    for (text, peer, region) in [
        ("bob", user("bob"), None),
        ("bob@eu", user("bob"), eu.clone()),
        ("#team", group("team"), None),
        ("#team@eu", group("team"), eu),
    ] {
        assert_eq!(text.parse(), Ok(Address { peer, region }), "{text:?}");
    }
}

#[test]
fn what_is_no_address_is_refused() {
    for text in
        ["", "@", "#", "#@", "bob@", "@eu", "bob@eu@us", "##team", "bob#team", " bob", "bob ", "bob@e u", "bob@*"]
    {
        assert!(text.parse::<Address>().is_err(), "{text:?}");
    }
    assert_eq!("bob@".parse::<Address>(), Err(AddressError::Region(NameError::Empty)));
    assert_eq!("@eu".parse::<Address>(), Err(AddressError::Name(NameError::Empty)));
}

#[test]
fn an_address_says_its_region_where_it_is_read() {
    let region = |name| RegionName::new(name).unwrap();
    let said: Address = "bob".parse().unwrap();
    let full = said.clone().said_in(&region("eu"));
    assert_eq!(full.to_string(), "bob@eu");
    assert_eq!(full.clone().said_in(&region("us")), full, "a region that was said stays");
    assert_eq!(full.clone().seen_from(&region("eu")), said);
    assert_eq!(full.clone().seen_from(&region("us")), full);
}

#[test]
fn an_id_is_a_ulid() {
    let id: MessageId = "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().unwrap();
    assert_eq!(id.time(), Millis(1_469_922_850_259), "the example of the ULID specification");
    assert_eq!("7ZZZZZZZZZZZZZZZZZZZZZZZZZ".parse(), Ok(MessageId::from_bytes([0xff; 16])));
    assert_eq!(id.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV", "one id is written in one way");
}

#[test]
fn what_is_no_ulid_is_refused() {
    for text in [
        "",
        "01ARZ3NDEKTSV4RRFFQ69G5FA",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV0",
        "81ARZ3NDEKTSV4RRFFQ69G5FAV", // above 2^128
        "01arz3ndektsv4rrffq69g5fav", // small letters: answers would name another text than the client's
        "01ARZ3NDEKTSV4RRFFQ69G5FAv",
        "01ARZ3NDEKTSV4RRFFQ69G5FAI", // Crockford reads I and L as 1, O as 0; ULID has no such aliases: two texts would be one id
        "01ARZ3NDEKTSV4RRFFQ69G5FAL",
        "O1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5FAO",
        "01ARZ3NDEKTSV4RRFFQ69G5FAU",
        "01ARZ3NDEK-SV4RRFFQ69G5FAV",
        " 1ARZ3NDEKTSV4RRFFQ69G5FAV",
        "01ARZ3NDEKTSV4RRFFQ69G5Fé",
        "550e8400-e29b-41d4-a716-446655440000",
    ] {
        assert!(text.parse::<MessageId>().is_err(), "{text:?}");
    }
}

#[test]
fn ids_are_ordered_by_their_time() {
    let early = MessageId::from_parts(Millis(1), u128::MAX);
    let late = MessageId::from_parts(Millis(2), 0);
    assert!(early < late);
    assert_eq!((early.time(), late.time()), (Millis(1), Millis(2)), "randomness does not reach into the time");
    assert_eq!(MessageId::from_parts(Millis(u64::MAX), 0).time(), Millis((1 << 48) - 1), "a time has 48 bits");
}

#[test]
fn a_cursor_opens_for_its_own_log_alone() {
    let region = RegionName::new("local").unwrap();
    let log = |user| Log::mailbox(&region, 8, &UserName::new(user).unwrap());
    let cursor = Cursor { position: Position { seq: Seq(17), ..Position::default() }, at: Millis(5), began: Seq(3) };
    let text = cursor.seal(&log("bob")).to_string();
    let read: CursorText = text.parse().unwrap();
    assert_eq!(read.open(&log("bob")), Ok(cursor));
    assert_eq!(read.open(&log("alice")), Err(CursorError::OtherLog));
}

#[test]
fn a_cursor_that_was_touched_is_refused() {
    let log = Log::mailbox(&RegionName::new("local").unwrap(), 8, &UserName::new("bob").unwrap());
    let text = Cursor::default().seal(&log).to_string();
    for position in 0..text.len() {
        for with in ["A", "_", "=", " ", "é", ""] {
            let mut touched = text.clone();
            touched.replace_range(position..=position, with);
            if touched != text {
                let touched: CursorText = touched.parse().unwrap();
                assert_eq!(touched.open(&log), Err(CursorError::Unreadable), "{touched}");
            }
        }
    }
    for touched in [
        "".to_owned(),
        "b0Zk".to_owned(),
        format!("{text}A"),
        format!("{text}="),
        format!(" {text}"),
        format!("{text}\n"),
        text.repeat(2),
        "A".repeat(limits::CURSOR_BYTES),
    ] {
        let touched: CursorText = touched.parse().unwrap();
        assert_eq!(touched.open(&log), Err(CursorError::Unreadable), "{touched:?}");
    }
    assert!("A".repeat(limits::CURSOR_BYTES + 1).parse::<CursorText>().is_err());
}

#[test]
fn a_cursor_of_a_sequence_that_no_stream_reaches_is_refused() {
    let log = Log::mailbox(&RegionName::new("local").unwrap(), 8, &UserName::new("bob").unwrap());
    let cursor =
        |seq| Cursor { position: Position { seq: Seq(seq), ..Position::default() }, at: Millis(0), began: Seq(0) };
    assert!(cursor(Seq::MAX.0).seal(&log).open(&log).is_ok());
    assert_eq!(cursor(Seq::MAX.0 + 1).seal(&log).open(&log), Err(CursorError::Unreadable));
    assert_eq!(Seq(u64::MAX).next(), Seq(u64::MAX), "and counting on from anywhere never wraps round");
}

proptest! {
    #[test]
    fn any_text_is_a_name_exactly_when_the_grammar_says_so(text in any::<String>()) {
        prop_assert_eq!(UserName::new(&text).is_ok(), is_name(&text));
    }

    #[test]
    fn almost_a_name(text in "[A-Za-z0-9_.*> \r\n-]{0,70}") {
        prop_assert_eq!(RegionName::new(&text).is_ok(), is_name(&text));
    }

    #[test]
    fn a_name_comes_back_as_it_was(text in strategy::name()) {
        let name = UserName::new(&text).unwrap();
        prop_assert_eq!(name.to_string(), text.clone());
        let json = serde_json::to_string(&name).unwrap();
        prop_assert_eq!(&json, &format!("\"{text}\""));
        prop_assert_eq!(serde_json::from_str::<UserName>(&json).unwrap(), name);
    }

    #[test]
    fn an_address_comes_back_as_it_was(address in strategy::address()) {
        prop_assert_eq!(address.to_string().parse::<Address>(), Ok(address));
    }

    #[test]
    fn any_text_that_is_an_address_is_written_as_it_was(text in "#?[A-Za-z0-9_#@ -]{0,12}(@[A-Za-z0-9@-]{0,5})?") {
        if let Ok(address) = text.parse::<Address>() {
            prop_assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn an_id_comes_back_as_it_was(id in strategy::id()) {
        let text = id.to_string();
        prop_assert_eq!(text.parse(), Ok(id));
        prop_assert_eq!(MessageId::from_bytes(id.to_bytes()), id);
        prop_assert_eq!(MessageId::from_parts(id.time(), u128::from_be_bytes(id.to_bytes())), id);
    }

    #[test]
    fn any_text_that_is_an_id_is_written_as_it_was(text in "[0-8][0-9A-Z]{25}") {
        if let Ok(id) = text.parse::<MessageId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was(cursor in strategy::cursor(), log in strategy::log(), other in strategy::log()) {
        let text = cursor.seal(&log).to_string();
        let read: CursorText = text.parse().unwrap();
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!(read.open(&log), Ok(cursor));
        prop_assert!(log == other || read.open(&other).is_err());
    }

    #[test]
    fn a_cursor_of_any_release_is_kept_as_it_came(text in "[A-Za-z0-9_-]{1,100}|.{0,100}", log in strategy::log()) {
        let cursor: CursorText = text.parse().unwrap();
        prop_assert!(cursor.open(&log).is_err(), "one in four billion passes by chance");
        prop_assert_eq!(cursor.to_string(), text);
    }

    #[test]
    fn where_to_start_comes_back_as_it_was(start in strategy::start_at()) {
        prop_assert_eq!(start.to_string().parse(), Ok(start));
    }
}
