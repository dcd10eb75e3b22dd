//! The answers: each of one snapshot of the projection, once that is in step with the asker's mailbox, or with a group's log.
//!
//! In step is what has the log's first and last entry, as its leader says them when the question comes: an answer then lacks
//! nothing that was stored before it was asked, and has nothing that is gone. What lags is waited for, [`limits::INDEX_IN_STEP`] at most.
//! What lacks the first entry although it is past it has let it go, as the log had: a nats-server that was killed brought it back. No
//! waiting helps then, so such a projection is made again.

mod groups;
mod holds;

use std::{collections::HashMap, sync::Arc, time::Duration};

use dunlin_nats::{IndexQuestion, LogEnds, Reads};
use dunlin_schema::{
    Address, Log, Position, Seq, UserName,
    envelope::EnvelopeError,
    index::{
        Conversation, ConversationsAnswer, ConversationsRequest, HistoryAnswer, HistoryRequest, Message,
        groups::{GroupConversationsAnswer, GroupHistoryAnswer, GroupsLatestAnswer},
        media::HoldsAnswer,
    },
    limits,
    record::ReadMark,
    subject,
};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use super::{
    core::Unread,
    expired_before,
    projection::{Listed, Of, Projection, ProjectionError, Reading},
};

/// What an answer is made of.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) projection: Arc<Projection>,
    pub(super) of: Of,
    pub(super) shards: u16,
    pub(super) reads: Reads,
    /// How far the projection has come.
    pub(super) committed: watch::Receiver<Position>,
    /// Until then it is made again for nothing that it lacks.
    pub(super) sound_until: Instant,
    pub(super) answered: Counter,
    pub(super) behind: Counter,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswerable {
    #[error("the projection does not have what the log has")]
    Behind,
    #[error(transparent)]
    Read(#[from] dunlin_nats::ReadError),
    /// It is damaged, or a newer release wrote it.
    #[error("a record can't be read: {0}")]
    Unreadable(EnvelopeError),
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

impl Answers {
    /// Answers a question. Errors: the projection can't be read.
    pub(super) async fn answer(self, question: IndexQuestion) -> Result<(), ProjectionError> {
        match question {
            IndexQuestion::Conversations(question, reply) => {
                let found = self.said(self.conversations(question).await)?;
                let found = found.map(|(items, more)| ConversationsAnswer::Found { items, more });
                reply.answer(&found.unwrap_or(ConversationsAnswer::Behind)).await;
            }
            IndexQuestion::History(question, reply) => {
                let found = self.said(self.history(question).await)?;
                let found = found.map(|(messages, more)| HistoryAnswer::Found { messages, more });
                reply.answer(&found.unwrap_or(HistoryAnswer::Behind)).await;
            }
            IndexQuestion::GroupsLatest(question, reply) => {
                let found = self.said(self.groups_latest(question).await)?;
                reply.answer(&found.unwrap_or(GroupsLatestAnswer::Behind)).await;
            }
            IndexQuestion::GroupConversations(question, reply) => {
                let found = self.said(self.group_conversations(question).await)?;
                reply.answer(&found.unwrap_or(GroupConversationsAnswer::Behind)).await;
            }
            IndexQuestion::GroupHistory(question, reply) => {
                let found = self.said(self.group_history(question).await)?;
                reply.answer(&found.unwrap_or(GroupHistoryAnswer::Behind)).await;
            }
            IndexQuestion::Holds(question, reply) => {
                let found = self.said(self.holds(question).await)?;
                reply.answer(&found.unwrap_or(HoldsAnswer::Behind)).await;
            }
        }
        Ok(())
    }

    /// What can be told of an answer, or `None` for "behind".
    fn said<T>(&self, found: Result<T, Unanswerable>) -> Result<Option<T>, ProjectionError> {
        match found {
            Ok(found) => {
                self.answered.inc();
                Ok(Some(found))
            }
            Err(Unanswerable::Projection(error)) => Err(error),
            Err(error @ (Unanswerable::Behind | Unanswerable::Read(_) | Unanswerable::Unreadable(_))) => {
                tracing::debug!(shard = %self.of.shard, %error, "a question is answered with \"behind\"");
                self.behind.inc();
                Ok(None)
            }
        }
    }

    async fn conversations(
        &self,
        ConversationsRequest { user, below, limit }: ConversationsRequest,
    ) -> Result<(Vec<Conversation>, bool), Unanswerable> {
        let Some((reading, ends)) = self.in_step(&self.mailbox(&user)).await? else { return Ok((Vec::new(), false)) };
        let (owner, of) = (user.clone(), self.of.clone());
        // One more, so that a gateway sees what is next.
        let limit = usize::from(limit.min(limits::CONVERSATIONS_PAGE + 1));
        let below = below.unwrap_or(Seq::MAX);
        let (reading, listed, more, position) = blocking(move || {
            let (listed, more) = reading.conversations(&owner, ends.first.seq, below, limit)?;
            let position = reading.position(&of)?;
            Ok((reading, listed, more, position))
        })
        .await?;
        let marks = self.marks(&user, &listed).await?;
        let items = blocking(move || {
            let counted = listed.into_iter().zip(marks).map(|(Listed { with, last }, mark)| {
                let rule = Unread::of(mark, position.epoch);
                let unread = reading.unread(&user, &with, ends.first.seq, &rule)?;
                Ok(Conversation { with, last, unread, read: rule.read() })
            });
            counted.collect::<Result<Vec<_>, ProjectionError>>()
        });
        Ok((items.await?, more))
    }

    async fn history(
        &self,
        HistoryRequest { user, with, below, limit }: HistoryRequest,
    ) -> Result<(Vec<Message>, bool), Unanswerable> {
        let Some((reading, ends)) = self.in_step(&self.mailbox(&user)).await? else { return Ok((Vec::new(), false)) };
        let limit = usize::from(limit.min(limits::HISTORY_PAGE));
        let within = (ends.first.seq, below.unwrap_or(Seq::MAX));
        Ok(blocking(move || reading.history(&user, &with, within, limit)).await?)
    }

    fn mailbox(&self, user: &UserName) -> Log {
        Log::mailbox(&self.of.region, self.shards, user)
    }

    /// Waits until the projection has what is stored up to here.
    async fn comes_to(&self, seq: Seq) -> Result<(), Unanswerable> {
        let mut committed = self.committed.clone();
        let came = committed.wait_for(|position| position.seq >= seq);
        let came = timeout(Duration::from_millis(limits::INDEX_IN_STEP.0), came).await;
        came.ok().and_then(Result::ok).map(drop).ok_or(Unanswerable::Behind)
    }

    /// A snapshot that has what the log has, and the log's ends; `None` where it has no entry.
    async fn in_step(&self, log: &Log) -> Result<Option<(Reading, LogEnds)>, Unanswerable> {
        let Some(mut ends) = self.reads.log_ends(log).await? else { return Ok(None) };
        // What was first when the log was asked may have gone from both since: then it is asked once more.
        for _ in 0..2 {
            self.comes_to(ends.last.seq).await?;
            let (projection, owner) = (self.projection.clone(), log.owner.clone());
            let read = blocking(move || {
                let reading = projection.read()?;
                let (first, last) = (reading.has(&owner, ends.first)?, reading.has(&owner, ends.last)?);
                Ok((first, (first && last).then_some(reading)))
            });
            let (has_first, reading) = read.await?;
            if let Some(reading) = reading {
                return Ok(Some((reading, ends)));
            }
            let Some(now) = self.reads.log_ends(log).await? else { return Ok(None) };
            let is_lacking = !has_first && now.first == ends.first && ends.first.time >= expired_before();
            if is_lacking && Instant::now() >= self.sound_until {
                return Err(ProjectionError::Lacking(log.owner.clone()).into());
            }
            ends = now;
        }
        Err(Unanswerable::Behind)
    }

    /// How far the user has read each of these.
    async fn marks(&self, user: &UserName, listed: &[Listed]) -> Result<Vec<Option<ReadMark>>, Unanswerable> {
        let Of { region, shard } = &self.of;
        let subject = |Address { peer, region: of }: &Address| {
            subject::read_mark(region, *shard, user, peer, of.as_ref().unwrap_or(region))
        };
        let subjects: Vec<String> = listed.iter().map(|listed| subject(&listed.with)).collect();
        let mut found = HashMap::new();
        for (subject, bytes) in self.reads.states(*shard, &subjects).await? {
            match ReadMark::decode(&bytes) {
                Ok(mark) => _ = found.insert(subject, mark),
                Err(error) => {
                    tracing::error!(%shard, %user, %error, "a read mark can't be read: nothing counts as read")
                }
            }
        }
        Ok(subjects.iter().map(|subject| found.get(subject).copied()).collect())
    }
}

/// Reads where waiting for the disk keeps nobody from working.
pub(super) async fn blocking<T: Send + 'static>(
    read: impl FnOnce() -> Result<T, ProjectionError> + Send + 'static,
) -> Result<T, ProjectionError> {
    match spawn_blocking(read).await {
        Ok(read) => read,
        // It panicked over what it found in the file.
        Err(error) => Err(ProjectionError::Damaged(error.to_string())),
    }
}
