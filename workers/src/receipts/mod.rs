//! The `receipts` role: stores what devices acknowledge, so that a device that comes without a cursor goes on from there.
//!
//! `core` decides; this file takes items off the shard's work queue, in batches, and stores before it acknowledges them.

pub mod core;
mod metrics;

use std::sync::Arc;

use dunlin_nats::{Queued, ReceiptItem, Records, SaveError, WorkQueue};
use dunlin_schema::{
    Cursor, Seq, Shard,
    envelope::EnvelopeError,
    record::{DeviceRecord, Receipt},
    subject,
};
use futures_util::{FutureExt, StreamExt, stream};

use prometheus_client::registry::Registry;

use self::{
    core::{Batch, Mark, Whose, raised},
    metrics::{Metrics, ReceiptsMetrics},
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
/// Devices that are written at once.
const AT_ONCE: usize = 16;
/// Tries to write a mark before its items are left to come again.
const TRIES: usize = 5;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: ReceiptsMetrics) {
    let mut queue = WorkQueue::receipts(&context.connection, shard);
    let records = context.records();
    let mut batch = Batch::default();
    context.tell(TaskState::Working);
    loop {
        let mut item = tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            item = queue.next() => item,
        };
        for left in (0..BATCH).rev() {
            take(item, &mut batch, &metrics).await;
            if left == 0 {
                break;
            }
            let Some(next) = queue.next().now_or_never() else { break };
            item = next;
        }
        let marks: Vec<_> = batch.take().collect();
        stream::iter(marks)
            .for_each_concurrent(AT_ONCE, |(whose, mark)| store(&context, shard, &records, &metrics, whose, mark))
            .await;
    }
    context.tell(TaskState::Idle);
}

async fn take(queued: Queued<ReceiptItem>, batch: &mut Batch<Queued<ReceiptItem>>, metrics: &ReceiptsMetrics) {
    match &queued.item.receipt {
        Ok(Receipt::Delivered { device, log, cursor }) => {
            let whose = Whose { user: queued.item.user.clone(), device: device.clone(), log: log.clone() };
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
    context: &Context,
    shard: Shard,
    records: &Records,
    metrics: &ReceiptsMetrics,
    Whose { user, device, log }: Whose,
    mark: Mark<Queued<ReceiptItem>>,
) {
    let subject = subject::device_record(&context.settings.region, shard, &user, &device, &log);
    for _ in 0..TRIES {
        match raise(shard, records, &subject, mark.cursor).await {
            Ok(raised) => {
                metrics.stored.inc_by(u64::from(raised));
                for item in mark.items {
                    item.ack().await;
                }
                return;
            }
            Err(Again::Conflict) => {}
            Err(Again::Later(why)) => {
                tracing::warn!(%shard, %user, %device, why, "a receipt was not stored, it will come again");
                break;
            }
        }
    }
    metrics.failed.inc();
}

/// Why a mark is not stored.
enum Again {
    /// Another worker wrote the record.
    Conflict,
    /// Something that takes time to pass.
    Later(String),
}

/// Whether the record had to be raised.
async fn raise(shard: Shard, records: &Records, subject: &str, said: Cursor) -> Result<bool, Again> {
    let found = records.load(shard, subject).await.map_err(|error| Again::Later(error.to_string()))?;
    let (stored, revision) = match found {
        None => (None, Seq(0)),
        Some(record) => match DeviceRecord::decode(&record.bytes) {
            Ok(device) => (Some(device.cursor), record.revision),
            Err(error @ EnvelopeError::Version { .. }) => return Err(Again::Later(error.to_string())),
            // Damaged: whatever it said, the device says it again.
            Err(EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_)) => {
                (None, record.revision)
            }
        },
    };
    let Some(cursor) = raised(stored, said) else { return Ok(false) };
    match records.save(subject, DeviceRecord { cursor }.encode(), revision).await {
        Ok(_) => Ok(true),
        Err(SaveError::Conflict) => Err(Again::Conflict),
        Err(error @ (SaveError::Unknown | SaveError::Refused(_))) => Err(Again::Later(error.to_string())),
    }
}
