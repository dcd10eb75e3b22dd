//! The comparison of heads, answered by a worker: a NATS micro service with discovery, ping and stats.

use dunlin_schema::{
    Shard,
    heads::{HeadsAnswer, HeadsRequest, Verified, Verify},
};

use crate::Connection;

/// What a gateway asks.
#[derive(Debug)]
pub enum Question {
    /// How far these users' mailboxes have come.
    Heads(HeadsRequest, Reply<HeadsAnswer>),
    /// Whether the log went back.
    Verify(Verify, Reply<Verified>),
}

/// The way back to who asked. Dropping it answers nothing: the gateway's question times out.
#[derive(Debug)]
pub struct Reply<T> {
    answer: std::marker::PhantomData<fn(T)>,
}

impl Reply<HeadsAnswer> {
    /// Answers.
    pub async fn answer(self, answer: &HeadsAnswer) {
        todo!()
    }
}

impl Reply<Verified> {
    /// Answers.
    pub async fn answer(self, answer: &Verified) {
        todo!()
    }
}

/// Why the service can't be offered.
#[derive(Debug, thiserror::Error)]
#[error("the heads service of shard {shard} can't be offered: {reason}")]
pub struct ServiceError {
    /// The shard.
    pub shard: Shard,
    /// What was said.
    pub reason: String,
}

/// A shard's heads service. Dropping it takes it back.
#[derive(Debug)]
pub struct HeadsService {}

impl HeadsService {
    /// Offers the service. Questions wait in NATS's own bounded subscription (and are dropped when it is full: gateways ask again). Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<HeadsService, ServiceError> {
        todo!()
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Question> {
        todo!()
    }
}
