//! RECEIPTS: what devices acknowledge, on its way to the receipts worker.

use dunlin_schema::{Shard, UserName, envelope::EnvelopeError, record::Receipt};

use crate::Connection;

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
        todo!()
    }
}

/// An item that waits for the worker. Unacknowledged, it comes again.
#[derive(Debug)]
pub struct ReceiptItem {
    /// Whose device said it.
    pub user: UserName,
    /// What it said; bytes that no release can read are the worker's to take off the queue.
    pub receipt: Result<Receipt, EnvelopeError>,
}

impl ReceiptItem {
    /// Takes the item off the queue: its effects are stored.
    pub async fn ack(self) {
        todo!()
    }
}

/// The worker's side: the work queue of a shard. Made anew by itself until it is dropped.
#[derive(Debug)]
pub struct ReceiptQueue {}

impl ReceiptQueue {
    /// Begins to take items. Several workers of one shard share its items.
    pub fn start(connection: &Connection, shard: Shard) -> ReceiptQueue {
        todo!()
    }

    /// The next item. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> ReceiptItem {
        todo!()
    }
}
