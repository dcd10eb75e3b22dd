//! What runs the fan-in's line, and the next one when it is lost.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use dunlin_schema::live::UserMessage;
use tokio_util::sync::CancellationToken;

use super::{LiveSink, Shared, Sink};
use crate::{
    ConnectError, ConnectOptions, Status,
    connect::Files,
    line::{self, Line, Outbound},
    wire::{Message, Publish, ReplyTo},
};

/// A gateway knows what it says: what came back would cost a message for each device that connects.
const PURPOSE: line::Purpose = line::Purpose { suffix: "-live", echo: false };
/// How often it shows that it moves.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What runs the line, for its owner to run and to watch.
pub struct Reader {
    options: ConnectOptions,
    files: Files,
    shared: Arc<Shared>,
    /// Nobody has a `FanIn` or a `Joined` any more.
    unused: CancellationToken,
    first: Option<Line>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lost();
    }
}

impl Reader {
    /// With its first line. Errors: see [`ConnectError`].
    pub(super) async fn open(
        options: &ConnectOptions,
        shared: Arc<Shared>,
        unused: CancellationToken,
    ) -> Result<Reader, ConnectError> {
        let files = Files::of(options).await;
        let line = line::dial(options, &PURPOSE).await?;
        let first = Some(shared.begin(line));
        Ok(Reader { options: options.clone(), files, shared, unused, first })
    }

    /// Runs until the last `FanIn` and `Joined` are gone. Calls `moves` once a second at least.
    pub async fn run(mut self, moves: impl Fn()) {
        let unused = self.unused.clone();
        let mut beats = tokio::time::interval(BEAT_EVERY);
        let moving = async {
            loop {
                beats.tick().await;
                moves();
            }
        };
        tokio::select! {
            () = unused.cancelled() => {}
            () = self.run_lines() => {}
            () = moving => {}
        }
    }

    async fn run_lines(&mut self) {
        let mut reach = self.options.clone();
        loop {
            let again = self.first.is_none();
            let line = match self.first.take() {
                Some(first) => first,
                None => self.shared.begin(line::redial(&reach, &PURPOSE).await),
            };
            let outbound = line.outbound().clone();
            let placed = async {
                if again && outbound.round_trip().await.is_ok() {
                    self.shared.losses.send_modify(|losses| *losses += 1);
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                biased;
                (lost, server) = line.run(|message| self.shared.take(&outbound, message)) => {
                    tracing::warn!(%lost, "lost the connection to NATS for live entries; making another");
                    // The one server that is named may be the one that is gone next time.
                    reach = self.options.with_cluster(&server.connect_urls);
                }
                () = self.files.replaced() => {
                    tracing::info!("a file of the NATS settings was replaced: making another connection for live entries with it");
                }
                () = placed => {}
            }
            self.shared.lost();
        }
    }
}

impl Shared {
    /// Begins a line: every interest is placed on it.
    fn begin(&self, line: Line) -> Line {
        let mut state = self.state.lock();
        for (number, interest) in &state.interests {
            line.outbound().subscribe(&interest.subject, *number);
        }
        state.line = Some(line.outbound().clone());
        drop(state);
        tracing::info!(server = line.server().server_name, "connected to NATS for live entries");
        self.status.send_replace(Status::Connected);
        line
    }

    fn lost(&self) {
        if self.state.lock().line.take().is_some() {
            self.status.send_replace(Status::Disconnected);
        }
    }

    /// A message of the line. Called by the task that runs it.
    fn take(&self, line: &Outbound, message: Message<'_>) {
        let sink = self.state.lock().interests.get(&message.sid).map(|interest| interest.sink.clone());
        match sink {
            Some(Sink::Live(sink)) => give(&*sink, message, |to, here| {
                let subject = std::str::from_utf8(to).unwrap_or_default();
                let answer = Publish { subject, reply: ReplyTo::Nobody, headers: &[], payload: here };
                // Of a lost line nobody waits for an answer.
                if line.try_publish(&answer) == Ok(false) {
                    self.unanswered.fetch_add(1, Relaxed);
                }
            }),
            Some(Sink::Told(told)) => told(message.payload),
            // It has left, and the server does not know yet.
            None => {}
        }
    }
}

fn give(sink: &dyn LiveSink, message: Message<'_>, answer: impl FnOnce(&[u8], &[u8])) {
    // A copy of its own: the read buffer is used again.
    match UserMessage::decode(&Bytes::copy_from_slice(message.payload)) {
        Ok(UserMessage::Entry(entry)) => sink.live(entry),
        Ok(UserMessage::Devices(news)) => sink.devices(news),
        Ok(UserMessage::Signal(signal)) => sink.signal(signal),
        Ok(UserMessage::IsThere) => {
            if let (Some(reply), Some(here)) = (message.reply, sink.here()) {
                answer(reply, &here.encode());
            }
        }
        Ok(UserMessage::Receipt(receipt)) => sink.receipt(receipt),
        Ok(UserMessage::Mark(mark)) => sink.mark(mark),
        Err(error) => {
            tracing::debug!(%error, "if it was an entry, the comparison of heads finds it");
            sink.passed_over();
        }
    }
}
