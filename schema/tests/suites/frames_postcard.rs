//! Frames in Postcard: the same enums, and a typed refusal for everything that is no frame.

use dunlin_schema::{
    Code, Content, LogName, MessageId, Millis, Open, Seq,
    frame::{ClientFrame, Encoding, EntryContent, EntryFrame, FrameError, Goodbye, Send, ServerFrame, UnreadSend},
    limits,
};
use proptest::{collection, prelude::*};

use crate::strategy;

const POSTCARD: Encoding = Encoding::Postcard;

fn malformed(bytes: &[u8]) {
    let read = POSTCARD.read_client(bytes);
    assert!(matches!(read, Err(FrameError::Malformed(_))), "{bytes:?} is read as {read:?}");
}

#[test]
fn an_unknown_frame_is_told_by_its_number() {
    for (bytes, number) in [(&[6][..], "6"), (&[6, 1, 2, 3], "6"), (&[0xff, 0xff, 0xff, 0xff, 0x0f], "4294967295")] {
        assert_eq!(POSTCARD.read_client(bytes), Err(FrameError::Unknown(number.to_owned())), "{bytes:?}");
    }
    assert_eq!(POSTCARD.read_server(&[14, 0]), Err(FrameError::Unknown("14".to_owned())));
    // The lists of names are as long as the enums: the last frame of each is known.
    assert!(matches!(POSTCARD.read_client(&[5]), Err(FrameError::Malformed(_))));
    assert!(matches!(POSTCARD.read_server(&[13]), Err(FrameError::Malformed(_))));
}

#[test]
fn what_is_malformed_is_said_in_words() {
    for (bytes, words) in [(&[4][..], "the bytes end too early"), (&[4, 1, 0xff, 0], "its fields can't be read")] {
        assert_eq!(POSTCARD.read_client(bytes), Err(FrameError::Malformed(words.to_owned())), "{bytes:?}");
    }
}

#[test]
fn what_is_no_frame_is_malformed() {
    let id = [0; 16];
    for bytes in [
        vec![],
        vec![0],
        vec![0x80],                                                 // a number that goes on
        vec![0xff, 0xff, 0xff, 0xff, 0xff, 0x01],                   // a number above 2^32
        vec![2, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10], // sequence 2^53
        vec![0, 2, 0, 0],                                           // an option that is neither
        vec![0, 1, 1, 0xff, 0, 0],                                  // a token that is no UTF-8
        vec![0, 0, 1, 1, b'*', 0],                                  // a device that is none
        [&[1][..], &id, &[3, b'b', b'o', b'b', 6]].concat(),        // content that is none
        b"{\"hello\":{}}".iter().map(|b| b & 0x01).collect(),
    ] {
        malformed(&bytes);
    }
}

#[test]
fn a_send_of_unknown_content_is_known_by_its_id() {
    let send = [&[1][..], &[7; 16], &[3, b'b', b'o', b'b', 6]].concat();
    malformed(&send);
    let id = MessageId::from_bytes([7; 16]).to_string();
    assert_eq!(POSTCARD.unread_send(&send), Some(UnreadSend { id, bad_id: None }));
    for other in [&[0][..], &send[..16], &[&[2][..], &send[1..]].concat(), &[&[9][..], &send[1..]].concat(), &[]] {
        assert_eq!(POSTCARD.unread_send(other), None, "{other:?}");
    }
}

/// The content's length stands before it, so that the entry keeps its place.
#[test]
fn an_entry_of_a_newer_release_is_read_with_its_place() {
    let entry = |log: &str, content: &[u8]| {
        let string = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
        let bytes = [
            &[2][..],
            &string(log),
            &[17],
            &string("of_another-form"),
            &[1],
            &[7; 16],
            &string("alice"),
            &string("bob"),
            &[0, content.len() as u8],
            content,
        ]
        .concat();
        let Ok(ServerFrame::Entry(entry)) = POSTCARD.read_server(&bytes) else { panic!("{bytes:?}") };
        (entry, bytes)
    };
    for (content, kind) in
        [(&[9, 1, 2, 3][..], "9"), (&[0xff, 0x01], "255"), (&[0, 7], "0"), (&[], "4294967295"), (&[0x80], "4294967295")]
    {
        let (read, bytes) = entry("", content);
        let EntryContent::Unknown(unknown) = &read.content else { panic!("{content:?}") };
        assert_eq!((unknown.kind(), read.seq, read.cursor.as_str()), (kind, Seq(17), "of_another-form"));
        assert_eq!(POSTCARD.write(&ServerFrame::Entry(read)), bytes, "and is written again as it came");
    }
    let (read, _) = entry("~news", &[&[2][..], &[8; 16], &[1, 2, 3]].concat());
    let EntryFrame { log, content, .. } = *read;
    assert_eq!(log, Open::Unknown("~news".into()));
    let target = MessageId::from_bytes([8; 16]);
    assert_eq!(content, Content::Delete { target }.into(), "fields that a newer release added are passed over");
}

