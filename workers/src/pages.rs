//! Pages that operators ask for over HTTP, each connection beside the others: a slow or silent one costs nobody else the answer.

use std::{collections::VecDeque, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// For how long a request's head may take, and an idle connection may stay.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Of a request's head.
const HEAD_BYTES: usize = 64 * 1024;
/// How long a connection may stay: whoever wants more opens another one.
const STAY: Duration = Duration::from_secs(60);
/// Connections at once. When one more comes the oldest goes: it is silent, or was answered long ago.
const AT_ONCE: usize = 64;
/// How long what was begun may take when the connection is to end.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// How long to wait when the system has no socket.
const BREATH: Duration = Duration::from_millis(50);

/// Answers with `routes` until `end`, and then what was begun. Tells `dropped` of each connection that has to go for a newer one. Dropped,
/// it ends at once.
pub async fn serve(listener: TcpListener, routes: Router, dropped: impl Fn(), end: CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut oldest_first: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
            () = end.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                oldest_first.retain(|task| !task.is_finished());
                if oldest_first.len() >= AT_ONCE {
                    oldest_first.pop_front().inspect(AbortHandle::abort);
                    dropped();
                }
                oldest_first.push_back(tasks.spawn(connection(stream, routes.clone(), end.clone())));
            }
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for a moment");
                sleep(BREATH).await;
            }
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// One connection. Its errors are its client's.
async fn connection(stream: TcpStream, routes: Router, end: CancellationToken) {
    let mut served = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WITHIN)
            .max_header_size(HEAD_BYTES)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
    );
    tokio::select! {
        _ = served.as_mut() => return,
        () = end.cancelled() => {}
        () = sleep(STAY) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(FINISH_WITHIN, served).await;
}

#[cfg(test)]
mod tests;
