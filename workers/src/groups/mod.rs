//! The `groups` role: does what is wanted in a group, and is the only one that stores anything in a group's log.
//!
//! The log is the truth, and the append is the commit: what a request becomes is stored behind the very entry by which it was decided, or
//! not at all. So two workers that both take a shard for theirs make one order. The records of STATE follow the log, written by the reader
//! of the shard, wherever an entry comes from.
//!
//! `core` decides; `lanes` takes one group's requests in turn, `answering` does one, over what `loaded` has read of its group, for those
//! who are `willing` and if `room` lets it, or changes by which `links` people join; `applying` writes the records that an entry changes,
//! and `ending` those of the members of a group that is no more. This file feeds them, as long as the shard is this worker's: so one
//! refuses what another would store for moments at most, and nobody answers for what they have slept through.

mod answering;
mod applying;
pub mod core;
mod ending;
mod lanes;
mod links;
mod loaded;
mod metrics;
mod room;
mod willing;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use dunlin_nats::{Appender, Connection, GroupsService, Reads, Record, RecordError, Records, StreamName};
use dunlin_schema::{
    Entry, GroupName, Millis, Peer, Position, RegionName, Shard,
    envelope::EnvelopeError,
    record::{self, GroupRecord},
    subject,
};
use futures_util::{FutureExt, future::BoxFuture};
use prometheus_client::registry::Registry;
use tokio::sync::Notify;

use self::{
    core::Meaning,
    lanes::Lanes,
    metrics::{GroupsMetrics, Metrics},
};
use crate::{
    change::{ChangeError, change},
    context::Context,
    group_limits::GroupLimits,
    offer::Offer,
    reader::{
        Given, Lease, Pass,
        core::{Epochs, Resume},
    },
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new(record::GROUPS, prepare).with_appender().with_reads();

/// Entries taken for each wake-up.
const BATCH: usize = 64;
/// Entries of a group that change none of its records, after which it is written down how far its log was read.
const NOTED_EVERY: u32 = 256;
/// Groups whose entries are counted. When there are more, all begin anew.
const COUNTED: usize = 65_536;

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// What the parts of the role share.
struct Shared {
    region: RegionName,
    shard: Shard,
    shards: u16,
    connection: Connection,
    stream: StreamName,
    records: Records,
    reads: Reads,
    appender: Appender,
    metrics: GroupsMetrics,
    lease: Lease,
    limits: GroupLimits,
}

impl Shared {
    /// The group's record, as the leader has it.
    async fn group_record<E>(&self, group: &GroupName) -> Result<Option<GroupRecord>, E>
    where
        E: From<RecordError> + From<EnvelopeError>,
    {
        let stored = self.records.load(self.shard, &subject::group_record(&self.region, self.shard, group)).await?;
        Ok(stored.map(|stored| GroupRecord::decode(&stored.bytes)).transpose()?)
    }

    /// Writes what `changing` makes of a group's record, if anything.
    async fn change_group(
        &self,
        group: &GroupName,
        changing: impl Fn(Option<&GroupRecord>) -> Option<GroupRecord>,
    ) -> Result<(), ChangeError> {
        let subject = subject::group_record(&self.region, self.shard, group);
        let changing = |stored: Option<&Record>| {
            let stored = stored.map(|stored| GroupRecord::decode(&stored.bytes)).transpose()?;
            Ok(changing(stored.as_ref()).map(|record| (record.encode(), None)))
        };
        self.change(self.shard, &subject, changing).await
    }

    /// Writes what `change` makes of what is stored, if anything.
    async fn change(
        &self,
        shard: Shard,
        subject: &str,
        changing: impl Fn(Option<&Record>) -> Result<Option<(Vec<u8>, Option<Millis>)>, ChangeError>,
    ) -> Result<(), ChangeError> {
        change(&self.records, &self.metrics.record_conflicts, shard, subject, changing).await?;
        Ok(())
    }
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: GroupsMetrics) {
    let (Some(appender), Some(reads)) = (context.appender().cloned(), context.reads().cloned()) else { return };
    let epochs = Epochs::Follows(Resume::Saved);
    let mut pass = Pass::start(&context, shard, ROLE.as_str(), epochs, metrics.reader.clone());
    let region = context.settings().region.clone();
    let shared = Arc::new(Shared {
        stream: StreamName::log(&region, shard),
        shards: context.settings().shards,
        connection: context.connection().clone(),
        records: context.records(),
        lease: pass.lease(),
        limits: context.groups(),
        region,
        shard,
        reads,
        appender,
        metrics,
    });
    let mut work = Groups::of(shared);
    let stop = context.stop();
    let (mut stopping, mut stopped) = (false, false);
    loop {
        // What is being stored is answered before the shard is given back.
        if stopping && !stopped && work.lanes.are_idle() {
            stopped = true;
            pass.stop();
        }
        let is_applying = work.applying.is_some();
        let given = tokio::select! {
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                work.offer = Offer::Withdrawn;
                continue;
            }
            () = work.lanes.next() => continue,
            question = work.offer.next(), if pass.is_live() => {
                if work.shared.lease.holds() {
                    work.lanes.take(question).await;
                }
                continue;
            }
            () = done(&mut work.applying) => {
                work.applying = None;
                pass.projected(work.position);
                continue;
            }
            () = done(&mut work.ending) => {
                work.ending = None;
                continue;
            }
            given = next(&mut pass, is_applying) => given,
        };
        if !work.take(given, &mut pass, stopping) {
            return;
        }
        for _ in 1..BATCH {
            if work.applying.is_some() {
                break;
            }
            let Some(given) = pass.try_next() else { break };
            if !work.take(given, &mut pass, stopping) {
                return;
            }
        }
    }
}

