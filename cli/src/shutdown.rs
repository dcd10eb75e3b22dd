//! How a process is asked to end, or to read its configuration again.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGINT or SIGTERM. A second one ends the process at once, with exit code 130: whoever asks twice does not
/// want to wait. Errors: signals can't be listened for.
pub fn signalled() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        next().await;
        tracing::info!("ending; a second signal ends at once");
        // Whoever waited may be gone: then a second signal is all that is left to wait for.
        let _ = tell.send(());
        next().await;
        std::process::exit(130);
    });
    Ok(async move {
        // The sender is dropped only with the runtime.
        let _ = told.await;
    })
}

/// The SIGHUPs from now on: none of them ends the process any more. Errors: signals can't be listened for.
pub fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("listening for SIGHUP")
}
