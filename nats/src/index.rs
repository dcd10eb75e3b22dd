//! What the index knows of a user's conversations: asked by a gateway, answered by the index worker of the user's shard; of groups, by that
//! of the group's.

use bytes::Bytes;
use dunlin_schema::{
    RegionName, Shard, StreamTime,
    index::{
        Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest, Message,
        groups::{
            GroupConversation, GroupConversationsAnswer, GroupConversationsRequest, GroupHistoryAnswer,
            GroupHistoryRequest, GroupMessage, GroupsLatestAnswer, GroupsLatestRequest,
        },
        media::{HoldsAnswer, HoldsRequest},
    },
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

    /// When something was last said in groups of the shard, for each in the order of the question. Errors: see [`IndexError`].
    pub async fn groups_latest(
        &self,
        shard: Shard,
        question: &GroupsLatestRequest,
    ) -> Result<Vec<Option<StreamTime>>, IndexError> {
        let subject = subject::groups_latest(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match GroupsLatestAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            GroupsLatestAnswer::Found(latest) => Ok(latest),
            GroupsLatestAnswer::Behind => Err(IndexError::Behind),
        }
    }

    /// How groups of the shard stand for somebody, for each in the order of the question. Errors: see [`IndexError`].
    pub async fn group_conversations(
        &self,
        shard: Shard,
        question: &GroupConversationsRequest,
    ) -> Result<Vec<Option<GroupConversation>>, IndexError> {
        let subject = subject::group_conversations(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match GroupConversationsAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            GroupConversationsAnswer::Found(found) => Ok(found),
            GroupConversationsAnswer::Behind => Err(IndexError::Behind),
        }
    }

    /// The messages of a group of the shard, and whether there are more; `None` for somebody who has never been in it. Errors: see
    /// [`IndexError`].
    pub async fn group_history(
        &self,
        shard: Shard,
        question: &GroupHistoryRequest,
    ) -> Result<Option<(Vec<GroupMessage>, bool)>, IndexError> {
        let subject = subject::group_history(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match GroupHistoryAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            GroupHistoryAnswer::Found { messages, more } => Ok(Some((messages, more))),
            GroupHistoryAnswer::NotAMember => Ok(None),
            GroupHistoryAnswer::Behind => Err(IndexError::Behind),
        }
    }

    /// Whether somebody has a message of the shard that refers to a file. Errors: see [`IndexError`].
    pub async fn holds(&self, shard: Shard, question: &HoldsRequest) -> Result<bool, IndexError> {
        let subject = subject::holds(self.connection.region(), shard);
        let answer = self.request(subject, question.encode()).await?;
        match HoldsAnswer::decode(&answer).map_err(|_| IndexError::Unreadable)? {
            HoldsAnswer::Holds => Ok(true),
            HoldsAnswer::Lacks => Ok(false),
            HoldsAnswer::Behind => Err(IndexError::Behind),
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
    /// When something was last said in groups.
    GroupsLatest(GroupsLatestRequest, Reply<GroupsLatestAnswer>),
    /// How groups stand for somebody.
    GroupConversations(GroupConversationsRequest, Reply<GroupConversationsAnswer>),
    /// Which messages a group has.
    GroupHistory(GroupHistoryRequest, Reply<GroupHistoryAnswer>),
    /// Whether somebody has a message that refers to a file.
    Holds(HoldsRequest, Reply<HoldsAnswer>),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Conversations,
    History,
    GroupsLatest,
    GroupConversations,
    GroupHistory,
    Holds,
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
        let endpoint = |kind, name, subject: fn(&RegionName, Shard) -> String| {
            let subject = subject(region, shard);
            Endpoint { kind, name, subject }
        };
        let endpoints = vec![
            endpoint(Kind::Conversations, "conversations", subject::conversations),
            endpoint(Kind::History, "history", subject::history),
            endpoint(Kind::GroupsLatest, "groups_latest", subject::groups_latest),
            endpoint(Kind::GroupConversations, "group_conversations", subject::group_conversations),
            endpoint(Kind::GroupHistory, "group_history", subject::group_history),
            endpoint(Kind::Holds, "holds", subject::holds),
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
                Kind::GroupsLatest => GroupsLatestRequest::decode(request.payload())
                    .map(|question| IndexQuestion::GroupsLatest(question, request.reply(GroupsLatestAnswer::encode))),
                Kind::GroupConversations => GroupConversationsRequest::decode(request.payload()).map(|question| {
                    IndexQuestion::GroupConversations(question, request.reply(GroupConversationsAnswer::encode))
                }),
                Kind::GroupHistory => GroupHistoryRequest::decode(request.payload())
                    .map(|question| IndexQuestion::GroupHistory(question, request.reply(GroupHistoryAnswer::encode))),
                Kind::Holds => HoldsRequest::decode(request.payload())
                    .map(|question| IndexQuestion::Holds(question, request.reply(HoldsAnswer::encode))),
            };
            match question {
                Ok(question) => return Some(question),
                Err(error) => tracing::debug!(%error, "a question about conversations can't be read"),
            }
        }
    }
}
