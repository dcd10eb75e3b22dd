//! Request and reply between Dunlin's processes, of any question: core NATS, answered by a NATS micro service with discovery, ping and
//! stats.
//!
//! Each instance answers every question, and whoever asks takes the first answer: so an instance that hangs, beside one that has taken
//! over, leaves no question without an answer.

use std::{fmt, time::Duration};

use async_nats::{
    RequestErrorKind,
    service::{self as micro, ServiceExt},
};
use bytes::Bytes;
use dunlin_schema::Millis;
use futures_util::{
    StreamExt,
    stream::{BoxStream, SelectAll},
};

use crate::Connection;
pub use crate::line::AskError;

/// Asks whoever listens to this subject, and takes the first answer. Errors: see [`AskError`].
pub async fn ask(
    connection: &Connection,
    subject: String,
    question: impl Into<Bytes>,
    within: Millis,
) -> Result<Bytes, AskError> {
    let request = async_nats::Request::new().payload(question.into()).timeout(Some(Duration::from_millis(within.0)));
    match connection.client().send_request(subject, request).await {
        Ok(answer) => Ok(answer.payload),
        Err(error) => Err(match error.kind() {
            RequestErrorKind::NoResponders => AskError::NoResponders,
            RequestErrorKind::TimedOut
            | RequestErrorKind::InvalidSubject
            | RequestErrorKind::MaxPayloadExceeded
            | RequestErrorKind::Other => AskError::Unanswered,
        }),
    }
}

/// Why a service can't be offered.
#[derive(Debug, thiserror::Error)]
#[error("the service {service} can't be offered: {reason}")]
pub struct ServiceError {
    /// Its name.
    pub service: String,
    /// What was said.
    pub reason: String,
}

/// One kind of question that a service answers.
#[derive(Clone, Debug)]
pub struct Endpoint<K> {
    /// What its requests bear.
    pub kind: K,
    /// Its name for discovery.
    pub name: &'static str,
    /// Where it is asked.
    pub subject: String,
}

/// A question, as it came.
pub struct Request<K> {
    /// The kind of the endpoint at which it came.
    pub kind: K,
    request: micro::Request,
}

impl<K> Request<K> {
    /// Its bytes.
    pub fn payload(&self) -> &[u8] {
        &self.request.message.payload
    }

    /// The way back to who asked, for an answer that becomes bytes in this way.
    pub fn reply<A>(self, encode: fn(&A) -> Vec<u8>) -> Reply<A> {
        Reply { request: self.request, encode }
    }
}

impl<K: fmt::Debug> fmt::Debug for Request<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// The way back to who asked. Dropping it answers nothing: the question times out.
pub struct Reply<A> {
    request: micro::Request,
    encode: fn(&A) -> Vec<u8>,
}

impl<A> fmt::Debug for Reply<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").finish_non_exhaustive()
    }
}

impl<A> Reply<A> {
    /// Answers. Whether the answer arrives is for whoever asked to see: they ask again.
    pub async fn answer(self, answer: &A) {
        let bytes = (self.encode)(answer);
        if let Err(error) = self.request.respond(Ok(bytes.into())).await {
            tracing::debug!(%error, "an answer was not sent");
        }
    }
}

/// A service. Dropping it takes it back.
pub struct Service<K> {
    service: Option<micro::Service>,
    requests: SelectAll<BoxStream<'static, Request<K>>>,
}

impl<K> fmt::Debug for Service<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl<K> Drop for Service<K> {
    fn drop(&mut self) {
        if let (Some(service), Ok(runtime)) = (self.service.take(), tokio::runtime::Handle::try_current()) {
            // Ends the task that answers discovery. It only sends to its own tasks and waits for nothing.
            runtime.spawn(async move { service.stop().await.ok() });
        }
    }
}

impl<K: Clone + Send + 'static> Service<K> {
    /// Offers the service. Questions wait in a bounded subscription, and are dropped when it is full: whoever asks, asks again. Errors: see
    /// [`ServiceError`].
    pub async fn start(
        connection: &Connection,
        name: &str,
        description: &str,
        endpoints: Vec<Endpoint<K>>,
    ) -> Result<Service<K>, ServiceError> {
        let failed = |reason: String| ServiceError { service: name.to_owned(), reason };
        let client = connection.client();
        let service = client
            .service_builder()
            .description(description)
            // A queue group of its own: see the module's head.
            .queue_group(client.new_inbox().replace('.', "-"))
            .start(name, env!("CARGO_PKG_VERSION"))
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut requests = SelectAll::new();
        for Endpoint { kind, name, subject } in endpoints {
            let endpoint = service.endpoint_builder().name(name).add(subject).await;
            let endpoint = endpoint.map_err(|error| failed(error.to_string()))?;
            requests.push(endpoint.map(move |request| Request { kind: kind.clone(), request }).boxed());
        }
        connection.flush().await.map_err(|error| failed(error.to_string()))?;
        Ok(Service { service: Some(service), requests })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<Request<K>> {
        self.requests.next().await
    }
}
