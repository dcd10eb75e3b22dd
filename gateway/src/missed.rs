//! What a gateway does after it may have missed news of devices, as one that was cut off has: it tells the others again of each device that
//! it has, and looks whether the device was removed meanwhile.

use dunlin_nats::ReadError;
use dunlin_schema::limits;
use futures_util::{TryStreamExt, stream};
use tokio::time::{interval, sleep};

use crate::{
    connection::Connection,
    directory::publish,
    region::Region,
    remembered,
    services::{BEAT_EVERY, Pulse},
};

/// Devices that are looked at at once.
const AT_ONCE: usize = limits::DEVICES;

/// Makes good until it is dropped.
pub(crate) async fn run(region: &Region, pulse: &Pulse) {
    let mut beats = interval(BEAT_EVERY);
    loop {
        tokio::select! {
            _ = beats.tick() => pulse.beat(),
            devices = region.directory.concerned() => {
                tracing::debug!(devices = devices.len(), "telling of devices again");
                let each = stream::iter(devices.iter().map(Ok));
                if each.try_for_each_concurrent(AT_ONCE, |device| make_good(region, device, pulse)).await.is_err() {
                    sleep(remembered::AGAIN).await;
                    devices.iter().for_each(|device| region.directory.missed(device.shard()));
                }
            }
        }
    }
}

/// Errors: storage did not say whether the device was removed.
async fn make_good(region: &Region, device: &Connection, pulse: &Pulse) -> Result<(), ReadError> {
    publish(&region.fan_in, device.user(), region.directory.again(device), &region.metrics).await;
    if let Err(error) = region.fan_in.ask_again(device.user()).await {
        tracing::debug!(%error, "those who watch ask again later");
    }
    pulse.beat();
    remembered::look(region, device).await
}
