//! WebSocket frames of a client (RFC 6455), decoded without I/O.
//!
//! The decoder is our own and not fastwebsockets' (whose masking and close codes it uses), because that one reads for itself, through
//! a buffer of 8 KiB that every connection would keep; a read of it that is given up loses bytes; and it lets unmasked frames, long
//! close and pong frames, and text that goes wrong within a frame pass. Here whatever bytes came are given to [`Decoder::next`]: a
//! frame that is whole is unmasked where it lies, and only what is not whole yet is kept.

use std::borrow::Cow;

use dunlin_schema::{frame::Encoding, limits};
use fastwebsockets::{CloseCode, unmask};

use super::gathering::{Gathering, Share};

/// What a client's bytes amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A whole message of the connection's kind; text is valid UTF-8.
    Message(Cow<'a, [u8]>),
    /// A ping, to be answered with the same payload.
    Ping(Cow<'a, [u8]>),
    /// A pong.
    Pong,
    /// The client closes, perhaps with a code.
    Close(Option<u16>),
}

/// Why a client's bytes end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Violation {
    /// The protocol does not allow it: the reason in words.
    Protocol(&'static str),
    /// A text message where binary ones were agreed on, or the other way round.
    WrongKind,
    /// Text that is no UTF-8.
    NotUtf8,
    /// A message above [`limits::FRAME_BYTES`].
    TooLarge,
    /// There is no room for another message that is not whole: see [`limits::GATHERED_BYTES`].
    Crowded,
    /// A frame or message that was begun and is not whole in time: see [`limits::PING_EVERY`].
    TooSlow,
}

impl Violation {
    /// The close code (RFC 6455, section 7.4.1).
    pub(crate) fn close(self) -> u16 {
        match self {
            Violation::Protocol(_) => 1002,
            Violation::WrongKind => 1003,
            Violation::NotUtf8 => 1007,
            Violation::TooLarge => 1009,
            Violation::TooSlow => 1008,
            Violation::Crowded => 1013,
        }
    }

    /// The reason in words.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Violation::Protocol(reason) => reason,
            Violation::WrongKind => "this subprotocol has messages of the other kind",
            Violation::NotUtf8 => "text must be UTF-8",
            Violation::TooLarge => "the message is longer than a frame may be",
            Violation::Crowded => "too many long messages are under way",
            Violation::TooSlow => "the message was begun before the last ping, and is not whole yet",
        }
    }
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const CONTROL_BYTES: usize = 125;
const MASK_BYTES: usize = 4;
const HEAD_BYTES: usize = 14;

/// The decoder of one connection. It holds nothing but a few bytes while no frame is half read.
pub(crate) struct Decoder {
    kind: u8,
    /// The bytes of a head that is not whole.
    head: [u8; HEAD_BYTES],
    head_has: u8,
    /// What is not whole was not whole either at the last [`Decoder::is_stuck`].
    old: bool,
    frame: Option<Box<Begun>>,
    message: Option<Box<Gathered>>,
    gathering: Gathering,
}

/// A frame whose payload is not whole.
struct Begun {
    head: Head,
    got: usize,
    /// The payload of a control frame; a data frame's goes into [`Gathered`].
    control: Vec<u8>,
}

/// A message that is not whole.
struct Gathered {
    payload: Vec<u8>,
    share: Share,
    /// Up to here it is known to be UTF-8.
    valid: usize,
}

#[derive(Clone, Copy)]
struct Head {
    end: bool,
    code: u8,
    mask: [u8; MASK_BYTES],
    length: usize,
}

impl Head {
    fn is_control(self) -> bool {
        self.code & 8 != 0
    }
}

impl Decoder {
    /// A decoder of the messages of a subprotocol.
    pub(crate) fn new(encoding: Encoding, gathering: &Gathering) -> Decoder {
        let kind = match encoding {
            Encoding::Json => TEXT,
            Encoding::Postcard => BINARY,
        };
        Decoder {
            kind,
            head: [0; HEAD_BYTES],
            head_has: 0,
            old: false,
            frame: None,
            message: None,
            gathering: gathering.clone(),
        }
    }

