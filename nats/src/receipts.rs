//! RECEIPTS: what devices acknowledge, on its way to the receipts worker.

use std::time::Duration;

use async_nats::jetstream::{self, consumer::AckPolicy, consumer::pull};
use dunlin_schema::{RegionName, Shard, UserName, envelope::EnvelopeError, limits, record::Receipt, stream, subject};
use futures_util::StreamExt;
use tokio::{sync::mpsc, task::AbortHandle};

use crate::{Connection, api::PublishAnswer};

/// Items that a worker holds without having acknowledged them.
const UNACKED: usize = 1_000;
/// Items that wait between the connection and the worker; when it is full, no more are asked for.
const WAITING: usize = 256;
/// How long one batch may take.
const EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it is there. Two missed ones are a doubt: nobody waits for a receipt.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// How long an item stays with a worker that does not acknowledge it.
const ACK_WITHIN: Duration = Duration::from_secs(10);
/// The pause before a queue that was lost is asked for again.
const PAUSE: Duration = Duration::from_millis(250);

/// Why an item is not known to be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It was not acknowledged in time. Marks only rise: send the newest again.
    #[error("the receipt was not acknowledged")]
    Unknown,
    /// The stream refused it.
    #[error("the receipt was refused: {0}")]
    Refused(String),
}

/// The gateway's side. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Receipts {
    connection: Connection,
}

impl Receipts {
    /// Speaks over this connection.
    pub fn new(connection: &Connection) -> Receipts {
        Receipts { connection: connection.clone() }
    }

    /// Stores an item for the worker of the user's shard. Errors: see [`ReceiptError`].
    pub async fn publish(&self, shard: Shard, user: &UserName, receipt: &Receipt) -> Result<(), ReceiptError> {
        let subject = subject::receipt(self.connection.region(), shard, user);
        let request = async_nats::Request::new()
            .payload(receipt.encode().into())
            .timeout(Some(Duration::from_millis(limits::PUBLISH_TIMEOUT.0)));
        let answer = self.connection.client().send_request(subject, request).await;
        match PublishAnswer::read(&answer.map_err(|_| ReceiptError::Unknown)?.payload) {
            PublishAnswer::Stored { .. } => Ok(()),
            PublishAnswer::Full(what) | PublishAnswer::TooLarge(what) => Err(ReceiptError::Refused(what)),
            PublishAnswer::Conflict | PublishAnswer::Unknown => Err(ReceiptError::Unknown),
        }
    }
}

/// An item that waits for the worker. Unacknowledged, it comes again.
#[derive(Debug)]
pub struct ReceiptItem {
    /// Whose device said it.
    pub user: UserName,
    /// What it said; bytes that this release can't read are the worker's to take off the queue.
    pub receipt: Result<Receipt, EnvelopeError>,
    message: jetstream::Message,
}

impl ReceiptItem {
    /// Takes the item off the queue: its effects are stored.
    pub async fn ack(self) {
        if let Err(error) = self.message.ack().await {
            tracing::debug!(%error, "a receipt was not taken off its queue and will come again");
        }
    }
}

/// The worker's side: the work queue of a shard. Made anew by itself until it is dropped.
#[derive(Debug)]
pub struct ReceiptQueue {
    items: mpsc::Receiver<ReceiptItem>,
    task: AbortHandle,
}

impl Drop for ReceiptQueue {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReceiptQueue {
    /// Begins to take items. Several workers of one shard share its items.
    pub fn start(connection: &Connection, shard: Shard) -> ReceiptQueue {
        let (sender, items) = mpsc::channel(WAITING);
        let connection = connection.clone();
        let task = tokio::spawn(async move {
            while !sender.is_closed() {
                if let Err(error) = take(&connection, shard, &sender).await {
                    tracing::debug!(%error, %shard, "the queue of receipts is asked for again");
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        ReceiptQueue { items, task: task.abort_handle() }
    }

    /// The next item. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> ReceiptItem {
        self.items.recv().await.expect("the task that fills the queue lives as long as the queue")
    }
}

async fn take(
    connection: &Connection,
    shard: Shard,
    items: &mpsc::Sender<ReceiptItem>,
) -> Result<(), async_nats::Error> {
    let stream =
        connection.api().jetstream().get_stream_no_info(stream::receipts_stream(connection.region(), shard)).await?;
    let name = consumer_name(connection.region(), shard);
    let config = pull::Config {
        durable_name: Some(name.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WITHIN,
        max_ack_pending: UNACKED as i64,
        ..pull::Config::default()
    };
    let consumer = stream.create_consumer(config).await?;
    let mut messages =
        consumer.stream().max_messages_per_batch(WAITING).expires(EXPIRES).heartbeat(HEARTBEAT).messages().await?;
    while let Some(message) = messages.next().await {
        let message = message?;
        let Some(user) = subject::parse_receipt(&message.subject) else {
            // It would come again for ever.
            tracing::warn!(subject = %message.subject, "a receipt that names no user is dropped");
            message.ack().await?;
            continue;
        };
        let receipt = Receipt::decode(&message.payload);
        if items.send(ReceiptItem { user, receipt, message }).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// A consumer's name is unique across regions: the subject of an acknowledgement does not carry the domain.
fn consumer_name(region: &RegionName, shard: Shard) -> String {
    format!("receipts_{region}_{shard}")
}
