//! What the index knows of a user's conversations: asked by a gateway, answered by the index worker of the user's shard.

use bytes::Bytes;
use dunlin_schema::{
    Shard,
    index::{Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest, Message},
    limits, subject,
};

use crate::{
    Connection,
    service::{AskError, Endpoint, Reply, Service, ServiceError, ask},
};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// No worker of the shard with the role `index` listens, or none answered in time.
    #[error("no index worker of the shard answers: {0}")]
    Unanswered(#[from] AskError),
    /// Its projection lacks something that the mailbox has had for a while.
    #[error("the index is behind the log, or is being made again")]
    Behind,
    /// The answer can't be read.
    #[error("the index worker answered what can't be read")]
    Unreadable,
}

/// Asks the index workers of a region. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Index {
    connection: Connection,
}

impl Index {
    /// Asks over this connection.
    pub fn new(connection: &Connection) -> Index {
        Index { connection: connection.clone() }
    }

    /// The conversations of a user of the shard, and whether there are more. Errors: see [`IndexError`].
    pub async fn conversations(
        &self,
        shard: Shard,
        question: &ConversationsRequest,
    ) -> Result<(Vec<Conversation>, bool), IndexError> {
        let subject = subject::conversations(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match ConversationsAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            ConversationsAnswer::Found { items, more } => Ok((items, more)),
            ConversationsAnswer::Behind => Err(IndexError::Behind),
        }
    }

    /// The messages of a conversation of a user of the shard, and whether there are more. Errors: see [`IndexError`].
    pub async fn history(&self, shard: Shard, question: &HistoryRequest) -> Result<(Vec<Message>, bool), IndexError> {
        let subject = subject::history(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match HistoryAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            HistoryAnswer::Found { messages, more } => Ok((messages, more)),
            HistoryAnswer::Behind => Err(IndexError::Behind),
        }
    }

    async fn request(&self, subject: String, question: Vec<u8>) -> Result<Bytes, IndexError> {
        Ok(ask(&self.connection, subject, question, limits::INDEX_TIMEOUT).await?)
    }
}

/// What a gateway asks.
#[derive(Debug)]
pub enum IndexQuestion {
    /// Which conversations a user has.
    Conversations(ConversationsRequest, Reply<ConversationsAnswer>),
    /// Which messages one has.
    History(HistoryRequest, Reply<HistoryAnswer>),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Conversations,
    History,
}

/// The worker's side of a shard. Dropping it takes it back.
#[derive(Debug)]
pub struct IndexService {
    service: Service<Kind>,
}

impl IndexService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<IndexService, ServiceError> {
        let region = connection.region();
        let endpoints = vec![
            Endpoint {
                kind: Kind::Conversations,
                name: "conversations",
                subject: subject::conversations(region, shard),
            },
            Endpoint { kind: Kind::History, name: "history", subject: subject::history(region, shard) },
        ];
        let (name, description) = (subject::index_service(region, shard), "the conversations of a shard's users");
        Ok(IndexService { service: Service::start(connection, &name, description, endpoints).await? })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<IndexQuestion> {
        loop {
            let request = self.service.next().await?;
            let question = match request.kind {
                Kind::Conversations => ConversationsRequest::decode(request.payload())
                    .map(|question| IndexQuestion::Conversations(question, request.reply(ConversationsAnswer::encode))),
                Kind::History => HistoryRequest::decode(request.payload())
                    .map(|question| IndexQuestion::History(question, request.reply(HistoryAnswer::encode))),
            };
            match question {
                Ok(question) => return Some(question),
                Err(error) => tracing::debug!(%error, "a question about conversations can't be read"),
            }
        }
    }
}
