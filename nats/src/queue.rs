//! Work queues: what waits in a stream until a worker has done it. Of any item: whoever begins a queue says how one is read.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::AckPolicy, consumer::pull};
use bytes::Bytes;
use dunlin_schema::limits;
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{Connection, api::PublishAnswer};

/// Items that the workers of a queue hold without having acknowledged them: those of half a second and more, for they wait to be stored
/// together.
const UNACKED: usize = 8_192;
/// Items that wait between the connection and the worker; when it is full, no more are asked for.
const WAITING: usize = 256;
/// How long one batch may take.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it is there. Two missed ones are a doubt: nobody waits for such an item.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long an item stays with a worker that does not acknowledge it.
const ACK_WITHIN: Duration = Duration::from_secs(10);
/// The pause before a queue that was lost is asked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an item is not known to be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// It was not acknowledged in time: it may be stored, or may yet be.
    #[error("the item was not acknowledged by its queue")]
    Unknown,
    /// The stream refused it.
    #[error("the item was refused by its queue: {0}")]
    Refused(String),
}

/// Stores an item in the queue whose stream takes this subject. Errors: see [`EnqueueError`].
pub async fn enqueue(connection: &Connection, subject: String, item: impl Into<Bytes>) -> Result<(), EnqueueError> {
    let request =
        async_nats::Request::new().payload(item.into()).timeout(Some(Duration::from_millis(limits::PUBLISH_TIMEOUT.0)));
    let answer = connection.client().send_request(subject, request).await;
    match PublishAnswer::read(&answer.map_err(|_| EnqueueError::Unknown)?.payload) {
        PublishAnswer::Stored { .. } => Ok(()),
        PublishAnswer::Full(what) | PublishAnswer::TooLarge(what) => Err(EnqueueError::Refused(what)),
        PublishAnswer::Conflict | PublishAnswer::Unknown => Err(EnqueueError::Unknown),
    }
}

/// An item that waits for its worker. Unacknowledged, it comes again.
#[derive(Debug)]
pub struct Queued<T> {
    /// The item.
    pub item: T,
    message: jetstream::Message,
}

impl<T> Queued<T> {
    /// Takes the item off the queue: its effects are stored.
    pub async fn ack(self) {
        if let Err(error) = self.message.ack().await {
            tracing::debug!(%error, "an item was not taken off its queue and will come again");
        }
    }
}

/// The worker's side of a queue. Made anew by itself until it is dropped.
#[derive(Debug)]
pub struct WorkQueue<T> {
    items: mpsc::Receiver<Queued<T>>,
    task: AbortHandle,
}

impl<T> Drop for WorkQueue<T> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What an item's subject and bytes say; `None` takes it off the queue, for it would come again for ever.
pub(crate) type ReadItem<T> = fn(&str, &[u8]) -> Option<T>;

impl<T: Send + 'static> WorkQueue<T> {
    /// Begins to take the items of the queue that this stream is. Several workers of one queue share its items.
    pub(crate) fn start(connection: &Connection, stream: String, read: ReadItem<T>) -> WorkQueue<T> {
        let (sender, items) = mpsc::channel(WAITING);
        let connection = connection.clone();
        let task = tokio::spawn(async move {
            while !sender.is_closed() {
                if let Err(error) = take(&connection, &stream, read, &sender).await {
                    tracing::debug!(%error, stream, "the queue is asked for again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        WorkQueue { items, task: task.abort_handle() }
    }

    /// The next item. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> Queued<T> {
        self.items.recv().await.expect("the task that fills the queue lives as long as the queue")
    }
}

async fn take<T>(
    connection: &Connection,
    stream: &str,
    read: ReadItem<T>,
    items: &mpsc::Sender<Queued<T>>,
) -> Result<(), async_nats::Error> {
    let queue = connection.api().jetstream().get_stream_no_info(stream).await?;
    let config = pull::Config {
        // Unique across regions, as the stream's name is: the subject of an acknowledgement does not carry the domain.
        durable_name: Some(stream.to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WITHIN,
        max_ack_pending: UNACKED as i64,
        ..pull::Config::default()
    };
    let consumer = queue.create_consumer(config).await?;
    let mut messages =
        consumer.stream().max_messages_per_batch(WAITING).expires(EXPIRES).heartbeat(HEARTBEAT).messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let Some(item) = read(&message.subject, &message.payload) else {
            tracing::warn!(stream, subject = %message.subject, "an item that says nothing is taken off its queue");
            message.ack().await?;
            continue;
        };
        if items.send(Queued { item, message }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
