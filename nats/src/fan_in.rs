//! The live fan-in: subscriptions to what is live of a log (`user.<user>`, `group.<group>`), each with a sink of its own.
//!
//! One task reads all subscriptions and calls the sinks itself. Joins that come while a round trip is under way share the next one, so a
//! storm of them costs few. What a subscription can't hold while the task is late is dropped by the client and counted as a loss.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_nats::{Message, Subject, Subscriber};
use bytes::Bytes;
use dunlin_schema::{
    Millis, Peer, RegionName, UserName, limits,
    live::{DeviceNews, LiveEntry, Mark, Receipt, Signal, UserMessage},
    presence::{Beat, GatewayRun, Here},
    subject,
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::SelectAll, task::AtomicWaker};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{
    ConnectError, ConnectOptions, Connection, PublishError, Status,
    connect::Purpose,
    service::{AskError, ask},
};

/// Live entries that wait for one log. Room is only taken when it is used.
const WAITING: usize = 512;
/// Joins that wait for the reading task; further ones wait for their turn.
const JOINS: usize = 1_024;
/// Joins that are taken at once, before the task looks at live entries again.
const JOINS_AT_ONCE: usize = 256;
/// Entries that are given at once, before the task looks at joins again.
const ENTRIES_AT_ONCE: usize = 256;
/// Answers to other gateways that wait to be published; further ones are counted and let go: whoever asked asks again.
const ANSWERS: usize = 1_024;
/// How long a join may take, through a reconnect if need be.
const JOIN_WITHIN: Duration = Duration::from_millis(limits::APPEND_FOR.0);

/// How long it may take to hand over what is told: a server that does not read has others wait behind it.
const TELL_WITHIN: Duration = Duration::from_secs(1);

/// How often it shows that it moves.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Who takes live entries.
pub trait LiveSink: Send + Sync + 'static {
    /// Takes one. Called by the task that reads all subscriptions: it must neither block nor join nor leave.
    fn live(&self, entry: LiveEntry);

    /// Another gateway tells of the devices of a mailbox's user.
    fn devices(&self, news: DeviceNews);

    /// Somebody does something just now.
    fn signal(&self, signal: Signal);

    /// News of what the user has sent.
    fn receipt(&self, receipt: Receipt);

    /// A read mark of the user's own was stored.
    fn mark(&self, mark: Mark);

    /// Another gateway asks whether a device of a mailbox's user is connected: what it is told, where one is here. Called as `live` is.
    fn here(&self) -> Option<Here>;

    /// Something came that this release does not use.
    fn passed_over(&self);
}

/// Why a join has no interest in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FanInError {
    /// The server did not confirm in time, or the connection is closed.
    #[error("the NATS server did not confirm the subscription")]
    Unanswered,
}

/// Live entries of logs, on a connection of their own. Clones share it; it closes with the last one and the last [`Joined`].
#[derive(Clone)]
pub struct FanIn {
    shared: Arc<Shared>,
}

impl fmt::Debug for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanIn").finish_non_exhaustive()
    }
}

struct Shared {
    connection: Connection,
    joins: mpsc::Sender<Join>,
    /// Answers to other gateways that found no room.
    unanswered: AtomicU64,
}

/// What is called with the bytes of each message.
type Told = Box<dyn Fn(&[u8]) + Send + Sync>;

/// Who takes what comes under a subject.
enum Sink {
    /// What is live of a log.
    Live(Arc<dyn LiveSink>),
    /// What gateways tell each other beside it, as bytes.
    Told(Told),
}

/// The interest in a subject, for as long as its [`Joined`] is kept.
struct Interest {
    /// Who takes what comes; `None` once it has left.
    sink: Mutex<Option<Sink>>,
    /// Wakes the subscription when the sink leaves.
    waker: AtomicWaker,
}

struct Join {
    subject: String,
    interest: Arc<Interest>,
    confirmed: oneshot::Sender<()>,
}

