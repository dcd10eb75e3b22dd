//! Presence: who is connected, here or at another gateway. There is no table of it: it is asked for each time, and the first gateway that
//! holds a device of somebody answers.
//!
//! "Offline" is said where no gateway has an interest in the person, and storage, which is asked when they were last seen, is there: a
//! gateway whose server lost the region would else take everybody for gone.

use std::sync::Arc;

use dunlin_nats::{AskError, FanIn, RecordError, Records};
use dunlin_schema::{
    Log, Millis, RegionName, UserName, limits,
    presence::{Here, Presence},
    stream::RegionSettings,
    subject,
};
use tokio::sync::Semaphore;

use crate::{directory::Directory, metrics::Metrics};

/// People who are asked for at once: further ones wait.
const AT_ONCE: usize = 256;

/// Says who is connected.
pub(crate) struct Whereabouts {
    region: RegionName,
    shards: u16,
    fan_in: FanIn,
    records: Records,
    metrics: Arc<Metrics>,
    asking: Semaphore,
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
        Whereabouts { region, shards, fan_in, records, metrics, asking: Semaphore::new(AT_ONCE) }
    }

    /// Whether a person of the region is connected.
    pub(crate) async fn of(&self, directory: &Directory, person: &UserName) -> Presence {
        let mailbox = Log::mailbox(&self.region, self.shards, person);
        if directory.is_followed(&mailbox) {
            return Presence::online();
        }
        let _permit = self.asking.acquire().await;
        match self.elsewhere(person).await {
            Ok(_here) => Presence::online(),
            Err(AskError::NoResponders) => match self.last_seen(&mailbox, person).await {
                // They may have come here meanwhile.
                Ok(_) if directory.is_followed(&mailbox) => Presence::online(),
                Ok(last_seen) => Presence::offline(last_seen),
                Err(error) => {
                    tracing::debug!(%error, %person, "nobody holds a device of this person, and storage is not there");
                    self.nobody_knows()
                }
            },
            Err(AskError::Unanswered) => self.nobody_knows(),
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

    /// When somebody was last seen, as far as storage knows: when the last acknowledgement of a device of theirs was stored.
    async fn last_seen(&self, mailbox: &Log, person: &UserName) -> Result<Option<Millis>, RecordError> {
        let devices = subject::mailbox_records(&self.region, mailbox.shard, person);
        let acknowledged = self.records.load(mailbox.shard, &devices).await?;
        Ok(acknowledged.map(|record| record.stamp.millis()))
    }
}
