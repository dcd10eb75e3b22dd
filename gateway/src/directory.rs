//! Who follows which log here: each log once, with its followers and the interest that brings its live entries, by shard.

mod devices;

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use dunlin_nats::{FanIn, FanInError, Joined, LiveSink};
use dunlin_schema::{
    Log, LogName, Peer, Shard, limits,
    live::{self, LiveEntry, Met},
};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

pub(crate) use devices::News;
use devices::Teller;

use crate::{
    clock::Uptime,
    connection::Connection,
    metrics::Metrics,
    session::{Input, Tail},
    timer::Order,
};

/// The logs of a region that somebody here follows. Today these are the mailboxes of those who are connected.
pub(crate) struct Directory {
    metrics: Arc<Metrics>,
    teller: Teller,
    shards: Box<[Mutex<Logs>]>,
}

/// By the logs' owners.
type Logs = HashMap<Peer, Arc<Followed>>;

/// A log that somebody here follows. It goes with its last follower, and its interest with it.
struct Followed {
    followers: Arc<Followers>,
    interest: OnceCell<Joined>,
}

/// The followers of a log.
struct Followers {
    tail: Tail,
    metrics: Arc<Metrics>,
    teller: Teller,
    list: Mutex<Vec<Arc<Connection>>>,
}

/// The user has as many devices connected as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this user has {max} devices connected, which is as many as are allowed", max = limits::DEVICES)]
pub(crate) struct TooMany;

impl Directory {
    /// What it tells other gateways goes out while the [`News`] run.
    pub(crate) fn new(shards: u16, metrics: Arc<Metrics>) -> (Directory, News) {
        let (teller, news) = devices::channel(&metrics);
        let directory = Directory { metrics, teller, shards: (0..shards).map(|_| Mutex::default()).collect() };
        (directory, news)
    }

    fn logs(&self, shard: Shard) -> &Mutex<Logs> {
        &self.shards[usize::from(shard.0)]
    }

    /// Adds a device to the followers of its user's mailbox, until [`Directory::leave`]. The same device's older connection is told to end.
    /// Errors: the user has too many; then nothing was added.
    pub(crate) fn join(&self, mailbox: &Log, connection: &Arc<Connection>) -> Result<(), TooMany> {
        let mut logs = self.logs(mailbox.shard).lock();
        let followed = logs.entry(mailbox.owner.clone()).or_insert_with(|| {
            let (tail, list) = (Tail::of(mailbox, LogName::Mailbox), Mutex::new(Vec::with_capacity(1)));
            let followers =
                Arc::new(Followers { tail, metrics: self.metrics.clone(), teller: self.teller.clone(), list });
            Arc::new(Followed { followers, interest: OnceCell::new() })
        });
        let mut devices = followed.followers.list.lock();
        match devices.iter().position(|other| other.device() == connection.device()) {
            Some(older) => {
                devices[older].alarm().tell(Order::Replaced);
                devices[older] = connection.clone();
            }
            None if devices.len() >= limits::DEVICES => return Err(TooMany),
            None => devices.push(connection.clone()),
        }
        if devices.len() > 1 {
            devices.iter().for_each(|device| device.has_siblings());
        }
        Ok(())
    }

    /// Takes a device out, unless a newer connection of it has taken the place.
    pub(crate) fn leave(&self, connection: &Arc<Connection>) {
        let owner = Peer::User(connection.user().clone());
        let mut logs = self.logs(connection.shard()).lock();
        let Some(followed) = logs.get(&owner) else { return };
        let mut devices = followed.followers.list.lock();
        devices.retain(|other| !Arc::ptr_eq(other, connection));
        let is_empty = devices.is_empty();
        drop(devices);
        // Its interest goes when others may look here again.
        let gone = if is_empty { logs.remove(&owner) } else { None };
        drop(logs);
        drop(gone);
    }

    /// Resolves when the interest in the live entries of a follower's mailbox is in place: the first follower puts it there, the others
    /// wait for it. Then the other gateways are told of the device. Errors: see [`FanInError`].
    pub(crate) async fn interest(&self, fan_in: &FanIn, connection: &Arc<Connection>) -> Result<(), FanInError> {
        let owner = Peer::User(connection.user().clone());
        let followed = self.logs(connection.shard()).lock().get(&owner).cloned();
        // Only a connection that was replaced in the meantime is not there, and it is told to end.
        let Some(followed) = followed else { return Ok(()) };
        let join = || fan_in.join(connection.user().clone(), followed.followers.clone());
        followed.interest.get_or_try_init(join).await?;
        self.teller.announce(connection);
        Ok(())
    }

    /// The connections of a shard whose interest is in place, a user's next to each other.
    pub(crate) fn subscribed(&self, shard: Shard) -> Vec<Arc<Connection>> {
        let logs = self.logs(shard).lock();
        let mut all = Vec::with_capacity(logs.len());
        for followed in logs.values() {
            let devices = followed.followers.list.lock();
            all.extend(devices.iter().filter(|connection| connection.is_subscribed()).cloned());
        }
        all
    }
}

impl LiveSink for Followers {
    /// Makes an entry ready once, and gives it to all.
    fn live(&self, entry: LiveEntry) {
        self.metrics.live_entries.inc();
        let followers = self.list.lock();
        // Whoever published it is not trusted with the task that reads for everybody.
        let ready = catch_unwind(AssertUnwindSafe(|| self.tail.entry(entry, followers.len())));
        let Ok(ready) = ready else {
            self.metrics.panics.inc();
            tracing::error!("a panic over a live entry: the comparison of heads finds it");
            return;
        };
        let ready = Arc::new(ready);
        for follower in followers.iter() {
            follower.tell(Input::Live(LogName::Mailbox, ready.clone()));
        }
    }

    fn joined(&self, joined: live::Joined) {
        self.meet(joined, Uptime::now());
    }

    fn met(&self, met: Met) {
        self.take_in(met);
    }

    fn passed_over(&self) {
        self.metrics.live_passed_over.inc();
    }
}

#[cfg(test)]
mod tests;
