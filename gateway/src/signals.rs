//! Signals: what a user does just now, told to the devices of another one. Nothing of it is stored, kept for later or tried again: what
//! finds no room, or no connection to NATS, is counted and let go.

use dunlin_nats::FanIn;
use dunlin_schema::{
    Address, Code, Millis, Sender, SignalKind, UserName,
    live::{Signal, UserMessage},
};
use tokio::sync::mpsc;

use crate::{
    clock,
    directory::Directory,
    metrics::Metrics,
    refusal::Refusal,
    sending,
    services::{BEAT_EVERY, Pulse},
};

/// Signals that wait to be published.
const WAITING: usize = 1_024;

/// Tells users' devices, here and at other gateways.
pub(crate) struct Signals {
    elsewhere: mpsc::Sender<(UserName, Signal)>,
}

/// What is to be told at other gateways.
pub(crate) struct Elsewhere(mpsc::Receiver<(UserName, Signal)>);

pub(crate) fn channel() -> (Signals, Elsewhere) {
    let (elsewhere, told) = mpsc::channel(WAITING);
    (Signals { elsewhere }, Elsewhere(told))
}

/// Whom a client's signal is for, and what they are told. Errors: why it is refused.
pub(crate) fn addressed(at: Millis, from: Sender, to: &str, kind: &str) -> Result<(UserName, Signal), Refusal> {
    let kind: SignalKind =
        kind.parse().map_err(|error| Refusal::never(Code::BadContent, format!("`kind`: {error}")))?;
    let to: Address = to.parse().map_err(|error| Refusal::never(Code::BadAddress, format!("`to`: {error}")))?;
    let to = to.said_in(&from.region);
    let user = sending::mailbox_of(&to, &from.region).map_err(|error| Refusal::never(Code::Unsupported, error))?;
    Ok((user.clone(), Signal { from, to, kind, at }))
}

impl Signals {
    /// Tells a user's devices.
    pub(crate) fn tell(&self, directory: &Directory, metrics: &Metrics, to: UserName, signal: Signal) {
        metrics.signals.inc();
        directory.signal(&to, &signal);
        if self.elsewhere.try_send((to, signal)).is_err() {
            metrics.signals_lost.inc();
        }
    }
}

impl Elsewhere {
    /// Publishes until the region is gone.
    pub(crate) async fn run(mut self, fan_in: &FanIn, metrics: &Metrics, pulse: &Pulse) {
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            tokio::select! {
                _ = beats.tick() => pulse.beat(),
                signal = self.0.recv() => {
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
