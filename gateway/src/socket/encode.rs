//! WebSocket frames of a server: whole messages, unmasked, written one behind the other into one buffer.

use dunlin_schema::frame::Encoding;

const END: u8 = 0x80;
const ROOM: usize = 4;

/// Appends a message, whose payload `write` appends.
pub(crate) fn message(out: &mut Vec<u8>, encoding: Encoding, write: impl FnOnce(Encoding, &mut Vec<u8>)) {
    let code = match encoding {
        Encoding::Json => 1,
        Encoding::Postcard => 2,
    };
    framed(out, code, |out| write(encoding, out));
}

/// Appends a ping without payload.
pub(crate) fn ping(out: &mut Vec<u8>) {
    framed(out, 9, |_| {});
}

/// Appends a pong.
pub(crate) fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    framed(out, 10, |out| out.extend_from_slice(payload));
}

/// Appends a close; the reason is cut to what a control frame holds.
pub(crate) fn close(out: &mut Vec<u8>, code: Option<u16>, reason: &str) {
    let reason = &reason[..reason.floor_char_boundary(123)];
    framed(out, 8, |out| {
        if let Some(code) = code {
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(reason.as_bytes());
        }
    });
}

/// The payload is written first, behind room for a head of the usual size, and moved where the head has another.
fn framed(out: &mut Vec<u8>, code: u8, payload: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    payload(out);
    let length = out.len() - start - ROOM;
    out[start] = END | code;
    match u16::try_from(length) {
        Ok(short @ 0..=125) => {
            out[start + 1] = short as u8;
            out.copy_within(start + ROOM.., start + 2);
            out.truncate(out.len() - 2);
        }
        Ok(medium) => {
            out[start + 1] = 126;
            out[start + 2..start + ROOM].copy_from_slice(&medium.to_be_bytes());
        }
        Err(_) => {
            out[start + 1] = 127;
            out.splice(start + 2..start + ROOM, (length as u64).to_be_bytes());
        }
    }
}
