//! Listening, and the phases of a gateway's life: bind, serve, drain, end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dunlin_nats::{Appender, Connection as Nats, FanIn, Heads, Reads, Receipts, region_settings};
use rand::seq::SliceRandom;
use tokio::{
    net::{TcpListener, TcpSocket},
    task::JoinSet,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::info;

use crate::{
    acknowledgements::Acknowledgements,
    config::Config,
    error::Error,
    health::Health,
    http::{accept, routes},
    limiter::Limiter,
    metrics::Metrics,
    pager::Pager,
    registry::Registry,
    shared::Shared,
    timer::{Order, Timer},
    tokens::{self, KeyRing, KeysError},
};

/// For how long sockets that were told to go may take, and what was acknowledged may take to be stored.
const LEAVE_WITHIN: Duration = Duration::from_secs(5);
/// In how many steps sockets are told to go.
const DRAIN_STEPS: u32 = 100;
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Connections that wait to be accepted; the kernel's own limit may be lower.
const BACKLOG: u32 = 4_096;

/// A gateway that is bound and has opened its region, but does not serve yet.
pub struct Gateway {
    shared: Arc<Shared>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Gateway {
    /// Checks the configuration, reads the key set, opens the region's NATS, and listens. Errors: see [`Error`].
    pub async fn bind(config: Config) -> Result<Gateway, Error> {
        config.check()?;
        let shared = Arc::new(open(config).await?);
        let listening = |source| Error::Listen { address: shared.config.listen, source };
        let listener = listen(shared.config.listen).map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        Ok(Gateway { shared, listener, address })
    }

    /// Whether a gateway can be made of this, as far as can be seen without asking anybody: looks at the settings and at the files
    /// they name. Errors: see [`Error`].
    pub async fn check(config: &Config) -> Result<(), Error> {
        config.check()?;
        tokens::check(&config.tokens).await.map_err(|why| no_keys(config, &why))?;
        config.nats.check().await.map_err(|why| no_region(config, &why))
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` resolves; then tells every socket to go elsewhere, spread over the configured time, and ends with
    /// nothing left behind. Errors: see [`Error`].
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let Gateway { shared, listener, address } = self;
        let _ended = Ended(shared.clone());
        let sockets = TaskTracker::new();
        // Ends with this function, whatever becomes of it.
        let mut services = services(&shared);
        services.spawn(accept(shared.clone(), listener, routes(shared.clone()), sockets.clone()));
        info!(%address, region = %shared.settings.region, "the gateway serves");
        shutdown.await;
        drain(&shared, &sockets).await;
        info!("the gateway ends");
        Ok(())
    }
}

/// A listening socket on which a whole crowd may wait: those who find no place come again a second later.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn no_keys(config: &Config, why: &KeysError) -> Error {
    Error::Keys { source_name: config.tokens.keys.to_string(), why: why.to_string() }
}

fn no_region(config: &Config, why: &dyn std::fmt::Display) -> Error {
    Error::Region { region: config.region.clone(), why: why.to_string() }
}

async fn open(config: Config) -> Result<Shared, Error> {
    let region = &config.region;
    let failed = |why: &dyn std::fmt::Display| no_region(&config, why);
    let keys = KeyRing::open(&config.tokens).await.map_err(|why| no_keys(&config, &why))?;
    let nats = Nats::open(&config.nats, region).await.map_err(|error| failed(&error))?;
    let settings = region_settings(&nats).await.map_err(|error| failed(&error))?;
    let (appender, reads, fan_in) = tokio::join!(
        Box::pin(Appender::open(&config.nats, &settings)),
        Box::pin(Reads::open(&config.nats, &settings)),
        Box::pin(FanIn::open(&config.nats, region))
    );
    let appender = appender.map_err(|error| failed(&error))?;
    let reads = reads.map_err(|error| failed(&error))?;
    let fan_in = fan_in.map_err(|error| failed(&error))?;
    Ok(Shared {
        keys,
        limiter: Limiter::new(&config.limits),
        registry: Registry::new(settings.shards),
        metrics: Arc::new(Metrics::new()),
        health: Health::new(fan_in.status()),
        pager: Pager::new(settings.shards),
        timer: Arc::new(Timer::new()),
        acknowledgements: Acknowledgements::default(),
        appender,
        reads,
        fan_in,
        heads: Heads::new(&nats),
        receipts: Receipts::new(&nats),
        finish: CancellationToken::new(),
        kill: CancellationToken::new(),
        config,
        settings,
    })
}

/// What a gateway does beside its sockets.
fn services(shared: &Arc<Shared>) -> JoinSet<()> {
    let mut services = JoinSet::new();
    let [timer, keys, limiter, pager, acknowledgements] = std::array::from_fn(|_| shared.clone());
    services.spawn(async move { timer.timer.run().await });
    services.spawn(async move { keys.keys.run().await });
    services.spawn(async move { limiter.limiter.run().await });
    services.spawn(async move {
        let Shared { pager, heads, registry, metrics, fan_in, .. } = &*pager;
        pager.run(heads, registry, metrics, fan_in.losses()).await;
    });
    services.spawn(async move {
        let Shared { acknowledgements, receipts, metrics, .. } = &*acknowledgements;
        acknowledgements.run(receipts, metrics).await;
    });
    services
}

/// Tells every socket to go, a few at a time so that their clients do not all come to another gateway at once, and waits for them.
async fn drain(shared: &Shared, sockets: &TaskTracker) {
    shared.health.drain();
    let mut alarms = shared.registry.alarms();
    alarms.shuffle(&mut rand::rng());
    info!(sockets = alarms.len(), "draining");
    let step = Duration::from_millis(shared.config.drain.0) / DRAIN_STEPS;
    for some in alarms.chunks(alarms.len().div_ceil(DRAIN_STEPS as usize).max(1)) {
        some.iter().for_each(|alarm| alarm.tell(Order::Drain));
        tokio::time::sleep(step).await;
    }
    // Those that came meanwhile, and HTTP.
    shared.registry.alarms().iter().for_each(|alarm| alarm.tell(Order::Drain));
    shared.finish.cancel();
    sockets.close();
    if timeout(LEAVE_WITHIN, sockets.wait()).await.is_err() {
        tracing::warn!(sockets = sockets.len(), "some sockets did not end by themselves");
        shared.kill();
        let _ = timeout(LEAVE_WITHIN, sockets.wait()).await;
    }
    let stored = async {
        while !shared.acknowledgements.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    if timeout(LEAVE_WITHIN, stored).await.is_err() {
        tracing::warn!("some acknowledgements were not stored: their devices may get something again");
    }
}

impl Shared {
    fn kill(&self) {
        self.kill.cancel();
        self.registry.alarms().iter().for_each(|alarm| alarm.tell(Order::Drop));
    }
}

/// Ends every socket when the gateway ends, also when its future is dropped.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill();
    }
}
