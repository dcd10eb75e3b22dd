//! A line to a NATS server: one connection, from its making to its loss. It is never resumed: with it goes what was written and not sent,
//! and whoever waits is told, so what was given up can't go out later.
//!
//! Whoever has messages to send appends them to one buffer, from any task; one task, [`Line::run`], writes it when there is nothing more to
//! read, and gives what comes to a function where it lies in the read buffer.

mod dial;
mod kept;
mod outbound;
mod replies;

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_nats::ServerInfo;
use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::MissedTickBehavior,
};
use tokio_rustls::client::TlsStream;
use tokio_util::io::poll_read_buf;

use self::outbound::ANSWERS;
pub(crate) use self::{
    dial::{Purpose, dial, redial},
    kept::Kept,
    outbound::Outbound,
};
use crate::{
    connect::PING_EVERY,
    wire::{self, Message, Said, Step},
};

/// Room that a read has at least.
const READ: usize = 16 << 10;
/// What a buffer may keep when it is empty.
const KEPT: usize = 256 << 10;
/// Reads in a row while something waits to be written.
const READS_IN_A_ROW: usize = 8;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there: the server says so at once.
    #[error("nobody listens to the question")]
    NoResponders,
    /// Nobody answered in time.
    #[error("the question was not answered in time")]
    Unanswered,
}

/// Why a line is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    #[error("the server closed the connection")]
    Closed,
    #[error("the network: {0}")]
    Network(#[from] io::Error),
    #[error("the server does not answer")]
    Silent,
    #[error(transparent)]
    Malformed(#[from] wire::Malformed),
}

/// One connection, for its owner to run.
pub(crate) struct Line {
    stream: Stream,
    inbound: BytesMut,
    /// Bytes of something that is on its way which are needed at least.
    needed: usize,
    outbound: Outbound,
    /// What is being written, from `written` on.
    writing: Vec<u8>,
    written: usize,
    unflushed: bool,
    reads: usize,
    server: ServerInfo,
}

/// What the bytes go through.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Drop for Line {
    fn drop(&mut self) {
        self.outbound.close();
    }
}

impl Line {
    fn new(stream: Stream, inbound: BytesMut, server: ServerInfo, inbox_prefix: &str) -> Line {
        Line {
            stream,
            inbound,
            needed: 0,
            outbound: Outbound::new(inbox_prefix, server.max_payload),
            writing: Vec::new(),
            written: 0,
            unflushed: false,
            reads: 0,
            server,
        }
    }

    /// Where messages are given to it, from any task.
    pub(crate) fn outbound(&self) -> &Outbound {
        &self.outbound
    }

    /// The server at the other end.
    pub(crate) fn server(&self) -> &ServerInfo {
        &self.server
    }

    /// Runs it until it is lost, and gives what comes to `take`, which must not block. Dropping the future loses the line as well.
    pub(crate) async fn run(mut self, mut take: impl FnMut(Message<'_>)) -> (Lost, ServerInfo) {
        let mut pings = tokio::time::interval(PING_EVERY);
        pings.reset();
        // A machine that slept asks once, and waits for the answer.
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // What came behind the word that let us in is not waited for.
        let mut turn = Ok(());
        let lost = loop {
            if let Err(lost) = turn.and_then(|()| self.take(&mut take)) {
                break lost;
            }
            turn = tokio::select! {
                biased;
                turn = poll_fn(|cx| self.poll(cx)) => turn,
                _ = pings.tick() => if self.outbound.ping() { Ok(()) } else { Err(Lost::Silent) },
            };
        };
        (lost, std::mem::take(&mut self.server))
    }

    /// Reads something, with what waits written when there is nothing to read.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        if self.reads >= READS_IN_A_ROW {
            self.reads = 0;
            if let Poll::Ready(Err(lost)) = self.poll_write(cx) {
                return Poll::Ready(Err(lost));
            }
        }
        if let Poll::Ready(read) = self.poll_read(cx) {
            self.reads += 1;
            return Poll::Ready(read);
        }
        self.reads = 0;
        match self.poll_write(cx) {
            Poll::Ready(Err(lost)) => Poll::Ready(Err(lost)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        self.inbound.reserve(self.needed.saturating_sub(self.inbound.len()).max(READ));
        match ready!(poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.inbound))? {
            0 => Poll::Ready(Err(Lost::Closed)),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Writes what waits, as far as the network takes it. Ready when all is written.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.writing.shrink_to(KEPT);
                self.written = 0;
                if !self.outbound.take(cx, &mut self.writing) {
                    break;
                }
            }
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.writing[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(Lost::Closed));
            }
            self.written += count;
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives all that has come as a whole.
    fn take(&mut self, take: &mut impl FnMut(Message<'_>)) -> Result<(), Lost> {
        let mut begin = 0;
        self.needed = loop {
            match wire::next(&self.inbound[begin..])? {
                Step::Part(needed) => break needed,
                Step::Whole(said, length) => {
                    match said {
                        Said::Message(message) if message.sid == ANSWERS => self.outbound.answer(message),
                        Said::Message(message) => take(message),
                        Said::Ping => self.outbound.pong(),
                        Said::Pong => self.outbound.answered(),
                        Said::Ok => {}
                        Said::Error(error) => {
                            tracing::warn!(error = %error.escape_ascii(), "the NATS server complains");
                        }
                        Said::Info(info) => hear(&mut self.server, info),
                    }
                    begin += length;
                }
            }
        };
        self.inbound.advance(begin);
        if self.inbound.is_empty() && self.inbound.capacity() > KEPT {
            self.inbound = BytesMut::new();
        }
        Ok(())
    }
}

/// The server tells of itself again.
fn hear(server: &mut ServerInfo, info: &[u8]) {
    match serde_json::from_slice::<ServerInfo>(info) {
        Ok(info) => {
            if info.lame_duck_mode {
                tracing::info!("the NATS server is about to go away");
            }
            *server = info;
        }
        Err(error) => tracing::debug!(%error, "what a NATS server says of itself can't be read"),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, room),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, room),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests;