/// As JSON passes over the names of fields that it does not know.
#[test]
fn what_follows_a_frame_are_fields_of_a_newer_release() {
    let ack = ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(17) };
    assert_eq!(POSTCARD.read_client(&[2, 0, 17, 0, 9]), Ok(ack));
    let goodbye = Goodbye { code: Code::Draining.into(), message: String::new(), retry_after: None };
    let goodbye = ServerFrame::Goodbye(goodbye);
    let longer = [&POSTCARD.write(&goodbye)[..], &[1, 2, 3]].concat();
    assert_eq!(POSTCARD.read_server(&longer), Ok(goodbye));
}

#[test]
fn a_length_that_is_not_there_is_refused_before_memory_is_taken() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    malformed(&[&[0, 1][..], &huge].concat()); // a token
    malformed(&[&[0, 0, 0][..], &huge].concat()); // cursors
    malformed(&[&[1][..], &[0; 16], &huge].concat()); // an address
    malformed(&[&[1][..], &[0; 16], &[0, 0, 0, 0], &huge].concat()); // attachments
}

#[test]
fn of_a_hello_a_bounded_number_of_logs_is_kept() {
    let hello = |count: usize| {
        let mut bytes = [0, 0, 0].to_vec();
        bytes.extend([(count & 0x7f) as u8 | 0x80, (count >> 7) as u8]);
        for log in 0..count {
            bytes.extend(format!("\x06#{log:05}\x04live").bytes());
        }
        POSTCARD.read_client(&bytes)
    };
    for count in [limits::CURSORS, limits::CURSORS + 1, 2_000] {
        let Ok(ClientFrame::Hello { cursors, .. }) = hello(count) else { panic!("a hello of {count}") };
        assert_eq!(cursors.len(), limits::CURSORS);
    }
    assert_eq!(POSTCARD.read_client(&[0, 0, 0, 1, 0, 4, b'l', b'i', b'v', b'e']).map(|_| ()), Ok(()));
    malformed(&[0, 0, 0, 2, 0, 4, b'l', b'i', b'v', b'e', 0, 4, b'l', b'i', b'v', b'e']);
}

#[test]
fn both_encodings_carry_the_same_frame() {
    let send = ClientFrame::Send(Send {
        id: MessageId::from_parts(Millis(5), 6),
        to: "bob".to_owned(),
        content: Content::Delete { target: MessageId::from_parts(Millis(1), 2) },
    });
    let ack = ClientFrame::Ack { log: LogName::Mailbox.into(), delivered: Seq(300) };
    for frame in [send, ack] {
        for encoding in [Encoding::Json, POSTCARD] {
            assert_eq!(encoding.read_client(&encoding.write(&frame)).as_ref(), Ok(&frame), "{encoding:?}");
        }
    }
}

proptest! {
    #[test]
    fn a_clients_frame_comes_back_as_it_was(frame in strategy::client_frame()) {
        prop_assert_eq!(POSTCARD.read_client(&POSTCARD.write(&frame)), Ok(frame));
    }

    #[test]
    fn a_gateways_frame_comes_back_as_it_was(frame in strategy::server_frame()) {
        prop_assert_eq!(POSTCARD.read_server(&POSTCARD.write(&frame)), Ok(frame));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in collection::vec(any::<u8>(), 0..200), kind in 0..10_u8) {
        let bytes = [vec![kind], bytes].concat();
        if let Ok(frame) = POSTCARD.read_client(&bytes) {
            prop_assert_eq!(POSTCARD.read_client(&POSTCARD.write(&frame)), Ok(frame));
        }
        if let Ok(frame) = POSTCARD.read_server(&bytes) {
            prop_assert_eq!(POSTCARD.read_server(&POSTCARD.write(&frame)), Ok(frame));
        }
        prop_assert_eq!(matches!(POSTCARD.read_client(&bytes), Err(FrameError::Unknown(_))), usize::from(kind) >= ClientFrame::NAMES.len());
        prop_assert_eq!(matches!(POSTCARD.read_server(&bytes), Err(FrameError::Unknown(_))), usize::from(kind) >= ServerFrame::NAMES.len());
    }

    #[test]
    fn a_frame_that_was_cut_is_malformed(frame in strategy::client_frame(), cut in any::<prop::sample::Index>()) {
        let bytes = POSTCARD.write(&frame);
        let read = POSTCARD.read_client(&bytes[..cut.index(bytes.len())]);
        prop_assert!(matches!(read, Err(FrameError::Malformed(_))), "{:?}", read);
    }
}
