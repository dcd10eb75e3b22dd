//! The `index` role: which conversations a shard's users have, what belongs to each, and what the shard's groups have, in a projection of
//! the shard's logs, and the answers made of it.
//!
//! `core` decides what an entry means; `projection` keeps it; `answers` answers gateways; this file feeds the projection with what its
//! reader gives, [`BATCH`] entries a transaction, and lets go what the log let go. A projection that fails is closed, and dropped where it
//! is damaged; then the role begins again.

mod answers;
pub mod core;
mod metrics;
mod projection;

use std::{path::Path, sync::Arc};

use dunlin_nats::{IndexService, Reads, Watch, WatchEvent};
use dunlin_schema::{
    Log, Peer, Position, Seq, Shard, StreamTime, UserName,
    erasure::{Erasure, Stage},
    index::Place,
    limits,
    subject::{self, Logs},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use prometheus_client::registry::Registry;
use redb::Durability;
use tokio::{
    sync::watch,
    time::{Duration, Instant, sleep, sleep_until},
};

use self::{
    answers::{Answers, blocking},
    metrics::{IndexMetrics, Metrics},
    projection::{Meant, Of, Projection, ProjectionError, Taken},
};
use crate::{
    clock,
    context::Context,
    offer::Offer,
    reader::{
        Given, Pass,
        core::{Epochs, Resume},
    },
    readiness::TaskState,
    role::{Role, Work},
};

/// The role.
pub const ROLE: Role = Role::new("index", prepare).with_folder().with_reads();

/// Entries of one transaction, at most: they are in memory until it is committed.
const BATCH: usize = 512;
/// How often what was taken is committed and synced where nobody asks and no batch is full: a transaction costs more than an entry in it.
const DURABLE_EVERY: Duration = Duration::from_secs(1);
/// Questions that are answered at once; further ones wait, and are asked again by whoever gets no answer.
const ANSWERS: usize = 64;
/// How often what has gone from the log is looked for.
const GONE_EVERY: Duration = Duration::from_secs(10);
/// Logs that are looked at for what has expired, each [`GONE_EVERY`].
const EXPIRED_IN: usize = 1_024;
/// Logs whose first entries are looked up each [`GONE_EVERY`], at most: further ones stay large until their next entry, and of
/// further people who were erased the records wait.
const EVICTED_IN: usize = 256;
/// How long after a projection was made again because it lacked what its log has, whatever else it lacks is only waited for: to read a
/// shard from its beginning is dear, and what is made so lacks nothing.
const SOUND_FOR: Duration = Duration::from_secs(600);
/// The pause before a projection that failed, or that another process has, is opened again.
const AGAIN: Duration = Duration::from_secs(1);

fn prepare(registry: &mut Registry) -> Work {
    let metrics = Metrics::register(registry);
    Work::EachShard(Arc::new(move |context, shard| run(context, shard, metrics.of(shard)).boxed()))
}

/// Works on a shard until it is told to stop.
async fn run(context: Context, shard: Shard, metrics: IndexMetrics) {
    let stop = context.stop();
    let folder = context.folder().expect("the role declares that it has a folder").to_owned();
    let reads = context.reads().expect("the role declares that it reads").clone();
    let of = Of { region: context.settings.region.clone(), shard };
    let mut sound_until = Instant::now();
    loop {
        let (path, whose) = (folder.clone(), of.clone());
        let error = match blocking(move || Projection::open(&path, &whose)).await {
            Ok((projection, position)) => {
                let opened = (projection, position);
                let indexing = Indexing::begin(&context, of.clone(), &reads, opened, sound_until, &metrics);
                match indexing.run().await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        report(&context, &folder, shard, &error);
        if matches!(error, ProjectionError::Lacking(_)) {
            metrics.rebuilt.inc();
            sound_until = Instant::now() + SOUND_FOR;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(AGAIN) => {}
        }
    }
}

/// Says why the projection can't be used, and takes one away that has to be made again.
fn report(context: &Context, folder: &Path, shard: Shard, error: &ProjectionError) {
    match error {
        ProjectionError::InUse(_) => {
            context.tell(TaskState::StandingBy);
            tracing::debug!(%shard, %error, "waiting for the projection");
        }
        ProjectionError::Damaged(_) => {
            tracing::error!(%shard, %error, "the projection is dropped, and made again from the log");
            drop_projection(folder, shard);
        }
        ProjectionError::Lacking(_) => {
            tracing::warn!(%shard, %error, "the projection is dropped, and made again from the log");
            drop_projection(folder, shard);
        }
        ProjectionError::Failed(_) => tracing::error!(%shard, %error, "the projection is opened again"),
    }
}

fn drop_projection(folder: &Path, shard: Shard) {
    if let Err(error) = Projection::remove(folder) {
        tracing::error!(%shard, %error, "the projection can't be taken away");
    }
}

/// The role's work on one shard, with an open projection.
struct Indexing<'a> {
    context: Context,
    metrics: &'a IndexMetrics,
    pass: Pass,
    logs: Logs,
    answers: Answers,
    committed: watch::Sender<Position>,
    offer: Offer<IndexService>,
    /// Questions being answered, and how many they are.
    asked: FuturesUnordered<BoxFuture<'static, Result<(), ProjectionError>>>,
    /// What has gone from the log is taken away.
    going: FuturesUnordered<BoxFuture<'static, Result<Gone, ProjectionError>>>,
    /// Taken from the log, and not yet in the projection.
    batch: Vec<Taken>,
    /// The last entry taken.
    position: Position,
    /// Whether something was committed that was not synced.
    unsynced: bool,
    synced: Instant,
    /// Behind whose log the next ones are looked at for what has expired.
    expired: String,
    /// Whose logs have fewer entries than the projection has rows.
    large: Vec<Peer>,
    /// Who was erased, as records tell it, and up to where the projection has to be before their mailboxes are looked at.
    erasures: Watch,
    erased: Vec<(UserName, Seq)>,
    looked: Instant,
}

/// What a chore has done.
struct Gone {
    /// How many rows went.
    rows: usize,
    /// Whose log could not be looked at.
    not_looked: Option<Peer>,
    /// Of a look for what has expired: up to whose log, `None` where that was the last one.
    expired_upto: Option<Option<String>>,
}

impl<'a> Indexing<'a> {
    fn begin(
        context: &Context,
        of: Of,
        reads: &Reads,
        (projection, position): (Projection, Position),
        sound_until: Instant,
        metrics: &'a IndexMetrics,
    ) -> Indexing<'a> {
        let epochs = Epochs::Follows(Resume::Projected(position));
        let (region, shard) = (of.region.clone(), of.shard);
        let mut pass = Pass::start(context, shard, ROLE.as_str(), epochs, metrics.reader.clone());
        pass.projected(position);
        let (committed, watched) = watch::channel(position);
        Indexing {
            pass,
            logs: Logs::of(&of.region, of.shard),
            answers: Answers {
                projection: Arc::new(projection),
                of,
                shards: context.settings.shards,
                reads: reads.clone(),
                committed: watched,
                sound_until,
                answered: metrics.answered.clone(),
                behind: metrics.behind.clone(),
            },
            committed,
            offer: Offer::Withdrawn,
            asked: FuturesUnordered::new(),
            going: FuturesUnordered::new(),
            batch: Vec::new(),
            position,
            unsynced: false,
            synced: Instant::now(),
            expired: String::new(),
            large: Vec::new(),
            erasures: context.records().watch(shard, subject::erasures(&region, shard)),
            erased: Vec::new(),
            looked: Instant::now(),
            context: context.clone(),
            metrics,
        }
    }

    /// Works until it is told to stop. Errors: the projection can't be used any longer.
    async fn run(mut self) -> Result<(), ProjectionError> {
        let stop = self.context.stop();
        let mut stopping = false;
        let mut due = Instant::now() + DURABLE_EVERY;
        loop {
            let given = tokio::select! {
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.commit(Durability::Immediate).await?;
                    self.pass.stop();
                    continue;
                }
                question = self.offer.next(), if self.pass.is_live() && self.asked.len() < ANSWERS => {
                    self.asked.push(self.answers.clone().answer(question).boxed());
                    self.settle().await?;
                    continue;
                }
                Some(answered) = self.asked.next() => {
                    answered?;
                    continue;
                }
                Some(gone) = self.going.next() => {
                    self.gone(gone?);
                    continue;
                }
                event = self.erasures.next(), if self.erased.len() < EVICTED_IN => {
                    self.erased(event);
                    continue;
                }
                () = sleep_until(due) => {
                    due = Instant::now() + DURABLE_EVERY;
                    self.chores().await?;
                    continue;
                }
                given = self.pass.next() => given,
            };
            if !self.take(given).await? {
                return Ok(());
            }
            while self.batch.len() < BATCH
                && let Some(given) = self.pass.try_next()
            {
                if !self.take(given).await? {
                    return Ok(());
                }
            }
            if self.batch.len() >= BATCH || !self.asked.is_empty() {
                self.settle().await?;
            }
        }
    }

    /// Commits what was taken, and syncs it where that is due.
    async fn settle(&mut self) -> Result<(), ProjectionError> {
        let durable = self.synced.elapsed() >= DURABLE_EVERY;
        self.commit(if durable { Durability::Immediate } else { Durability::None }).await
    }

    /// Takes what the reader gave. Whether there is more to come.
    async fn take(&mut self, given: Given) -> Result<bool, ProjectionError> {
        match given {
            Given::Begin(position) => self.begin_at(position).await?,
            Given::Live => {
                if matches!(self.offer, Offer::Withdrawn) {
                    self.offer = Offer::make(self.context.connection(), self.answers.of.shard);
                }
            }
            Given::Entry { position, after_hole: _, subject, payload } => {
                self.position = position;
                let (at, region) = (Place { seq: position.seq, time: position.time }, &self.answers.of.region);
                let meant = self.logs.owner(&subject).map(|owner| match owner {
                    Peer::User(user) => {
                        let item = core::meaning(&user, region, &payload);
                        Meant::Mailbox(user, item)
                    }
                    group @ Peer::Group(_) => Meant::Group(group, core::group::meaning(region, &payload)),
                });
                self.batch.extend(meant.map(|meant| Taken { at, meant }));
            }
            Given::Lost => self.offer = Offer::Withdrawn,
            // Nothing is doubted here.
            Given::Verified(..) | Given::Declined(_) => {}
            Given::Stopped => {
                self.commit(Durability::Immediate).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What comes next follows this position: where the projection stands elsewhere, it is void.
    async fn begin_at(&mut self, position: Position) -> Result<(), ProjectionError> {
        self.commit(Durability::None).await?;
        if (position.seq, position.time) != (self.position.seq, self.position.time) {
            tracing::info!(shard = %self.answers.of.shard, "the projection is made again from the log");
            self.metrics.rebuilt.inc();
            let projection = self.answers.projection.clone();
            blocking(move || {
                let write = projection.write(Durability::Immediate)?;
                write.clear()?;
                write.commit()
            })
            .await?;
        }
        self.position = position;
        self.commit(Durability::Immediate).await
    }

    /// Commits what was taken, with the position that belongs to it.
    async fn commit(&mut self, durability: Durability) -> Result<(), ProjectionError> {
        let is_durable = matches!(durability, Durability::Immediate);
        let position = self.position;
        let is_new = *self.committed.borrow() != position;
        let is_due = is_durable && self.unsynced;
        if !is_new && !is_due {
            return Ok(());
        }
        let (projection, batch) = (self.answers.projection.clone(), std::mem::take(&mut self.batch));
        self.metrics.entries.inc_by(batch.len() as u64);
        let large = blocking(move || {
            let write = projection.write(durability)?;
            let large = write.take(&batch)?;
            write.stand_at(position)?;
            write.commit()?;
            Ok(large)
        })
        .await?;
        self.unsynced = !is_durable;
        if is_durable {
            self.synced = Instant::now();
            self.pass.projected(position);
        }
        self.committed.send_replace(position);
        let room = EVICTED_IN.saturating_sub(self.large.len());
        let new = large.into_iter().filter(|owner| !self.large.contains(owner)).take(room);
        let new: Vec<_> = new.collect();
        self.large.extend(new);
        Ok(())
    }

    /// Somebody was erased: what their mailbox had has gone from the log.
    fn erased(&mut self, event: WatchEvent) {
        let WatchEvent::Record(_, record) = event else { return };
        match Erasure::decode(&record.bytes) {
            Ok(Erasure { user, stage: Stage::Done(before) }) => {
                self.erased.push((user, before.log_end(self.answers.of.shard)));
            }
            // It goes on.
            Ok(Erasure { stage: Stage::Asked | Stage::CameBack(_), .. }) => {}
            Err(error) => tracing::error!(shard = %self.answers.of.shard, %error, "an erasure can't be read"),
        }
    }

    /// Syncs what is not, and lets what the log has no more go.
    async fn chores(&mut self) -> Result<(), ProjectionError> {
        self.commit(Durability::Immediate).await?;
        let is_due = self.looked.elapsed() >= GONE_EVERY || !self.erased.is_empty();
        if !is_due || !self.pass.is_live() || !self.going.is_empty() {
            return Ok(());
        }
        self.looked = Instant::now();
        let (after, projection) = (self.expired.clone(), self.answers.projection.clone());
        self.going.push(blocking(move || expire(&projection, &after)).boxed());
        let upto = self.committed.borrow().seq;
        let erased = self.erased.extract_if(.., |(_, end)| *end <= upto).map(|(user, _)| Peer::User(user));
        let looked_at: Vec<_> = std::mem::take(&mut self.large).into_iter().chain(erased).collect();
        for owner in looked_at {
            let Of { region, shard } = self.answers.of.clone();
            let log = Log { region, shard, owner };
            let (projection, reads) = (self.answers.projection.clone(), self.answers.reads.clone());
            self.going.push(evict(projection, reads, log, upto).boxed());
        }
        Ok(())
    }

    fn gone(&mut self, Gone { rows, not_looked, expired_upto }: Gone) {
        self.large.extend(not_looked);
        self.metrics.gone.inc_by(rows as u64);
        self.unsynced |= rows > 0;
        if let Some(upto) = expired_upto {
            self.expired = upto.unwrap_or_default();
        }
    }
}

fn expire(projection: &Projection, after: &str) -> Result<Gone, ProjectionError> {
    let write = projection.write(Durability::None)?;
    let (rows, upto) = write.expire(after, EXPIRED_IN, expired_before())?;
    if rows > 0 {
        write.commit()?;
    }
    Ok(Gone { rows, not_looked: None, expired_upto: Some(upto) })
}

/// Lets what lies below the log's first entry go; where the log has none, what lies up to `upto`, which was in the projection before the
/// log was asked.
async fn evict(projection: Arc<Projection>, reads: Reads, log: Log, upto: Seq) -> Result<Gone, ProjectionError> {
    let first = match reads.log_ends(&log).await {
        Ok(Some(ends)) => ends.first.seq,
        Ok(None) => upto.next(),
        Err(_) => return Ok(Gone { rows: 0, not_looked: Some(log.owner), expired_upto: None }),
    };
    blocking(move || {
        let mut rows = 0;
        loop {
            let write = projection.write(Durability::None)?;
            let gone = write.evict(&log.owner, first)?;
            if gone == 0 {
                return Ok(Gone { rows, not_looked: None, expired_upto: None });
            }
            write.commit()?;
            rows += gone;
        }
    })
    .await
}

/// What was stored before this time is in no log any more.
fn expired_before() -> StreamTime {
    StreamTime::from(clock::now().minus(limits::RETENTION).minus(limits::RETENTION_SLACK))
}
