//! Devices that their user removes: each of the device's records is written over, and only then it is told that it is done.

use std::time::Duration;

use dunlin_nats::{Records, RemovalService, Reply};
use dunlin_schema::{
    Peer, Seq, Shard,
    removal::{DeviceRemoved, RemoveDevice},
    subject,
};
use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    core::removed,
    metrics::ReceiptsMetrics,
    records::{ChangeError, change},
};
use crate::context::Context;

/// The pause before the service is offered again.
const AGAIN: Duration = Duration::from_secs(1);
/// Devices that are removed at once. Further questions wait, and are asked again by who gets no answer.
const AT_ONCE: usize = 16;

/// Answers until it is dropped.
pub(super) async fn run(context: &Context, shard: Shard, metrics: &ReceiptsMetrics) {
    loop {
        match RemovalService::start(context.connection(), shard).await {
            Ok(service) => answer(service, context, shard, metrics).await,
            Err(error) => tracing::warn!(%shard, %error, "trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Answers until the connection is closed.
async fn answer(mut service: RemovalService, context: &Context, shard: Shard, metrics: &ReceiptsMetrics) {
    let records = context.records();
    let mut removing = FuturesUnordered::new();
    loop {
        tokio::select! {
            question = service.next(), if removing.len() < AT_ONCE => {
                let Some((removal, reply)) = question else { return };
                removing.push(remove(context, shard, &records, metrics, removal, reply));
            }
            Some(()) = removing.next() => {}
        }
    }
}

async fn remove(
    context: &Context,
    shard: Shard,
    records: &Records,
    metrics: &ReceiptsMetrics,
    removal: RemoveDevice,
    reply: Reply<DeviceRemoved>,
) {
    let answer = match forget(context, shard, records, &removal).await {
        Ok(()) => {
            metrics.removed.inc();
            DeviceRemoved::Stored
        }
        Err(error) => {
            tracing::warn!(%shard, user = %removal.user, device = %removal.device, %error, "a device was not removed");
            metrics.failed.inc();
            DeviceRemoved::NotStored
        }
    };
    reply.answer(&answer).await;
}

/// The mailbox's record is written also where there is none: something that the device acknowledged may yet be on its way.
async fn forget(
    context: &Context,
    shard: Shard,
    records: &Records,
    RemoveDevice { user, device, at }: &RemoveDevice,
) -> Result<(), ChangeError> {
    let region = &context.settings().region;
    let mailbox = subject::device_record(region, shard, user, device, &Peer::User(user.clone()));
    change(records, shard, &mailbox, |stored| removed(stored, *at)).await?;
    let of_all_logs = subject::device_records(region, shard, user, device);
    let mut from = Some(Seq(0));
    while let Some(begin) = from {
        let page = records.page(shard, &of_all_logs, begin).await?;
        for (subject, _) in page.records {
            // What was written meanwhile comes once more, and is as it should be then.
            change(records, shard, &subject, |stored| removed(stored, *at)).await?;
        }
        from = page.next;
    }
    Ok(())
}
