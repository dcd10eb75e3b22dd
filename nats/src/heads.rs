//! The comparison of heads: asked by a gateway, answered by a worker.

use bytes::Bytes;
use dunlin_schema::{
    Peer, Shard,
    heads::{HeadsAnswer, HeadsRequest, Verified, Verify},
    limits, subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadsError {
    /// Nobody listens for questions about the shard: the server says so at once.
    #[error("nobody listens for questions about the shard")]
    NobodyListens,
    /// No reader of the shard answered in time.
    #[error("no deliver reader of the shard answers")]
    Unanswered,
    /// The answer can't be read, or is not one to the question.
    #[error("the deliver reader answered what can't be read")]
    Unreadable,
}

impl From<AskError> for HeadsError {
    fn from(error: AskError) -> HeadsError {
        match error {
            AskError::NoResponders => HeadsError::NobodyListens,
            AskError::Unanswered => HeadsError::Unanswered,
        }
    }
}

/// Asks the deliver readers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Heads {
    connection: Connection,
}

impl Heads {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Heads {
        Heads { connection: connection.clone() }
    }

    /// Asks for the heads of up to [`dunlin_schema::limits::HEADS_PAGE`] logs of one shard. Errors: see [`HeadsError`].
    pub async fn ask(&self, shard: Shard, logs: Vec<Peer>) -> Result<HeadsAnswer, HeadsError> {
        let asked = logs.len();
        let question = HeadsRequest { logs }.encode();
        let answer = self.request(subject::heads(self.connection.region(), shard), question).await?;
        let answer = HeadsAnswer::decode(&answer).map_err(|_| HeadsError::Unreadable)?;
        if answer.heads.len() == asked { Ok(answer) } else { Err(HeadsError::Unreadable) }
    }

    /// Tells the shard's reader of a doubt. Errors: see [`HeadsError`].
    pub async fn verify(&self, shard: Shard, doubt: Verify) -> Result<Verified, HeadsError> {
        let answer = self.request(subject::verify(self.connection.region(), shard), doubt.encode()).await?;
        Verified::decode(&answer).map_err(|_| HeadsError::Unreadable)
    }

    async fn request(&self, subject: String, question: Vec<u8>) -> Result<Bytes, HeadsError> {
        Ok(ask(&self.connection, subject, question, limits::HEADS_TIMEOUT).await?)
    }
}

/// What a gateway asks.
#[derive(Debug)]
pub enum Question {
    /// How far these logs have come.
    Heads(HeadsRequest, Reply<HeadsAnswer>),
    /// Whether the log went back.
    Verify(Verify, Reply<Verified>),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Heads,
    Verify,
}

/// A shard's heads service. Dropping it takes it back.
#[derive(Debug)]
pub struct HeadsService {
    service: Service<Kind>,
}

impl HeadsService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<HeadsService, ServiceError> {
        let region = connection.region();
        let endpoints = vec![
            Endpoint { kind: Kind::Heads, name: "heads", subject: subject::heads(region, shard) },
            Endpoint { kind: Kind::Verify, name: "verify", subject: subject::verify(region, shard) },
        ];
        let (name, description) = (subject::heads_service(region, shard), "how far the logs of a shard have come");
        Ok(HeadsService { service: Service::start(connection, &name, description, endpoints).await? })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Question> {
        loop {
            let request = self.service.next().await?;
            let question = match request.kind {
                Kind::Heads => HeadsRequest::decode(request.payload())
                    .map(|question| Question::Heads(question, request.reply(HeadsAnswer::encode))),
                Kind::Verify => Verify::decode(request.payload())
                    .map(|doubt| Question::Verify(doubt, request.reply(Verified::encode))),
            };
            match question {
                Ok(question) => return Some(question),
                Err(error) => tracing::debug!(%error, "a question about heads can't be read"),
            }
        }
    }
}
