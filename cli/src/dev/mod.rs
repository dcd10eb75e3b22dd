//! `dunlin dev`: a whole region on this machine.
//!
//! It ends in phases, within one deadline: the gateway tells its sockets to go, the worker saves where it is, nats-server stores what
//! it holds. Whatever ends by itself before that ends the rest.

mod binary;
mod nats;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, bail};
use clap::Args;
use dunlin_gateway::{KeySource, Server};
use dunlin_nats::{ConnectOptions, Connection};
use dunlin_schema::{Millis, RegionName, listen};
use dunlin_workers::Worker;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::nats::NatsServer;
use crate::{
    config::Streams,
    folder::{Folder, FolderArgs},
    keys, print, serve,
};

/// Bytes of each shard's log: JetStream sets them aside, and a developer's disk is no server's.
const LOG_BYTES: u64 = 256 << 20;
/// How long all may take to be ready.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How long each phase of the end may take.
const PHASE_WITHIN: Duration = Duration::from_secs(6);

/// Options of `dunlin dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Where the gateway listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDR", value_parser = listen::parse)]
    listen: SocketAddr,
    #[command(flatten)]
    folder: FolderArgs,
    /// The nats-server to start. Default: the one in `.tools/bin` beside here or beside this program, else the one in PATH
    #[arg(long, env = "DUNLIN_NATS_SERVER", value_name = "FILE", hide_env_values = true)]
    nats_server: Option<PathBuf>,
    /// Sync each write to the disk, so that a power loss takes nothing. Chosen at the folder's first start
    #[arg(long)]
    sync_always: bool,
}

/// Cores for this process, and as many for its nats-server: with more threads than that they mostly wake each other.
pub(crate) fn half_of_the_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Runs a region until `shutdown`. Errors: what could not start, or ended by itself.
pub async fn run(args: DevArgs, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    let folder = Folder::create(&args.folder.path)?;
    let _lock = folder.lock()?;
    keys::ensure(&folder)?;
    serve::free(args.listen)?;
    let binary = binary::find(args.nats_server.as_deref())?;
    let nats = NatsServer::start(binary, folder.nats()?, args.sync_always).await?;
    let outcome = serve(&args, &folder, &nats, shutdown).await;
    folder.untell();
    nats.stop(PHASE_WITHIN).await;
    outcome
}

async fn serve(
    args: &DevArgs,
    folder: &Folder,
    nats: &NatsServer,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    let region = RegionName::new("local").expect("`local` is a name");
    let options = ConnectOptions { servers: vec![nats.url()], ..ConnectOptions::default() };
    let connection = Connection::open(&options, &region).await.context("connecting to the nats-server just started")?;
    let streams = Streams { log_bytes: LOG_BYTES, sync_always: args.sync_always, ..Streams::default() };
    dunlin_nats::provision(&connection, &streams.settings(region.clone()))
        .await
        .context("making the region's streams")?;
    drop(connection);

    let worker = dunlin_workers::Config {
        nats: options.clone(),
        region: region.clone(),
        folder: Some(folder.projections()),
        ..dunlin_workers::Config::default()
    };
    let worker = Worker::start(worker).await.context("starting the worker")?;
    let gateway = dunlin_gateway::Config {
        listen: args.listen,
        region,
        nats: options,
        drain: Millis(0),
        ..dunlin_gateway::Config::new(KeySource::File(folder.key_set()))
    };
    let gateway = Server::bind(gateway).await.context("starting the gateway")?;
    let url = format!("http://{}", gateway.local_addr());

    let (end_gateway, end_worker) = (CancellationToken::new(), CancellationToken::new());
    let mut working = worker.readiness();
    let mut gateway = tokio::spawn(gateway.run(end_gateway.clone().cancelled_owned()));
    let mut worker = tokio::spawn(worker.run(end_worker.clone().cancelled_owned()));
    let announce = async {
        let all = async {
            // An error means that the worker ended, which is seen where it runs.
            let _ = working.wait_for(|readiness| readiness.is_all_working()).await;
            ready(&url).await;
        };
        timeout(READY_WITHIN, all).await.with_context(|| {
            format!(
                "waiting for worker and gateway: not ready within {} s; the log and {url}/readyz say why",
                READY_WITHIN.as_secs()
            )
        })?;
        folder.tell(&url, &nats.url())?;
        print(&format!("ready {url}"))?;
        std::future::pending::<anyhow::Result<()>>().await
    };
    let outcome = tokio::select! {
        () = shutdown => Ok(()),
        outcome = announce => outcome,
        ended = &mut gateway => return ended_early("the gateway", ended),
        ended = &mut worker => return ended_early("the worker", ended),
    };
    end_gateway.cancel();
    phase("the gateway", gateway).await;
    end_worker.cancel();
    phase("the worker", worker).await;
    outcome
}

/// Returns when the gateway says that it is ready.
async fn ready(url: &str) {
    let readyz = format!("{url}/readyz");
    loop {
        match reqwest::get(&readyz).await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => tracing::debug!(status = %answer.status(), "not ready yet"),
            Err(error) => tracing::debug!(%error, "not ready yet"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

fn ended_early<E>(what: &str, ended: Result<Result<(), E>, tokio::task::JoinError>) -> anyhow::Result<()>
where
    E: std::error::Error + Send + Sync + 'static,
{
    ended.with_context(|| format!("running {what}"))?.with_context(|| format!("running {what}"))?;
    bail!("{what} ended by itself; the log says why")
}

async fn phase<E: std::fmt::Display>(what: &str, mut task: tokio::task::JoinHandle<Result<(), E>>) {
    match timeout(PHASE_WITHIN, &mut task).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!("{what} ended with: {error}"),
        Ok(Err(error)) => tracing::warn!("{what} ended with: {error}"),
        Err(_) => {
            task.abort();
            tracing::warn!("{what} did not end within {} s and was dropped", PHASE_WITHIN.as_secs());
        }
    }
}
