//! Listening, and the phases of a gateway's life: bind, serve, drain, end.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use dunlin_schema::limits;
use rand::seq::SliceRandom;
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::Semaphore,
    task::AbortHandle,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    config::Config,
    embedded::Embedded,
    error::Error,
    gateway::Gateway,
    http::{Entrance, accept, of_clients, of_operators},
    limiter::Limiter,
    marks,
    metrics::Metrics,
    missed,
    posts::Posts,
    region::Region,
    services::Services,
    socket::Gathering,
    sockets::Sockets,
    timer::{Order, Timer},
    tokens::{self, KeyRing, KeysError},
};

/// For how long sockets that were told to go may take, and what was acknowledged may take to be stored.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// In how many steps sockets are told to go.
const DRAIN_STEPS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Sockets above the configured number that are let in, to be told that there are too many or to ask how the gateway is.
const SPARE: usize = 256;
/// Connections of operators at once, where they have a listener of their own.
const OPERATORS: usize = 256;
/// Connections that wait to be accepted; the kernel's own limit may be lower.
const BACKLOG: u32 = 4_096;

/// A gateway that is bound, has opened its region, and serves.
pub struct Server {
    gateway: Ended,
    sockets: Vec<TaskTracker>,
    address: SocketAddr,
    internal: Option<SocketAddr>,
}

impl Server {
    /// Checks the configuration, listens, reads the key set, opens the region's NATS, and serves from then on. Errors: see [`Error`].
    pub async fn bind(config: Config) -> Result<Server, Error> {
        config.check()?;
        // First, since it costs nothing to be told at once that somebody else listens there.
        let (listener, address) = listen(config.listen)?;
        let internal = config.internal_listen.map(listen).transpose()?;
        let gateway = Arc::new(open(config).await?);
        let mut sockets = Vec::new();
        let mut enter = |name: &str, listener, routes, most| {
            let tasks = TaskTracker::new();
            sockets.push(tasks.clone());
            let accepting = gateway.clone();
            gateway.services.spawn(name, |pulse| accept(accepting, Entrance { listener, routes, most, tasks }, pulse));
        };
        let (clients, operators) = (of_clients(gateway.clone()), of_operators(gateway.clone()));
        let most = gateway.config.limits.connections + SPARE;
        let internal = match internal {
            Some((internal, address)) => {
                enter("connections", listener, clients, most);
                enter("internal connections", internal, operators, OPERATORS);
                Some(address)
            }
            None => {
                enter("connections", listener, clients.merge(operators), most);
                None
            }
        };
        info!(%address, region = %gateway.config.region, "the gateway serves");
        Ok(Server { gateway: Ended(gateway), sockets, address, internal })
    }

    /// Whether a gateway can be made of this, as far as can be seen without asking anybody: looks at the settings and at the files
    /// they name. Errors: see [`Error`].
    pub async fn check(config: &Config) -> Result<(), Error> {
        config.check()?;
        tokens::check(&config.tokens).await.map_err(|why| no_keys(&why))?;
        config.nats.check().await.map_err(|why| no_region(config, &why))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Where it answers operators, if that is elsewhere.
    pub fn internal_addr(&self) -> Option<SocketAddr> {
        self.internal
    }

    /// Has the key set read again at once when it is called. Credentials and certificates of NATS are read again by themselves.
    pub fn refresh(&self) -> impl Fn() + Send + use<> {
        let keys = self.gateway.0.keys.clone();
        move || keys.refresh()
    }

    /// What it does beside its sockets, by name, and what ends each: the end of one is the end of the gateway.
    pub fn services(&self) -> Vec<(String, AbortHandle)> {
        self.gateway.0.services.handles()
    }

    /// Serves until `shutdown` resolves; then tells every socket to go elsewhere, spread over the configured time, and ends with
    /// nothing left behind. Errors: a service ended before; the sockets were told to go all the same.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Server { gateway: Ended(gateway), sockets, .. } = &self;
        let outcome = tokio::select! {
            () = shutdown => Ok(()),
            ended = gateway.services.ended() => Err(Error::Service(ended)),
        };
        if let Err(error) = &outcome {
            tracing::error!(%error, "the gateway ends: it can't do half of its work");
        }
        drain(gateway, sockets).await;
        info!("the gateway ends");
        outcome
    }
}

/// A listening socket on which a whole crowd may wait: those who find no place come again a second later.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let listening = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    listening().map_err(|why| Error::Listen { address, why })
}

