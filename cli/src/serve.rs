//! Real deployments: a gateway, a worker, the streams of a region, each by its configuration. A gateway and a worker that start while
//! NATS is away wait for it ([`waiting`]). A worker reads its configuration again at SIGHUP ([`reload`]).

mod reload;
mod waiting;

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use dunlin_gateway::Server;
use dunlin_nats::{Connection, Provisioned};
use dunlin_workers::{Readiness, Role, Worker};
use tokio::sync::watch;

use self::waiting::Streams;
use crate::{
    config::{self, ConfigArgs, FileArgs, WorkerFile},
    print, shutdown,
};

/// Options of `dunlin gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Say what is wrong with the configuration, and run nothing
    #[arg(long)]
    check: bool,
}

/// Options of `dunlin worker`.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What to do, whatever the configuration says: `deliver`, `eraser`, `groups`, `index`, `receipts`, `accounts`
    #[arg(long, value_delimiter = ',', value_name = "ROLES")]
    roles: Option<Vec<Role>>,
    /// Make the region's streams first, where they are not there. A configuration with a section `[streams]` means the same
    #[arg(long)]
    provision: bool,
    /// Say what is wrong with the configuration, and run nothing
    #[arg(long)]
    check: bool,
}

/// Options of `dunlin provision`.
#[derive(Debug, Args)]
pub struct ProvisionArgs {
    #[command(flatten)]
    config: FileArgs,
}

/// Whether somebody can listen there once all that is needed is there. Errors: somebody else does.
pub(crate) fn free(address: SocketAddr) -> anyhow::Result<()> {
    let bound = std::net::TcpListener::bind(address);
    let bound =
        bound.with_context(|| format!("listening on {address}: choose another address, or end what holds this one"));
    bound.map(drop)
}

/// Waits for NATS, serves until `shutdown`, drains, and ends. Prints `ready http://ADDR` when it listens. Errors: the configuration, the
/// region, the address.
pub async fn gateway(args: GatewayArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let config = config::gateway(&args.config)?;
    if args.check {
        Server::check(&config).await.context("checking the gateway's configuration")?;
        return print("the gateway's configuration can be used");
    }
    // From here on none ends the process: before NATS is there, nothing is held that could be read again.
    let mut hangups = shutdown::hangups()?;
    [Some(config.listen), config.internal_listen].into_iter().flatten().try_for_each(free)?;
    tokio::pin!(shutdown);
    tokio::select! {
        there = waiting::for_nats(&config.nats, &config.region, Some(config.internal_listen.unwrap_or(config.listen)), Streams::MadeByOthers) => there.context("starting the gateway")?,
        () = &mut shutdown => return Ok(()),
    }
    let gateway = Server::bind(config).await.context("starting the gateway")?;
    print(&format!("ready http://{}", gateway.local_addr()))?;
    let refresh = gateway.refresh();
    let mut running = std::pin::pin!(gateway.run(shutdown));
    loop {
        tokio::select! {
            ended = &mut running => return ended.context("running the gateway"),
            Some(()) = hangups.recv() => {
                tracing::info!("SIGHUP: the key set is read again; credentials and certificates are whenever they change");
                refresh();
            }
        }
    }
}

/// Waits for NATS, works until `shutdown`, hands its shards over, and ends. At SIGHUP it hands them over too, and works on with its
/// configuration as it is by then. Prints `ready` each time every task works or stands by, and then `working` once none stands by.
/// Errors: the configuration, the region, the address.
pub async fn worker(args: WorkerArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let mut file = config::worker(&args.config, args.roles.as_deref())?;
    if args.check {
        file.worker.check_to_work().context("checking the worker's configuration")?;
        file.worker.nats.check().await.context("checking the worker's configuration")?;
        return print("the worker's configuration can be used");
    }
    let mut hangups = shutdown::hangups()?;
    file.worker.listen.map_or(Ok(()), free)?;
    file.worker.check_to_work().context("starting the worker")?;
    tokio::pin!(shutdown);
    loop {
        let makes_streams = args.provision || file.streams.is_some();
        let streams = if makes_streams { Streams::MadeHere } else { Streams::MadeByOthers };
        tokio::select! {
            there = waiting::for_nats(&file.worker.nats, &file.worker.region, file.worker.listen, streams) => there.context("starting the worker")?,
            () = &mut shutdown => return Ok(()),
            read = reload::worker(&args, &mut hangups) => {
                file = read;
                continue;
            }
        }
        if makes_streams {
            make_streams(&file).await?;
        }
        let worker = Worker::start(file.worker.clone()).await.context("starting the worker")?;
        let ready = tokio::spawn(say_ready(worker.readiness()));
        let mut read = None;
        let end = async {
            tokio::select! {
                () = &mut shutdown => {}
                file = reload::working_worker(&args, &mut hangups, file.worker.listen) => read = Some(file),
            }
        };
        let outcome = Box::pin(worker.run(end)).await.context("running the worker");
        ready.abort();
        match (outcome, read) {
            (Ok(()), Some(read)) => file = read,
            (outcome, _) => return outcome,
        }
    }
}

async fn say_ready(mut readiness: watch::Receiver<Readiness>) -> anyhow::Result<()> {
    for (said, holds) in
        [("ready", Readiness::is_ready as fn(&Readiness) -> bool), ("working", Readiness::is_all_working)]
    {
        // An error means that the worker is gone: then there is nothing to be ready.
        if readiness.wait_for(holds).await.is_err() {
            break;
        }
        print(said)?;
    }
    Ok(())
}

/// Makes the region's streams, or finds them as they should be. Errors: they are otherwise; nothing is changed then.
pub async fn provision(args: ProvisionArgs) -> anyhow::Result<()> {
    let file = config::worker(&args.config.into(), None)?;
    let region = file.worker.region.clone();
    print(&match make_streams(&file).await? {
        Provisioned::Created => format!("the streams of region {region} are made"),
        Provisioned::Unchanged => format!("the streams of region {region} are as the configuration says"),
    })
}

async fn make_streams(file: &WorkerFile) -> anyhow::Result<Provisioned> {
    let settings = file.streams.clone().unwrap_or_default().settings(file.worker.region.clone());
    let connection =
        Connection::open(&file.worker.nats, &settings.region).await.context("making the region's streams")?;
    dunlin_nats::provision(&connection, &settings).await.context("making the region's streams")
}
