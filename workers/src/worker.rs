//! The runner: one task for each unit of each role, under one owner.
//!
//! The end comes in phases with one deadline: every task is told, saves where it is and gives its shard back; then HTTP ends; what is
//! still there at the deadline is dropped, and comes back by the next reader's takeover.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use dunlin_nats::{Appender, ConnectError, Connection, Publisher, Reads, SettingsError, Taps, region_settings};
use dunlin_schema::{Shard, stream::RegionSettings};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    boot::BootSource,
    config::{Config, ConfigError},
    context::Context,
    http,
    media_settings::NoStore,
    metrics::WorkerMetrics,
    pages,
    readiness::{Readiness, TaskStates},
    role::{Needs, Role, Task, Work},
};

/// Why a worker does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings don't fit together.
    #[error(transparent)]
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
    /// A role works on links, and there is none.
    #[error("the role {0} works on links to other regions: name them in `links`")]
    NoLinks(Role),
    /// Files can't be kept where they are said to be.
    #[error(transparent)]
    Store(#[from] NoStore),
    /// A folder can't be made.
    #[error("while making the folder {path:?}: {error}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
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
#[error("the worker's task `{task}` {how}")]
pub struct RunError {
    /// Whose it was.
    pub task: String,
    /// What became of it.
    pub how: String,
}

/// A worker that is connected and bound, and works once it runs.
pub struct Worker {
    config: Config,
    stop: CancellationToken,
    states: Arc<TaskStates>,
    tasks: Vec<(String, Task)>,
    registry: Arc<Mutex<Registry>>,
    metrics: WorkerMetrics,
    listener: Option<TcpListener>,
}

impl Worker {
    /// Checks the settings, connects, learns the region, and binds. Errors: see [`StartError`].
    pub async fn start(config: Config) -> Result<Worker, StartError> {
        config.check_to_work()?;
        let connection = Connection::open(&config.nats, &config.region).await?;
        let publisher = Publisher::open(&config.nats).await?;
        let settings = region_settings(&connection).await?;
        let boot = BootSource::open(&config.boot, &connection).map_err(StartError::Boot)?;
        let mut registry = Registry::default();
        let metrics = WorkerMetrics::register(&mut registry, connection.losses());
        let units = units(&config, &settings, &mut registry)?;
        let media = Arc::new(config.media.clone());
        let opened = media.clone();
        let store =
            tokio::task::spawn_blocking(move || opened.open()).await.expect("opening a store does not panic")?;
        let states = Arc::new(TaskStates::new(units.len()));
        let context = Context {
            connection,
            taps: Taps::over(&publisher),
            publisher,
            settings: Arc::new(settings),
            boot,
            began: Instant::now(),
            stop: CancellationToken::new(),
            states: states.clone(),
            task: 0,
            appender: None,
            reads: None,
            folder: None,
            erase: config.erase,
            groups: config.groups,
            media,
            store: store.map(Arc::new),
        };
        let tasks = begun(units, &config, &context).await?;
        let listener = match config.listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.map_err(|error| StartError::Listen { address, error })?)
            }
            None => None,
        };
        let (stop, registry) = (context.stop, Arc::new(Mutex::new(registry)));
        Ok(Worker { config, stop, states, tasks, registry, metrics, listener })
    }

    /// How many of its tasks are at work, now and later.
    pub fn readiness(&self) -> watch::Receiver<Readiness> {
        self.states.subscribe()
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
        let Worker { config, stop, states, tasks, registry, metrics, listener } = self;
        let end_http = CancellationToken::new();
        let mut http = JoinSet::new();
        if let Some(listener) = listener {
            let shown = http::Shown { registry, readiness: states.subscribe() };
            let dropped = move || _ = metrics.pages_dropped.inc();
            http.spawn(pages::serve(listener, http::routes(shown), dropped, end_http.clone()));
        }
        let mut working = JoinSet::new();
        let names: HashMap<Id, String> =
            tasks.into_iter().map(|(name, task)| (working.spawn(task).id(), name)).collect();
        tracing::info!(region = %config.region, roles = ?config.roles, tasks = working.len(), "working");
        let ended_early = tokio::select! {
            () = shutdown => None,
            Some(ended) = working.join_next_with_id() => Some(before_its_time(ended, &names)),
            Some(ended) = http.join_next_with_id() => Some(before_its_time(ended, &names)),
        };
        states.end();
        stop.cancel();
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
            Some(error) => Err(error),
        }
    }
}

