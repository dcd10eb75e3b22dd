//! The `receipts` role: stores what devices acknowledge and people read, and tells those who sent it. A device that comes without a cursor
//! goes on from there; one that its user removes is forgotten.
//!
//! `core` decides; this file takes items off the shard's work queue and hands each to its lane: `delivered` or `reading`, which raise
//! marks in `pairs` as far as `blocks` lets them, `groups`, or `seen`; each ends with the item's acknowledgement. `lanes` paces all of
//! them. `service` answers gateways, `changes` out of a watch of the shard's marks; `records` and `devices` write, `mailbox` reads.

mod blocks;
mod changes;
pub mod core;
mod delivered;
mod devices;
mod groups;
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
    GroupName, Peer, Shard, UserName,
    counts::{GroupMarks, GroupSentMarks},
    limits,
    record::{LastSeen, ReadMark, Receipt, SentMarks},
};
use futures_util::FutureExt;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;

use self::{
    blocks::Blocks,
    changes::Changes,
    core::{Whose, claims::Claims, members::Said},
    delivered::Acknowledged,
    devices::Devices,
    groups::{GroupSaid, Groups},
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
/// Parts of groups' members whose marks are remembered.
const PARTS: usize = 512;
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
    parts: Kept<GroupMarks>,
    counts: Kept<GroupSentMarks>,
    groups: Groups,
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
            parts: Kept::of_many(connection, metrics.conflicts.clone(), PARTS),
            counts: Kept::new(connection, metrics.conflicts.clone()),
            groups: Groups::new(connection),
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
    let (count, counting) = lanes::channel();
    let shared = &Shared::new(context, shard, metrics, reads, Pairs::new(raise));
    let began = shared.context.began;
    let (metrics, every) = (&shared.metrics, limits::MARKS_EVERY);
    let store = async {
        tokio::join!(
            take(shared, Lanes { acknowledge, read, see, count }),
            lanes::run(began, acknowledging, AT_ONCE, &metrics.devices, |whose, said| {
                (every, delivered::store(shared, whose, said))
            }),
            lanes::run(began, reading, AT_ONCE, &metrics.readers, |conversation, said| {
                (every, reading::store(shared, conversation, said))
            }),
            lanes::run(began, seeing, AT_ONCE, &metrics.seen, |user, seen| (every, seen::store(shared, user, seen))),
            lanes::run(began, counting, groups::AT_ONCE, &metrics.groups, |group, said| {
                (groups::every(shared, &group), groups::store(shared, group, said))
            }),
        );
    };
    let raise = lanes::run(began, raising, PAIRS_AT_ONCE, &metrics.pairs, |pair, raising| {
        (every, pairs::write(shared, pair, raising))
    });
    tokio::select! {
        () = store => {}
        () = raise => {}
        () = service::run(shared) => {}
        () = changes::watch(shared) => {}
    }
    shared.context.tell(TaskState::Idle);
}

/// Where items are brought. Each lane is there as long as this is.
struct Lanes {
    acknowledge: Bring<Whose, Acknowledged>,
    read: Bring<Conversation, ReadUpto>,
    see: Bring<UserName, SeenAt>,
    count: Bring<GroupName, GroupSaid>,
}

/// Takes items off the queue until it is told to stop.
async fn take(shared: &Shared, lanes: Lanes) {
    let mut queue = WorkQueue::receipts(&shared.context.connection, shared.shard);
    let stop = shared.context.stop();
    shared.context.tell(TaskState::Working);
    loop {
        let queued = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            queued = queue.next() => queued,
        };
        let ReceiptItem { of, receipt } = queued.item.clone();
        match (of, receipt) {
            (Peer::User(user), Ok(receipt)) => lanes.of_user(shared, user, receipt, queued).await,
            (Peer::Group(group), Ok(Receipt::Group { acks, reads })) => {
                let said = GroupSaid { said: Said { acks, reads }, items: vec![queued] };
                let _ = lanes.count.send((group, said)).await;
            }
            (Peer::Group(_), Ok(_)) => refuse(shared, queued, "a receipt of a group that no gateway sends").await,
            (Peer::User(_) | Peer::Group(_), Err(error)) => {
                tracing::debug!(%error, "a receipt can't be read");
                refuse(shared, queued, "a receipt that can't be read").await;
            }
        }
    }
}

impl Lanes {
    /// Brings what a user's device said to its lane.
    async fn of_user(&self, shared: &Shared, user: UserName, receipt: Receipt, queued: Queued<ReceiptItem>) {
        let items = vec![queued];
        match receipt {
            Receipt::Delivered { device, log, cursor, opened, senders } => {
                let whose = Whose { user, device, log, opened };
                let claims = Claims::of(&cursor, senders.as_ref(), &shared.context.settings.region);
                let _ = self.acknowledge.send((whose, Acknowledged { cursor, claims, items })).await;
            }
            Receipt::Read { with, upto, epoch } => match reading::conversation(shared, &user, &with) {
                Some(conversation) => {
                    let _ = self.read.send((conversation, ReadUpto { epoch, upto, items })).await;
                }
                None => refuse_all(shared, items, "a read mark that no gateway lets in").await,
            },
            Receipt::Seen { at } => {
                let _ = self.see.send((user, SeenAt { at, items })).await;
            }
            Receipt::Group { .. } => refuse_all(shared, items, "a receipt of a user that no gateway sends").await,
        }
    }
}

async fn refuse_all(shared: &Shared, items: Vec<Queued<ReceiptItem>>, what: &str) {
    for queued in items {
        refuse(shared, queued, what).await;
    }
}

/// Takes an item off the queue that would come again for ever.
async fn refuse(shared: &Shared, queued: Queued<ReceiptItem>, what: &str) {
    tracing::warn!(shard = %shared.shard, of = %queued.item.of, "{what}: taking it off the queue");
    shared.metrics.poison.inc();
    queued.ack().await;
}
