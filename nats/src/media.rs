//! What the media workers of a shard are asked about files.

use dunlin_schema::{
    Millis, Shard,
    media::service::{MediaAnswer, MediaRequest},
    subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why there is no answer that can be read. Asking again does no harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// No worker of the shard with the role `media` listens, or none answered in time.
    #[error("asking the media worker: {0}")]
    Unanswered(#[from] AskError),
    /// The answer can't be read.
    #[error("the media worker answered what can't be read")]
    Unreadable,
}

/// Asks the media workers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Media {
    connection: Connection,
}

impl Media {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Media {
        Media { connection: connection.clone() }
    }

    /// Asks something of the shard that [`MediaRequest`] names. Errors: see [`MediaError`].
    pub async fn ask(&self, shard: Shard, wanted: &MediaRequest, within: Millis) -> Result<MediaAnswer, MediaError> {
        let subject = subject::media(self.connection.region(), shard);
        let answer = ask(&self.connection, subject, wanted.encode(), within).await?;
        MediaAnswer::decode(&answer).map_err(|_| MediaError::Unreadable)
    }
}

/// What is asked, and the way back.
#[derive(Debug)]
pub struct MediaQuestion {
    /// What.
    pub wanted: MediaRequest,
    /// Where the answer goes.
    pub reply: Reply<MediaAnswer>,
}

/// The worker's side of a shard. Dropping it takes it back.
#[derive(Debug)]
pub struct MediaService {
    service: Service<()>,
}

impl MediaService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<MediaService, ServiceError> {
        let region = connection.region();
        let endpoint = Endpoint { kind: (), name: "ask", subject: subject::media(region, shard) };
        let name = subject::media_service(region, shard);
        let service = Service::start(connection, &name, "the files of a shard", vec![endpoint]).await?;
        Ok(MediaService { service })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<MediaQuestion> {
        loop {
            let request = self.service.next().await?;
            match MediaRequest::decode(request.payload()) {
                Ok(wanted) => return Some(MediaQuestion { wanted, reply: request.reply(MediaAnswer::encode) }),
                Err(error) => tracing::debug!(%error, "what is asked about a file can't be read"),
            }
        }
    }
}
