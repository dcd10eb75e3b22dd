//! Records of devices, changed by compare-and-set.

use dunlin_nats::{RecordError, Records, SaveError};
use dunlin_schema::{Seq, Shard, envelope::EnvelopeError, record::DeviceRecord};

/// Tries to write a record before that is given up for now.
const TRIES: usize = 5;

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

/// Writes what `change` makes of the record that is stored, if anything. Gives whether there was something to write. Errors: see
/// [`ChangeError`].
pub(super) async fn change(
    records: &Records,
    shard: Shard,
    subject: &str,
    change: impl Fn(&DeviceRecord) -> Option<DeviceRecord>,
) -> Result<bool, ChangeError> {
    let mut left = TRIES;
    loop {
        let (stored, revision) = match records.load(shard, subject).await? {
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
        let Some(changed) = change(&stored) else { return Ok(false) };
        left -= 1;
        match records.save(subject, changed.encode(), revision).await {
            Ok(_) => return Ok(true),
            // Another worker wrote it, or another connection of the device said something at the same time.
            Err(SaveError::Conflict) if left > 0 => {}
            Err(error) => return Err(error.into()),
        }
    }
}