/// Says of a task that should not have ended whose it was and how it ended.
fn before_its_time(ended: Result<(Id, ()), JoinError>, names: &HashMap<Id, String>) -> RunError {
    let (id, how) = match ended {
        Ok((id, ())) => (id, "ended by itself"),
        Err(error) if error.is_panic() => (error.id(), "panicked: the log says where"),
        Err(error) => (error.id(), "was ended"),
    };
    RunError { task: names.get(&id).map_or_else(|| "HTTP".to_owned(), String::clone), how: how.to_owned() }
}

/// One task of a role, before it begins.
struct Unit {
    role: Role,
    /// What tells it from the role's other ones.
    place: String,
    begin: Box<dyn FnOnce(Context) -> Task + Send>,
}

fn units(config: &Config, settings: &RegionSettings, registry: &mut Registry) -> Result<Vec<Unit>, StartError> {
    let shards = shards(config, settings)?;
    let mut roles = config.roles.clone();
    roles.sort_unstable_by_key(|role| role.as_str());
    roles.dedup();
    let mut units = Vec::new();
    for role in roles {
        match role.prepare(registry) {
            Work::EachShard(begin) => {
                for shard in &shards {
                    let (shard, begin) = (*shard, begin.clone());
                    let begin = Box::new(move |context| begin(context, shard));
                    units.push(Unit { role, place: shard.to_string(), begin });
                }
            }
            Work::EachLink(_) if config.links.is_empty() => return Err(StartError::NoLinks(role)),
            Work::EachLink(begin) => {
                for link in config.links.iter().collect::<BTreeSet<_>>() {
                    let (place, link, begin) = (link.to_string(), link.clone(), begin.clone());
                    let begin = Box::new(move |context| begin(context, link));
                    units.push(Unit { role, place, begin });
                }
            }
            Work::Region(begin) => units.push(Unit { role, place: "region".to_owned(), begin }),
        }
    }
    Ok(units)
}

/// Gives each unit what its role needs, and makes its task. Connections are opened once, and only where a role needs them.
async fn begun(units: Vec<Unit>, config: &Config, context: &Context) -> Result<Vec<(String, Task)>, StartError> {
    let needs: Vec<Needs> = units.iter().map(|unit| unit.role.needs()).collect();
    let appender = match needs.iter().any(|needs| needs.appender) {
        true => Some(Box::pin(Appender::open(&config.nats, &context.settings)).await?),
        false => None,
    };
    let reads = match needs.iter().any(|needs| needs.reads) {
        true => Some(Reads::open(&config.nats, &context.settings).await?),
        false => None,
    };
    let mut tasks = Vec::new();
    for (task, Unit { role, place, begin }) in units.into_iter().enumerate() {
        let needs = role.needs();
        let folder = folder(config, role, &place).await?;
        let appender = appender.clone().filter(|_| needs.appender);
        let reads = reads.clone().filter(|_| needs.reads);
        let begun = begin(Context { task, appender, reads, folder, ..context.clone() });
        tasks.push((format!("{role} of {place}"), begun));
    }
    Ok(tasks)
}

fn shards(config: &Config, settings: &RegionSettings) -> Result<Vec<Shard>, StartError> {
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
    Ok(shards)
}

/// The folder of a task, made where it is not there; `None` for a role that needs none.
async fn folder(config: &Config, role: Role, place: &str) -> Result<Option<PathBuf>, StartError> {
    if !role.needs().folder {
        return Ok(None);
    }
    let Some(root) = &config.folder else { return Err(ConfigError::NoFolder(role).into()) };
    let path = root.join(config.region.as_str()).join(role.as_str()).join(place);
    match tokio::fs::create_dir_all(&path).await {
        Ok(()) => Ok(Some(path)),
        Err(error) => Err(StartError::Folder { path, error }),
    }
}