/// The role's work on one shard.
struct Groups {
    shared: Arc<Shared>,
    logs: subject::Logs,
    offer: Offer<GroupsService>,
    lanes: Lanes,
    /// The last entry that was given.
    position: Position,
    /// The work on it.
    applying: Option<BoxFuture<'static, ()>>,
    /// The work on groups that are no more, as long as the shard is ours.
    ending: Option<BoxFuture<'static, ()>>,
    /// Whether there may be more of these.
    to_end: Arc<Notify>,
    /// How many entries of a group were read since its record was written.
    unnoted: HashMap<GroupName, u32>,
}

impl Groups {
    fn of(shared: Arc<Shared>) -> Groups {
        Groups {
            logs: subject::Logs::of(&shared.region, shared.shard),
            offer: Offer::Withdrawn,
            lanes: Lanes::new(shared.clone()),
            position: Position::default(),
            applying: None,
            ending: None,
            to_end: Arc::new(Notify::new()),
            unnoted: HashMap::new(),
            shared,
        }
    }

    /// Takes what the reader gave. Whether there is more to come.
    fn take(&mut self, given: Given, pass: &mut Pass, stopping: bool) -> bool {
        match given {
            Given::Begin(position) => {
                // In an epoch with the same entries, the work on the last one goes on.
                if position.seq < self.position.seq {
                    self.applying = None;
                }
                self.position = position;
                if self.ending.is_none() {
                    self.ending = Some(ending::run(self.shared.clone(), self.to_end.clone()).boxed());
                }
                if self.applying.is_none() {
                    pass.projected(position);
                }
            }
            Given::Live => {
                if matches!(self.offer, Offer::Withdrawn) && !stopping {
                    self.offer = Offer::make(&self.shared.connection, self.shared.shard);
                }
            }
            Given::Entry { position, after_hole: _, subject, payload } => {
                self.position = position;
                self.applying = self.entry(position, &subject, &payload);
                if self.applying.is_none() {
                    pass.projected(position);
                }
            }
            Given::Lost => {
                (self.applying, self.ending) = (None, None);
                self.offer = Offer::Withdrawn;
                self.lanes.lost();
                self.unnoted.clear();
            }
            // Nothing is doubted here.
            Given::Verified(..) | Given::Declined(_) => {}
            Given::Stopped => return false,
        }
        true
    }

    /// What is to be done for an entry, if anything.
    fn entry(&mut self, at: Position, subject: &str, payload: &Bytes) -> Option<BoxFuture<'static, ()>> {
        let Some(Peer::Group(group)) = self.logs.owner(subject) else { return None };
        let entry = match Entry::decode(payload) {
            Ok(entry) => entry,
            Err(error) => {
                tracing::error!(shard = %self.shared.shard, seq = at.seq.0, %error, "a group's entry can't be read");
                return None;
            }
        };
        if Meaning::of(&entry) == Meaning::Nothing && !self.is_to_be_noted(&group) {
            return None;
        }
        let ends = (Meaning::of(&entry) == Meaning::Deleted).then(|| self.to_end.clone());
        let applying = applying::apply(self.shared.clone(), group, at, entry);
        Some(applying.map(move |()| ends.into_iter().for_each(|ends| ends.notify_one())).boxed())
    }

    /// Whether it is time to write down how far a group's log was read. Nobody knows how many of its entries an earlier reader has read.
    fn is_to_be_noted(&mut self, group: &GroupName) -> bool {
        if self.unnoted.len() >= COUNTED {
            self.unnoted.clear();
        }
        let Some(unnoted) = self.unnoted.get_mut(group) else {
            self.unnoted.insert(group.clone(), 0);
            return true;
        };
        *unnoted = (*unnoted + 1) % NOTED_EVERY;
        *unnoted == 0
    }
}

/// What the reader gives: no further entry while one is worked on.
async fn next(pass: &mut Pass, is_applying: bool) -> Given {
    if is_applying { pass.beside().await } else { pass.next().await }
}

/// Waits until the entry that is worked on is done; for ever where there is none.
async fn done(applying: &mut Option<BoxFuture<'static, ()>>) {
    match applying {
        Some(applying) => applying.await,
        None => std::future::pending().await,
    }
}
