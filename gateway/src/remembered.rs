//! What is stored of a device: where it goes on, and whether its user removed it.
//!
//! **A removal meets every connection.** It is stored first, and told to the gateways then; where it was told from it is remembered. A
//! connection's interest is in place before it is announced: so whoever was not told is found by the announcement, and whoever may have
//! missed something looks at the record.

use std::time::Duration;

use dunlin_nats::ReadError;
use dunlin_schema::{DeviceName, Peer, UserName, limits, read::Source, record::DeviceRecord, subject};

use crate::{connection::Connection, region::Region, timer::Order};

/// The pause before storage that does not answer is asked again whether a device was removed.
pub(crate) const AGAIN: Duration = Duration::from_millis(limits::HEADS_TIMEOUT.0);

/// What a device acknowledged of a log, as the leader says; nothing where that can't be read. Errors: see [`ReadError`].
pub(crate) async fn record(
    region: &Region,
    log: &Peer,
    user: &UserName,
    device: &DeviceName,
) -> Result<DeviceRecord, ReadError> {
    let shard = region.mailbox(user).shard;
    let subject = subject::device_record(region.name(), shard, user, device, log);
    let Some((bytes, ..)) = region.reads.state(&subject, shard, Source::Leader).await? else {
        return Ok(DeviceRecord::default());
    };
    Ok(DeviceRecord::decode(&bytes).unwrap_or_else(|error| {
        tracing::error!(%error, %user, %device, "a device's record can't be read: it resumes from the beginning");
        DeviceRecord::default()
    }))
}

/// Tells a connection to end where its device was removed since it was opened. Errors: see [`ReadError`].
pub(crate) async fn look(region: &Region, connection: &Connection) -> Result<(), ReadError> {
    let (user, device) = (connection.user(), connection.device());
    let record = record(region, &Peer::User(user.clone()), user, device).await?;
    if record.removed.is_some_and(|removed| connection.opened().wall <= removed) {
        connection.alarm().tell(Order::Revoked);
    }
    Ok(())
}
