//! What a worker publishes: core messages, over one line after another.

use std::{sync::Arc, time::Duration};

use dunlin_schema::limits;
use tokio::{sync::watch, task::AbortHandle, time::timeout};

use crate::{
    ConnectError, ConnectOptions,
    connect::Files,
    line::{self, Line, Outbound, Purpose},
    wire::{Publish, ReplyTo},
};

const PURPOSE: Purpose = Purpose { suffix: "-publishes", echo: true };
/// How long a message waits for a line, or for room on it.
const WITHIN: Duration = Duration::from_millis(limits::PUBLISH_TIMEOUT.0);

/// Why a publish was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The connection is closed, or the server did not answer in time.
    #[error("the connection to NATS is gone or does not answer")]
    Unanswered,
}

/// Publishes core messages in the order in which they are given, on a connection of its own. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub struct Publisher {
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    line: watch::Receiver<Option<Outbound>>,
    task: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Publisher {
    /// Opens the connection. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions) -> Result<Publisher, ConnectError> {
        let files = Files::of(options).await;
        let first = line::dial(options, &PURPOSE).await?;
        let (current, line) = watch::channel(Some(first.outbound().clone()));
        let task = tokio::spawn(keep(options.clone(), files, first, current)).abort_handle();
        Ok(Publisher { kept: Arc::new(Kept { line, task }) })
    }

    /// Publishes a message and does not wait for anybody; one that is on its way when the connection is lost is lost. Errors: see
    /// [`PublishError`].
    pub async fn publish(&self, subject: &str, payload: &[u8]) -> Result<(), PublishError> {
        let message = Publish { subject, reply: ReplyTo::Nobody, headers: &[], payload };
        let sent = async { self.line().await?.publish(&message).await.ok() };
        timeout(WITHIN, sent).await.ok().flatten().ok_or(PublishError::Unanswered)
    }

    /// Resolves when the server has processed everything that was given before, as far as it was not lost. Errors: see [`PublishError`].
    pub async fn flush(&self) -> Result<(), PublishError> {
        let processed = async { self.line().await?.round_trip().await.ok() };
        timeout(WITHIN, processed).await.ok().flatten().ok_or(PublishError::Unanswered)
    }

    /// The line, or the next one.
    async fn line(&self) -> Option<Outbound> {
        self.kept.line.clone().wait_for(Option::is_some).await.ok()?.clone()
    }
}

async fn keep(options: ConnectOptions, mut files: Files, first: Line, current: watch::Sender<Option<Outbound>>) {
    let (mut line, mut reach) = (first, options.clone());
    loop {
        current.send_replace(Some(line.outbound().clone()));
        tokio::select! {
            biased;
            (lost, server) = line.run(|_| {}) => {
                tracing::warn!(%lost, "lost the connection to NATS for publishing; making another");
                // The one server that is named may be the one that is gone next time.
                reach = options.with_cluster(&server.connect_urls);
            }
            () = files.replaced() => {
                tracing::info!("a file of the NATS settings was replaced: making another connection for publishing with it");
            }
        }
        current.send_replace(None);
        line = line::redial(&reach, &PURPOSE).await;
    }
}