/// An interest that is in place. Dropping it unsubscribes, and lets the sink go.
#[must_use = "dropping it leaves"]
pub struct Joined {
    /// Keeps the connection open.
    _shared: Arc<Shared>,
    interest: Arc<Interest>,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let sink = self.interest.sink.lock().take();
        self.interest.waker.wake();
        drop(sink);
    }
}

impl FanIn {
    /// Opens the connection. Nothing is joined and nothing comes but while the [`Reader`] runs. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<(FanIn, Reader), ConnectError> {
        // A gateway knows what it says: what came back would cost a message for each device that connects, and the room of its channel.
        let purpose = Purpose { suffix: "-live", reconnect: true, subscription_capacity: WAITING, echo: false };
        let connection = Connection::open_for(options, region, purpose).await?;
        let (joins, joining) = mpsc::channel(JOINS);
        let shared = Arc::new(Shared { connection, joins, unanswered: AtomicU64::new(0) });
        let reader = Reader::new(Arc::downgrade(&shared), joining);
        Ok((FanIn { shared }, reader))
    }

    /// Gives the live entries of `log`'s owner to `sink`. Resolves when the server has the interest. Errors: see [`FanInError`]; then the
    /// sink is not joined.
    pub async fn join(&self, log: Peer, sink: Arc<dyn LiveSink>) -> Result<Joined, FanInError> {
        self.interest(subject::live(&log), Sink::Live(sink)).await
    }

    /// Calls `again` whenever somebody's presence may have changed at another gateway; like a sink it must not block. Resolves and errors
    /// as [`FanIn::join`].
    pub async fn watch(&self, user: &UserName, again: impl Fn() + Send + Sync + 'static) -> Result<Joined, FanInError> {
        self.interest(subject::presence(user), Sink::Told(Box::new(move |_| again()))).await
    }

    /// Calls `beat` whenever another gateway says that it is there; like a sink it must not block. Resolves and errors as [`FanIn::join`].
    pub async fn gateways(&self, beat: impl Fn(GatewayRun) + Send + Sync + 'static) -> Result<Joined, FanInError> {
        let told = move |bytes: &[u8]| match Beat::decode(bytes) {
            Ok(Beat { gateway }) => beat(gateway),
            Err(error) => tracing::debug!(%error, "what a gateway says can't be read"),
        };
        self.interest(subject::gateways(self.shared.connection.region()), Sink::Told(Box::new(told))).await
    }

    async fn interest(&self, subject: String, sink: Sink) -> Result<Joined, FanInError> {
        let interest = Arc::new(Interest { sink: Mutex::new(Some(sink)), waker: AtomicWaker::new() });
        let joined = Joined { _shared: self.shared.clone(), interest: interest.clone() };
        let (sender, confirmed) = oneshot::channel();
        let join = Join { subject, interest, confirmed: sender };
        let confirmation = async {
            self.shared.joins.send(join).await.ok()?;
            confirmed.await.ok()
        };
        match tokio::time::timeout(JOIN_WITHIN, confirmation).await {
            Ok(Some(())) => Ok(joined),
            Ok(None) | Err(_) => Err(FanInError::Unanswered),
        }
    }

    /// Publishes to all others who have joined a log, on the connection that the joins are on: whoever answers finds them in
    /// place. Errors: see [`PublishError`].
    pub async fn tell_others(&self, log: &Peer, message: &UserMessage) -> Result<(), PublishError> {
        self.tell(subject::live(log), message.encode()).await
    }

    /// Has all other gateways that watch a user ask again. Errors: see [`PublishError`].
    pub async fn ask_again(&self, user: &UserName) -> Result<(), PublishError> {
        self.tell(subject::presence(user), Bytes::new()).await
    }

    /// Says to all other gateways of the region that this one is there. Errors: see [`PublishError`].
    pub async fn beat(&self, gateway: GatewayRun) -> Result<(), PublishError> {
        self.tell(subject::gateways(self.shared.connection.region()), Beat { gateway }.encode().into()).await
    }

    async fn tell(&self, subject: String, payload: Bytes) -> Result<(), PublishError> {
        // It would go out when the connection is back, when it is true no longer.
        if !self.is_connected() {
            return Err(PublishError::Unanswered);
        }
        let told = self.shared.connection.publish(subject, payload);
        tokio::time::timeout(TELL_WITHIN, told).await.unwrap_or(Err(PublishError::Unanswered))
    }

    /// Asks the other gateways whether a device of a user is connected; the first one that holds one answers. Errors: nobody there has an
    /// interest in the user, or none of those who have answered in time.
    pub async fn is_there(&self, user: &UserName, within: Millis) -> Result<Here, AskError> {
        let subject = subject::live(&Peer::User(user.clone()));
        let answer = ask(&self.shared.connection, subject, UserMessage::IsThere.encode(), within).await?;
        Here::decode(&answer).map_err(|_| AskError::Unanswered)
    }

    /// How many answers to other gateways found no room.
    pub fn unanswered(&self) -> u64 {
        self.shared.unanswered.load(Relaxed)
    }

    /// Whether there is a connection just now.
    pub fn is_connected(&self) -> bool {
        *self.status().borrow() != Status::Disconnected
    }

    /// A number that rises after every event that can have lost live entries, once every subscription is in place again.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.shared.connection.losses()
    }

    /// Whether the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.connection.status()
    }
}

