//! The runner: one task for each role and shard, under one owner.
//!
//! The end comes in phases with one deadline: every task is told, saves where it is and gives its shard back; then HTTP ends; what is
//! still there at the deadline is dropped, and comes back by the next reader's takeover.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use dunlin_nats::{ConnectError, Connection, SettingsError, region_settings};
use dunlin_schema::{Shard, stream::RegionSettings};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    boot::BootSource,
    config::{Config, ConfigError, Role},
    context::Context,
    deliver, http,
    metrics::Metrics,
    pages,
    readiness::{Readiness, TaskStates},
    receipts,
};

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings don't fit together.
    #[error("the worker's settings can't be used: {0}")]
    Config(#[from] ConfigError),
    /// A shard that the region does not have.
    #[error("`shards` names {named}, but region {region} has the shards 0 to {last}")]
    NoSuchShard {
        /// What was named.
        named: u16,
        /// The region.
        region: String,
        /// Its last shard.
        last: u16,
    },
    /// NATS can't be reached, or is too old.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The region's streams are not there, or not ours.
    #[error(transparent)]
    Region(#[from] SettingsError),
    /// The machine's boot can't be learnt.
    #[error("while reading the kernel's boot id: {0}. Where there is none, set `boot` to \"server\"")]
    Boot(io::Error),
    /// The address can't be listened on.
    #[error("while listening on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// Why a worker ended by itself.
#[derive(Debug, thiserror::Error)]
#[error("a task of the worker ended before its time: {0}")]
pub struct RunError(String);

/// A worker that is connected and bound, and works once it runs.
pub struct Worker {
    config: Config,
    context: Context,
    tasks: Vec<(Role, Shard)>,
    registry: Arc<Mutex<Registry>>,
    listener: Option<TcpListener>,
}

impl Worker {
    /// Checks the settings, connects, learns the region, and binds. Errors: see [`StartError`].
    pub async fn start(config: Config) -> Result<Worker, StartError> {
        config.check()?;
        let connection = Connection::open(&config.nats, &config.region).await?;
        let settings = region_settings(&connection).await?;
        let tasks = tasks(&config, &settings)?;
        let boot = BootSource::open(&config.boot, &connection).map_err(StartError::Boot)?;
        let listener = match config.listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })?)
            }
            None => None,
        };
        let mut registry = Registry::default();
        let context = Context {
            connection,
            settings: Arc::new(settings),
            boot,
            began: Instant::now(),
            metrics: Metrics::register(&mut registry),
            shard: Shard(0),
            stop: CancellationToken::new(),
            states: Arc::new(TaskStates::new(tasks.len())),
            task: 0,
        };
        Ok(Worker { config, context, tasks, registry: Arc::new(Mutex::new(registry)), listener })
    }

    /// How many of its tasks are at work, now and later.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.context.states.subscribe()
    }

    /// What it counts, for a process that shows it beside its own.
    pub fn registry(&self) -> Arc<Mutex<Registry>> {
        self.registry.clone()
    }

    /// Where it answers over HTTP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Works until `shutdown`, then hands over. Errors: a task ended by itself; the others have handed over.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        let Worker { config, context, tasks, registry, listener } = self;
        let end_http = CancellationToken::new();
        let mut http = JoinSet::new();
        if let Some(listener) = listener {
            let shown = http::Shown { registry, readiness: context.states.subscribe() };
            http.spawn(pages::serve(listener, http::routes(shown), end_http.clone()));
        }
        let mut working = JoinSet::new();
        for (task, (role, shard)) in tasks.into_iter().enumerate() {
            let context = Context { task, shard, ..context.clone() };
            match role {
                Role::Deliver => working.spawn(deliver::run(context)),
                Role::Receipts => working.spawn(receipts::run(context)),
            };
        }
        tracing::info!(region = %config.region, roles = ?config.roles, tasks = working.len(), "working");
        let ended_early = tokio::select! {
            () = shutdown => None,
            Some(ended) = working.join_next() => Some(ended.map_or_else(|error| error.to_string(), |()| "it returned".to_owned())),
        };
        context.states.end();
        context.stop.cancel();
        let handed_over = tokio::time::timeout(Duration::from_millis(config.stop_within.0), async {
            while working.join_next().await.is_some() {}
            end_http.cancel();
            while http.join_next().await.is_some() {}
        });
        match handed_over.await {
            Ok(()) => tracing::info!(region = %config.region, "all work handed over"),
            Err(_) => {
                tracing::warn!(region = %config.region, left = working.len(), "the deadline came before all work was handed over")
            }
        }
        match ended_early {
            None => Ok(()),
            Some(how) => Err(RunError(how)),
        }
    }
}

fn tasks(config: &Config, settings: &RegionSettings) -> Result<Vec<(Role, Shard)>, StartError> {
    let mut shards: Vec<Shard> = match &config.shards {
        Some(named) => named.iter().copied().map(Shard).collect(),
        None => settings.shards().collect(),
    };
    shards.sort_unstable();
    shards.dedup();
    if let Some(Shard(named)) = shards.iter().find(|shard| shard.0 >= settings.shards) {
        let region = settings.region.to_string();
        return Err(StartError::NoSuchShard { named: *named, region, last: settings.shards - 1 });
    }
    let mut roles = config.roles.clone();
    roles.sort_unstable();
    roles.dedup();
    Ok(roles.iter().flat_map(|role| shards.iter().map(|shard| (*role, *shard))).collect())
}
