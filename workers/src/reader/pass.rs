//! The loop of one pass through a shard: it feeds NATS's answers, the time and the stream's entries to the reader's core, and hands the
//! entries to the role.
//!
//! In this order: answers of NATS, time, entries. What the core decides is carried out in its order, and only as far as the next thing for
//! the role: whoever asks for more has done what it does with what was given before, and a position is saved only then.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use dunlin_nats::{ReaderEvent, Start, StreamName, StreamReader};
use dunlin_schema::{Millis, Position, Shard, read::ReadFrom};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until};

use super::{
    asks::Asks,
    core::{Because, DoubtId, Epochs, Event, Input, Output, Reader, Setup},
    metrics::ShardMetrics,
};
use crate::{context::Context, readiness::TaskState};

/// How often a save asks for the stream's end, which only the metrics want to know.
const LAG_EVERY: Duration = Duration::from_secs(10);

/// What a role is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// What comes next follows this position: see [`Output::Begin`].
    Begin(Position),
    /// From now on entries are read as they come, and questions about them may be answered.
    Live,
    /// The next entry.
    Entry {
        /// Its position.
        position: Position,
        /// Whether entries before it were gone before they were read.
        after_hole: bool,
        /// The subject it is stored under.
        subject: String,
        /// Its bytes.
        payload: Bytes,
    },
    /// The answer to a doubt: the log is as it was read up to here.
    Verified(DoubtId, Position),
    /// A doubt has no answer.
    Declined(DoubtId),
    /// The shard is somebody else's.
    Lost,
    /// The end, after [`Pass::stop`].
    Stopped,
}

/// One role's way through a shard.
pub struct Pass {
    context: Context,
    shard: Shard,
    stream: StreamName,
    core: Reader,
    asks: Asks,
    metrics: ShardMetrics,
    consumer: Option<StreamReader>,
    /// What was asked of NATS and is not answered yet: at most one of a kind.
    answers: FuturesUnordered<BoxFuture<'static, Input>>,
    /// What was decided and is not carried out yet.
    outputs: VecDeque<Output>,
    decided: Vec<Output>,
    /// What the entry that the core was given last is stored under, and says.
    entry: Option<(String, Bytes)>,
    state: TaskState,
    was_live: bool,
    /// Whether an entry was given since a save last began.
    unflushed: bool,
    lag_due: Instant,
    /// Of a role that is not done with what it was given: up to where it is.
    projected: Option<Position>,
    lease: Lease,
}

/// Whether a shard is a reader's, also for those who have no part in its loop.
#[derive(Clone, Debug)]
pub struct Lease {
    began: Instant,
    /// Until when, in milliseconds since then; 0 where it is not.
    until: Arc<AtomicU64>,
}

impl Lease {
    /// Whether nobody else may have the shard.
    pub fn holds(&self) -> bool {
        self.began.elapsed() < Duration::from_millis(self.until.load(Ordering::Relaxed))
    }
}

impl Pass {
    /// Stands by for a shard, and takes it when it can. `role` names the record.
    pub fn start(context: &Context, shard: Shard, role: &str, epochs: Epochs, metrics: ShardMetrics) -> Pass {
        let region = &context.settings.region;
        // Unique for each run: 128 random bits.
        let owner = format!("{:032x}", rand::random::<u128>());
        let mut pass = Pass {
            asks: Asks::new(context, (region, shard), role, epochs),
            core: Reader::new(Setup { owner, epochs }),
            context: context.clone(),
            shard,
            stream: StreamName::log(region, shard),
            metrics,
            consumer: None,
            answers: FuturesUnordered::new(),
            outputs: VecDeque::new(),
            decided: Vec::new(),
            entry: None,
            state: TaskState::Idle,
            was_live: false,
            unflushed: false,
            lag_due: Instant::now(),
            projected: None,
            lease: Lease { began: context.began, until: Arc::default() },
        };
        pass.handle(Input::Tick);
        pass
    }

    /// What comes next. Waits as long as it takes. Cancel-safe.
    pub async fn next(&mut self) -> Given {
        self.given(true).await
    }

    /// What comes next beside entries, for a role that is still at work on the last one: it keeps the shard meanwhile. See
    /// [`Pass::projected`]. Cancel-safe.
    pub async fn beside(&mut self) -> Given {
        self.given(false).await
    }

    async fn given(&mut self, takes_entries: bool) -> Given {
        loop {
            if let Some(given) = self.carry_out() {
                return given;
            }
            let deadline = self.core.deadline().map(|at| self.context.began + Duration::from_millis(at.0));
            // What the consumer says before its first entry is no entry.
            let reading = self.core.reading() && (takes_entries || !self.core.is_live());
            tokio::select! {
                biased;
                Some(input) = self.answers.next() => self.handle(input),
                () = wait_until(deadline) => self.handle(Input::Tick),
                event = next_event(&mut self.consumer), if reading => self.read(event),
            }
        }
    }

    /// What is there already, for a role that takes several entries for each wake-up.
    pub fn try_next(&mut self) -> Option<Given> {
        loop {
            if let Some(given) = self.carry_out() {
                return Some(given);
            }
            if !self.core.reading() {
                return None;
            }
            let event = next_event(&mut self.consumer).now_or_never()?;
            self.read(event);
        }
    }

    /// The last entry that was given, if answers may be made of it now.
    pub fn live_at(&self) -> Option<Position> {
        self.core.live_at(self.now())
    }

    /// Whether entries are read as they come.
    pub fn is_live(&self) -> bool {
        self.core.is_live()
    }

    /// For a role with a projection, or one that is at work on what it was given while it asks for more: it is done up to this position,
    /// and no position behind it is saved.
    pub fn projected(&mut self, position: Position) {
        self.projected = Some(position);
    }

