//! Records of devices, changed by compare-and-set: [`limits::DEVICES_KEPT`] of a user, each for [`limits::DEVICE_KEPT`] after its last
//! change.

use std::ops::ControlFlow;

use dunlin_nats::{RecordError, Records, SaveError};
use dunlin_schema::{
    DeviceName, Peer, RegionName, Seq, Shard, UserName, envelope::EnvelopeError, limits, record::DeviceRecord, subject,
};
use tokio::sync::Mutex;

use super::{AT_ONCE, metrics::ReceiptsMetrics};

/// Tries to write a record before that is given up for now. Each that fails is a write of somebody else's: as many as two workers have
/// under way for one device.
const TRIES: usize = 4 * AT_ONCE;
/// Records that are taken away for a new one, at most.
const SURPLUS: usize = 5;

/// Why a record is not as it should be. It takes time to pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] RecordError),
    /// A newer release wrote it.
    #[error(transparent)]
    Version(EnvelopeError),
    /// It was not written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl ChangeError {
    /// Says that something was not stored, which is no trouble of the operator's where others wrote the same record all the time.
    pub(super) fn tell(&self, shard: Shard, user: &UserName, device: &DeviceName, what: &str) {
        match self {
            ChangeError::Save(SaveError::Conflict) => tracing::debug!(%shard, %user, %device, error = %self, "{what}"),
            ChangeError::Read(_) | ChangeError::Version(_) | ChangeError::Save(_) => {
                tracing::warn!(%shard, %user, %device, error = %self, "{what}");
            }
        }
    }
}

/// The records of the devices of a shard's users.
pub(super) struct Devices<'a> {
    pub(super) region: &'a RegionName,
    pub(super) shard: Shard,
    pub(super) records: Records,
    pub(super) metrics: &'a ReceiptsMetrics,
    /// Held by who makes room: two who count at once would both take one away.
    room: Mutex<()>,
}

impl<'a> Devices<'a> {
    pub(super) fn new(
        region: &'a RegionName,
        shard: Shard,
        records: Records,
        metrics: &'a ReceiptsMetrics,
    ) -> Devices<'a> {
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
        let subject = subject::device_record(self.region, self.shard, user, device, log);
        let Some(expected) = self.rewrite(&subject, change).await? else { return Ok(false) };
        if expected == Seq(0) {
            self.make_room(user).await;
        }
        Ok(true)
    }

    /// The same by the record's subject. Gives the revision that it had before, where something was written.
    pub(super) async fn rewrite(
        &self,
        subject: &str,
        change: impl Fn(&DeviceRecord) -> Option<DeviceRecord>,
    ) -> Result<Option<Seq>, ChangeError> {
        let mut left = TRIES;
        loop {
            let (stored, revision) = match self.records.load(self.shard, subject).await? {
                None => (DeviceRecord::default(), Seq(0)),
                Some(record) => match DeviceRecord::decode(&record.bytes) {
                    Ok(device) => (device, record.revision),
                    Err(error @ EnvelopeError::Version { .. }) => return Err(ChangeError::Version(error)),
                    // Damaged: whatever it said, the device says it again.
                    Err(EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_)) => {
                        (DeviceRecord::default(), record.revision)
                    }
                },
            };
            let Some(changed) = change(&stored) else { return Ok(None) };
            left -= 1;
            match self.records.save_for(limits::DEVICE_KEPT, subject, changed.encode(), revision).await {
                Ok(_) => return Ok(Some(revision)),
                // Another worker wrote it, or another connection of the device said something at the same time.
                Err(SaveError::Conflict) if left > 0 => {
                    self.metrics.conflicts.inc();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Forgets those of a user's devices that were not heard from for longest, where there are too many. Where it fails, the next new
    /// device makes room for more than itself.
    async fn make_room(&self, user: &UserName) {
        let _alone = self.room.lock().await;
        let devices = subject::mailbox_records(self.region, self.shard, user);
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
        if self.records.count(self.shard, devices).await? <= limits::DEVICES_KEPT {
            return Ok(ControlFlow::Break(()));
        }
        self.records.take_oldest(self.shard, devices).await.map(ControlFlow::Continue)
    }
}
