//! Starting while NATS is away: waiting until it is there, and saying so to those who ask over HTTP.
//!
//! What waiting can't mend (credentials, settings, a version that is too old, streams that are not ours) is not waited for.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use anyhow::Context;
use bytes::Bytes;
use dunlin_nats::{ConnectError, ConnectOptions, Connection, SettingsError, region_settings};
use dunlin_schema::RegionName;
use http_body_util::Full;
use hyper::{Request, Response, StatusCode, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rand::Rng;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

/// The longest first pause between two tries; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// The longest of all.
const PAUSE_MOST: Duration = Duration::from_secs(5);
/// How long one who asks over HTTP may take: they come one after the other.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// Waits until the region's NATS answers, and meanwhile answers on `listen`: `/livez` with 200, all else with 503. Errors: NATS refuses, or
/// nobody can listen there.
pub(super) async fn for_nats(
    options: &ConnectOptions,
    region: &RegionName,
    listen: Option<SocketAddr>,
) -> anyhow::Result<()> {
    let Some(mut why) = away(options, region).await? else { return Ok(()) };
    // A free port that nobody knows is asked by nobody.
    let listener = match listen.filter(|address| address.port() != 0) {
        Some(address) => Some(TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?),
        None => None,
    };
    let coming = async {
        let mut most = PAUSE_FIRST;
        loop {
            let pause = rand::rng().random_range(Duration::ZERO..most);
            tracing::warn!(%why, "waiting for NATS; trying again in {} ms", pause.as_millis());
            sleep(pause).await;
            match away(options, region).await? {
                Some(still) => why = still,
                None => return Ok(()),
            }
            most = PAUSE_MOST.min(most * 2);
        }
    };
    tokio::select! {
        came = coming => came,
        never = answer(listener) => match never {},
    }
}

/// Why NATS is away, if it is. Errors: it is there, and refuses.
async fn away(options: &ConnectOptions, region: &RegionName) -> anyhow::Result<Option<String>> {
    let connection = match Connection::open(options, region).await {
        Ok(connection) => connection,
        Err(error @ ConnectError::Unreachable { .. }) => return Ok(Some(error.to_string())),
        Err(error @ (ConnectError::Options(_) | ConnectError::Refused { .. } | ConnectError::Version { .. })) => {
            return Err(error).with_context(|| format!("opening the region {region}"));
        }
    };
    Ok(match region_settings(&connection).await {
        Err(error @ SettingsError::Unanswered { .. }) => Some(error.to_string()),
        // What is missing or foreign is told by whoever needs it.
        Ok(_) | Err(SettingsError::NotProvisioned(_) | SettingsError::Foreign { .. }) => None,
    })
}

async fn answer(listener: Option<TcpListener>) -> Infallible {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            // Whoever hangs up or is slow has no answer, and asks again.
            Ok((stream, _)) => drop(timeout(ANSWER_WITHIN, serve(stream)).await),
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for a moment");
                sleep(PAUSE_FIRST).await;
            }
        }
    }
}

async fn serve(stream: TcpStream) -> Result<(), hyper::Error> {
    let pages = service_fn(|request: Request<Incoming>| {
        let (status, text) = match request.uri().path() {
            "/livez" => (StatusCode::OK, "alive\n"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready: waiting for NATS\n"),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
        *response.status_mut() = status;
        std::future::ready(Ok::<_, Infallible>(response))
    });
    http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), pages).await
}