impl Interest {
    fn has_left(&self) -> bool {
        self.sink.lock().is_none()
    }

    fn give(&self, Message { payload, reply, .. }: Message, answers: &Answers) {
        let sink = self.sink.lock();
        let sink = match &*sink {
            Some(Sink::Live(sink)) => sink,
            Some(Sink::Told(told)) => return told(&payload),
            None => return,
        };
        // A copy of its own: the payload is a slice of the connection's whole read buffer, which must not wait in a socket's queue.
        let message = UserMessage::decode(&Bytes::copy_from_slice(&payload));
        match message {
            Ok(UserMessage::Entry(entry)) => sink.live(entry),
            Ok(UserMessage::Devices(news)) => sink.devices(news),
            Ok(UserMessage::Signal(signal)) => sink.signal(signal),
            Ok(UserMessage::IsThere) => {
                if let (Some(reply), Some(here)) = (reply, sink.here()) {
                    answers.give(reply, here);
                }
            }
            Ok(UserMessage::Receipt(receipt)) => sink.receipt(receipt),
            Ok(UserMessage::Mark(mark)) => sink.mark(mark),
            Err(error) => {
                tracing::debug!(%error, "if it was an entry, the comparison of heads finds it");
                sink.passed_over();
            }
        }
    }
}

/// What other gateways are answered.
struct Answers {
    shared: Weak<Shared>,
    waiting: mpsc::Sender<(Subject, Here)>,
}

impl Answers {
    fn give(&self, to: Subject, here: Here) {
        if self.waiting.try_send((to, here)).is_err()
            && let Some(shared) = self.shared.upgrade()
        {
            shared.unanswered.fetch_add(1, Relaxed);
        }
    }
}

/// Publishes what other gateways are answered, until there is nobody to answer for.
async fn publish(shared: &Weak<Shared>, mut waiting: mpsc::Receiver<(Subject, Here)>) {
    while let Some((to, here)) = waiting.recv().await {
        let Some(shared) = shared.upgrade() else { return };
        // Of a closed connection nobody waits for an answer.
        shared.connection.publish(to.to_string(), here.encode().into()).await.ok();
    }
}

/// A subscription: ends when its sink has left, and with it unsubscribes.
struct Inbox {
    interest: Arc<Interest>,
    messages: Subscriber,
}

impl Stream for Inbox {
    type Item = (Arc<Interest>, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.interest.waker.register(cx.waker());
        if self.interest.has_left() {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.messages.poll_next_unpin(cx));
        Poll::Ready(message.map(|message| (self.interest.clone(), message)))
    }
}

