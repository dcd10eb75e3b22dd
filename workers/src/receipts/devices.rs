//! Records of devices: [`limits::DEVICES_KEPT`] of a user.

use std::ops::ControlFlow;

use dunlin_nats::{Record, RecordError};
use dunlin_schema::{
    DeviceName, Peer, RegionName, Seq, Shard, UserName, device::NameDevice, limits, record::DeviceRecord, subject,
};
use tokio::sync::Mutex;

use super::{
    core::{NotThere, named},
    metrics::ReceiptsMetrics,
    records::{ChangeError, Kept, readable},
};
use crate::change::{self, change};

/// Why a device is not called what it is to be called.
pub(super) enum NotNamed {
    NotThere,
    Failed(change::ChangeError),
}

impl From<NotThere> for NotNamed {
    fn from(NotThere: NotThere) -> NotNamed {
        NotNamed::NotThere
    }
}

impl From<change::ChangeError> for NotNamed {
    fn from(error: change::ChangeError) -> NotNamed {
        NotNamed::Failed(error)
    }
}

/// Records that are taken away for a new one, at most.
const SURPLUS: usize = 5;

/// The records of the devices of a shard's users.
pub(super) struct Devices {
    pub(super) region: RegionName,
    pub(super) shard: Shard,
    pub(super) records: Kept<DeviceRecord>,
    pub(super) metrics: ReceiptsMetrics,
    /// Held by who makes room: two who count at once would both take one away.
    room: Mutex<()>,
}

impl Devices {
    pub(super) fn new(
        region: RegionName,
        shard: Shard,
        records: Kept<DeviceRecord>,
        metrics: ReceiptsMetrics,
    ) -> Devices {
        Devices { region, shard, records, metrics, room: Mutex::default() }
    }

    /// Writes what `change` makes of what is stored of a device's log, if anything. Gives whether there was something to write. Errors: see
    /// [`ChangeError`].
    pub(super) async fn change(
        &self,
        user: &UserName,
        device: &DeviceName,
        log: &Peer,
        change: impl Fn(&DeviceRecord) -> Option<DeviceRecord>,
    ) -> Result<bool, ChangeError> {
        let subject = subject::device_record(&self.region, self.shard, user, device, log);
        let Some(before) = self.records.rewrite(self.shard, &subject, change).await?.before else { return Ok(false) };
        if before == Seq(0) {
            self.make_room(user).await;
        }
        Ok(true)
    }

    /// Writes down what a device is called. Errors: see [`NotNamed`].
    pub(super) async fn name(&self, naming: &NameDevice) -> Result<(), NotNamed> {
        let (user, mailbox) = (&naming.user, Peer::User(naming.user.clone()));
        let subject = subject::device_record(&self.region, self.shard, user, &naming.device, &mailbox);
        let changing = |stored: Option<&Record>| {
            let (record, stamp) = match stored {
                None => Default::default(),
                Some(stored) => {
                    (readable::<DeviceRecord>(&stored.bytes).map_err(change::ChangeError::from)?, stored.stamp.millis())
                }
            };
            Ok::<_, NotNamed>(named(&record, stamp, naming)?.map(|record| (record.encode(), Some(limits::DEVICE_KEPT))))
        };
        let records = self.records.all();
        if change(records, &self.metrics.conflicts, self.shard, &subject, changing).await?.is_new {
            self.make_room(user).await;
        }
        Ok(())
    }

    /// Forgets those of a user's devices that were not heard from for longest, where there are too many. Where it fails, the next new
    /// device makes room for more than itself.
    async fn make_room(&self, user: &UserName) {
        let _alone = self.room.lock().await;
        let devices = subject::mailbox_records(&self.region, self.shard, user);
        for _ in 0..SURPLUS {
            match self.take_surplus(&devices).await {
                Ok(ControlFlow::Continue(taken)) => self.metrics.forgotten.inc_by(u64::from(taken)),
                Ok(ControlFlow::Break(())) => return,
                Err(error) => {
                    tracing::debug!(shard = %self.shard, %user, %error, "no room was made for another device");
                    return;
                }
            };
        }
    }

    /// Takes one record away where there are too many. Gives whether it was still there.
    async fn take_surplus(&self, devices: &str) -> Result<ControlFlow<(), bool>, RecordError> {
        if self.records.all().count(self.shard, devices).await? <= limits::DEVICES_KEPT {
            return Ok(ControlFlow::Break(()));
        }
        self.records.all().take_oldest(self.shard, devices).await.map(ControlFlow::Continue)
    }
}
