//! A WebSocket over the raw TCP socket: bytes in, events out; frames in, bytes out.
//!
//! It keeps no buffer while it is idle: reads and writes go through scratch space that belongs to the thread, and only what is not
//! whole yet, or what the peer does not take, is kept. Every call is a poll that can be given up at any time.

mod decode;
mod encode;
mod gathering;

use std::{
    cell::RefCell,
    io,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll, ready},
};

use dunlin_schema::frame::{Encoding, ServerFrame};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

pub(crate) use self::{
    decode::{Event, Violation},
    gathering::Gathering,
};

use decode::Decoder;

const READ_BYTES: usize = 16 * 1024;
/// Frames are gathered up to about this size before they are written.
const WRITE_BYTES: usize = 32 * 1024;

thread_local! {
    static READ: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
    static WRITE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Why nothing more comes from the client.
#[derive(Debug)]
pub(crate) enum Gone {
    /// The client's end of the connection is closed, or broke.
    Lost,
    /// The client broke the protocol.
    Violation(Violation),
}

/// A WebSocket.
pub(crate) struct Socket {
    stream: TcpStream,
    decoder: Decoder,
    encoding: Encoding,
    /// Read, but not decoded yet.
    unread: Vec<u8>,
    /// Encoded, but not taken by the peer yet: from `written` on.
    unwritten: Vec<u8>,
    written: usize,
    /// Whether the peer took something that it had not taken at first.
    moved: bool,
    /// The payload of the newest ping that has no pong yet (RFC 6455, section 5.5.3 lets older ones go).
    pong: Option<Box<[u8]>>,
}

impl Socket {
    /// The WebSocket of an upgraded connection; `unread` is what came behind the request, `gathering` what all sockets share.
    pub(crate) fn new(stream: TcpStream, encoding: Encoding, unread: &[u8], gathering: &Gathering) -> Socket {
        Socket {
            stream,
            decoder: Decoder::new(encoding, gathering),
            encoding,
            unread: unread.to_vec(),
            unwritten: Vec::new(),
            written: 0,
            moved: false,
            pong: None,
        }
    }

    /// How its frames are written.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether the peer, being slow, has read something since this was last asked: a sign of life on a socket full of data.
    pub(crate) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Whether the client has not finished what it had begun to say before this was asked the last time, though it was read all the while.
    pub(crate) fn is_stuck(&mut self) -> bool {
        self.decoder.is_stuck()
    }

    /// Nobody reads now: that something is not whole is not the client's fault.
    pub(crate) fn excuse(&mut self) {
        self.decoder.excuse();
    }

    /// Reads once, and gives the events to `take` until that breaks off: what was already read is kept for the next call. Pings are
    /// answered by the next write. Errors: see [`Gone`].
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: &mut impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<(), Gone>> {
        if !self.unread.is_empty() {
            let mut unread = std::mem::take(&mut self.unread);
            return Poll::Ready(self.decode(&mut unread, take));
        }
        READ.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let bytes = buffer.filled_mut();
            if read.is_err() || bytes.is_empty() {
                return Poll::Ready(Err(Gone::Lost));
            }
            Poll::Ready(self.decode(bytes, take))
        })
    }

    fn decode(
        &mut self,
        mut bytes: &mut [u8],
        take: &mut impl FnMut(Event<'_>) -> ControlFlow<()>,
    ) -> Result<(), Gone> {
        while let Some(event) = self.decoder.next(&mut bytes).map_err(Gone::Violation)? {
            if let Event::Ping(payload) = &event {
                self.pong = Some(payload.as_ref().into());
            }
            if take(event).is_break() {
                self.unread = bytes.to_vec();
                break;
            }
        }
        Ok(())
    }

    /// Writes what waits, then what `next` adds to the buffer it is given, until that adds nothing. Ready when the peer has taken all.
    /// Errors: the connection broke.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        next: &mut impl FnMut(&mut Outgoing<'_>),
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_unwritten(cx))?;
        WRITE.with_borrow_mut(|scratch| {
            loop {
                scratch.clear();
                if let Some(payload) = self.pong.take() {
                    encode::pong(scratch, &payload);
                }
                next(&mut Outgoing { bytes: scratch, encoding: self.encoding });
                if scratch.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let taken = self.write_now(cx, scratch)?;
                if taken < scratch.len() {
                    self.unwritten.extend_from_slice(&scratch[taken..]);
                    return self.poll_unwritten(cx);
                }
            }
        })
    }

    /// Writes what `next` adds, as far as the peer takes it at once and nothing waits before it. What it does not take is for
    /// [`Socket::poll_write`]; an error is found there, too.
    pub(crate) fn write_at_once(&mut self, next: &mut impl FnMut(&mut Outgoing<'_>)) {
        if self.has_unwritten() || self.pong.is_some() {
            return;
        }
        WRITE.with_borrow_mut(|scratch| {
            scratch.clear();
            next(&mut Outgoing { bytes: scratch, encoding: self.encoding });
            if !scratch.is_empty() {
                let taken = self.stream.try_write(scratch).unwrap_or(0);
                self.unwritten.extend_from_slice(&scratch[taken..]);
            }
        });
    }

    /// Whether something waits for the peer to take it.
    pub(crate) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    fn write_now(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &bytes[taken..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(count) => taken += count,
                Poll::Pending => break,
            }
        }
        Ok(taken)
    }

    fn poll_unwritten(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.unwritten.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, &self.unwritten[self.written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => {
                    self.written += count;
                    self.moved = true;
                }
            }
        }
        self.unwritten = Vec::new();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Reads and forgets whatever still comes. Ready when the peer has closed its end.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        READ.with_borrow_mut(|scratch| {
            loop {
                let mut buffer = ReadBuf::new(scratch);
                match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() => {}
                    Ok(()) | Err(_) => return Poll::Ready(()),
                }
            }
        })
    }
}

/// Frames on their way into one write.
pub(crate) struct Outgoing<'a> {
    bytes: &'a mut Vec<u8>,
    encoding: Encoding,
}

impl Outgoing<'_> {
    /// Whether enough is gathered for one write.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= WRITE_BYTES
    }

    /// Adds a message.
    pub(crate) fn message(&mut self, frame: &ServerFrame) {
        self.payload(|encoding, out| encoding.append(frame, out));
    }

    /// Adds a message, whose payload `write` appends.
    pub(crate) fn payload(&mut self, write: impl FnOnce(Encoding, &mut Vec<u8>)) {
        encode::message(self.bytes, self.encoding, write);
    }

    /// Adds a ping.
    pub(crate) fn ping(&mut self) {
        encode::ping(self.bytes);
    }

    /// Adds a close.
    pub(crate) fn close(&mut self, code: Option<u16>, reason: &str) {
        encode::close(self.bytes, code, reason);
    }
}
