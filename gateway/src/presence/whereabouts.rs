//! Who is connected: asked for each time, and answered by the first gateway that holds a device.
//!
//! "Offline" is said where no gateway has an interest in the person, and storage, which is asked when they were last seen, is there: a
//! gateway whose server lost the region would else take everybody for gone.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use dunlin_nats::{AskError, FanIn, RecordError, Records};
use dunlin_schema::{
    Log, Millis, RegionName, UserName, limits,
    presence::{GatewayRun, Here, Presence},
    record::LastSeen,
    stream::RegionSettings,
    subject,
};
use tokio::sync::Semaphore;

use crate::{
    clock::{self, Uptime},
    directory::Directory,
    metrics::Metrics,
};

/// People who are asked for at once: further ones wait.
const AT_ONCE: usize = 256;

/// For so long after the connection came back, others may still be on their way back to where they are asked.
pub(super) const SETTLES: Millis = Millis(5_000);

/// Says who is connected.
pub(crate) struct Whereabouts {
    region: RegionName,
    shards: u16,
    fan_in: FanIn,
    records: Records,
    metrics: Arc<Metrics>,
    asking: Semaphore,
    /// Before this time nobody is said to be gone.
    settled_at: AtomicU64,
}

impl Whereabouts {
    pub(crate) fn new(
        settings: &RegionSettings,
        fan_in: &FanIn,
        records: &Records,
        metrics: &Arc<Metrics>,
    ) -> Whereabouts {
        let (region, shards) = (settings.region.clone(), settings.shards);
        let (fan_in, records, metrics) = (fan_in.clone(), records.clone(), metrics.clone());
        Whereabouts {
            region,
            shards,
            fan_in,
            records,
            metrics,
            asking: Semaphore::new(AT_ONCE),
            settled_at: AtomicU64::new(0),
        }
    }

    /// The connection to NATS came back, and perhaps that of all gateways.
    pub(super) fn came_back(&self, now: Uptime) {
        self.settled_at.store(now.plus(SETTLES).0, SeqCst);
    }

    /// Whether a person of the region is connected.
    pub(crate) async fn of(&self, directory: &Directory, person: &UserName) -> Presence {
        self.find(directory, person).await.0
    }

    /// The same where nobody else can be asked.
    pub(super) fn here(&self, directory: &Directory, person: &UserName) -> Presence {
        if directory.is_here(person) { Presence::online() } else { self.nobody_knows() }
    }

    /// The same as [`Whereabouts::of`], and the other gateway whose word it is.
    pub(super) async fn find(&self, directory: &Directory, person: &UserName) -> (Presence, Option<GatewayRun>) {
        if directory.is_here(person) {
            return (Presence::online(), None);
        }
        let _permit = self.asking.acquire().await;
        match self.elsewhere(person).await {
            Ok(Here { gateway }) => (Presence::online(), Some(gateway)),
            Err(AskError::NoResponders) => (self.gone(directory, person).await, None),
            Err(AskError::Unanswered) => (self.nobody_knows(), None),
        }
    }

    /// No other gateway has an interest in the person.
    async fn gone(&self, directory: &Directory, person: &UserName) -> Presence {
        match self.last_seen(person).await {
            // They may have come here meanwhile.
            Ok(_) if directory.is_here(person) => Presence::online(),
            Ok(_) if Uptime::now().0 < self.settled_at.load(SeqCst) => self.nobody_knows(),
            Ok(last_seen) => Presence::offline(last_seen),
            Err(error) => {
                tracing::debug!(%error, %person, "nobody holds a device of this person, and storage is not there");
                self.nobody_knows()
            }
        }
    }

    fn nobody_knows(&self) -> Presence {
        self.metrics.presence_unknown.inc();
        Presence::unknown()
    }

    /// Asks the other gateways, once more where none answers: one that has just lost its last device of the person does not, and the next
    /// question finds nobody there.
    async fn elsewhere(&self, person: &UserName) -> Result<Here, AskError> {
        // What is asked would go out when the connection is back.
        if !self.fan_in.is_connected() {
            return Err(AskError::Unanswered);
        }
        self.metrics.presence_asked.inc();
        match self.fan_in.is_there(person, limits::PRESENCE_WITHIN).await {
            Err(AskError::Unanswered) if self.fan_in.is_connected() => {
                self.fan_in.is_there(person, limits::PRESENCE_WITHIN).await
            }
            answer @ (Ok(_) | Err(AskError::NoResponders | AskError::Unanswered)) => answer,
        }
    }

    /// When somebody was last seen, as far as storage knows: when a gateway last said so, or the last acknowledgement of a device of theirs
    /// was stored, whichever is later.
    async fn last_seen(&self, person: &UserName) -> Result<Option<Millis>, RecordError> {
        let mailbox = Log::mailbox(&self.region, self.shards, person);
        let devices = subject::mailbox_records(&self.region, mailbox.shard, person);
        let seen = subject::last_seen(&self.region, mailbox.shard, person);
        let (acknowledged, seen) =
            tokio::try_join!(self.records.load(mailbox.shard, &devices), self.records.load(mailbox.shard, &seen))?;
        let acknowledged = acknowledged.map(|record| record.stamp.millis());
        let seen = seen.and_then(|record| match LastSeen::decode(&record.bytes) {
            Ok(LastSeen { at }) => Some(at),
            Err(error) => {
                tracing::error!(%error, %person, "the record of when somebody was last seen can't be read");
                None
            }
        });
        // Another gateway's clock may be ahead.
        Ok(acknowledged.max(seen).map(|at| at.min(clock::now())))
    }
}
