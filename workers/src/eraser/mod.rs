//! The `eraser` role: takes what people deleted out of the logs of a shard, and leaves tombstones.
//!
//! `core` decides what goes, `erasing` carries it out, `released` tells of the files that it referred to, `person` erases people, `groups`
//! takes them out of theirs, `after` looks after them, this file goes through the shard.
//!
//! An entry is done before the next one is taken, so a saved position covers only erasures that are done; one whose outcome is unknown
//! begins again with its tombstone. Two at once, or one twice, do no harm.

mod after;
pub mod core;
mod erasing;
mod groups;
mod metrics;
mod person;
mod released;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_nats::Heads;
use dunlin_schema::{Entry, Log, Peer, Position, Shard, subject::Logs};
use futures_util::FutureExt;
use prometheus_client::registry::Registry;
use tokio::time::sleep;

use self::{
    core::{Cause, LookedThrough, stored_since},
    erasing::Erasing,
    metrics::{EraserMetrics, Metrics},
    person::People,
    released::Released,
};
use crate::{
    context::Context,
    reader::{
        Given, Pass,
        core::{Epochs, Resume},
    },
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("eraser", prepare).with_appender().with_reads();

/// How long after an erasure that failed it begins again.
const AGAIN: Duration = Duration::from_millis(500);

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: EraserMetrics) {
    let (Some(appender), Some(reads)) = (context.appender().cloned(), context.reads().cloned()) else { return };
    let (heads, released) = (Heads::new(context.connection()), Released::of(&context, metrics.clone()));
    let erasing = Erasing { appender, reads, heads, released };
    let people = People { context: &context, shard, erasing: &erasing, records: context.records(), metrics: &metrics };
    tokio::select! {
        () = go_through(&context, shard, &metrics, &erasing) => {}
        () = people.run() => {}
    }
    context.tell(TaskState::Idle);
}

/// Goes through the shard until it is told to stop.
async fn go_through(context: &Context, shard: Shard, metrics: &EraserMetrics, erasing: &Erasing) {
    let epochs = Epochs::Follows(Resume::Saved);
    let mut pass = Pass::start(context, shard, ROLE.as_str(), epochs, metrics.reader.clone());
    let logs = Logs::of(&context.settings().region, shard);
    let mut work = Eraser { context, shard, metrics, erasing, looked_through: LookedThrough::default() };
    let stop = context.stop();
    let mut stopping = false;
    loop {
        let given = tokio::select! {
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                pass.stop();
                continue;
            }
            given = pass.next() => given,
        };
        match given {
            Given::Entry { position, subject, payload, .. } => {
                let Some(owner) = logs.owner(&subject) else { continue };
                tokio::select! {
                    biased;
                    () = work.take(owner, position, &payload) => {}
                    // The position must not be saved behind an entry that is not done: the next one finds the lease over.
                    () = stop.cancelled() => return,
                }
            }
            Given::Begin(_) => work.looked_through = LookedThrough::default(),
            Given::Live | Given::Lost | Given::Verified(..) | Given::Declined(_) => {}
            Given::Stopped => return,
        }
    }
}

/// The role's work on one shard.
struct Eraser<'a> {
    context: &'a Context,
    shard: Shard,
    metrics: &'a EraserMetrics,
    erasing: &'a Erasing,
    looked_through: LookedThrough,
}

impl Eraser<'_> {
    /// Does what an entry of a log asks for, however long it takes.
    async fn take(&mut self, owner: Peer, at: Position, payload: &Bytes) {
        let Ok(entry) = Entry::decode(payload) else { return };
        let Some(cause) = Cause::of(&entry) else { return };
        let since = stored_since(cause.target());
        if self.looked_through.covers(&owner, at, since) {
            return;
        }
        let log = Log { region: self.context.settings().region.clone(), shard: self.shard, owner };
        loop {
            match self.erasing.carry_out(&log, &cause, &entry, at).await {
                Ok((erased, upto)) => {
                    self.metrics.erased.inc_by(erased);
                    if let Some(upto) = upto {
                        self.looked_through.note(&log.owner, at.epoch, since, upto);
                    }
                    return;
                }
                Err(error) => {
                    self.metrics.failed.inc();
                    tracing::warn!(shard = %self.shard, seq = at.seq.0, %error, "what was deleted is not erased yet");
                    sleep(AGAIN).await;
                }
            }
        }
    }
}
