//! SIGHUP: a process reads its configuration again, with the credentials and certificates that it names. What can't be used changes
//! nothing.

use std::net::SocketAddr;

use anyhow::Context;
use dunlin_nats::Connection;
use tokio::signal::unix::Signal;

use super::{WorkerArgs, free};
use crate::config::{self, WorkerFile};

/// Waits for a SIGHUP after which the worker's configuration can be used, and gives it. Cancel-safe.
pub(super) async fn worker(args: &WorkerArgs, hangups: &mut Signal) -> WorkerFile {
    loop {
        if hangups.recv().await.is_none() {
            // No signal can come any more.
            std::future::pending::<()>().await;
        }
        match read(args).await {
            Ok(file) => {
                tracing::info!("SIGHUP: the configuration was read again");
                return file;
            }
            Err(error) => tracing::error!("SIGHUP: going on with the configuration from before: {error:#}"),
        }
    }
}

/// The same as [`worker`], but only where NATS lets us in with it, and where nobody else listens on its address if that is another one
/// than `listens`: nobody gives up work that is done for a place that can't be reached.
pub(super) async fn working_worker(args: &WorkerArgs, hangups: &mut Signal, listens: Option<SocketAddr>) -> WorkerFile {
    loop {
        let file = worker(args, hangups).await;
        match can_work(&file, listens).await {
            Ok(()) => return file,
            Err(error) => tracing::error!("SIGHUP: going on with the configuration from before: {error:#}"),
        }
    }
}

async fn can_work(file: &WorkerFile, listens: Option<SocketAddr>) -> anyhow::Result<()> {
    file.worker.listen.filter(|listen| Some(*listen) != listens).map_or(Ok(()), free)?;
    Connection::open(&file.worker.nats, &file.worker.region).await?;
    Ok(())
}

async fn read(args: &WorkerArgs) -> anyhow::Result<WorkerFile> {
    let file = config::worker(&args.config, args.roles.as_deref())?;
    file.worker.check_to_work().context("checking the worker's configuration")?;
    file.worker.nats.check().await.context("checking the worker's configuration")?;
    Ok(file)
}
