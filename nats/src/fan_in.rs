//! The live fan-in: `user.<id>`, one subscription a user and process, however many devices.

use std::sync::Arc;

use dunlin_schema::{RegionName, UserName, live::LiveEntry};
use tokio::sync::watch;

use crate::{ConnectError, ConnectOptions, Status};

/// Who takes live entries.
pub trait LiveSink: Send + Sync + 'static {
    /// Takes one. Called by the task that reads all subscriptions: it must not block.
    fn live(&self, entry: LiveEntry);
}

/// Why a join has no interest in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FanInError {
    /// The server did not confirm in time, or the connection is closed.
    #[error("the NATS server did not confirm the subscription")]
    Unanswered,
}

/// Live entries of users, on a connection of their own. Clones share it; it closes with the last one and the last [`Joined`].
#[derive(Clone)]
pub struct FanIn {}

/// A sink's place among those of its user. Dropping it leaves; the last one to leave unsubscribes.
#[must_use = "dropping it leaves"]
pub struct Joined {}

impl FanIn {
    /// Opens the connection. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<FanIn, ConnectError> {
        todo!()
    }

    /// Gives a user's live entries to `sink`. Resolves when the server has the interest. Errors: see [`FanInError`]; then the sink is not joined.
    pub async fn join(&self, user: UserName, sink: Arc<dyn LiveSink>) -> Result<Joined, FanInError> {
        todo!()
    }

    /// A number that rises with every event that can have lost live entries.
    pub fn losses(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// Whether the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        todo!()
    }
}
