//! RECEIPTS: what devices acknowledge, on its way to the receipts worker.

use dunlin_schema::{Shard, UserName, envelope::EnvelopeError, record::Receipt, stream, subject};

use crate::{
    Connection, WorkQueue,
    queue::{EnqueueError, enqueue},
};

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

    /// Stores an item for the worker of the user's shard. Marks only rise: where it is not known to be stored, send the newest again.
    /// Errors: see [`EnqueueError`].
    pub async fn publish(&self, shard: Shard, user: &UserName, receipt: &Receipt) -> Result<(), EnqueueError> {
        let subject = subject::receipt(self.connection.region(), shard, user);
        enqueue(&self.connection, subject, receipt.encode()).await
    }
}

/// What a device said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptItem {
    /// Whose device said it.
    pub user: UserName,
    /// What it said; bytes that this release can't read are the worker's to take off the queue.
    pub receipt: Result<Receipt, EnvelopeError>,
}

impl WorkQueue<ReceiptItem> {
    /// The queue of a shard's receipts.
    pub fn receipts(connection: &Connection, shard: Shard) -> WorkQueue<ReceiptItem> {
        WorkQueue::start(connection, stream::receipts_stream(connection.region(), shard), |subject, payload| {
            Some(ReceiptItem { user: subject::parse_receipt(subject)?, receipt: Receipt::decode(payload) })
        })
    }
}
