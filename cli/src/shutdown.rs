//! How a process is asked to end, or to read its configuration again.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Resolves at the first SIGINT or SIGTERM. A second one ends the process at once, with exit code 130: whoever asks twice does not
/// want to wait. Errors: signals can't be listened for.
pub fn signalled() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    ending(None)
}

/// The same for what runs in a terminal: it also ends when that is closed, unless it was started to outlive it, as `nohup` does. Errors:
/// signals can't be listened for.
pub fn signalled_or_hung_up() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    ending(if ignores_hangups() { None } else { Some(hangups()?) })
}

fn ignores_hangups() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The lowest bit is signal 1, SIGHUP.
    ignored.is_some_and(|mask| mask & 1 == 1)
}

fn ending(mut hangups: Option<Signal>) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let (tell, told) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
        tokio::select! {
            () = next() => {}
            // The kernel and the shell may both send one, so further ones say nothing.
            Some(()) = async { hangups.as_mut()?.recv().await } => {}
        }
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
