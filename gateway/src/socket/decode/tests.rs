//! Frames whole, cut and forged: each with what the decoder makes of it.

use proptest::prelude::*;

use super::*;

/// What came of a client's bytes: the events, and the violation that ended them.
type Heard = (Vec<Event<'static>>, Option<Violation>);

/// A masked frame. `first` is its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        medium @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((medium as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Hears bytes that come in pieces that end at `cuts`.
fn hear(encoding: Encoding, bytes: &[u8], cuts: &[usize]) -> Heard {
    let mut decoder = Decoder::new(encoding, &Gathering::default());
    let mut events = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let mut piece = bytes[start..end].to_vec();
        let mut rest = &mut piece[..];
        loop {
            match decoder.next(&mut rest) {
                Ok(Some(event)) => events.push(owned(event)),
                Ok(None) => break,
                Err(violation) => return (events, Some(violation)),
            }
        }
        start = end;
    }
    (events, None)
}

fn owned(event: Event<'_>) -> Event<'static> {
    match event {
        Event::Message(payload) => Event::Message(Cow::Owned(payload.into_owned())),
        Event::Ping(payload) => Event::Ping(Cow::Owned(payload.into_owned())),
        Event::Pong => Event::Pong,
        Event::Close(code) => Event::Close(code),
    }
}

fn message(payload: &[u8]) -> Event<'static> {
    Event::Message(Cow::Owned(payload.to_vec()))
}

fn ping(payload: &[u8]) -> Event<'static> {
    Event::Ping(Cow::Owned(payload.to_vec()))
}

fn protocol(heard: &Heard) -> bool {
    matches!(heard.1, Some(Violation::Protocol(_)))
}

const JSON: Encoding = Encoding::Json;
const POSTCARD: Encoding = Encoding::Postcard;

#[test]
fn what_is_whole_comes_out_however_it_is_cut() {
    let long = "ä".repeat(limits::FRAME_BYTES / 2);
    let cases: Vec<(Encoding, Vec<Vec<u8>>, Vec<Event<'static>>)> = vec![
        (JSON, vec![frame(0x81, b"hi")], vec![message(b"hi")]),
        (JSON, vec![frame(0x81, b"")], vec![message(b"")]),
        (POSTCARD, vec![frame(0x82, &[0xff, 0])], vec![message(&[0xff, 0])]),
        (JSON, vec![frame(0x81, long.as_bytes())], vec![message(long.as_bytes())]),
        (JSON, vec![frame(0x81, &[b'a'; 126]), frame(0x81, b"b")], vec![message(&[b'a'; 126]), message(b"b")]),
        (JSON, vec![frame(0x01, b"a"), frame(0x00, b""), frame(0x80, b"b")], vec![message(b"ab")]),
        (JSON, vec![frame(0x01, &[0xe2, 0x82]), frame(0x80, &[0xac])], vec![message("€".as_bytes())]),
        (
            JSON,
            vec![frame(0x01, b"a"), frame(0x89, b"p"), frame(0x8a, b""), frame(0x80, b"b")],
            vec![ping(b"p"), Event::Pong, message(b"ab")],
        ),
        (JSON, vec![frame(0x89, &[7; 125])], vec![ping(&[7; 125])]),
        (JSON, vec![frame(0x88, b"")], vec![Event::Close(None)]),
        (JSON, vec![frame(0x88, &[0x03, 0xe8, b'o', b'k'])], vec![Event::Close(Some(1000))]),
        (JSON, vec![frame(0x88, &4999u16.to_be_bytes())], vec![Event::Close(Some(4999))]),
    ];
    for (encoding, frames, expected) in cases {
        let bytes = frames.concat();
        let each: Vec<_> = (0..bytes.len()).collect();
        assert_eq!(hear(encoding, &bytes, &[]), (expected, None), "in one piece");
        assert_eq!(hear(encoding, &bytes, &each), hear(encoding, &bytes, &[]), "byte by byte");
    }
}

