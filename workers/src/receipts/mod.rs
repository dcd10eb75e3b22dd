//! The `receipts` role: stores what devices acknowledge, so that a device that comes without a cursor goes on from there, and forgets
//! devices that their user removes.
//!
//! `core` decides; this file takes items off the shard's work queue, in batches, and stores before it acknowledges them; `removals`
//! answers who has a device removed; `records` writes for both.

pub mod core;
mod metrics;
mod records;
mod removals;

use std::sync::Arc;

use dunlin_nats::{Queued, ReceiptItem, WorkQueue};
use dunlin_schema::{Shard, record::Receipt};
use futures_util::{FutureExt, StreamExt, stream};

use prometheus_client::registry::Registry;

use self::{
    core::{Acknowledged, Batch, Whose, raised},
    metrics::{Metrics, ReceiptsMetrics},
    records::Devices,
};
use crate::{
    context::Context,
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("receipts", prepare);

/// Items taken together, at most.
const BATCH: usize = 256;
/// Devices that are written at once, and as many that are removed: further ones wait, and are asked again by who gets no answer.
const AT_ONCE: usize = 16;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: ReceiptsMetrics) {
    let devices = Devices::new(&context.settings.region, shard, context.records(), &metrics);
    tokio::select! {
        () = acknowledge(&context, &devices) => {}
        () = removals::run(&context, &devices) => {}
    }
    context.tell(TaskState::Idle);
}

/// Takes what devices acknowledge off the queue, until it is told to stop.
async fn acknowledge(context: &Context, devices: &Devices<'_>) {
    let mut queue = WorkQueue::receipts(&context.connection, devices.shard);
    let mut batch = Batch::default();
    context.tell(TaskState::Working);
    loop {
        let mut item = tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            item = queue.next() => item,
        };
        for left in (0..BATCH).rev() {
            take(item, &mut batch, devices.metrics).await;
            if left == 0 {
                break;
            }
            let Some(next) = queue.next().now_or_never() else { break };
            item = next;
        }
        let marks: Vec<_> = batch.take().collect();
        stream::iter(marks).for_each_concurrent(AT_ONCE, |(whose, mark)| store(devices, whose, mark)).await;
    }
}

async fn take(queued: Queued<ReceiptItem>, batch: &mut Batch<Queued<ReceiptItem>>, metrics: &ReceiptsMetrics) {
    match &queued.item.receipt {
        Ok(Receipt::Delivered { device, log, cursor, opened, senders: _ }) => {
            let (user, opened) = (queued.item.user.clone(), *opened);
            let whose = Whose { user, device: device.clone(), log: log.clone(), opened };
            let cursor = *cursor;
            batch.add(whose, cursor, queued);
        }
        // Nobody writes one yet. A client says it again until it is told that it is stored.
        Ok(Receipt::Read { .. }) => {
            tracing::warn!(user = %queued.item.user, "a read mark is not kept by this release: taking it off the queue");
            metrics.poison.inc();
            queued.ack().await;
        }
        Err(error) => {
            tracing::warn!(user = %queued.item.user, %error, "a receipt can't be read: taking it off the queue");
            metrics.poison.inc();
            queued.ack().await;
        }
    }
}

/// Stores a device's mark, and takes its items off the queue once it is stored. Otherwise they come again.
async fn store(
    devices: &Devices<'_>,
    Whose { user, device, log, opened }: Whose,
    mark: Acknowledged<Queued<ReceiptItem>>,
) {
    match devices.change(&user, &device, &log, |stored| raised(stored, mark.cursor, opened)).await {
        Ok(changed) => {
            devices.metrics.stored.inc_by(u64::from(changed));
            for item in mark.items {
                item.ack().await;
            }
        }
        Err(why) => {
            why.tell(devices.shard, &user, &device, "a receipt was not stored, it will come again");
            devices.metrics.failed.inc();
        }
    }
}
