//! One connection to NATS that stays: it reconnects, and says what may have been lost on it.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use async_nats::{Client, Event, RequestErrorKind};
use bytes::Bytes;
use dunlin_schema::{RegionName, subject};
use tokio::{sync::watch, task::AbortHandle};

use crate::{
    ConnectError, ConnectOptions, PublishError,
    api::Api,
    connect::{Files, Purpose},
};

/// Whether a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It stands.
    Connected,
    /// It does not; it is being made anew.
    Disconnected,
}

/// The server at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its id: another one after each of its starts.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The cluster it belongs to.
    pub cluster: Option<String>,
}

impl ServerInfo {
    pub(crate) fn of(client: &Client) -> ServerInfo {
        let info = client.server_info();
        ServerInfo { id: info.server_id, version: info.version, cluster: info.cluster }
    }
}

/// One NATS connection that reconnects with jitter. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    api: Api,
    region: RegionName,
    status: watch::Receiver<Status>,
    losses: watch::Receiver<u64>,
    dropped: Arc<AtomicU64>,
    redialling: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.redialling.abort();
    }
}

/// Messages that wait in a subscription of a connection that says nothing else.
const SUBSCRIPTION_CAPACITY: usize = 1_024;

impl Connection {
    /// Opens a connection and checks the server's version. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<Connection, ConnectError> {
        let purpose = Purpose { suffix: "", subscription_capacity: SUBSCRIPTION_CAPACITY };
        Connection::open_for(options, region, purpose).await
    }

    pub(crate) async fn open_for(
        options: &ConnectOptions,
        region: &RegionName,
        purpose: Purpose,
    ) -> Result<Connection, ConnectError> {
        let (status, status_seen) = watch::channel(Status::Connected);
        let (doubts, doubts_seen) = watch::channel(());
        let (losses, losses_seen) = watch::channel(0);
        let dropped = Arc::new(AtomicU64::new(0));
        let name = format!("{}{}", options.name, purpose.suffix);
        let observer = Observer { name, status, doubts, dropped: dropped.clone() };
        let files = Files::of(options).await;
        let client = options.dial(purpose, move |event| observer.observe(event)).await?;
        let shared = Arc::new(Shared {
            api: Api::new(client.clone(), region),
            region: region.clone(),
            status: status_seen,
            losses: losses_seen,
            dropped,
            redialling: tokio::spawn(redial(client, files)).abort_handle(),
        });
        tokio::spawn(count_losses(doubts_seen, losses, Arc::downgrade(&shared)));
        Ok(Connection { shared })
    }

    /// The region whose streams are spoken to.
    pub fn region(&self) -> &RegionName {
        &self.shared.region
    }

    /// The server at the other end now.
    pub fn server(&self) -> ServerInfo {
        ServerInfo::of(self.client())
    }

    /// Whether the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.clone()
    }

    /// A number that rises after every event that can have lost core messages (a reconnect, a slow consumer), once what this connection
    /// subscribed is in place again: whoever compares then misses nothing.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.shared.losses.clone()
    }

    /// How often messages were dropped because a subscription was full.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Resolves when the server has processed everything that was sent on this connection before. Errors: see [`PublishError`].
    ///
    /// A round trip: a request that nobody listens to, which the server itself refuses at once, in its turn.
    pub async fn flush(&self) -> Result<(), PublishError> {
        match self.client().request(subject::round_trip(self.region()), Bytes::new()).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
            Err(_) => Err(PublishError::Unanswered),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        self.api().client()
    }

    pub(crate) fn api(&self) -> &Api {
        &self.shared.api
    }
}

/// Turns what happens to a connection into its status and into doubts about what it carried.
struct Observer {
    name: String,
    status: watch::Sender<Status>,
    doubts: watch::Sender<()>,
    dropped: Arc<AtomicU64>,
}

impl Observer {
    fn observe(&self, event: Event) {
        let name = &*self.name;
        match event {
            Event::Connected => {
                tracing::info!(connection = name, "connected to NATS");
                if self.status.send_replace(Status::Connected) == Status::Disconnected {
                    self.doubts.send_replace(());
                }
            }
            Event::Disconnected => {
                tracing::warn!(connection = name, "lost the connection to NATS; connecting again");
                self.status.send_replace(Status::Disconnected);
            }
            Event::Closed | Event::Draining => {
                self.status.send_replace(Status::Disconnected);
            }
            Event::SlowConsumer(subscription) => {
                tracing::warn!(connection = name, subscription, "messages were dropped: a subscription is full");
                self.dropped.fetch_add(1, Ordering::Relaxed);
                self.doubts.send_replace(());
            }
            Event::LameDuckMode => tracing::info!(connection = name, "the NATS server is about to go away"),
            Event::ServerError(error) => tracing::warn!(connection = name, %error, "the NATS server complains"),
            Event::ClientError(error) => tracing::debug!(connection = name, %error, "the NATS client complains"),
        }
    }
}

/// Has the client dial whenever one of the files was replaced that it was let in with. Until it is dropped.
async fn redial(client: Client, mut files: Files) {
    loop {
        files.replaced().await;
        tracing::info!("a file of the NATS settings was replaced: connecting with the new one");
        if client.force_reconnect().await.is_err() {
            return;
        }
    }
}

/// Counts a loss for each doubt, after a round trip: `Connected` is told before the subscriptions are made again, and who compares earlier
/// than that would miss what comes in between. Ends with the connection.
async fn count_losses(mut doubts: watch::Receiver<()>, losses: watch::Sender<u64>, shared: Weak<Shared>) {
    while doubts.changed().await.is_ok() {
        loop {
            let Some(shared) = shared.upgrade() else { return };
            let connection = Connection { shared };
            if connection.flush().await.is_ok() {
                break;
            }
        }
        losses.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_full_subscription_drops_is_counted_and_a_doubt() {
        let (status, _) = watch::channel(Status::Connected);
        let (doubts, doubted) = watch::channel(());
        let dropped = Arc::new(AtomicU64::new(0));
        let observer = Observer { name: String::new(), status, doubts, dropped: dropped.clone() };
        observer.observe(Event::LameDuckMode);
        assert_eq!((dropped.load(Ordering::Relaxed), doubted.has_changed().unwrap()), (0, false));
        observer.observe(Event::SlowConsumer(7));
        assert_eq!((dropped.load(Ordering::Relaxed), doubted.has_changed().unwrap()), (1, true));
    }
}