    /// Takes the next event off the front of `input`; `None` when `input` is used up. Errors: the connection has to be closed.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        loop {
            let event = if self.frame.is_some() {
                self.go_on(input)?
            } else {
                match self.take_head(input)? {
                    Some(head) => self.begin(head, input)?,
                    None => return Ok(None),
                }
            };
            // A control frame is no end of the message that it comes in between.
            self.old &= event.is_none() || self.message.is_some();
            if event.is_some() || input.is_empty() {
                return Ok(event);
            }
        }
    }

    /// Whether something is not whole now that had begun before this was asked the last time.
    pub(crate) fn is_stuck(&mut self) -> bool {
        let begun = self.head_has > 0 || self.frame.is_some() || self.message.is_some();
        std::mem::replace(&mut self.old, begun) && begun
    }

    /// What is not whole counts as begun after this.
    pub(crate) fn excuse(&mut self) {
        self.old = false;
    }

    fn take_head(&mut self, input: &mut &mut [u8]) -> Result<Option<Head>, Violation> {
        loop {
            let has = usize::from(self.head_has);
            if has == 2 {
                begins_well(self.head[0], self.head[1])?;
            }
            let wanted = head_bytes(&self.head[..has]);
            if has == wanted {
                self.head_has = 0;
                return self.parse(&self.head[..has]).map(Some);
            }
            let more = take(input, wanted - has);
            if more.is_empty() {
                return Ok(None);
            }
            self.head[has..has + more.len()].copy_from_slice(more);
            self.head_has += more.len() as u8;
        }
    }

    fn parse(&self, bytes: &[u8]) -> Result<Head, Violation> {
        let (end, code, short) = (bytes[0] & 0x80 != 0, bytes[0] & 0x0f, bytes[1] & 0x7f);
        let (extended, mask) = bytes[2..].split_at(bytes.len() - 2 - MASK_BYTES);
        let length = match extended {
            [] => u64::from(short),
            extended => extended.iter().fold(0, |length, byte| (length << 8) | u64::from(*byte)),
        };
        if (extended.len() == 2 && length < 126) || (extended.len() == 8 && length <= 0xffff) || length >> 63 != 0 {
            return Err(Violation::Protocol("a length has its shortest form"));
        }
        let head = Head { end, code, mask: mask.try_into().expect("a mask of 4 bytes"), length: length as usize };
        self.allow(head, length)?;
        Ok(head)
    }

    fn allow(&self, head: Head, length: u64) -> Result<(), Violation> {
        if head.is_control() {
            return match () {
                () if !head.end => Err(Violation::Protocol("a control frame is not fragmented")),
                () if length > CONTROL_BYTES as u64 => {
                    Err(Violation::Protocol("a control frame has at most 125 bytes"))
                }
                () => Ok(()),
            };
        }
        match (head.code, &self.message) {
            (CONTINUATION, None) => return Err(Violation::Protocol("there is no message to continue")),
            (CONTINUATION, Some(_)) => {}
            (_, Some(_)) => return Err(Violation::Protocol("the last message is not whole")),
            (code, None) if code != self.kind => return Err(Violation::WrongKind),
            (_, None) => {}
        }
        let before = self.message.as_ref().map_or(0, |message| message.payload.len());
        if length > (limits::FRAME_BYTES - before) as u64 { Err(Violation::TooLarge) } else { Ok(()) }
    }

    /// The payload of a head that was just read: where it lies if it is whole, or the beginning of it.
    fn begin<'a>(&mut self, head: Head, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let alone = head.is_control() || (head.end && head.code != CONTINUATION);
        if alone && input.len() >= head.length {
            let payload = take(input, head.length);
            unmask(payload, head.mask);
            return self.whole(head, Cow::Borrowed(payload)).map(Some);
        }
        if !head.is_control() {
            self.message.get_or_insert_with(|| Gathered::new(&self.gathering));
        }
        self.frame = Some(Box::new(Begun { head, got: 0, control: Vec::new() }));
        self.go_on(input)
    }

    fn go_on<'a>(&mut self, input: &mut &'a mut [u8]) -> Result<Option<Event<'a>>, Violation> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let head = frame.head;
        let more = take(input, head.length - frame.got);
        let mut mask = head.mask;
        mask.rotate_left(frame.got % MASK_BYTES);
        unmask(more, mask);
        frame.got += more.len();
        let whole = frame.got == head.length;
        if head.is_control() {
            frame.control.extend_from_slice(more);
            if !whole {
                return Ok(None);
            }
            let payload = std::mem::take(&mut frame.control);
            self.frame = None;
            return self.whole(head, Cow::Owned(payload)).map(Some);
        }
        let message = self.message.get_or_insert_with(|| Gathered::new(&self.gathering));
        if !message.share.grow_to(message.payload.len() + more.len()) {
            return Err(Violation::Crowded);
        }
        message.payload.extend_from_slice(more);
        if self.kind == TEXT {
            message.check_text(whole && head.end)?;
        }
        if whole {
            self.frame = None;
        }
        match (whole && head.end).then(|| self.message.take()).flatten() {
            Some(message) => Ok(Some(Event::Message(Cow::Owned(message.payload)))),
            None => Ok(None),
        }
    }

    fn whole<'a>(&self, head: Head, payload: Cow<'a, [u8]>) -> Result<Event<'a>, Violation> {
        match head.code {
            PING => Ok(Event::Ping(payload)),
            PONG => Ok(Event::Pong),
            CLOSE => close(&payload).map(Event::Close),
            TEXT if std::str::from_utf8(&payload).is_err() => Err(Violation::NotUtf8),
            _ => Ok(Event::Message(payload)),
        }
    }
}

