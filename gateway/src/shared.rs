//! What every connection of a gateway shares.

use std::sync::Arc;

use dunlin_nats::{Appender, FanIn, Heads, Reads, Receipts};
use dunlin_schema::{Log, LogName, UserName, stream::RegionSettings};
use tokio_util::sync::CancellationToken;

use crate::{
    acknowledgements::Acknowledgements, config::Config, health::Health, limiter::Limiter, metrics::Metrics,
    pager::Pager, registry::Registry, timer::Timer, tokens::KeyRing,
};

/// What every connection of a gateway shares.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) settings: RegionSettings,
    pub(crate) keys: KeyRing,
    pub(crate) limiter: Limiter,
    pub(crate) registry: Registry,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) health: Health,
    pub(crate) pager: Pager,
    pub(crate) timer: Arc<Timer>,
    pub(crate) acknowledgements: Acknowledgements,
    pub(crate) appender: Appender,
    pub(crate) reads: Reads,
    pub(crate) fan_in: FanIn,
    pub(crate) heads: Heads,
    pub(crate) receipts: Receipts,
    /// HTTP connections answer what they have begun, and end.
    pub(crate) finish: CancellationToken,
    /// Everything ends where it stands.
    pub(crate) kill: CancellationToken,
}

impl Shared {
    /// A log that a user follows.
    pub(crate) fn log(&self, user: &UserName, name: &LogName) -> Log {
        Log::named(&self.settings.region, self.settings.shards, user, name)
    }

    /// A user's mailbox.
    pub(crate) fn mailbox(&self, user: &UserName) -> Log {
        Log::mailbox(&self.settings.region, self.settings.shards, user)
    }
}
