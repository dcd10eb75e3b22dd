//! Devices that their user removes: each of the device's records is written over, and only then it is told that it is done.

use std::time::Duration;

use dunlin_nats::{RemovalService, Reply};
use dunlin_schema::{
    Peer, Seq,
    removal::{DeviceRemoved, RemoveDevice},
    subject,
};
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    AT_ONCE,
    core::removed,
    records::{ChangeError, Devices},
};
use crate::context::Context;

/// The pause before the service is offered again.
const AGAIN: Duration = Duration::from_secs(1);

/// Answers until it is dropped.
pub(super) async fn run(context: &Context, devices: &Devices<'_>) {
    loop {
        match RemovalService::start(context.connection(), devices.shard).await {
            Ok(service) => answer(service, devices).await,
            Err(error) => tracing::warn!(shard = %devices.shard, %error, "trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Answers until the connection is closed.
async fn answer(mut service: RemovalService, devices: &Devices<'_>) {
    let mut removing = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = service.next(), if removing.len() < AT_ONCE => {
                let Some((removal, reply)) = question else { return };
                removing.push(remove(devices, removal, reply));
            }
            Some(()) = removing.next() => {}
        }
    }
}

async fn remove(devices: &Devices<'_>, removal: RemoveDevice, reply: Reply<DeviceRemoved>) {
    let answer = match forget(devices, &removal).await {
        Ok(()) => {
            devices.metrics.removed.inc();
            DeviceRemoved::Stored
        }
        Err(error) => {
            let RemoveDevice { user, device, at: _ } = &removal;
            error.tell(devices.shard, user, device, "a device was not removed");
            devices.metrics.failed.inc();
            DeviceRemoved::NotStored
        }
    };
    reply.answer(&answer).await;
}

/// The mailbox's record is written also where there is none: something that the device acknowledged may yet be on its way.
async fn forget(devices: &Devices<'_>, RemoveDevice { user, device, at }: &RemoveDevice) -> Result<(), ChangeError> {
    devices.change(user, device, &Peer::User(user.clone()), |stored| removed(stored, *at)).await?;
    let of_all_logs = subject::device_records(devices.region, devices.shard, user, device);
    let mut from = Some(Seq(0));
    while let Some(begin) = from {
        let page = devices.records.page(devices.shard, &of_all_logs, begin).await?;
        for (subject, _) in page.records {
            // What was written meanwhile comes once more, and is as it should be then.
            devices.rewrite(&subject, |stored| removed(stored, *at)).await?;
        }
        from = page.next;
    }
    Ok(())
}
