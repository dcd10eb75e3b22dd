//! One task a TCP connection: it serves HTTP, and when a request was upgraded goes on as a WebSocket on the bare socket, with nothing
//! of HTTP left.

use std::{
    future::poll_fn,
    io,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use futures_util::FutureExt as _;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use super::{Handoff, Moving, Slot, messages::ANSWER_WITHIN};
use crate::{
    ending::end,
    gateway::Gateway,
    metrics::Metrics,
    opening::open,
    running::Running,
    services::{BEAT_EVERY, Pulse},
    socket::Socket,
    timer::Alarm,
};

/// For how long a request's head may take, and an idle connection may stay.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Of a request's head; a longer one is answered 431. Large enough for a token that is too long to be told so. The bound of hyper's buffer
/// alone does not hold: it is looked at between reads, and one read may bring more.
const HEAD_BYTES: usize = 64 * 1024;
/// How long a connection may stay with HTTP: whoever wants more opens another one. Where a file moves over it, so long after its last
/// bytes.
const HTTP_FOR: Duration = Duration::from_secs(60);
/// How long the gateway waits when the system has no socket for it.
const BREATH: Duration = Duration::from_millis(50);

/// An address at which connections come in.
pub(crate) struct Entrance {
    pub(crate) listener: TcpListener,
    /// What is served there.
    pub(crate) routes: Router,
    /// Connections at once; further ones are closed.
    pub(crate) most: usize,
    /// The tasks of those that are open.
    pub(crate) tasks: TaskTracker,
}

/// Accepts connections until it is dropped; their tasks live on.
pub(crate) async fn accept(gateway: Arc<Gateway>, entrance: Entrance, pulse: Arc<Pulse>) {
    let Entrance { listener, routes, most, tasks } = entrance;
    let mut beats = tokio::time::interval(BEAT_EVERY);
    loop {
        pulse.beat();
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = beats.tick() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (gateway, routes) = (gateway.clone(), routes.clone());
                let alarm = Alarm::new();
                let entered = Entered::new(&gateway, &alarm);
                if tasks.len() < most {
                    let metrics = gateway.metrics.clone();
                    let entering = Box::pin(enter(gateway, alarm, stream, routes));
                    tasks.spawn(watched(serve(entered, entering), metrics));
                } else {
                    gateway.metrics.turned_away.inc();
                }
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for a moment");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// A socket's place among all, for as long as it is open.
struct Entered {
    gateway: Arc<Gateway>,
    alarm: Arc<Alarm>,
}

impl Entered {
    fn new(gateway: &Arc<Gateway>, alarm: &Arc<Alarm>) -> Entered {
        gateway.sockets.open(alarm);
        gateway.metrics.sockets.inc();
        Entered { gateway: gateway.clone(), alarm: alarm.clone() }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.gateway.sockets.close(&self.alarm);
        self.gateway.metrics.sockets.dec();
    }
}

/// A connection whose panics are counted, and end nothing but it.
fn watched(serving: impl Future<Output = ()>, metrics: Arc<Metrics>) -> impl Future<Output = ()> {
    AssertUnwindSafe(serving).catch_unwind().map(move |served| {
        if served.is_err() {
            metrics.panics.inc();
            tracing::error!("a panic ends a connection");
        }
    })
}

/// A connection as long as it is open. What comes before and after the life of a device is boxed, so that the task of an idle one is small.
async fn serve<F: Future<Output = Option<Running>>>(entered: Entered, entering: Pin<Box<F>>) {
    let Some(mut device) = entering.await else { return };
    let (socket, ending) = poll_fn(|cx| device.poll(cx)).await;
    drop(device);
    Box::pin(end(socket, ending, &entered.gateway.metrics)).await;
}

/// Serves HTTP, and opens the WebSocket if a request was upgraded. Gives the device that came over it, where one was let in.
async fn enter(gateway: Arc<Gateway>, alarm: Arc<Alarm>, stream: TcpStream, routes: Router) -> Option<Running> {
    // Frames are gathered here; the system need not wait for more.
    let _ = stream.set_nodelay(true);
    let (mut socket, handoff) = http(stream, routes, &gateway.finish, &gateway.kill).await?;
    // Apart: both as one would be of the size of a subscription's room, which then lies where this was and is resident as a whole.
    let opened = Box::pin(open(&gateway, &mut socket, &alarm, handoff.identity)).await;
    match opened {
        Ok(opened) => Some(Running::new(gateway, opened, socket)),
        Err(ending) => {
            Box::pin(end(socket, ending, &gateway.metrics)).await;
            None
        }
    }
}

/// Serves HTTP until the client is done with it, for [`HTTP_FOR`] at most where no file moves: at `finish` it answers what was begun, at
/// `kill` it ends where it stands. Gives the WebSocket, if a request was upgraded.
async fn http(
    stream: TcpStream,
    routes: Router,
    finish: &CancellationToken,
    kill: &CancellationToken,
) -> Option<(Box<Socket>, Handoff)> {
    let (slot, moving) = (Slot::default(), Moving::default());
    let (upgraded, moves) = (slot.clone(), moving.clone());
    // A layer would have all routes made anew for each connection.
    let routes = routes.map_request(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(slot.clone());
        request.extensions_mut().insert(moving.clone());
        request
    });
    let service = TowerToHyperService::new(routes);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // Whoever has said all waits for the answer none the less.
        .half_close(true)
        .header_read_timeout(HEAD_WITHIN)
        .max_header_size(HEAD_BYTES)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut finish = pin!(finish.cancelled());
    let mut late = pin!(tokio::time::sleep(HTTP_FOR));
    let mut finishing = false;
    let served = loop {
        tokio::select! {
            served = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break served,
            () = &mut finish, if !finishing => {
                finishing = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
            // One that does not take its answers even now is let go.
            () = &mut late => {
                if moves.take() {
                    late.as_mut().reset(tokio::time::Instant::now() + HTTP_FOR);
                    continue;
                }
                if finishing {
                    return None;
                }
                finishing = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                late.as_mut().reset(tokio::time::Instant::now() + ANSWER_WITHIN + HEAD_WITHIN);
            }
            () = kill.cancelled() => return None,
        }
    };
    served.ok()?;
    let handoff = upgraded.lock().take()?;
    let parts = connection.into_parts();
    Some((Box::new(Socket::new(parts.io.into_inner(), handoff.encoding, &parts.read_buf, &handoff.gathering)), handoff))
}

#[cfg(test)]
mod tests;
