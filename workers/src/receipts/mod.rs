//! The `receipts` role: stores what devices acknowledge and people read, and tells those who sent it. A device that comes without a cursor
//! goes on from there; one that its user removes is forgotten.
//!
//! `core` decides; this file takes items off the shard's work queue and hands each to its lane: `delivered` or `reading`, which raise
//! marks in `pairs` as far as `blocks` lets them, or `seen`; each ends with the item's acknowledgement. `lanes` paces all four. `service`
//! answers gateways, `changes` out of a watch of the shard's marks; `records` and `devices` write, `mailbox` reads.

mod blocks;
mod changes;
pub mod core;
mod delivered;
mod devices;
mod lanes;
mod mailbox;
mod metrics;
mod pairs;
mod reading;
mod records;
mod seen;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use dunlin_nats::{Queued, Reads, ReceiptItem, Records, WorkQueue};
use dunlin_schema::{
    Shard, UserName,
    record::{LastSeen, ReadMark, Receipt, SentMarks},
};
use futures_util::FutureExt;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use self::{
    blocks::Blocks,
    changes::Changes,
    core::{Whose, claims::Claims},
    delivered::Acknowledged,
    devices::Devices,
    lanes::Bring,
    metrics::{Metrics, ReceiptsMetrics},
    pairs::Pairs,
    reading::{Conversation, ReadUpto},
    records::Kept,
    seen::SeenAt,
};
use crate::{
    context::Context,
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("receipts", prepare).with_reads();

/// Devices, and as many readers, for which something is stored at once, which takes as long as their pairs have to wait for their turn.
const AT_ONCE: usize = 2_048;
/// Pairs that are written at once.
const PAIRS_AT_ONCE: usize = 64;
/// Mailboxes that are read at once.
const SCANS: usize = 8;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// What the parts of the role share.
struct Shared {
    context: Context,
    shard: Shard,
    metrics: ReceiptsMetrics,
    reads: Reads,
    records: Records,
    devices: Devices,
    sent: Kept<SentMarks>,
    read: Kept<ReadMark>,
    seen: Kept<LastSeen>,
    pairs: Pairs,
    blocks: Blocks,
    changes: Changes,
    scans: Semaphore,
}

impl Shared {
    fn new(context: Context, shard: Shard, metrics: ReceiptsMetrics, reads: Reads, pairs: Pairs) -> Shared {
        let connection = &context.connection;
        let devices = Kept::new(connection, metrics.conflicts.clone());
        Shared {
            shard,
            reads,
            records: context.records(),
            devices: Devices::new(context.settings.region.clone(), shard, devices, metrics.clone()),
            sent: Kept::new(connection, metrics.conflicts.clone()),
            read: Kept::new(connection, metrics.conflicts.clone()),
            seen: Kept::new(connection, metrics.conflicts.clone()),
            pairs,
            blocks: Blocks::default(),
            changes: Changes::default(),
            scans: Semaphore::new(SCANS),
            context,
            metrics,
        }
    }
}

/// Works on a shard until it is told to stop, and stores then what it has taken.
async fn run(context: Context, shard: Shard, metrics: ReceiptsMetrics) {
    let reads = context.reads().expect("the role asks for it").clone();
    let (raise, raising) = lanes::channel();
    let (acknowledge, acknowledging) = lanes::channel();
    let (read, reading) = lanes::channel();
    let (see, seeing) = lanes::channel();
    let shared = &Shared::new(context, shard, metrics, reads, Pairs::new(raise));
    let began = shared.context.began;
    let store = async {
        tokio::join!(
            take(shared, acknowledge, read, see),
            lanes::run(began, acknowledging, AT_ONCE, &shared.metrics.devices, |whose, said| {
                delivered::store(shared, whose, said)
            }),
            lanes::run(began, reading, AT_ONCE, &shared.metrics.readers, |conversation, said| {
                reading::store(shared, conversation, said)
            }),
            lanes::run(began, seeing, AT_ONCE, &shared.metrics.seen, |user, seen| seen::store(shared, user, seen)),
        );
    };
    let raise = lanes::run(began, raising, PAIRS_AT_ONCE, &shared.metrics.pairs, |pair, raising| {
        pairs::write(shared, pair, raising)
    });
    tokio::select! {
        () = store => {}
        () = raise => {}
        () = service::run(shared) => {}
        () = changes::watch(shared) => {}
    }
    shared.context.tell(TaskState::Idle);
}

/// Takes items off the queue until it is told to stop.
async fn take(
    shared: &Shared,
    acknowledge: Bring<Whose, Acknowledged>,
    read: Bring<Conversation, ReadUpto>,
    see: Bring<UserName, SeenAt>,
) {
    let mut queue = WorkQueue::receipts(&shared.context.connection, shared.shard);
    let stop = shared.context.stop();
    shared.context.tell(TaskState::Working);
    loop {
        let queued = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            queued = queue.next() => queued,
        };
        match &queued.item.receipt {
            Ok(Receipt::Delivered { device, log, cursor, opened, senders }) => {
                let (user, opened) = (queued.item.user.clone(), *opened);
                let whose = Whose { user, device: device.clone(), log: log.clone(), opened };
                let claims = Claims::of(cursor, senders.as_ref(), &shared.context.settings.region);
                let said = Acknowledged { cursor: *cursor, claims, items: vec![queued] };
                // Its lane is there as long as this one.
                let _ = acknowledge.send((whose, said)).await;
            }
            Ok(Receipt::Read { with, upto, epoch }) => {
                let (upto, epoch) = (*upto, *epoch);
                match reading::conversation(shared, &queued.item.user, with) {
                    Some(conversation) => {
                        let _ = read.send((conversation, ReadUpto { epoch, upto, items: vec![queued] })).await;
                    }
                    None => refuse(shared, queued, "a read mark that no gateway lets in").await,
                }
            }
            Ok(Receipt::Seen { at }) => {
                let (user, at) = (queued.item.user.clone(), *at);
                let _ = see.send((user, SeenAt { at, items: vec![queued] })).await;
            }
            Err(error) => {
                tracing::debug!(%error, "a receipt can't be read");
                refuse(shared, queued, "a receipt that can't be read").await;
            }
        }
    }
}

/// Takes an item off the queue that would come again for ever.
async fn refuse(shared: &Shared, queued: Queued<ReceiptItem>, what: &str) {
    tracing::warn!(shard = %shared.shard, user = %queued.item.user, "{what}: taking it off the queue");
    shared.metrics.poison.inc();
    queued.ack().await;
}
