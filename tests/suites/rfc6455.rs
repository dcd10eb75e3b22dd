//! RFC 6455 at the socket: each case as bytes, with the answer that the RFC asks for.

use std::time::Duration;

use dunlin_tests::{
    raw::{BINARY, CLOSE, FIRST, Heard, LAST, MIDDLE, PING, PONG, Raw, TEXT, close, frame, head},
    region::Region,
    wait::PATIENCE,
};
use tokio::time::{Instant, timeout};

/// What is expected of the gateway, in order.
#[derive(Debug)]
enum Answer {
    /// The message came through: an unknown frame is answered so.
    Understood,
    /// A pong with this payload.
    Pong(&'static [u8]),
    /// A goodbye with this code.
    Goodbye(&'static str),
    /// A close, then the end of the connection.
    Close(Option<u16>),
}

use Answer::{Close, Goodbye, Pong, Understood};

/// A frame that no release knows: its answer shows that a message came through.
const UNKNOWN: &str = r#"{"what":{}}"#;
const EURO: &str = r#"{"€":{}}"#;

async fn expect(raw: &mut Raw, what: &str, answers: &[Answer]) {
    for answer in answers {
        let heard = timeout(PATIENCE, raw.hear()).await.unwrap_or_else(|_| panic!("{what}: no {answer:?}"));
        let right = match (answer, &heard) {
            (Understood, Heard::Json(value)) => value["refused"]["code"] == "unknown_frame",
            (Goodbye(code), Heard::Json(value)) => value["goodbye"]["code"] == *code,
            (Pong(payload), Heard::Pong(found)) => found == payload,
            (Close(code), Heard::Close(found)) => found == code,
            _ => false,
        };
        assert!(right, "{what}: {heard:?} instead of {answer:?}");
        if let Close(_) = answer {
            assert_eq!(raw.hear().await, Heard::End, "{what}: after the close");
        }
    }
}

fn cases() -> Vec<(&'static str, Vec<u8>, Vec<Answer>)> {
    let text = |payload: &[u8]| frame(TEXT, payload);
    let euro = EURO.as_bytes();
    let bad = [&euro[..3], &[0x28][..]].concat();
    vec![
        ("a whole message", text(UNKNOWN.as_bytes()), vec![Understood]),
        ("two messages in one write", [text(euro), text(euro)].concat(), vec![Understood, Understood]),
        (
            "fragments, one of them empty",
            [frame(FIRST, b"{\"what\""), frame(MIDDLE, b""), frame(LAST, b":{}}")].concat(),
            vec![Understood],
        ),
        (
            "control frames between fragments",
            [frame(FIRST, b"{\"what\""), frame(PING, b"now"), frame(PONG, b""), frame(LAST, b":{}}")].concat(),
            vec![Pong(b"now"), Understood],
        ),
        (
            "a character across fragments",
            [frame(FIRST, &euro[..3]), frame(LAST, &euro[3..])].concat(),
            vec![Understood],
        ),
        ("a ping", frame(PING, b"are you there"), vec![Pong(b"are you there")]),
        ("an empty ping", frame(PING, b""), vec![Pong(b"")]),
        ("the longest ping", frame(PING, &[7; 125]), vec![Pong(&[7; 125])]),
        ("a pong that nobody asked for", [frame(PONG, b"x"), text(euro)].concat(), vec![Understood]),
        ("a close", close(1000, b"bye"), vec![Close(Some(1000))]),
        ("a close without a code", frame(CLOSE, b""), vec![Close(None)]),
        ("a close with an application's code", close(4321, b""), vec![Close(Some(4321))]),
        ("a message after the close", [close(1001, b""), text(euro)].concat(), vec![Close(Some(1001))]),
        ("a close code of one byte", frame(CLOSE, &[3]), vec![Close(Some(1002))]),
        ("close code 999", close(999, b""), vec![Close(Some(1002))]),
        ("close code 1005", close(1005, b""), vec![Close(Some(1002))]),
        ("close code 1006", close(1006, b""), vec![Close(Some(1002))]),
        ("close code 1016", close(1016, b""), vec![Close(Some(1002))]),
        ("close code 5000", close(5000, b""), vec![Close(Some(1002))]),
        ("a close reason that is no UTF-8", close(1000, &[0xff]), vec![Close(Some(1007))]),
        ("reserved bit 1", frame(TEXT | 0x40, b"{}"), vec![Close(Some(1002))]),
        ("reserved bit 2", frame(TEXT | 0x20, b"{}"), vec![Close(Some(1002))]),
        ("reserved bit 3", frame(PING | 0x10, b""), vec![Close(Some(1002))]),
        ("reserved opcode 3", frame(0x83, b""), vec![Close(Some(1002))]),
        ("reserved opcode 15", frame(0x8f, b""), vec![Close(Some(1002))]),
        ("an unmasked message", vec![TEXT, 2, b'{', b'}'], vec![Close(Some(1002))]),
        ("an unmasked ping", vec![PING, 0], vec![Close(Some(1002))]),
        ("a fragmented ping", frame(0x09, b""), vec![Close(Some(1002))]),
        ("a fragmented close", frame(0x08, b""), vec![Close(Some(1002))]),
        ("a ping of 126 bytes", frame(PING, &[0; 126]), vec![Close(Some(1002))]),
        ("a pong of 126 bytes", frame(PONG, &[0; 126]), vec![Close(Some(1002))]),
        ("a close of 126 bytes", close(1000, &[b'a'; 124]), vec![Close(Some(1002))]),
        ("a continuation of nothing", frame(LAST, b"{}"), vec![Close(Some(1002))]),
        ("a message inside another", [frame(FIRST, b"{"), text(b"{}")].concat(), vec![Close(Some(1002))]),
        ("text that is no UTF-8", text(&bad), vec![Close(Some(1007))]),
        ("wrong across fragments", [frame(FIRST, &bad[..3]), frame(LAST, &bad[3..])].concat(), vec![Close(Some(1007))]),
        ("a character cut off", text(&euro[..3]), vec![Close(Some(1007))]),
        ("wrong text before its frame is whole", frame(TEXT, &[0xff; 1_000])[..20].to_vec(), vec![Close(Some(1007))]),
        ("a binary message", frame(BINARY, b"{}"), vec![Close(Some(1003))]),
        ("the head of a long message", head(TEXT, 262_145), vec![Goodbye("too_large"), Close(Some(1009))]),
        ("the head of a huge one", head(TEXT, 1 << 40), vec![Goodbye("too_large"), Close(Some(1009))]),
        (
            "fragments that are long together",
            [frame(FIRST, &[b' '; 262_144]), head(LAST, 1)].concat(),
            vec![Goodbye("too_large"), Close(Some(1009))],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_case_gets_the_answer_that_the_rfc_asks_for() {
    let region = Region::start(1).await;
    for (index, (what, bytes, answers)) in cases().into_iter().enumerate() {
        let token = region.token(&format!("user-{index}"));
        let mut whole = Raw::caught_up(region.gateway(0), &token, "whole").await;
        whole.write(&bytes).await;
        expect(&mut whole, what, &answers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_one_by_one_make_no_difference() {
    let region = Region::start(1).await;
    for (index, (what, bytes, answers)) in cases().into_iter().filter(|(_, bytes, _)| bytes.len() < 200).enumerate() {
        let token = region.token(&format!("user-{index}"));
        let mut raw = Raw::caught_up(region.gateway(0), &token, "slow").await;
        for byte in bytes {
            // A gateway that has heard enough takes no more.
            if !raw.try_write(&[byte]).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        expect(&mut raw, what, &answers).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_has_not_said_hello_keeps_to_the_same_rules() {
    let region = Region::start(1).await;
    for (what, bytes, answers) in [
        ("a ping", frame(PING, b"early"), vec![Pong(b"early")]),
        ("an unmasked message", vec![TEXT, 2, b'{', b'}'], vec![Close(Some(1002))]),
        ("no UTF-8", frame(TEXT, &[0xff]), vec![Close(Some(1007))]),
        ("a long message", head(TEXT, 262_145), vec![Goodbye("too_large"), Close(Some(1009))]),
        ("a close", close(1000, b""), vec![Close(Some(1000))]),
    ] {
        let mut raw = Raw::open(region.gateway(0), "dunlin.v1.json").await;
        raw.write(&bytes).await;
        expect(&mut raw, what, &answers).await;
    }
    let mut raw = Raw::open(region.gateway(0), "dunlin.v1.postcard").await;
    raw.write(&frame(TEXT, b"{}")).await;
    expect(&mut raw, "text where binary was agreed on", &[Close(Some(1003))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_pings_costs_a_bounded_number_of_pongs_and_nobody_else() {
    let region = Region::start(1).await;
    let mut flooding = Raw::caught_up(region.gateway(0), &region.token("mallory"), "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let flood: Vec<u8> = (0..200_000u32).flat_map(|number| frame(PING, &number.to_be_bytes())).collect();
    let (wrote, accepted) = tokio::join!(flooding.try_write(&flood), async {
        let began = Instant::now();
        alice.send_accepted("alice", "still there").await;
        began.elapsed()
    });
    assert!(wrote);
    assert!(accepted < Duration::from_secs(5), "{accepted:?}");
    let (mut pongs, mut last) = (0, None);
    while last != Some(199_999) {
        let Heard::Pong(payload) = flooding.hear().await else { panic!("a pong") };
        let number = u32::from_be_bytes(payload.try_into().expect("the ping's payload"));
        assert!(last.is_none_or(|last| last < number), "pongs come in order");
        (pongs, last) = (pongs + 1, Some(number));
    }
    assert!(pongs < 100_000, "{pongs} pongs: the newest ping is answered, not each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_closed_socket_ends_and_its_place_is_free() {
    let region = Region::start(1).await;
    let open = frame(TEXT, UNKNOWN.as_bytes());
    for (index, rest) in [&[][..], &open[..1], &open[..8], &frame(FIRST, b"{")].into_iter().enumerate() {
        for _ in 0..20 {
            let token = region.token(&format!("user-{index}"));
            let mut raw = Raw::caught_up(region.gateway(0), &token, "phone").await;
            raw.write(rest).await;
            raw.half_close().await;
            // Long before the pings find that nobody answers.
            let heard = timeout(PATIENCE / 3, raw.hear()).await;
            assert_eq!(heard, Ok(Heard::End), "{rest:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_come_with_the_request_are_not_lost() {
    let region = Region::start(1).await;
    let hello = format!(r#"{{"hello":{{"token":"{}","device":"phone"}}}}"#, region.token("bob"));
    let early = [frame(TEXT, hello.as_bytes()), frame(TEXT, UNKNOWN.as_bytes()), frame(PING, b"z")].concat();
    let mut request = Raw::upgrade("dunlin.v1.json", "").into_bytes();
    request.extend(early.iter());
    let (mut raw, status, _) = Raw::request(region.gateway(0), request).await;
    assert_eq!(status, 101);
    let answers = [raw.json("welcome").await["user"].clone(), raw.json("refused").await["code"].clone()];
    assert_eq!(answers, ["bob", "unknown_frame"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_no_ping_is_let_go_and_one_that_does_stays() {
    let region = Region::start(1).await;
    let mut dead = Raw::caught_up(region.gateway(0), &region.token("dead"), "phone").await;
    let mut quiet = region.caught_up(0, "quiet", "phone").await;
    let began = Instant::now();
    // One that is alive answers pings, and nothing else.
    let living = async { quiet.next_within(3 * PING_EVERY + SLACK).await };
    let ending = async {
        let mut pings = 0;
        while dead.hear_any(PING_EVERY + SLACK).await == Heard::Ping {
            pings += 1;
        }
        (pings, began.elapsed())
    };
    let (nothing, (pings, took)) = tokio::join!(living, ending);
    assert!(nothing.is_none(), "{nothing:?}");
    assert_eq!(pings, 2, "the third ping finds that the first two had no answer");
    assert!(took > 2 * PING_EVERY && took < 3 * PING_EVERY + SLACK, "after {took:?}");
    quiet.send_accepted("quiet", "still here").await;
}

/// Writes a piece a second until the gateway ends the connection or the time is over, and gives its close with how long that took.
async fn drip(raw: &mut Raw, mut pieces: impl Iterator<Item = Vec<u8>>) -> Option<(Heard, Duration)> {
    let (began, patience) = (Instant::now(), 2 * PING_EVERY + SLACK);
    while began.elapsed() < patience {
        match timeout(Duration::from_secs(1), raw.hear_any(patience)).await {
            Ok(Heard::Ping | Heard::Pong(_) | Heard::Json(_)) => {}
            Ok(heard) => return Some((heard, began.elapsed())),
            Err(_) => raw.write(&pieces.next().expect("pieces without end")).await,
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_drips_for_ever_ends_the_socket_and_one_that_is_slow_does_not() {
    let region = Region::start(1).await;
    let [mut frames, mut fragments, mut slow] = [
        Raw::caught_up(region.gateway(0), &region.token("frames"), "phone").await,
        Raw::caught_up(region.gateway(0), &region.token("fragments"), "phone").await,
        Raw::caught_up(region.gateway(0), &region.token("slow"), "phone").await,
    ];
    let byte = |byte: u8| vec![byte];
    let one_frame = frame(TEXT, &[b' '; 1_000]).into_iter().map(byte);
    let pieces = [frame(MIDDLE, b" "), frame(PONG, b""), frame(PING, b"")];
    let one_message = std::iter::once(frame(FIRST, b" ")).chain(pieces.into_iter().cycle());
    let short = frame(TEXT, UNKNOWN.as_bytes());
    assert!((short.len() as u64) < PING_EVERY.as_secs(), "a second each, and whole in time");
    let short = short.into_iter().cycle().map(byte);
    let (frames_end, fragments_end, slow_end) =
        tokio::join!(drip(&mut frames, one_frame), drip(&mut fragments, one_message), drip(&mut slow, short));
    for (what, end) in [("a frame", frames_end), ("fragments", fragments_end)] {
        let Some((heard, took)) = end else { panic!("{what} that never ends is let be") };
        assert_eq!(heard, Heard::Close(Some(1008)), "{what}");
        assert!(took > PING_EVERY && took < 2 * PING_EVERY + SLACK, "{what}: after {took:?}");
    }
    assert_eq!(slow_end, None);
}

const PING_EVERY: Duration = Duration::from_millis(dunlin_schema::limits::PING_EVERY.0);
const SLACK: Duration = Duration::from_secs(5);