    /// What is saved where the reader has come this far. An epoch that is followed meanwhile has the same entries.
    fn saved(&self, read: Position) -> Position {
        match self.projected {
            Some(projected) if projected.seq < read.seq => Position { epoch: read.epoch, ..projected },
            Some(_) | None => read,
        }
    }

    /// Whether the shard is this reader's, also while nobody asks for more.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Has the reader compare what it read with the log: [`Given::Verified`] or [`Given::Declined`] follows.
    pub fn doubt(&mut self, doubt: DoubtId) {
        self.handle(Input::Doubted(doubt));
    }

    /// Gives the shard back: [`Given::Stopped`] follows.
    pub fn stop(&mut self) {
        self.handle(Input::Stop);
    }

    fn now(&self) -> Millis {
        Millis(self.context.began.elapsed().as_millis() as u64)
    }

    fn handle(&mut self, input: Input) {
        self.core.handle(self.now(), input, &mut self.decided);
        self.outputs.extend(self.decided.drain(..));
        let until = self.core.lapses_at().map_or(0, |at| at.0);
        self.lease.until.store(until, Ordering::Relaxed);
    }

    fn read(&mut self, event: ReaderEvent) {
        match event {
            ReaderEvent::Opened { .. } => self.handle(Input::Opened),
            ReaderEvent::Interrupted => tracing::debug!(shard = %self.shard, "the consumer is made anew"),
            ReaderEvent::Entry { subject, seq, time, payload } => {
                self.entry = Some((subject, payload));
                self.handle(Input::Entry { seq, time });
            }
        }
    }

    /// Carries out what was decided, up to the next thing for the role.
    fn carry_out(&mut self) -> Option<Given> {
        while let Some(output) = self.outputs.pop_front() {
            match output {
                Output::Look => self.answers.push(self.asks.clone().look().boxed()),
                Output::Compare(seq) => self.answers.push(self.asks.clone().compare(seq).boxed()),
                Output::AskEpoch => self.answers.push(self.asks.clone().epoch().boxed()),
                Output::Save { mut record, expected } => {
                    record.position = self.saved(record.position);
                    let flush = std::mem::take(&mut self.unflushed);
                    let lag = self.lag_is_due().then(|| self.metrics.lag.clone());
                    self.answers.push(self.asks.clone().save(record, expected, flush, lag).boxed());
                }
                Output::Open(from) => {
                    let start = match from {
                        ReadFrom::Seq(seq) => Start::After(seq.previous()),
                        ReadFrom::Time(time) => Start::Time(time),
                    };
                    let Context { connection, taps, .. } = &self.context;
                    self.consumer = Some(StreamReader::start(connection, taps, self.stream.clone(), start));
                }
                Output::Close => self.consumer = None,
                Output::Begin(position) => return Some(Given::Begin(position)),
                Output::Entry { position, after_hole } => {
                    self.unflushed = true;
                    let (subject, payload) = self.entry.take()?;
                    return Some(Given::Entry { position, after_hole, subject, payload });
                }
                Output::Verified { doubt, position } => return Some(Given::Verified(doubt, position)),
                Output::Declined(doubt) => return Some(Given::Declined(doubt)),
                Output::Event(event) => {
                    self.tell(event);
                    if matches!(event, Event::SteppedDown(_)) {
                        self.stand();
                        return Some(Given::Lost);
                    }
                }
                Output::Stopped => {
                    self.metrics.owner.set(0);
                    self.context.tell(TaskState::Idle);
                    return Some(Given::Stopped);
                }
            }
        }
        self.stand().then_some(Given::Live)
    }

    fn lag_is_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.lag_due <= now;
        if due {
            self.lag_due = now + LAG_EVERY;
        }
        due
    }

    /// Says what the task is doing. Whether it became live.
    fn stand(&mut self) -> bool {
        let live = self.core.is_live();
        let state = if live {
            TaskState::Working
        } else if self.core.is_standing_by() {
            TaskState::StandingBy
        } else {
            TaskState::Idle
        };
        if state != self.state {
            self.state = state;
            self.context.tell(state);
        }
        let became_live = live && !self.was_live;
        self.was_live = live;
        if became_live {
            self.metrics.owner.set(1);
        } else if !self.core.is_owner() {
            self.metrics.owner.set(0);
        }
        became_live
    }

    fn tell(&self, event: Event) {
        let shard = self.shard;
        match event {
            Event::TookOver { position } => {
                self.metrics.takeovers.inc();
                tracing::info!(%shard, epoch = position.epoch.0, seq = position.seq.0, "took the shard over");
            }
            Event::SteppedDown(lost) => {
                self.metrics.refused.inc();
                tracing::warn!(%shard, ?lost, "the shard is not ours any more: standing by");
            }
            Event::EpochBegun { epoch, because } => {
                self.metrics.epochs.inc();
                match because {
                    Because::NoRecord => tracing::info!(%shard, epoch = epoch.0, "the shard's first epoch began"),
                    Because::RecordWentBack | Because::OtherBoot | Because::EndBelow | Because::OtherEntry => {
                        tracing::warn!(%shard, epoch = epoch.0, ?because, "a new epoch began: devices are told of a gap");
                    }
                }
            }
            Event::EpochFollowed { epoch, anew } => {
                self.metrics.epochs.inc();
                tracing::info!(%shard, epoch = epoch.0, anew, "following the deliver reader's epoch");
            }
            Event::Hole { after, until } => {
                self.metrics.holes.inc();
                tracing::debug!(%shard, after = after.0, until = until.0, "entries were gone before they were read");
            }
        }
    }
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn next_event(consumer: &mut Option<StreamReader>) -> ReaderEvent {
    match consumer {
        Some(consumer) => consumer.next().await,
        None => std::future::pending().await,
    }
}
