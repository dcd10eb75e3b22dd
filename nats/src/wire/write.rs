//! What a client says, written behind what a buffer holds.

use std::io::Write;

/// A message to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) subject: &'a str,
    pub(crate) reply: ReplyTo<'a>,
    /// Names and values, without line breaks.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) payload: &'a [u8],
}

impl Publish<'_> {
    /// Bytes of its headers and its payload, as the server counts them.
    pub(crate) fn size(&self) -> usize {
        self.head() + self.payload.len()
    }

    fn head(&self) -> usize {
        if self.headers.is_empty() {
            return 0;
        }
        // Each line with its colon, its blank and its end; an empty one behind them.
        VERSION.len() + self.headers.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>() + 2
    }
}

/// Where an answer goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReplyTo<'a> {
    /// Nowhere.
    Nobody,
    /// To a number below an inbox.
    Number(&'a str, u64),
}

/// What headers begin with.
const VERSION: &str = "NATS/1.0\r\n";

/// Who we are: what `CONNECT` bears, as JSON.
pub(crate) fn connect(to: &mut Vec<u8>, who: &[u8]) {
    put(to, &[b"CONNECT ", who, b"\r\n"]);
}

pub(crate) fn ping(to: &mut Vec<u8>) {
    to.extend_from_slice(b"PING\r\n");
}

pub(crate) fn pong(to: &mut Vec<u8>) {
    to.extend_from_slice(b"PONG\r\n");
}

pub(crate) fn subscribe(to: &mut Vec<u8>, subject: &str, sid: u64) {
    put(to, &[b"SUB ", subject.as_bytes(), b" "]);
    put_number(to, sid);
    put(to, &[b"\r\n"]);
}

pub(crate) fn unsubscribe(to: &mut Vec<u8>, sid: u64) {
    put(to, &[b"UNSUB "]);
    put_number(to, sid);
    put(to, &[b"\r\n"]);
}

pub(crate) fn publish(to: &mut Vec<u8>, message: &Publish<'_>) {
    let Publish { subject, reply, headers, payload } = *message;
    debug_assert!(
        headers.iter().all(|(name, value)| !name.contains(['\r', '\n', ':']) && !value.contains(['\r', '\n']))
    );
    let verb: &[u8] = if headers.is_empty() { b"PUB " } else { b"HPUB " };
    put(to, &[verb, subject.as_bytes(), b" "]);
    if let ReplyTo::Number(inbox, number) = reply {
        put(to, &[inbox.as_bytes()]);
        put_number(to, number);
        put(to, &[b" "]);
    }
    if !headers.is_empty() {
        put_number(to, message.head() as u64);
        put(to, &[b" "]);
    }
    put_number(to, message.size() as u64);
    put(to, &[b"\r\n"]);
    if !headers.is_empty() {
        put(to, &[VERSION.as_bytes()]);
        for (name, value) in headers {
            put(to, &[name.as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        }
        put(to, &[b"\r\n"]);
    }
    put(to, &[payload, b"\r\n"]);
}

fn put(to: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        to.extend_from_slice(part);
    }
}

fn put_number(to: &mut Vec<u8>, number: u64) {
    write!(to, "{number}").expect("a Vec takes what is written to it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_client_as_its_bytes() {
        let written = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = b"before".to_vec();
            write(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        let of = |subject, reply, headers, payload| {
            written(&|to| publish(to, &Publish { subject, reply, headers, payload }))
        };
        for (written, expected) in [
            (written(&|to| connect(to, b"{}")), "beforeCONNECT {}\r\n"),
            (written(&ping), "beforePING\r\n"),
            (written(&pong), "beforePONG\r\n"),
            (written(&|to| subscribe(to, "user.bob", 7)), "beforeSUB user.bob 7\r\n"),
            (written(&|to| unsubscribe(to, u64::MAX)), "beforeUNSUB 18446744073709551615\r\n"),
            (of("a", ReplyTo::Nobody, &[], b""), "beforePUB a 0\r\n\r\n"),
            (of("a", ReplyTo::Number("_INBOX.x.", 0), &[], b"hi"), "beforePUB a _INBOX.x.0 2\r\nhi\r\n"),
            (
                of("a", ReplyTo::Nobody, &[("A", "b"), ("C", "")], b"\r\n"),
                "beforeHPUB a 23 25\r\nNATS/1.0\r\nA: b\r\nC: \r\n\r\n\r\n\r\n",
            ),
            (
                of("a", ReplyTo::Number("i.", 12), &[("A", "b")], b"x"),
                "beforeHPUB a i.12 18 19\r\nNATS/1.0\r\nA: b\r\n\r\nx\r\n",
            ),
        ] {
            assert_eq!(written, expected);
        }
    }
}