fn no_keys(error: &KeysError) -> Error {
    let KeysError { source_name, why } = error.clone();
    Error::Keys { source_name, why }
}

fn no_region(config: &Config, why: &dyn std::fmt::Display) -> Error {
    Error::Region { region: config.region.clone(), why: why.to_string() }
}

fn embedded(folder: &Path) -> Result<Arc<Embedded>, Error> {
    let opened = Embedded::open(folder).map(Arc::new);
    opened.map_err(|why| Error::Media { folder: folder.to_owned(), why: why.to_string() })
}

async fn open(config: Config) -> Result<Gateway, Error> {
    let keys = Arc::new(KeyRing::open(&config.tokens).await.map_err(|why| no_keys(&why))?);
    let (limiter, timer) = (Arc::new(Limiter::new(&config.limits)), Arc::new(Timer::new()));
    let (metrics, services) = (Arc::new(Metrics::new()), Services::default());
    let embedded = config.media.directory.as_deref().map(embedded).transpose()?;
    let region = Region::open(&config.nats, &config.region, embedded, &metrics, &services).await;
    let region = region.map_err(|why| no_region(&config, &why))?;
    let (timed, looked, limited) = (timer.clone(), keys.clone(), limiter.clone());
    services.spawn("timer", |pulse| async move { timed.run(&pulse).await });
    services.spawn("keys", |pulse| async move { looked.run(|| pulse.beat()).await });
    services.spawn("limiter", |pulse| async move { limited.run(&pulse).await });
    let concerned = region.clone();
    services.spawn(format!("missed news in {}", region.name()), |pulse| async move {
        missed::run(&concerned, &pulse).await;
    });
    let compared = region.clone();
    services.spawn(format!("comparison of marks in {}", region.name()), |pulse| async move {
        marks::compare(&compared, &pulse).await;
    });
    Ok(Gateway {
        keys,
        limiter,
        sockets: Sockets::default(),
        gathering: Gathering::default(),
        metrics,
        timer,
        posts: Posts::new(region.clone(), config.sent_copies),
        regions: BTreeMap::from([(region.name().clone(), region)]),
        asking: Arc::new(Semaphore::new(limits::ASKS_AT_ONCE)),
        services,
        drain: CancellationToken::new(),
        finish: CancellationToken::new(),
        kill: CancellationToken::new(),
        config,
    })
}

/// Tells every socket to go, a few at a time so that their clients do not all come to another gateway at once, and waits for them.
async fn drain(gateway: &Gateway, sockets: &[TaskTracker]) {
    gateway.drain.cancel();
    let mut alarms = gateway.sockets.alarms();
    alarms.shuffle(&mut rand::rng());
    info!(sockets = alarms.len(), "draining");
    let step = Duration::from_millis(gateway.config.drain.0) / DRAIN_STEPS;
    for some in alarms.chunks(alarms.len().div_ceil(DRAIN_STEPS as usize).max(1)) {
        some.iter().for_each(|alarm| alarm.tell(Order::Drain));
        tokio::time::sleep(step).await;
    }
    // Those that came meanwhile, and HTTP.
    gateway.sockets.alarms().iter().for_each(|alarm| alarm.tell(Order::Drain));
    gateway.finish.cancel();
    let gone = || async {
        // What was posted is stored and answered, also where nobody waits any more.
        for tasks in sockets.iter().chain([gateway.posts.tasks()]) {
            tasks.close();
            tasks.wait().await;
        }
    };
    if timeout(LEAVE_WITHIN, gone()).await.is_err() {
        let left: usize = sockets.iter().map(TaskTracker::len).sum();
        tracing::warn!(sockets = left, "some sockets did not end by themselves");
        gateway.kill();
        let _ = timeout(LEAVE_WITHIN, gone()).await;
    }
    let stored = async {
        let is_told = |region: &Arc<Region>| region.reports.is_empty() && !region.directory.has_untold();
        while !gateway.regions.values().all(is_told) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if timeout(LEAVE_WITHIN, stored).await.is_err() {
        tracing::warn!(
            "some acknowledgements were not stored, or some presence not told: devices may get something again"
        );
    }
}

/// Ends every socket when the gateway ends, also when its future is dropped.
struct Ended(Arc<Gateway>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill();
        self.0.services.abort();
    }
}

#[cfg(test)]
mod tests;
