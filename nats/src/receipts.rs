//! RECEIPTS: what devices acknowledge, on its way to the receipts worker; and what that worker is asked.

use dunlin_schema::{
    GroupName, Peer, Shard, UserName,
    counts::{CountsAnswer, CountsRequest},
    device::{DeviceNamed, DeviceRemoved, NameDevice, RemoveDevice},
    envelope::EnvelopeError,
    marks::{MarksAnswer, MarksRequest},
    record::Receipt,
    stream, subject,
};

use crate::{
    Connection, WorkQueue,
    queue::{EnqueueError, enqueue},
    service::{Endpoint, Reply, Service, ServiceError},
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

    /// Stores what is said of a group's members for the worker of the group's shard. Errors: see [`EnqueueError`].
    pub async fn publish_group(&self, shard: Shard, group: &GroupName, receipt: &Receipt) -> Result<(), EnqueueError> {
        let subject = subject::group_receipt(self.connection.region(), shard, group);
        enqueue(&self.connection, subject, receipt.encode()).await
    }
}

/// What a device said, or what is said of a group's members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptItem {
    /// Whose device said it, or which group's members.
    pub of: Peer,
    /// What it said; bytes that this release can't read are the worker's to take off the queue.
    pub receipt: Result<Receipt, EnvelopeError>,
}

impl WorkQueue<ReceiptItem> {
    /// The queue of a shard's receipts.
    pub fn receipts(connection: &Connection, shard: Shard) -> WorkQueue<ReceiptItem> {
        WorkQueue::start(connection, stream::receipts_stream(connection.region(), shard), |subject, payload| {
            let user = subject::parse_receipt(subject).map(Peer::User);
            let of = user.or_else(|| subject::parse_group_receipt(subject).map(Peer::Group))?;
            Some(ReceiptItem { of, receipt: Receipt::decode(payload) })
        })
    }
}

/// What a gateway asks.
#[derive(Debug)]
pub enum ReceiptsQuestion {
    /// To remove a device.
    Remove(RemoveDevice, Reply<DeviceRemoved>),
    /// To call a device something.
    Name(NameDevice, Reply<DeviceNamed>),
    /// Whose marks have changed.
    Marks(MarksRequest, Reply<MarksAnswer>),
    /// How far a message to a group has come.
    Counts(CountsRequest, Reply<CountsAnswer>),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Remove,
    Name,
    Marks,
    Counts,
}

/// The service of a shard's receipts worker. Dropping it takes it back.
#[derive(Debug)]
pub struct ReceiptsService {
    service: Service<Kind>,
}

impl ReceiptsService {
    /// Offers the service. Errors: see [`ServiceError`].
    pub async fn start(connection: &Connection, shard: Shard) -> Result<ReceiptsService, ServiceError> {
        let region = connection.region();
        let endpoints = vec![
            Endpoint { kind: Kind::Remove, name: "remove-device", subject: subject::remove_device(region, shard) },
            Endpoint { kind: Kind::Name, name: "name-device", subject: subject::name_device(region, shard) },
            Endpoint { kind: Kind::Marks, name: "marks", subject: subject::changed_marks(region, shard) },
            Endpoint { kind: Kind::Counts, name: "counts", subject: subject::group_counts(region, shard) },
        ];
        let (name, description) =
            (subject::receipts_service(region, shard), "what a shard's devices have acknowledged");
        Ok(ReceiptsService { service: Service::start(connection, &name, description, endpoints).await? })
    }

    /// The next question; `None` when the connection is closed. Cancel-safe.
    pub async fn next(&mut self) -> Option<ReceiptsQuestion> {
        loop {
            let request = self.service.next().await?;
            let question = match request.kind {
                Kind::Remove => RemoveDevice::decode(request.payload())
                    .map(|removal| ReceiptsQuestion::Remove(removal, request.reply(DeviceRemoved::encode))),
                Kind::Name => NameDevice::decode(request.payload())
                    .map(|naming| ReceiptsQuestion::Name(naming, request.reply(DeviceNamed::encode))),
                Kind::Marks => MarksRequest::decode(request.payload())
                    .map(|question| ReceiptsQuestion::Marks(question, request.reply(MarksAnswer::encode))),
                Kind::Counts => CountsRequest::decode(request.payload())
                    .map(|question| ReceiptsQuestion::Counts(question, request.reply(CountsAnswer::encode))),
            };
            match question {
                Ok(question) => return Some(question),
                Err(error) => tracing::debug!(%error, "a question to the receipts worker can't be read"),
            }
        }
    }
}
