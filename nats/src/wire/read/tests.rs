//! What a server says, whole and in parts, and what none says.

use proptest::prelude::*;

use super::*;
use crate::wire::{self, Publish, ReplyTo};

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const fn message<'a>(sid: u64, reply: Option<&'a [u8]>, headers: &'a [u8], payload: &'a [u8]) -> Said<'a> {
    Said::Message(Message { sid, subject: b"user.bob", reply, headers, payload })
}

#[test]
fn everything_that_a_server_says() {
    for (bytes, said) in [
        (&b"PING\r\n"[..], Said::Ping),
        (b"PONG\r\n", Said::Pong),
        (b"PONG\n", Said::Pong),
        (b"+OK\r\n", Said::Ok),
        (b"-ERR 'Authorization Violation'\r\n", Said::Error(b"Authorization Violation")),
        (b"-ERR it's 'so'\r\n", Said::Error(b"it's 'so'")),
        (b"-ERR\r\n", Said::Error(b"")),
        (b"INFO {\"a\":1}\r\n", Said::Info(b"{\"a\":1}")),
        (b"MSG user.bob 7 0\r\n\r\n", message(7, None, b"", b"")),
        (b"MSG user.bob 7 2\r\nhi\r\n", message(7, None, b"", b"hi")),
        (b"MSG\tuser.bob  7\t 4\r\n\r\n\r\n\r\n", message(7, None, b"", b"\r\n\r\n")),
        (b"MSG user.bob 0 _INBOX.a.1 2\r\nhi\r\n", message(0, Some(b"_INBOX.a.1"), b"", b"hi")),
        (b"HMSG user.bob 7 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", message(7, None, b"NATS/1.0\r\n\r\n", b"hi")),
        (b"HMSG user.bob 7 a 12 12\r\nNATS/1.0\r\n\r\n\r\n", message(7, Some(b"a"), b"NATS/1.0\r\n\r\n", b"")),
        (b"HMSG user.bob 18446744073709551615 0 2\r\nhi\r\n", message(u64::MAX, None, b"", b"hi")),
    ] {
        assert_eq!(next(bytes), Ok(Step::Whole(said, bytes.len())), "{}", shown(bytes));
        let followed = [bytes, b"PING\r\n"].concat();
        assert_eq!(next(&followed), Ok(Step::Whole(said, bytes.len())), "{}, followed", shown(bytes));
        for end in 0..bytes.len() {
            let Ok(Step::Part(needed)) = next(&bytes[..end]) else { panic!("{} is a part", shown(&bytes[..end])) };
            assert!(end < needed && needed <= bytes.len(), "{needed} of {}", shown(&bytes[..end]));
        }
    }
}

#[test]
fn what_no_server_says_is_refused() {
    let long = [&[b'a'; LINE][..], b"\r\n"].concat();
    let long_message = [b"MSG ", &[b'a'; LINE][..], b" 1 0\r\n\r\n"].concat();
    for bytes in [
        &b"\r\n"[..],
        b"ping\r\n",
        b"PINGS\r\n",
        b"MSG\r\n",
        b"MSG a 1\r\n",
        b"MSG a one 0\r\n\r\n",
        b"MSG a 1 +1\r\n.\r\n",
        b"MSG a 1 -1\r\n\r\n",
        b"MSG a 1 0x0\r\n\r\n",
        b"MSG a 18446744073709551616 0\r\n\r\n",
        b"MSG a 1 67108865\r\n",
        b"MSG a 1 18446744073709551615\r\n",
        b"MSG a 1 b c 0\r\n\r\n",
        b"MSG a 1 2\r\nhi!\r\n",
        b"MSG a 1 2\r\nhi\n\r\n",
        b"HMSG a 1 2\r\nhi\r\n",
        b"HMSG a 1 3 2\r\nhi\r\n",
        b"HMSG a 1 b c 0 0\r\n\r\n",
        b"HMSG a 1 67108865 67108865\r\n",
        &long,
        &long_message,
        &[b'a'; LINE],
    ] {
        assert!(next(bytes).is_err(), "{}", shown(&bytes[..bytes.len().min(64)]));
    }
    let longest = [b"INFO ", &[b' '; 2 * LINE][..], b"\r\n"].concat();
    assert_eq!(next(&longest), Ok(Step::Whole(Said::Info(b""), longest.len())), "a large cluster names many servers");
}

proptest! {
    /// What is published here is what a server passes on with another verb and a number.
    #[test]
    fn a_message_that_we_write_is_read_as_it_was(
        subject in "[!-~]{1,40}",
        number in any::<u64>(),
        headers in prop::collection::vec(("[A-Za-z-]{1,20}", "[ -~]{0,30}"), 0..3),
        payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let mut bytes = Vec::new();
        let reply = ReplyTo::Number("_INBOX.", number);
        wire::publish(&mut bytes, &Publish { subject: &subject, reply, headers: &headers, payload: &payload });
        // PUB <subject> <reply> <sizes>: as a server says it, with MSG and the subscription's number.
        let line = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let words = String::from_utf8(bytes[..line].to_vec()).unwrap();
        let (verb, rest) = words.split_once(' ').unwrap();
        let rest = rest.strip_prefix(&*subject).unwrap();
        let said = format!("{} {subject} 7{rest}\n", verb.replace("PUB", "MSG"));
        let said = [said.as_bytes(), &bytes[line + 1..]].concat();
        let Ok(Step::Whole(Said::Message(read), length)) = next(&said) else { panic!("{}", shown(&said)) };
        prop_assert_eq!(length, said.len());
        prop_assert_eq!((read.sid, read.subject, read.payload), (7, subject.as_bytes(), &*payload));
        let reply = format!("_INBOX.{number}");
        prop_assert_eq!(read.reply, Some(reply.as_bytes()));
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let expected = if headers.is_empty() { String::new() } else { format!("NATS/1.0\r\n{lines}\r\n") };
        prop_assert_eq!(read.headers, expected.as_bytes());
    }
}
