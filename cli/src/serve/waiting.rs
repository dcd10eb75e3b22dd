//! Starting while NATS is away: waiting until it is there, and saying so to those who ask over HTTP.
//!
//! What waiting can't mend (credentials, settings, a version that is too old, streams that are not ours) is not waited for.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use axum::{Router, http::StatusCode, routing::get};
use dunlin_nats::{ConnectError, ConnectOptions, Connection, SettingsError, region_settings};
use dunlin_schema::RegionName;
use dunlin_workers::pages;
use rand::Rng;
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;

/// The longest first pause between two tries; it doubles.
const PAUSE_FIRST: Duration = Duration::from_millis(200);
/// The longest of all.
const PAUSE_MOST: Duration = Duration::from_secs(5);

/// Who makes the region's streams, where they are not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// Others: they are waited for.
    MadeByOthers,
    /// Who waits, once NATS is there.
    MadeHere,
}

/// Waits until the region's NATS answers, and meanwhile answers on `listen`: `/livez` with 200, all else with 503. Errors: NATS refuses, or
/// nobody can listen there.
pub(super) async fn for_nats(
    options: &ConnectOptions,
    region: &RegionName,
    listen: Option<SocketAddr>,
    streams: Streams,
) -> anyhow::Result<()> {
    let Some(mut why) = away(options, region, streams).await? else { return Ok(()) };
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
            match away(options, region, streams).await? {
                Some(still) => why = still,
                None => return Ok(()),
            }
            most = PAUSE_MOST.min(most * 2);
        }
    };
    tokio::select! {
        came = coming => came,
        () = answer(listener) => anyhow::bail!("the answers over HTTP ended by themselves"),
    }
}

/// Why NATS is away, if it is. Errors: it is there, and refuses.
async fn away(options: &ConnectOptions, region: &RegionName, streams: Streams) -> anyhow::Result<Option<String>> {
    let connection = match Connection::open(options, region).await {
        Ok(connection) => connection,
        Err(error @ ConnectError::Unreachable { .. }) => return Ok(Some(error.to_string())),
        Err(error @ (ConnectError::Options(_) | ConnectError::Refused { .. } | ConnectError::Version { .. })) => {
            return Err(error).with_context(|| format!("opening the region {region}"));
        }
    };
    Ok(match region_settings(&connection).await {
        Err(SettingsError::NotProvisioned(_)) if streams == Streams::MadeHere => None,
        // Everything may be started at once, and the region provisioned last.
        Err(error @ (SettingsError::Unanswered { .. } | SettingsError::NotProvisioned(_))) => Some(error.to_string()),
        // What is foreign is told by whoever needs it.
        Ok(_) | Err(SettingsError::Foreign { .. }) => None,
    })
}

/// Answers until it is dropped.
async fn answer(listener: Option<TcpListener>) {
    let Some(listener) = listener else { return std::future::pending().await };
    let livez = || async { "alive\n" };
    let routes = Router::new()
        .route("/livez", get(livez).options(livez))
        .fallback(|| async { (StatusCode::SERVICE_UNAVAILABLE, "not ready: waiting for NATS\n") });
    pages::serve(listener, routes, || {}, CancellationToken::new()).await;
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn who_asks_is_answered_beside_silent_ones() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _answering = tokio::spawn(answer(Some(listener)));
        let mut silent = Vec::new();
        for _ in 0..15 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        for (asked, status) in [
            ("GET /livez", "HTTP/1.1 200"),
            ("HEAD /livez", "HTTP/1.1 200"),
            ("OPTIONS /livez", "HTTP/1.1 200"),
            ("GET /readyz", "HTTP/1.1 503"),
            ("OPTIONS /readyz", "HTTP/1.1 503"),
            ("GET /metrics", "HTTP/1.1 503"),
        ] {
            let answered = async {
                let mut client = TcpStream::connect(address).await.unwrap();
                let request = format!("{asked} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
                client.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).await.unwrap();
                answer
            };
            let answer = timeout(Duration::from_secs(2), answered).await.unwrap();
            assert!(answer.starts_with(status), "{asked}: {answer}");
        }
    }
}
