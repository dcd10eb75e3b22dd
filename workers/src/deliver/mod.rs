//! The `deliver` role: publishes each mailbox entry of a shard, in order, to `user.<user>`, and answers how far mailboxes have come.
//!
//! `core` decides, `heads` is its map, `offer` is the questions of gateways; this file feeds the core. In this order: the end, answers of
//! NATS, questions, time, and then at most [`BATCH`] entries, so that a long backlog keeps neither a question nor the lease waiting.

pub mod core;
pub mod heads;
mod offer;

use std::{collections::HashMap, sync::Arc};

use dunlin_nats::{
    Pace, Question, ReaderEvent, Records, Reply, Start, StreamName, StreamReader, entry_time, stream_ends,
};
use dunlin_schema::{
    Entry, Millis, Seq, Shard, UserName,
    heads::{HeadsAnswer, HeadsRequest, Verified},
    limits,
    read::ReadFrom,
    record::ReaderRecord,
    subject,
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::{Duration, Instant, sleep_until, timeout};

use self::{
    core::{Asked, Because, Compared, Deliver, Event, Input, Output, Setup, Stored},
    offer::Offer,
};
use crate::{
    config::Role,
    context::Context,
    metrics::DeliverMetrics,
    reader::{Looked, owner_name},
    readiness::TaskState,
};

/// Entries taken for each wake-up.
const BATCH: usize = 64;

/// How often a save asks for the stream's end, which only the metrics want to know, and how long it may wait for it.
const LAG_EVERY: Duration = Duration::from_secs(10);
const LAG_WITHIN: Duration = Duration::from_millis(250);

/// Works on a shard until it is told to stop.
pub(crate) async fn run(context: Context) {
    Reader::new(context).run().await;
}

enum WayBack {
    Heads(Reply<HeadsAnswer>),
    Verify(Reply<Verified>),
}

struct Reader {
    context: Context,
    metrics: DeliverMetrics,
    subject: Arc<str>,
    stream: StreamName,
    mailboxes: subject::Mailboxes,
    core: Deliver,
    consumer: Option<StreamReader>,
    offer: Offer,
    /// At most [`core::DOUBTS`]: questions about heads are answered before the next one is taken.
    questions: HashMap<Asked, WayBack>,
    asked: u64,
    /// What was asked of NATS and is not answered yet: at most a look, a comparison and a save.
    answers: FuturesUnordered<BoxFuture<'static, Input>>,
    outputs: Vec<Output>,
    state: TaskState,
    /// Whether something was published since a save last began.
    unflushed: bool,
    lag_due: Instant,
}

impl Reader {
    fn new(context: Context) -> Reader {
        let setup = Setup {
            owner: owner_name(),
            replicas: context.settings.replicas,
            sync_always: context.settings.sync_always,
            heads_map: limits::HEADS_MAP,
        };
        let region = &context.settings.region;
        Reader {
            metrics: context.metrics.deliver(context.shard),
            subject: subject::reader_record(region, context.shard, Role::Deliver.as_str()).into(),
            stream: StreamName::log(region, context.shard),
            mailboxes: subject::Mailboxes::of(region, context.shard),
            core: Deliver::new(setup),
            consumer: None,
            offer: Offer::Withdrawn,
            questions: HashMap::new(),
            asked: 0,
            answers: FuturesUnordered::new(),
            outputs: Vec::new(),
            state: TaskState::Idle,
            unflushed: false,
            lag_due: Instant::now(),
            context,
        }
    }

    async fn run(mut self) {
        let stop = self.context.stop.clone();
        let mut stopping = false;
        let mut stopped = self.give(Input::Tick).await;
        while !stopped {
            let deadline = self.core.deadline().map(|at| self.context.began + Duration::from_millis(at.0));
            let (reading, live) = (self.core.reading(), self.core.is_live());
            stopped = tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.give(Input::Stop).await
                }
                Some(input) = self.answers.next() => self.give(input).await,
                // Until it is live, questions wait: a late answer is better than none.
                question = self.offer.next(), if live => self.ask(question).await,
                () = wait_until(deadline) => self.give(Input::Tick).await,
                event = next_event(&mut self.consumer), if reading => self.read(event).await,
            };
        }
        self.offer = Offer::Withdrawn;
        self.metrics.owner.set(0);
        self.context.tell(TaskState::Idle);
    }

    fn now(&self) -> Millis {
        Millis(self.context.began.elapsed().as_millis() as u64)
    }

    /// An event of the consumer, and what waits behind it.
    async fn read(&mut self, first: ReaderEvent) -> bool {
        let now = self.now();
        let mut event = first;
        for left in (0..BATCH).rev() {
            let input = match event {
                ReaderEvent::Opened { .. } => Input::Opened,
                ReaderEvent::Interrupted => {
                    tracing::debug!(shard = %self.context.shard, "the consumer is made anew");
                    return false;
                }
                ReaderEvent::Entry { subject, seq, time, payload } => {
                    let mailbox = self.mailboxes.user(&subject);
                    if mailbox.is_none() {
                        self.metrics.skipped.inc();
                    }
                    Input::Entry { mailbox, seq, time, payload }
                }
            };
            self.core.handle(now, input, &mut self.outputs);
            if self.carry_out().await {
                return true;
            }
            if left == 0 || !self.core.reading() {
                break;
            }
            let Some(next) = next_event(&mut self.consumer).now_or_never() else { break };
            event = next;
        }
        false
    }

    async fn ask(&mut self, question: Question) -> bool {
        self.asked += 1;
        let asked = Asked(self.asked);
        let (input, way_back) = match question {
            Question::Heads(HeadsRequest { users }, reply) => {
                (Input::HeadsAsked { asked, users }, WayBack::Heads(reply))
            }
            Question::Verify(_, reply) => (Input::VerifyAsked { asked }, WayBack::Verify(reply)),
        };
        self.questions.insert(asked, way_back);
        self.give(input).await
    }

    async fn give(&mut self, input: Input) -> bool {
        self.core.handle(self.now(), input, &mut self.outputs);
        self.carry_out().await
    }

    /// Carries out what the core decided. Whether that was the end.
    async fn carry_out(&mut self) -> bool {
        let mut stopped = false;
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                Output::Publish { user, live } => {
                    let (subject, payload, pace) = (subject::live_user(&user), live.encode(), pace(&user, &live.entry));
                    self.unflushed = true;
                    let published = self.context.connection.publish_at(pace, subject, payload).await;
                    match published {
                        Ok(()) => self.metrics.published.inc(),
                        // Whoever waits for it finds it by the next entry's `after`, or by comparing heads.
                        Err(error) => {
                            tracing::debug!(shard = %self.context.shard, seq = live.position.seq.0, %error, "an entry was not published");
                            0
                        }
                    };
                }
                Output::Look => self.answers.push(self.look().boxed()),
                Output::Compare(seq) => self.answers.push(self.compare(seq).boxed()),
                Output::Save { record, expected } => {
                    let save = self.save(record, expected).boxed();
                    self.answers.push(save);
                }
                Output::Open(from) => {
                    let start = match from {
                        ReadFrom::Seq(seq) => Start::After(seq.previous()),
                        ReadFrom::Time(time) => Start::Time(time),
                    };
                    self.consumer = Some(StreamReader::start(&self.context.connection, self.stream.clone(), start));
                }
                Output::Close => self.consumer = None,
                Output::Heads { asked, answer } => {
                    if let Some(WayBack::Heads(reply)) = self.questions.remove(&asked) {
                        reply.answer(&answer).await;
                    }
                }
                Output::Verified { asked, verified } => {
                    if let Some(WayBack::Verify(reply)) = self.questions.remove(&asked) {
                        reply.answer(&verified).await;
                    }
                }
                Output::Decline(asked) => {
                    self.questions.remove(&asked);
                    self.metrics.declined.inc();
                }
                Output::Event(event) => self.tell(event),
                Output::Stopped => stopped = true,
            }
        }
        self.outputs = outputs;
        self.stand();
        stopped
    }

    /// Offers the service while the shard is this reader's, and says how the task stands.
    fn stand(&mut self) {
        let state = if self.core.is_live() {
            TaskState::Working
        } else if self.core.is_standing_by() {
            TaskState::StandingBy
        } else {
            TaskState::Idle
        };
        if self.core.is_live() && matches!(self.offer, Offer::Withdrawn) {
            self.offer = Offer::make(&self.context.connection, self.context.shard);
            self.metrics.owner.set(1);
        } else if !self.core.is_owner() && !matches!(self.offer, Offer::Withdrawn) {
            self.offer = Offer::Withdrawn;
            self.metrics.owner.set(0);
        }
        if state != self.state {
            self.state = state;
            self.context.tell(state);
        }
    }

    fn tell(&self, event: Event) {
        let shard = self.context.shard;
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
            Event::Hole { after, until } => {
                self.metrics.holes.inc();
                tracing::debug!(%shard, after = after.0, until = until.0, "entries were gone before they were read");
            }
        }
    }

    fn look(&self) -> impl Future<Output = Input> + Send + 'static {
        let records = Records::new(&self.context.connection);
        let (shard, subject) = (self.context.shard, self.subject.clone());
        async move { Input::Looked(look(&records, shard, &subject).await) }
    }

    fn compare(&self, seq: Seq) -> impl Future<Output = Input> + Send + 'static {
        let (connection, shard, stream) = (self.context.connection.clone(), self.context.shard, self.stream.clone());
        let boot = self.context.boot.clone();
        async move {
            let asked = async {
                let ends = stream_ends(&connection, &stream).await?;
                // Before the first entry there is nothing to find.
                let time = if seq > Seq(0) { entry_time(&connection, &stream, seq).await? } else { None };
                Ok::<_, dunlin_nats::ReadError>((ends, time))
            };
            match asked.await {
                Ok((ends, time)) => Input::Compared(Some(Compared { last: ends.last, time, boot: boot.now() })),
                Err(error) => {
                    tracing::debug!(%shard, %error, "the stream could not be compared with the reader's position");
                    Input::Compared(None)
                }
            }
        }
    }

    /// The round trip before the write makes sure that a saved position covers only what the server has got from us. A save that fails ends the
    /// reader's ownership, so one that begins later need not repeat its round trip.
    fn save(&mut self, record: ReaderRecord, expected: Seq) -> impl Future<Output = Input> + Send + 'static + use<> {
        let connection = self.context.connection.clone();
        let records = Records::new(&connection);
        let (shard, subject, stream) = (self.context.shard, self.subject.clone(), self.stream.clone());
        let (lag, mailboxes, size) = (self.metrics.lag.clone(), self.metrics.mailboxes.clone(), self.core.mailboxes());
        let flush = std::mem::take(&mut self.unflushed);
        let measure = self.lag_due <= Instant::now();
        if measure {
            self.lag_due = Instant::now() + LAG_EVERY;
        }
        let saved = async move {
            if flush && let Err(error) = connection.flush().await {
                tracing::warn!(%shard, %error, "the reader's position was not saved");
                return None;
            }
            let revision = match records.save(&subject, record.encode(), expected).await {
                Ok(revision) => revision,
                Err(error) => {
                    tracing::warn!(%shard, %error, "the reader's position was not saved");
                    return None;
                }
            };
            let stamp = if record.begins_after.is_some() {
                let stored = records.load(shard, &subject).await.ok().flatten()?;
                (stored.revision == revision).then_some(stored.stamp)?
            } else {
                record.position.time
            };
            if measure && let Ok(Ok(ends)) = timeout(LAG_WITHIN, stream_ends(&connection, &stream)).await {
                lag.set(ends.last.0.saturating_sub(record.position.seq.0) as i64);
            }
            mailboxes.set(size as i64);
            Some(Stored { revision, stamp })
        };
        async move { Input::Stored(timeout(Duration::from_millis(limits::LEASE.0), saved).await.ok().flatten()) }
    }
}

async fn look(records: &Records, shard: Shard, subject: &str) -> Looked {
    match records.load(shard, subject).await {
        Ok(None) => Looked::Absent,
        Ok(Some(stored)) => match ReaderRecord::decode(&stored.bytes) {
            Ok(record) => Looked::Record { record, revision: stored.revision, stamp: stored.stamp },
            Err(error @ dunlin_schema::envelope::EnvelopeError::Version { .. }) => {
                tracing::warn!(%shard, %error, "the reader's record is of another release: leaving it alone");
                Looked::Failed
            }
            Err(error) => {
                tracing::error!(%shard, %error, "the reader's record is damaged");
                Looked::Damaged { revision: stored.revision }
            }
        },
        Err(error) => {
            tracing::debug!(%shard, %error, "the reader's record could not be read");
            Looked::Failed
        }
    }
}

/// Nobody waits for the copy of what somebody sent: it is for the sender's other devices.
fn pace(user: &UserName, entry: &[u8]) -> Pace {
    match Entry::decode(entry) {
        Ok(entry) if entry.is_sent_copy(user) => Pace::Unhurried,
        _ => Pace::Prompt,
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