/// What reads all subscriptions, for its owner to run and to watch.
pub struct Reader {
    shared: Weak<Shared>,
    joins: mpsc::Receiver<Join>,
    inboxes: SelectAll<Inbox>,
    /// Subscribed, and not yet in a round trip.
    unconfirmed: Vec<Join>,
    /// In the round trip that is under way.
    confirming: Vec<Join>,
    round_trip: Option<BoxFuture<'static, bool>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("subscribed", &self.inboxes.len()).finish_non_exhaustive()
    }
}

impl Reader {
    fn new(shared: Weak<Shared>, joins: mpsc::Receiver<Join>) -> Reader {
        let (unconfirmed, confirming) = (Vec::new(), Vec::new());
        Reader { shared, joins, inboxes: SelectAll::new(), unconfirmed, confirming, round_trip: None }
    }

    /// Runs until the last `FanIn` and `Joined` are gone: confirmations first, then joins, then entries, some of each at a time. Calls
    /// `moves` once a second at least.
    pub async fn run(self, moves: impl Fn()) {
        let (sender, waiting) = mpsc::channel(ANSWERS);
        let shared = self.shared.clone();
        let answers = Answers { shared: shared.clone(), waiting: sender };
        // Apart, so that a server that does not take answers keeps no entry waiting.
        tokio::select! {
            () = self.read(&answers, moves) => {}
            () = publish(&shared, waiting) => {}
        }
    }

    async fn read(mut self, answers: &Answers, moves: impl Fn()) {
        let mut joins = Vec::with_capacity(JOINS_AT_ONCE);
        let mut beats = tokio::time::interval(BEAT_EVERY);
        loop {
            tokio::select! {
                biased;
                _ = beats.tick() => moves(),
                confirmed = confirmed(&mut self.round_trip) => self.confirmed(confirmed),
                count = self.joins.recv_many(&mut joins, JOINS_AT_ONCE) => {
                    if count == 0 {
                        return;
                    }
                    for join in joins.drain(..) {
                        self.subscribe(join).await;
                    }
                    // However many join, entries have their turn.
                    self.give_ready(answers);
                }
                Some((interest, message)) = self.inboxes.next(), if !self.inboxes.is_empty() => {
                    interest.give(message, answers);
                    self.give_ready(answers);
                }
            }
            self.begin_round_trip();
        }
    }

    fn give_ready(&mut self, answers: &Answers) {
        for _ in 0..ENTRIES_AT_ONCE {
            match self.inboxes.next().now_or_never() {
                Some(Some((interest, message))) => interest.give(message, answers),
                Some(None) | None => return,
            }
        }
    }

    async fn subscribe(&mut self, join: Join) {
        if join.interest.has_left() {
            return;
        }
        let Some(shared) = self.shared.upgrade() else { return };
        let subscribed = shared.connection.client().subscribe(join.subject.clone()).await;
        // Dropping the join refuses it.
        let Ok(messages) = subscribed else { return };
        self.inboxes.push(Inbox { interest: join.interest.clone(), messages });
        self.unconfirmed.push(join);
    }

    fn begin_round_trip(&mut self) {
        if self.round_trip.is_some() || self.unconfirmed.is_empty() {
            return;
        }
        let Some(shared) = self.shared.upgrade() else { return };
        self.confirming = std::mem::take(&mut self.unconfirmed);
        let connection = shared.connection.clone();
        self.round_trip = Some(
            async move {
                let deadline = Instant::now() + JOIN_WITHIN;
                while Instant::now() < deadline {
                    if connection.flush().await.is_ok() {
                        return true;
                    }
                }
                false
            }
            .boxed(),
        );
    }

    fn confirmed(&mut self, confirmed: bool) {
        self.round_trip = None;
        for join in self.confirming.drain(..).filter(|_| confirmed) {
            join.confirmed.send(()).ok();
        }
    }
}

/// What came of the round trip that is under way; never, where there is none.
async fn confirmed(round_trip: &mut Option<BoxFuture<'static, bool>>) -> bool {
    match round_trip {
        Some(round_trip) => round_trip.await,
        None => std::future::pending().await,
    }
}
