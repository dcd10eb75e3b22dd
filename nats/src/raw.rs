//! JetStream and core NATS without any of Dunlin's promises: the floor that benchmarks compare with. Nothing else uses it.

use async_nats::jetstream;
use bytes::Bytes;
use dunlin_schema::subject::Log;
use futures_util::StreamExt as _;

use crate::{Connection, PublishError};

/// JetStream's own publish.
#[derive(Clone)]
pub struct Store(jetstream::Context);

impl Store {
    /// Over this connection.
    pub fn over(connection: &Connection) -> Store {
        Store(jetstream::with_domain(connection.client().clone(), connection.region().as_str()))
    }

    /// Publishes to a log's subject and waits for the stream's acknowledgement: no id, no expectation, no second try.
    /// Errors: [`PublishError::Unanswered`], whatever the reason.
    pub async fn put(&self, log: &Log, payload: Bytes) -> Result<(), PublishError> {
        let stored = self.0.publish(log.subject(), payload).await.map_err(|_| PublishError::Unanswered)?;
        stored.await.map_err(|_| PublishError::Unanswered)?;
        Ok(())
    }
}

/// Publishes a core message. Errors: [`PublishError::Unanswered`].
pub async fn publish(connection: &Connection, subject: String, payload: Bytes) -> Result<(), PublishError> {
    connection.client().publish(subject, payload).await.map_err(|_| PublishError::Unanswered)
}

/// What a subject brings.
pub struct Listener(async_nats::Subscriber);

impl Listener {
    /// Subscribes. Errors: [`PublishError::Unanswered`].
    pub async fn open(connection: &Connection, subject: String) -> Result<Listener, PublishError> {
        connection.client().subscribe(subject).await.map(Listener).map_err(|_| PublishError::Unanswered)
    }

    /// The next message; `None` when the connection is closed.
    pub async fn next(&mut self) -> Option<Bytes> {
        Some(self.0.next().await?.payload)
    }
}