#[test]
fn what_the_protocol_forbids_ends_it() {
    let unmasked = vec![0x81, 0x02, b'h', b'i'];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a reserved bit", frame(0xc1, b"a")),
        ("another one", frame(0xa1, b"a")),
        ("the third one", frame(0x91, b"a")),
        ("a reserved opcode", frame(0x83, b"a")),
        ("a reserved control opcode", frame(0x8b, b"")),
        ("an unmasked frame", unmasked),
        ("an unmasked empty ping", vec![0x89, 0x00]),
        ("a fragmented ping", frame(0x09, b"a")),
        ("a fragmented close", frame(0x08, b"")),
        ("a long ping", frame(0x89, &[0; 126])),
        ("a long pong", frame(0x8a, &[0; 126])),
        ("a long close", frame(0x88, &[b'a'; 126])),
        ("a continuation of nothing", frame(0x80, b"a")),
        ("a message in a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat()),
        ("a close code of one byte", frame(0x88, &[3])),
        ("a length in too many bytes", vec![0x81, 0xfe, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5]),
        ("a length in far too many bytes", vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
        ("a length with its highest bit", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (what, bytes) in cases {
        let each: Vec<_> = (0..bytes.len()).collect();
        for cuts in [&[][..], &each] {
            let heard = hear(JSON, &bytes, cuts);
            assert!(protocol(&heard), "{what}: {heard:?}");
        }
    }
}

#[test]
fn close_codes_that_are_not_to_be_sent_are_refused() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert!(protocol(&hear(JSON, &frame(0x88, &u16::to_be_bytes(code)), &[])), "{code}");
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 3999, 4000, 4999] {
        let heard = hear(JSON, &frame(0x88, &u16::to_be_bytes(code)), &[]);
        assert_eq!(heard, (vec![Event::Close(Some(code))], None));
    }
    assert_eq!(hear(JSON, &frame(0x88, &[3, 232, 0xff]), &[]).1, Some(Violation::NotUtf8));
}

#[test]
fn text_is_refused_where_it_goes_wrong() {
    for (what, frames) in [
        ("in a whole frame", vec![frame(0x81, &[b'a', 0xff])]),
        ("cut off at the end", vec![frame(0x81, &[0xe2, 0x82])]),
        ("across fragments", vec![frame(0x01, &[0xe2]), frame(0x80, &[0x28])]),
        ("in a first fragment", vec![frame(0x01, &[0xc0])]),
        ("a surrogate", vec![frame(0x81, &[0xed, 0xa0, 0x80])]),
        ("cut off in the last fragment", vec![frame(0x01, b"a"), frame(0x80, &[0xc3])]),
    ] {
        assert_eq!(hear(JSON, &frames.concat(), &[]), (vec![], Some(Violation::NotUtf8)), "{what}");
    }
    let half = &frame(0x81, &[&[0xff][..], &[b'a'; 100]].concat())[..20];
    assert_eq!(hear(JSON, half, &[]).1, Some(Violation::NotUtf8), "before the frame is whole");
}

#[test]
fn messages_of_the_other_kind_and_long_ones_are_refused_by_their_heads() {
    assert_eq!(hear(JSON, &frame(0x82, b"a")[..6], &[]).1, Some(Violation::WrongKind));
    assert_eq!(hear(POSTCARD, &frame(0x81, b"a")[..6], &[]).1, Some(Violation::WrongKind));
    let long = frame(0x81, &[b'a'; limits::FRAME_BYTES + 1]);
    assert_eq!(hear(JSON, &long[..14], &[]).1, Some(Violation::TooLarge), "without reading its payload");
    let huge = [&[0x81, 0xff][..], &(u64::MAX >> 1).to_be_bytes(), &[0; 4]].concat();
    assert_eq!(hear(JSON, &huge, &[]).1, Some(Violation::TooLarge));
    let together = [frame(0x01, &[b'a'; limits::FRAME_BYTES]), frame(0x80, b"a")].concat();
    assert_eq!(hear(JSON, &together, &[]).1, Some(Violation::TooLarge), "fragments count together");
}

/// What begins and does not end is bounded for all sockets together, and given back by those that end.
#[test]
fn messages_that_are_not_whole_share_a_bound() {
    let gathering = Gathering::of(100_000);
    let begin = |decoder: &mut Decoder, length: usize| {
        let mut bytes = frame(0x01, &vec![b'a'; length]);
        let mut rest = &mut bytes[..];
        decoder.next(&mut rest).map(|event| event.map(owned))
    };
    let mut decoders: Vec<_> = (0..3).map(|_| Decoder::new(JSON, &gathering)).collect();
    assert_eq!(begin(&mut decoders[0], 64_096), Ok(None));
    assert_eq!(begin(&mut decoders[1], 4_096), Ok(None), "short ones are not counted");
    assert_eq!(begin(&mut decoders[2], 44_097), Err(Violation::Crowded));
    let mut end = frame(0x80, b"a");
    let whole = decoders[0].next(&mut &mut end[..]).unwrap().map(owned);
    assert!(matches!(whole, Some(Event::Message(message)) if message.len() == 64_097));
    let mut again = Decoder::new(JSON, &gathering);
    assert_eq!(begin(&mut again, 104_096), Ok(None), "a message that is whole has given back its share");
    let mut last = Decoder::new(JSON, &gathering);
    assert_eq!(begin(&mut last, 4_097), Err(Violation::Crowded));
    drop(again);
    let mut last = Decoder::new(JSON, &gathering);
    assert_eq!(begin(&mut last, 104_096), Ok(None), "and so has a socket that goes");
}

#[test]
fn an_idle_decoder_keeps_nothing() {
    let mut decoder = Decoder::new(JSON, &Gathering::default());
    let mut bytes = [frame(0x01, &[b'a'; 3_000]), frame(0x80, &[b'a'; 3_000]), frame(0x89, b"x")].concat();
    for piece in bytes.chunks_mut(7) {
        let mut rest = &mut piece[..];
        while decoder.next(&mut rest).unwrap().is_some() {}
    }
    assert!(decoder.frame.is_none() && decoder.message.is_none());
    assert!(size_of::<Decoder>() <= 48, "{}", size_of::<Decoder>());
}

#[test]
fn what_was_begun_before_one_look_is_whole_at_the_next() {
    let (whole, ping) = (frame(0x81, b"hi"), frame(0x89, b"p"));
    let (first, middle, last) = (frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c"));
    let of = |pieces: &[&[u8]]| pieces.concat();
    let (begin, rest) = whole.split_at(3);
    // What comes before each look, and which look finds it stuck.
    let cases = [
        ("nothing", [vec![], vec![], vec![]], None),
        ("whole messages", [whole.clone(), whole.clone(), of(&[&whole, &ping])], None),
        ("a head", [whole[..1].to_vec(), vec![], vec![]], Some(1)),
        ("a head that grows", [whole[..2].to_vec(), whole[2..4].to_vec(), vec![]], Some(1)),
        ("a frame", [whole[..7].to_vec(), vec![], vec![]], Some(1)),
        ("a ping", [ping[..6].to_vec(), vec![], vec![]], Some(1)),
        ("an open message", [first.clone(), vec![], vec![]], Some(1)),
        ("one that grows", [first.clone(), middle.clone(), last.clone()], Some(1)),
        ("one with pings between", [first.clone(), of(&[&ping, &middle]), vec![]], Some(1)),
        ("one that begins late", [whole.clone(), of(&[&whole, &first]), middle.clone()], Some(2)),
        ("one frame after the other", [begin.to_vec(), of(&[rest, begin]), of(&[rest, begin])], None),
        ("one message after the other", [first.clone(), of(&[&last, &first]), of(&[&last, &first])], None),
    ];
    for (what, mut looks, stuck) in cases {
        let mut decoder = Decoder::new(JSON, &Gathering::default());
        let found = looks.iter_mut().position(|bytes| {
            let mut rest = &mut bytes[..];
            while decoder.next(&mut rest).unwrap().is_some() {}
            decoder.is_stuck()
        });
        assert_eq!(found, stuck, "{what}");
    }
    let mut decoder = Decoder::new(JSON, &Gathering::default());
    assert_eq!(decoder.next(&mut &mut whole.clone()[..3]).unwrap(), None);
    assert!(!decoder.is_stuck());
    decoder.excuse();
    assert!(!decoder.is_stuck(), "nobody read what may have come");
}

fn any_frames() -> impl Strategy<Value = (Vec<u8>, Vec<Event<'static>>)> {
    let text = prop_oneof![".{0,300}", "[ä€😀]{0,80}"];
    let one = prop_oneof![
        (text, prop::collection::vec(any::<prop::sample::Index>(), 0..4)).prop_map(|(text, cuts)| {
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let mut bytes = Vec::new();
            let mut start = 0;
            for (index, end) in cuts.iter().copied().enumerate() {
                let end_bit = if index + 1 == cuts.len() { 0x80 } else { 0 };
                bytes.extend(frame(end_bit | u8::from(index == 0), &text.as_bytes()[start..end]));
                start = end;
            }
            (bytes, message(text.as_bytes()))
        }),
        prop::collection::vec(any::<u8>(), 0..=125).prop_map(|payload| (frame(0x89, &payload), ping(&payload))),
        Just((frame(0x8a, b"late"), Event::Pong)),
    ];
    prop::collection::vec(one, 0..8).prop_map(|all| {
        let (bytes, events): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        (bytes.concat(), events)
    })
}

proptest! {
    #[test]
    fn cuts_make_no_difference(
        (bytes, events) in any_frames(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(hear(JSON, &bytes, &cuts), (events, None));
    }

    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..400), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(bytes.len() + 1);
        prop_assert_eq!(hear(JSON, &bytes, &[cut]), hear(JSON, &bytes, &[]));
        prop_assert_eq!(hear(POSTCARD, &bytes, &[cut]), hear(POSTCARD, &bytes, &[]));
    }
}
