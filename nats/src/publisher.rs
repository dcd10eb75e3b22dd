//! What a worker publishes: core messages, over one line after another, which also brings what its readers share.

use std::time::Duration;

use dunlin_schema::limits;
use tokio::time::timeout;

use crate::{
    ConnectError, ConnectOptions,
    line::{Kept, Purpose},
    wire::{Publish, ReplyTo},
};

const PURPOSE: Purpose = Purpose { suffix: "-live", echo: true };
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
    kept: Kept,
}

impl Publisher {
    /// Opens the connection. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions) -> Result<Publisher, ConnectError> {
        Ok(Publisher { kept: Kept::open(options, PURPOSE).await? })
    }

    /// The connection.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Publishes a message and does not wait for anybody; one that is on its way when the connection is lost is lost. Errors: see
    /// [`PublishError`].
    pub async fn publish(&self, subject: &str, payload: &[u8]) -> Result<(), PublishError> {
        let message = Publish { subject, reply: ReplyTo::Nobody, headers: &[], payload };
        let sent = async { self.kept.line().await?.outbound().publish(&message).await };
        timeout(WITHIN, sent).await.ok().and_then(Result::ok).ok_or(PublishError::Unanswered)
    }

    /// Resolves when the server has processed everything that was given before, as far as it was not lost. Errors: see [`PublishError`].
    pub async fn flush(&self) -> Result<(), PublishError> {
        let processed = async { self.kept.line().await?.outbound().round_trip().await };
        timeout(WITHIN, processed).await.ok().and_then(Result::ok).ok_or(PublishError::Unanswered)
    }
}
