//! The connection that appends: it does not reconnect but is made anew when it is lost, so that what was given up is never sent later.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, Event};
use dunlin_schema::{RegionName, limits};
use rand::Rng;
use tokio::{sync::watch, task::AbortHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use super::pipeline::Pipeline;
use crate::{
    ConnectError, ConnectOptions,
    api::Api,
    connect::{Files, Purpose},
};

/// Answers that wait to be taken: all that can be under way. Room is only taken when it is used.
const ANSWERS: usize = super::IN_FLIGHT;
/// The longest pause before a lost connection is made anew.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// One connection, from its making to its loss.
#[derive(Debug)]
pub(super) struct Link {
    /// Counts the links of a process, from 1.
    pub(super) number: u64,
    pub(super) publishes: Pipeline,
    /// For questions and orders that must not outlive the link either.
    pub(super) api: Api,
    window: Window,
}

/// What is known of the duplicate windows behind a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    /// They hold every id of the last two minutes.
    Whole,
    /// They do from this moment on.
    WholeFrom(Instant),
    /// Which server keeps them, and since when it has been up, can't be seen from here.
    Unseen,
}

impl Window {
    /// In how many seconds they hold every id, where they don't yet and it is known.
    fn whole_in(self) -> Option<u64> {
        let Window::WholeFrom(moment) = self else { return None };
        Some(moment.saturating_duration_since(Instant::now()).as_secs()).filter(|seconds| *seconds > 0)
    }
}

impl Link {
    pub(super) fn window_whole(&self) -> bool {
        match self.window {
            Window::Whole => true,
            Window::WholeFrom(moment) => Instant::now() >= moment,
            Window::Unseen => false,
        }
    }
}

/// What is needed to tell whether the duplicate windows are whole.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    pub(super) region: RegionName,
    pub(super) replicas: u8,
    /// The id of the server that made the streams: while it is still the same one, it has never restarted.
    pub(super) created_by: Option<String>,
}

impl Origins {
    fn window(&self, server: &async_nats::ServerInfo, seen_since: Instant) -> Window {
        let keeps_the_streams =
            server.jetstream && server.cluster.is_none() && server.domain.as_deref() == Some(self.region.as_str());
        if self.replicas > 1 || self.created_by.as_ref() == Some(&server.server_id) {
            Window::Whole
        } else if keeps_the_streams {
            Window::WholeFrom(seen_since + Duration::from_millis(limits::DUPLICATE_WINDOW.0))
        } else {
            Window::Unseen
        }
    }
}

/// Keeps a link: makes it anew whenever it is lost, until it is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    link: watch::Receiver<Option<Arc<Link>>>,
    /// Events in which answers were dropped.
    dropped: Dropped,
    task: AbortHandle,
}

type Dropped = Arc<AtomicU64>;

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    pub(super) async fn start(options: ConnectOptions, origins: Origins) -> Result<Keeper, ConnectError> {
        let files = Files::of(&options).await;
        let dropped = Dropped::default();
        let first = dial(&options, &dropped).await?;
        let (current, link) = watch::channel(None);
        let task = tokio::spawn(keep(options, files, origins, first, current, dropped.clone())).abort_handle();
        let mut keeper = Keeper { link, dropped, task };
        keeper.link.wait_for(Option::is_some).await.map_err(|_| ConnectError::Options("shutting down".to_owned()))?;
        Ok(keeper)
    }

    /// How often answers were dropped, on any link, because too many waited to be taken.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The link, if there is one now.
    pub(super) fn now(&self) -> Option<Arc<Link>> {
        self.link.borrow().clone()
    }

    /// The link, or the next one if it comes within `wait`.
    pub(super) async fn within(&self, wait: Duration) -> Option<Arc<Link>> {
        if let Some(link) = self.now() {
            return Some(link);
        }
        let mut link = self.link.clone();
        let next = tokio::time::timeout(wait, link.wait_for(Option::is_some)).await.ok()?.ok()?;
        next.clone()
    }
}

async fn dial(options: &ConnectOptions, dropped: &Dropped) -> Result<(Client, CancellationToken), ConnectError> {
    let lost = CancellationToken::new();
    let purpose = Purpose { suffix: "-appends", reconnect: false, subscription_capacity: ANSWERS, echo: true };
    let (told, dropped) = (lost.clone(), dropped.clone());
    let client = options.dial(purpose, move |event| observe(&event, &told, &dropped)).await?;
    Ok((client, lost))
}

fn observe(event: &Event, lost: &CancellationToken, dropped: &AtomicU64) {
    match event {
        Event::Disconnected | Event::Closed | Event::Draining => lost.cancel(),
        Event::ServerError(error) => tracing::warn!(%error, "the NATS server complains about appends"),
        Event::SlowConsumer(_) => {
            dropped.fetch_add(1, Ordering::Relaxed);
        }
        Event::Connected | Event::LameDuckMode | Event::ClientError(_) => {}
    }
}

