//! The client's half of RFC 6455, as little of it as a load generator needs: whole frames, masked with the key zero.
//!
//! A mask of zeros is valid and changes nothing, so the generator spends nothing on it; a server unmasks it like any other.

/// The HTTP request that opens a WebSocket at `path`, asking for `subprotocol` if there is one.
pub(super) fn upgrade(host: &str, path: &str, subprotocol: Option<&str>) -> String {
    let subprotocol = subprotocol.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n")).unwrap_or_default();
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: ZHVubGluIGJlbmNobWFyaw==\r\n{subprotocol}\r\n"
    )
}

/// What kind of frame it is. Source: RFC 6455, section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Close,
    Ping,
    Pong,
    /// Continuations, binary and reserved ones, and anything in pieces: nothing that a server of this benchmark may send.
    Other,
}

/// A server's frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    pub(super) payload: &'a [u8],
}

/// Appends a masked frame to `out`.
pub(super) fn write(out: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let opcode = match kind {
        Kind::Text => 1,
        Kind::Close => 8,
        Kind::Ping => 9,
        Kind::Pong => 10,
        Kind::Other => 2,
    };
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// The first frame in `bytes` and how many bytes it takes, once all of it is there.
pub(super) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let (head, length): (usize, usize) = match *bytes.get(1)? & 0x7f {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    let end = head.checked_add(length)?;
    let payload = bytes.get(head..end)?;
    let kind = match bytes[0] {
        0x81 => Kind::Text,
        0x88 => Kind::Close,
        0x89 => Kind::Ping,
        0x8a => Kind::Pong,
        _ => Kind::Other,
    };
    Some((Frame { kind, payload }, end))
}

/// Appends a server's text message to `out`.
pub(super) fn say(out: &mut Vec<u8>, text: &[u8]) {
    out.push(0x81);
    match text.len() {
        length @ 0..126 => out.push(length as u8),
        length => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(text);
}

/// The payload of the first of a generator's frames in `bytes`, short ones, and how many bytes that takes.
pub(super) fn said(bytes: &[u8]) -> Option<(&[u8], usize)> {
    const MASK: usize = 4;
    let (head, length) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        short => (2, usize::from(short)),
    };
    let begins = head + MASK;
    Some((bytes.get(begins..begins + length)?, begins + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_generator_says_is_said_again() {
        for length in [0, 125, 126, 600] {
            let (body, mut masked, mut out) = (vec![b'x'; length], Vec::new(), Vec::new());
            write(&mut masked, Kind::Text, &body);
            let whole = masked.len();
            assert_eq!(said(&masked[..whole - 1]), None);
            masked.push(0x81);
            assert_eq!(said(&masked), Some((body.as_slice(), whole)));
            say(&mut out, &body);
            let frame = Frame { kind: Kind::Text, payload: &body };
            assert_eq!(first(&out), Some((frame, out.len())));
        }
    }

    #[test]
    fn a_frame_is_found_once_all_of_it_is_there() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let body = vec![b'x'; length];
            let mut masked = Vec::new();
            write(&mut masked, Kind::Text, &body);
            assert_eq!(masked[1] & 0x80, 0x80, "a client masks");
            let head = masked.len() - length;
            let mut bytes = masked[..head - 4].to_vec();
            bytes[1] &= 0x7f;
            bytes.extend_from_slice(&body);
            for cut in [1, 2, head - 4, bytes.len() - 1] {
                if cut < bytes.len() {
                    assert_eq!(first(&bytes[..cut]), None, "{cut} of {length}");
                }
            }
            let whole = bytes.len();
            bytes.extend_from_slice(b"\x89\x01p");
            assert_eq!(first(&bytes), Some((Frame { kind: Kind::Text, payload: &body }, whole)));
            assert_eq!(first(&bytes[whole..]), Some((Frame { kind: Kind::Ping, payload: b"p" }, 3)));
        }
    }
}
