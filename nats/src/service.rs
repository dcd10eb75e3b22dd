//! The comparison of heads, answered by a worker: a NATS micro service with discovery, ping and stats.
//!
//! Each instance answers every question, and a gateway takes the first answer: so a reader that hangs, beside one that has taken over,
//! leaves no question without an answer.

use std::fmt;

use async_nats::service::{Request, Service, ServiceExt, endpoint::Endpoint};
use dunlin_schema::{
    Shard,
    heads::{HeadsAnswer, HeadsRequest, Verified, Verify},
    subject,
};
use futures_util::StreamExt;

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
pub struct Reply<T> {
    request: Request,
    encode: fn(&T) -> Vec<u8>,
}

impl<T> fmt::Debug for Reply<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<T> Reply<T> {
    /// Answers. Whether the answer arrives is for the gateway to see: it asks again.
    pub async fn answer(self, answer: &T) {
        let bytes = (self.encode)(answer);
        if let Err(error) = self.request.respond(Ok(bytes.into())).await {
            tracing::debug!(%error, "an answer about heads was not sent");
        }
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
pub struct HeadsService {
    service: Option<Service>,
    heads: Endpoint,
    verify: Endpoint,
}

impl fmt::Debug for HeadsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadsService").finish_non_exhaustive()
    }
}

impl Drop for HeadsService {
    fn drop(&mut self) {
        if let (Some(service), Ok(runtime)) = (self.service.take(), tokio::runtime::Handle::try_current()) {
            // Ends the task that answers discovery. It only sends to its own tasks and waits for nothing.
            runtime.spawn(async move { service.stop().await.ok() });
        }
    }
}

impl HeadsService {
    /// Offers the service. Questions wait in a bounded subscription, and are dropped when it is full: gateways ask again. Errors: see
    /// [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<HeadsService, ServiceError> {
        let failed = |error: async_nats::Error| ServiceError { shard, reason: error.to_string() };
        let region = connection.region();
        let client = connection.client();
        let service = client
            .service_builder()
            .description("how far the mailboxes of a shard have come")
            // A queue group of its own: see the module's head.
            .queue_group(client.new_inbox().replace('.', "-"))
            .start(subject::heads_service(region, shard), env!("CARGO_PKG_VERSION"))
            .await
            .map_err(failed)?;
        let heads =
            service.endpoint_builder().name("heads").add(subject::heads(region, shard)).await.map_err(failed)?;
        let verify =
            service.endpoint_builder().name("verify").add(subject::verify(region, shard)).await.map_err(failed)?;
        connection.flush().await.map_err(|error| ServiceError { shard, reason: error.to_string() })?;
        Ok(HeadsService { service: Some(service), heads, verify })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Question> {
        loop {
            tokio::select! {
                request = self.heads.next() => {
                    let request = request?;
                    match HeadsRequest::decode(&request.message.payload) {
                        Ok(question) => {
                            return Some(Question::Heads(question, Reply { request, encode: HeadsAnswer::encode }));
                        }
                        Err(error) => tracing::debug!(%error, "a question about heads can't be read"),
                    }
                }
                request = self.verify.next() => {
                    let request = request?;
                    match Verify::decode(&request.message.payload) {
                        Ok(doubt) => {
                            return Some(Question::Verify(doubt, Reply { request, encode: Verified::encode }));
                        }
                        Err(error) => tracing::debug!(%error, "a doubt can't be read"),
                    }
                }
            }
        }
    }
}
