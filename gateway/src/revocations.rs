//! Tokens that were revoked, as STATE has them: one watch a shard, a snapshot and then changes.
//!
//! **Nobody is let in before it is known what was revoked**, also while a watch is made anew. A session registers first and is looked at
//! then: what comes before is found by its own look, what comes behind by the look at all that are registered.

mod core;

use std::{sync::Arc, time::Duration};

use dunlin_nats::{Records, Watch, WatchEvent};
use dunlin_schema::{
    DeviceName, Millis, RegionName, Shard, UserName, limits,
    record::Revocation,
    revocation::{Revoke, Revoked},
    subject,
};
use futures_util::future::join_all;
use parking_lot::RwLock;
use tokio::{
    sync::{Notify, watch},
    time::{interval, sleep},
};

use self::core::Barred;
use crate::{
    clock,
    directory::Directory,
    metrics::Metrics,
    services::{BEAT_EVERY, Pulse},
    timer::Order,
    tokens::Token,
};

/// How often all sessions are looked at, at most: each look goes through all of them.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What a record says that can't be read.
const EVERYTHING: Revocation =
    Revocation { at: Millis(u64::MAX), unpinned: Some(Millis(u64::MAX)), until: Millis(u64::MAX) };
/// How often what bars nothing any more is forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// What was revoked in a region.
pub(crate) struct Revocations {
    region: RegionName,
    barred: RwLock<Barred>,
    /// Of each shard, whether everything is known.
    known: Box<[watch::Sender<bool>]>,
    more: Notify,
    metrics: Arc<Metrics>,
}

impl Revocations {
    pub(crate) fn new(region: RegionName, shards: u16, metrics: Arc<Metrics>) -> Revocations {
        let known = (0..shards).map(|_| watch::Sender::new(false)).collect();
        Revocations { region, barred: RwLock::default(), known, more: Notify::new(), metrics }
    }

    fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.known.len() as u16).map(Shard)
    }

    fn known(&self, owner: &str) -> &watch::Sender<bool> {
        &self.known[usize::from(Shard::of(owner, self.known.len() as u16).0)]
    }

    /// Waits until it is known what was revoked that may concern a token. It may take for ever.
    pub(crate) async fn told(&self, token: &Token, user: &UserName) {
        for owner in token.id.iter().map(|id| id.as_str()).chain([user.as_str()]) {
            // The other end is here.
            let _ = self.known(owner).subscribe().wait_for(|known| *known).await;
        }
    }

    /// Whether a person may not come with this token, as this device, by what is known.
    pub(crate) fn bars(&self, token: &Token, user: &UserName, device: Option<&DeviceName>) -> bool {
        self.barred.read().bars(token, user, device)
    }

    /// Why nobody is let in; `None` where everybody may be.
    pub(crate) fn unready(&self) -> Option<String> {
        let shard = self.shards().find(|shard| !*self.known[usize::from(shard.0)].borrow())?;
        Some(format!("it is not known yet which tokens were revoked in shard {shard}: its records do not answer"))
    }

    /// Watches, and ends sessions whose token is revoked, until it is dropped.
    pub(crate) async fn run(&self, directory: &Directory, records: &Records, pulse: &Pulse) {
        let watches = self.shards().map(|shard| {
            let changes = records.watch(shard, subject::revocations(&self.region, shard));
            self.watch(shard, changes, directory)
        });
        tokio::join!(join_all(watches), self.look(directory), self.keep(pulse));
    }

    async fn watch(&self, shard: Shard, mut changes: Watch, directory: &Directory) {
        let known = &self.known[usize::from(shard.0)];
        let mut was_known = false;
        loop {
            match changes.next().await {
                WatchEvent::Began => drop(known.send_replace(false)),
                WatchEvent::Complete => {
                    known.send_replace(true);
                    self.more.notify_one();
                    // A cut that is too short for the comparison of heads to notice ends a watch all the same.
                    if std::mem::replace(&mut was_known, true) {
                        directory.missed(shard);
                    }
                }
                WatchEvent::Record(subject, record) => {
                    let revocation = Revocation::decode(&record.bytes).unwrap_or_else(|error| {
                        tracing::error!(%error, subject, "a revocation can't be read: it bars every token that it is about");
                        EVERYTHING
                    });
                    self.add(&subject, revocation);
                }
            }
        }
    }

    fn add(&self, subject: &str, revocation: Revocation) {
        let Some(what) = subject::parse_revocation(subject) else {
            tracing::error!(subject, "a revocation of nothing");
            return;
        };
        if revocation.until <= clock::now() {
            return;
        }
        self.barred.write().add(what, revocation);
        self.more.notify_one();
    }

    /// Looks at all sessions when something was revoked, and when everything is known again.
    async fn look(&self, directory: &Directory) {
        loop {
            self.more.notified().await;
            for device in directory.everybody() {
                if self.bars(device.token(), device.user(), Some(device.device())) {
                    device.alarm().tell(Order::Revoked);
                }
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn keep(&self, pulse: &Pulse) {
        let (mut beats, mut forgets) = (interval(BEAT_EVERY), interval(FORGET_EVERY));
        loop {
            tokio::select! {
                _ = beats.tick() => {
                    pulse.beat();
                    self.metrics.revocations.set(i64::try_from(self.barred.read().count()).unwrap_or(i64::MAX));
                }
                _ = forgets.tick() => self.barred.write().forget(clock::now()),
            }
        }
    }
}

/// What the worker is asked to write down, for as long as a token may live.
pub(crate) fn revoke(what: Revoked, unpinned: bool) -> Revoke {
    Revoke { what, at: clock::now(), unpinned, kept: limits::TOKEN_LIFE }
}