impl Gathered {
    fn new(gathering: &Gathering) -> Box<Gathered> {
        Box::new(Gathered { payload: Vec::new(), share: gathering.share(), valid: 0 })
    }

    /// Text is refused as soon as it goes wrong, not when the message is whole.
    fn check_text(&mut self, end: bool) -> Result<(), Violation> {
        match std::str::from_utf8(&self.payload[self.valid..]) {
            Ok(rest) => self.valid += rest.len(),
            Err(error) if end || error.error_len().is_some() => return Err(Violation::NotUtf8),
            Err(error) => self.valid += error.valid_up_to(),
        }
        Ok(())
    }
}

/// What can be said of a frame by its first two bytes.
fn begins_well(first: u8, second: u8) -> Result<(), Violation> {
    if first & 0x70 != 0 {
        return Err(Violation::Protocol("reserved bits are set, and no extension was agreed on"));
    }
    if !matches!(first & 0x0f, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG) {
        return Err(Violation::Protocol("reserved opcode"));
    }
    if second & 0x80 == 0 {
        return Err(Violation::Protocol("a client masks its frames"));
    }
    Ok(())
}

/// How many bytes the head has that begins with `bytes`, as far as can be seen.
fn head_bytes(bytes: &[u8]) -> usize {
    match bytes {
        [_, second, ..] => {
            let extended = match second & 0x7f {
                126 => 2,
                127 => 8,
                _ => 0,
            };
            2 + extended + MASK_BYTES
        }
        _ => 2,
    }
}

fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let all = std::mem::take(input);
    let (taken, rest) = all.split_at_mut(count.min(all.len()));
    *input = rest;
    taken
}

fn close(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::Protocol("a close code has two bytes")) };
    };
    let code = u16::from_be_bytes(*code);
    if !CloseCode::from(code).is_allowed() {
        return Err(Violation::Protocol("a close code that is not to be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::NotUtf8);
    }
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
