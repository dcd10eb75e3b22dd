//! Many WebSockets on one thread: epoll, one read and one write a message, and a timer that is true to the microsecond.
//!
//! tokio's timer ticks in milliseconds and its tasks cost more than the parsing; both would be seen in the figures. So the generator
//! waits on epoll itself, with a timerfd for the next scheduled sending.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    time::{Duration, Instant},
};

use mio::{Events, Interest, Poll, Token, net::TcpStream, unix::SourceFd};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::wire::{self, Kind};

/// What happened on a socket.
pub(super) enum Happened<'a> {
    /// The upgrade was answered with 101.
    Open,
    /// A text message came.
    Text(&'a [u8]),
    /// The socket is gone, and why.
    Ended(String),
}

/// Sockets, each in a place that its owner chose.
pub(super) struct Sockets {
    poll: Poll,
    events: Events,
    timer: TimerFd,
    sockets: Vec<Option<Socket>>,
    scratch: Vec<u8>,
}

struct Socket {
    stream: TcpStream,
    stage: Stage,
    /// What was read of a frame that is not all there.
    held: Vec<u8>,
    /// What the kernel did not take yet.
    out: Vec<u8>,
}

enum Stage {
    Connecting { upgrade: Vec<u8> },
    Upgrading,
    Open,
}

const TIMER: Token = Token(usize::MAX);

impl Sockets {
    /// A set of at most `places` sockets.
    pub(super) fn new(places: usize) -> io::Result<Sockets> {
        let poll = Poll::new()?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_fd().as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Sockets {
            poll,
            events: Events::with_capacity(256),
            timer,
            sockets: std::iter::repeat_with(|| None).take(places).collect(),
            scratch: vec![0; 256 * 1024],
        })
    }

    /// Begins to connect the socket of `place`; `Open` follows, or `Ended`.
    pub(super) fn connect(&mut self, place: usize, address: SocketAddr, upgrade: Vec<u8>) -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        self.sockets[place] =
            Some(Socket { stream, stage: Stage::Connecting { upgrade }, held: Vec::new(), out: Vec::new() });
        Ok(())
    }

    /// Sends a text message. Does nothing on a socket that is gone: its end was, or will be, told.
    pub(super) fn send(&mut self, place: usize, text: &[u8]) {
        if let Some(socket) = &mut self.sockets[place] {
            wire::write(&mut socket.out, Kind::Text, text);
            // An error here comes again as the end of the next read.
            let _ = socket.flush();
        }
    }

    /// Closes a socket at once. With a reset, so that ten thousand of them leave no ports behind in TIME_WAIT.
    pub(super) fn close(&mut self, place: usize) {
        if let Some(socket) = self.sockets[place].take() {
            let _ = socket2::SockRef::from(&socket.stream).set_linger(Some(Duration::ZERO));
        }
    }

    /// Waits until something happened or `until` came, and tells it. What `tell` appends to its last argument is sent as one text message.
    pub(super) fn turn(
        &mut self,
        until: Instant,
        mut tell: impl FnMut(usize, Instant, Happened<'_>, &mut Vec<u8>),
    ) -> io::Result<()> {
        let wait = until.saturating_duration_since(Instant::now());
        let timeout = if wait < Duration::from_micros(2) {
            Some(Duration::ZERO)
        } else {
            self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty())?;
            None
        };
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            outcome => outcome?,
        }
        for event in &self.events {
            let Token(place) = event.token();
            let Some(socket) = self.sockets.get_mut(place).and_then(Option::as_mut) else { continue };
            let mut tell = |happened: Happened<'_>, answer: &mut Vec<u8>| tell(place, Instant::now(), happened, answer);
            if let Err(why) = socket.ready(event.is_readable(), &mut self.scratch, &mut tell) {
                self.sockets[place] = None;
                tell(Happened::Ended(why), &mut Vec::new());
            }
        }
        Ok(())
    }
}

impl Socket {
    fn ready(
        &mut self,
        readable: bool,
        scratch: &mut [u8],
        tell: &mut impl FnMut(Happened<'_>, &mut Vec<u8>),
    ) -> Result<(), String> {
        if let Stage::Connecting { upgrade } = &mut self.stage {
            let upgrade = std::mem::take(upgrade);
            if let Some(error) = self.stream.take_error().map_err(|error| error.to_string())? {
                return Err(format!("connecting: {error}"));
            }
            if let Err(error) = self.stream.peer_addr() {
                if error.kind() == ErrorKind::NotConnected {
                    self.stage = Stage::Connecting { upgrade };
                    return Ok(());
                }
                return Err(format!("connecting: {error}"));
            }
            self.stream.set_nodelay(true).map_err(|error| error.to_string())?;
            self.out = upgrade;
            self.stage = Stage::Upgrading;
        }
        self.flush().map_err(|error| format!("writing: {error}"))?;
        if !readable {
            return Ok(());
        }
        loop {
            let length = match self.stream.read(scratch) {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(format!("reading: {error}")),
            };
            if self.held.is_empty() {
                let used = self.take_in(&scratch[..length], tell)?;
                self.held.extend_from_slice(&scratch[used..length]);
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(&scratch[..length]);
                let used = self.take_in(&held, tell)?;
                held.drain(..used);
                // An idle socket keeps no buffer.
                self.held = if held.is_empty() { Vec::new() } else { held };
            }
            // A read that did not fill the buffer has emptied the socket (epoll(7), edge triggered).
            if length < scratch.len() {
                break;
            }
        }
        Ok(())
    }

    /// Takes what is whole of `bytes`; returns how many bytes that were.
    fn take_in(&mut self, bytes: &[u8], tell: &mut impl FnMut(Happened<'_>, &mut Vec<u8>)) -> Result<usize, String> {
        let mut used = 0;
        let mut answer = Vec::new();
        if !matches!(self.stage, Stage::Open) {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err(format!("the upgrade was refused: {}", String::from_utf8_lossy(bytes)));
            }
            self.stage = Stage::Open;
            used = end + 4;
            tell(Happened::Open, &mut answer);
            self.answer(Kind::Text, &mut answer);
        }
        while let Some((frame, length)) = wire::first(&bytes[used..]) {
            used += length;
            match frame.kind {
                Kind::Text => {
                    tell(Happened::Text(frame.payload), &mut answer);
                    self.answer(Kind::Text, &mut answer);
                }
                Kind::Ping => self.answer(Kind::Pong, &mut frame.payload.to_vec()),
                Kind::Pong => {}
                Kind::Close => return Err(format!("closed: {}", String::from_utf8_lossy(frame.payload))),
                Kind::Other => return Err("a frame that the benchmark does not expect".into()),
            }
        }
        self.flush().map_err(|error| format!("writing: {error}"))?;
        Ok(used)
    }

    fn answer(&mut self, kind: Kind, payload: &mut Vec<u8>) {
        if !payload.is_empty() || kind == Kind::Pong {
            wire::write(&mut self.out, kind, payload);
            payload.clear();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.out.is_empty() || matches!(self.stage, Stage::Connecting { .. }) {
            return Ok(());
        }
        let mut written = 0;
        while written < self.out.len() {
            match self.stream.write(&self.out[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if written == self.out.len() {
            self.out = Vec::new();
        } else {
            self.out.drain(..written);
        }
        Ok(())
    }
}