async fn keep(
    options: ConnectOptions,
    mut files: Files,
    origins: Origins,
    first: (Client, CancellationToken),
    current: watch::Sender<Option<Arc<Link>>>,
    dropped: Dropped,
) {
    let mut made = Some(first);
    let mut reach = options.clone();
    let mut number = 0;
    let mut seen: Option<(String, Instant)> = None;
    loop {
        let (client, lost) = match made.take() {
            Some(made) => made,
            None => match dial(&reach, &dropped).await {
                Ok(made) => made,
                Err(error) => {
                    tracing::debug!(%error, "the connection for appends can't be made yet");
                    tokio::time::sleep(pause()).await;
                    continue;
                }
            },
        };
        let server = client.server_info();
        // The one server that is named may be the one that is gone next time.
        reach = options.with_cluster(&server.connect_urls);
        let since = match &seen {
            Some((id, since)) if *id == server.server_id => *since,
            _ => Instant::now(),
        };
        seen = Some((server.server_id.clone(), since));
        let window = origins.window(&server, since);
        tracing::info!(server = server.server_name, ?window, "ready to append");
        if let Some(seconds) = window.whole_in() {
            tracing::warn!(
                seconds,
                "the NATS server began to run lately: until its duplicate window is whole, every append looks at its log first"
            );
        }
        // A connection that is closed already is lost.
        let api = Api::new(client.clone(), &origins.region);
        let Ok(publishes) = Pipeline::over(client).await else { continue };
        number += 1;
        let link = Arc::new(Link { number, publishes, api, window });
        current.send_replace(Some(link.clone()));
        tokio::select! {
            () = lost.cancelled() => {
                tracing::warn!("lost the connection for appends; making another");
                current.send_replace(None);
                link.publishes.close();
            }
            // What is under way on this one has it for itself, and is answered there.
            replacement = replacement(&reach, &mut files, &dropped) => made = Some(replacement),
        }
    }
}

/// Another connection, once one of the files was replaced that this one was let in with.
async fn replacement(options: &ConnectOptions, files: &mut Files, dropped: &Dropped) -> (Client, CancellationToken) {
    loop {
        files.replaced().await;
        match dial(options, dropped).await {
            Ok(made) => {
                tracing::info!("a file of the NATS settings was replaced: appending with the new one");
                return made;
            }
            Err(error) => {
                tracing::warn!(%error, "a file of the NATS settings was replaced, but nobody lets us in with it: appending with the old one");
            }
        }
    }
}

fn pause() -> Duration {
    rand::rng().random_range(Duration::from_millis(10)..PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(id: &str, cluster: Option<&str>, domain: &str) -> async_nats::ServerInfo {
        async_nats::ServerInfo {
            server_id: id.to_owned(),
            cluster: cluster.map(str::to_owned),
            domain: Some(domain.to_owned()),
            jetstream: true,
            ..Default::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_whole_when_nobody_can_have_lost_it() {
        let region = RegionName::new("eu").unwrap();
        let single = Origins { region: region.clone(), replicas: 1, created_by: Some("A".to_owned()) };
        let triple = Origins { region, replicas: 3, created_by: None };
        let now = Instant::now();
        let later = now + Duration::from_secs(120);
        for (name, origins, server, expected) in [
            ("never restarted", &single, server("A", None, "eu"), Window::Whole),
            ("restarted", &single, server("B", None, "eu"), Window::WholeFrom(later)),
            ("one replica somewhere in a cluster", &single, server("B", Some("c"), "eu"), Window::Unseen),
            ("a point of presence", &single, server("B", None, "pop"), Window::Unseen),
            ("several replicas", &triple, server("B", Some("c"), "eu"), Window::Whole),
        ] {
            assert_eq!(origins.window(&server, now), expected, "{name}");
        }
    }

    /// As much of a server as a connecting client sees, for one connection.
    async fn serve_one(listener: &tokio::net::TcpListener) -> tokio::net::TcpStream {
        use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = BufReader::new(socket);
        let info = br#"INFO {"server_id":"A","version":"2.15.2","max_payload":1024,"proto":1,"headers":true}"#;
        socket.write_all(&[&info[..], b"\r\n"].concat()).await.unwrap();
        let mut line = String::new();
        while !line.starts_with("PING") {
            line.clear();
            socket.read_line(&mut line).await.unwrap();
        }
        socket.write_all(b"PONG\r\n").await.unwrap();
        socket.into_inner()
    }

    #[test]
    fn answers_that_are_dropped_are_counted() {
        let (lost, dropped) = (CancellationToken::new(), Dropped::default());
        for event in [Event::Connected, Event::SlowConsumer(7), Event::SlowConsumer(8)] {
            observe(&event, &lost, &dropped);
        }
        assert_eq!((dropped.load(Ordering::Relaxed), lost.is_cancelled()), (2, false));
    }

    #[tokio::test]
    async fn a_lost_link_is_closed_for_good_and_takes_nothing_more() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let servers = vec![format!("nats://{}", listener.local_addr().unwrap())];
        let options = ConnectOptions { servers, ..ConnectOptions::default() };
        let dropped = Dropped::default();
        let (socket, dialled) = tokio::join!(serve_one(&listener), dial(&options, &dropped));
        let (client, lost) = dialled.unwrap();
        drop(socket);
        // The server is still there, and would be sent what the client was given before.
        let closed = async {
            lost.cancelled().await;
            while client.publish("log", bytes::Bytes::new()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        let outcome = tokio::select! {
            () = closed => "closed",
            _ = listener.accept() => "connected again",
            () = tokio::time::sleep(Duration::from_secs(20)) => "takes publishes for ever",
        };
        assert_eq!(outcome, "closed");
    }
}
