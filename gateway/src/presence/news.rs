//! Tells those who watch somebody to ask again, here and at other gateways: at once when a first device came, and after a moment when the
//! last one left, so that a device that changes its network was never away.
//!
//! The moment also lets the interest in the user go first: who asked before that would wait for an answer.

use std::{collections::VecDeque, time::Duration};

use dunlin_nats::FanIn;
use dunlin_schema::{UserName, limits};
use tokio::time::{Instant, interval, sleep_until};

use super::Watches;
use crate::{
    clock,
    directory::{Change, Directory},
    metrics::Metrics,
    reports::{Report, Reports},
    services::{BEAT_EVERY, Pulse},
};

/// Those who left and of whom nothing was told yet; where there are more, the first of them is told at once.
const LEAVING: usize = 65_536;

/// Runs until it is dropped.
pub(crate) async fn run(
    directory: &Directory,
    watches: &Watches,
    (reports, metrics): (&Reports, &Metrics),
    fan_in: &FanIn,
    pulse: &Pulse,
) {
    let grace = Duration::from_millis(limits::PRESENCE_GRACE.0);
    let mut leaving: VecDeque<(Instant, UserName)> = VecDeque::new();
    let mut beats = interval(BEAT_EVERY);
    loop {
        let first = leaving.front().map(|(at, _)| *at);
        tokio::select! {
            _ = beats.tick() => pulse.beat(),
            changes = directory.changed() => {
                for change in changes {
                    match change {
                        Change::Came(user) => {
                            tell(watches, fan_in, &user).await;
                            directory.told();
                        }
                        Change::Left(user) => {
                            // At once: who is told a moment later is told this time.
                            reports.put(metrics, Report::Seen(user.clone(), clock::now()));
                            leaving.push_back((Instant::now() + grace, user));
                        }
                    }
                    pulse.beat();
                }
            }
            () = async { sleep_until(first.unwrap_or_else(Instant::now)).await }, if first.is_some() => {}
        }
        while let Some((_, user)) = leaving.pop_front_if(|(at, _)| *at <= Instant::now()) {
            left(directory, watches, fan_in, &user, pulse).await;
        }
        while leaving.len() > LEAVING
            && let Some((_, user)) = leaving.pop_front()
        {
            left(directory, watches, fan_in, &user, pulse).await;
        }
    }
}

/// Somebody's last device left a moment ago. Where one came back there is nothing to tell.
async fn left(directory: &Directory, watches: &Watches, fan_in: &FanIn, user: &UserName, pulse: &Pulse) {
    if !directory.is_here(user) {
        tell(watches, fan_in, user).await;
    }
    directory.told();
    pulse.beat();
}

async fn tell(watches: &Watches, fan_in: &FanIn, user: &UserName) {
    watches.ask_again(user);
    if let Err(error) = fan_in.ask_again(user).await {
        tracing::debug!(%error, %user, "those who watch at other gateways ask again later");
    }
}
