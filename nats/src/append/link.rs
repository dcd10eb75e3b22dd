//! The connection that appends: it does not reconnect but is made anew when it is lost, so that what was given up is never sent later.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{RegionName, limits};
use rand::Rng;
use tokio::{sync::watch, task::AbortHandle, time::Instant};

use crate::{
    ConnectError, ConnectOptions,
    api::Api,
    connect::Files,
    line::{self, Line, Outbound, Purpose},
};

const PURPOSE: Purpose = Purpose { suffix: "-appends", echo: true };
/// How long a line goes on after another has taken its place: what is under way on it has it for itself, and is answered there.
const REPLACED_FOR: Duration = Duration::from_millis(limits::APPEND_FOR.0);
/// The longest pause before a lost connection is made anew.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// One connection, from its making to its loss.
#[derive(Debug)]
pub(super) struct Link {
    /// Counts the links of a process, from 1.
    pub(super) number: u64,
    pub(super) outbound: Outbound,
    /// For questions and orders that must not outlive the link either.
    pub(super) api: Api<Outbound>,
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
    task: AbortHandle,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    pub(super) async fn start(options: ConnectOptions, origins: Origins) -> Result<Keeper, ConnectError> {
        let files = Files::of(&options).await;
        let first = line::dial(&options, &PURPOSE).await?;
        let (current, link) = watch::channel(None);
        let task = tokio::spawn(keep(options, files, origins, first, current)).abort_handle();
        let mut keeper = Keeper { link, task };
        keeper.link.wait_for(Option::is_some).await.map_err(|_| ConnectError::Options("shutting down".to_owned()))?;
        Ok(keeper)
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

async fn keep(
    options: ConnectOptions,
    mut files: Files,
    origins: Origins,
    first: Line,
    current: watch::Sender<Option<Arc<Link>>>,
) {
    let mut made = Some(first);
    let mut reach = options.clone();
    let mut number = 0;
    let mut seen: Option<(String, Instant)> = None;
    loop {
        let line = match made.take() {
            Some(made) => made,
            None => match line::dial(&reach, &PURPOSE).await {
                Ok(made) => made,
                Err(error) => {
                    tracing::debug!(%error, "the connection for appends can't be made yet");
                    tokio::time::sleep(pause()).await;
                    continue;
                }
            },
        };
        let server = line.server();
        // The one server that is named may be the one that is gone next time.
        reach = options.with_cluster(&server.connect_urls);
        let since = match &seen {
            Some((id, since)) if *id == server.server_id => *since,
            _ => Instant::now(),
        };
        seen = Some((server.server_id.clone(), since));
        let window = origins.window(server, since);
        tracing::info!(server = server.server_name, ?window, "ready to append");
        if let Some(seconds) = window.whole_in() {
            tracing::warn!(
                seconds,
                "the NATS server began to run lately: until its duplicate window is whole, every append looks at its log first"
            );
        }
        number += 1;
        let outbound = line.outbound().clone();
        let api = Api::new(outbound.clone(), &origins.region);
        current.send_replace(Some(Arc::new(Link { number, outbound, api, window })));
        let mut running = Box::pin(line.run(|_| {}));
        tokio::select! {
            (lost, _) = &mut running => {
                tracing::warn!(%lost, "lost the connection for appends; making another");
                current.send_replace(None);
            }
            replacement = replacement(&reach, &mut files) => {
                made = Some(replacement);
                tokio::spawn(tokio::time::timeout(REPLACED_FOR, running));
            }
        }
    }
}

/// Another connection, once one of the files was replaced that this one was let in with.
async fn replacement(options: &ConnectOptions, files: &mut Files) -> Line {
    loop {
        files.replaced().await;
        match line::dial(options, &PURPOSE).await {
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
}
