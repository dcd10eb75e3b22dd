//! Signals: what a user does just now, told to the devices of another one, or of a group's other members. Nothing of it is stored, kept
//! for later or tried again: what finds no room, or no connection to NATS, is counted and let go.

mod members;

use dunlin_nats::{FanIn, Reads};
use dunlin_schema::{
    Address, Code, Millis, Peer, Sender, SignalKind,
    live::{Signal, UserMessage},
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use self::members::Members;
use crate::{
    clock,
    directory::Directory,
    metrics::Metrics,
    refusal::Refusal,
    sending::NoRoute,
    services::{BEAT_EVERY, Pulse},
    settings::People,
};

/// Signals that wait to be published.
const WAITING: usize = 1_024;

/// Signals of which it is looked up at once whether they may be told.
const LOOKED_UP: usize = 64;

/// What it takes to tell a signal.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) fan_in: &'a FanIn,
    pub(crate) reads: &'a Reads,
    pub(crate) directory: &'a Directory,
    /// Whom each lets write, and so signal.
    pub(crate) people: &'a People,
    pub(crate) metrics: &'a Metrics,
}

/// Tells users' and groups' devices, here and at other gateways.
pub(crate) struct Signals {
    elsewhere: mpsc::Sender<(Peer, Signal)>,
    unchecked: mpsc::Sender<(Peer, Signal)>,
    members: Members,
}

/// What is to be told at other gateways, and what is yet to be looked up.
pub(crate) struct Elsewhere {
    told: mpsc::Receiver<(Peer, Signal)>,
    unchecked: mpsc::Receiver<(Peer, Signal)>,
}

pub(crate) fn channel() -> (Signals, Elsewhere) {
    let ((elsewhere, told), (unchecked, to_check)) = (mpsc::channel(WAITING), mpsc::channel(WAITING));
    (Signals { elsewhere, unchecked, members: Members::default() }, Elsewhere { told, unchecked: to_check })
}

/// Whom a client's signal is for, and what they are told. Errors: why it is refused.
pub(crate) fn addressed(at: Millis, from: Sender, to: &str, kind: &str) -> Result<(Peer, Signal), Refusal> {
    let kind: SignalKind =
        kind.parse().map_err(|error| Refusal::never(Code::BadContent, format!("`kind`: {error}")))?;
    let to: Address = to.parse().map_err(|error| Refusal::never(Code::BadAddress, format!("`to`: {error}")))?;
    let to = to.said_in(&from.region);
    if to.region.as_ref() != Some(&from.region) {
        return Err(Refusal::never(Code::Unsupported, NoRoute::Region));
    }
    Ok((to.peer.clone(), Signal { from, to, kind, at }))
}

impl Signals {
    /// Tells a user's devices, where the user lets the sender write, or those of a group's members, where the sender may signal in it.
    /// Nobody is told that it was not so.
    pub(crate) fn tell(&self, means: Means<'_>, to: Peer, signal: Signal) {
        means.metrics.signals.inc();
        let may = match &to {
            Peer::User(user) => means.people.known_to_let_write(&signal.from, user),
            Peer::Group(_) => self.members.known(&to, &signal.from.user),
        };
        match may {
            Some(true) => self.let_in(means, to, signal),
            Some(false) => {}
            // What is looked up once there is a connection again comes late.
            None => {
                if !means.fan_in.is_connected() || self.unchecked.try_send((to, signal)).is_err() {
                    means.metrics.signals_lost.inc();
                }
            }
        }
    }

    async fn look_up(&self, means: Means<'_>, to: Peer, signal: Signal) {
        let may = match &to {
            Peer::User(user) => means.people.may_write(means.reads, &signal.from, user).await.ok(),
            Peer::Group(_) => {
                let log = means.directory.log_of(to.clone());
                self.members.look(means.reads, &log, &signal.from.user).await.ok()
            }
        };
        match may {
            Some(true) if signal.holds(clock::now()) => self.let_in(means, to, signal),
            Some(false) => {}
            Some(true) | None => {
                means.metrics.signals_lost.inc();
            }
        }
    }

    fn let_in(&self, Means { directory, metrics, .. }: Means<'_>, to: Peer, signal: Signal) {
        directory.signal(&to, &signal);
        if self.elsewhere.try_send((to, signal)).is_err() {
            metrics.signals_lost.inc();
        }
    }
}

impl Elsewhere {
    /// Looks up and publishes until the region is gone.
    pub(crate) async fn run(mut self, signals: &Signals, means: Means<'_>, pulse: &Pulse) {
        let Means { fan_in, metrics, .. } = means;
        let mut beats = tokio::time::interval(BEAT_EVERY);
        let mut looking = FuturesUnordered::new();
        loop {
            tokio::select! {
                _ = beats.tick() => pulse.beat(),
                unchecked = self.unchecked.recv(), if looking.len() < LOOKED_UP => {
                    let Some((to, signal)) = unchecked else { return };
                    looking.push(signals.look_up(means, to, signal));
                }
                Some(()) = looking.next() => pulse.beat(),
                signal = self.told.recv() => {
                    let Some((to, signal)) = signal else { return };
                    if !signal.holds(clock::now()) {
                        metrics.signals_lost.inc();
                    } else if let Err(error) = fan_in.tell_others(&to, &UserMessage::Signal(signal)).await {
                        metrics.signals_lost.inc();
                        tracing::debug!(%error, %to, "the other gateways are not told of a signal");
                    }
                    pulse.beat();
                }
            }
        }
    }
}
