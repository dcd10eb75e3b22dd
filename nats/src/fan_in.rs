//! The live fan-in: `user.<id>`, one subscription a user and process, however many devices.
//!
//! One task reads all subscriptions and calls the sinks itself. Joins that come while a round trip is under way share the next one, so a storm
//! of them costs few. What a subscription can't hold while the task is late is dropped by the client and counted as a loss.

use std::{
    collections::{HashMap, hash_map},
    fmt,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use dunlin_schema::{
    RegionName, UserName, limits,
    live::{LiveEntry, UserMessage},
    subject,
};
use futures_util::{FutureExt, Stream, StreamExt, future::BoxFuture, stream::SelectAll, task::AtomicWaker};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use crate::{ConnectError, ConnectOptions, Connection, Status};

/// Live entries that wait for one user. Room is only taken when it is used.
const WAITING: usize = 512;
/// Joins that wait for the reading task; further ones wait for their turn.
const JOINS: usize = 1_024;
/// Joins that are taken at once, before the task looks at live entries again.
const JOINS_AT_ONCE: usize = 256;
/// Entries that are given at once, before the task looks at joins again.
const ENTRIES_AT_ONCE: usize = 256;
/// How long a join may take, through a reconnect if need be.
const JOIN_WITHIN: Duration = Duration::from_millis(limits::APPEND_FOR.0);

/// How often it shows that it moves.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// Who takes live entries.
pub trait LiveSink: Send + Sync + 'static {
    /// Takes one. Called by the task that reads all subscriptions: it must neither block nor join nor leave.
    fn live(&self, entry: LiveEntry);

    /// Something came that this release does not use. Called once for all sinks of a user.
    fn passed_over(&self);
}

/// Why a join has no interest in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FanInError {
    /// The server did not confirm in time, or the connection is closed.
    #[error("the NATS server did not confirm the subscription")]
    Unanswered,
}

/// Live entries of users, on a connection of their own. Clones share it; it closes with the last one and the last [`Joined`].
#[derive(Clone)]
pub struct FanIn {
    shared: Arc<Shared>,
}

impl fmt::Debug for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanIn").field("users", &self.shared.users.lock().len()).finish_non_exhaustive()
    }
}

struct Shared {
    connection: Connection,
    users: Users,
    joins: mpsc::Sender<Join>,
}

type Users = Mutex<HashMap<UserName, Arc<User>>>;

/// A user with at least one sink; without one it is `left`, and its subscription goes.
#[derive(Default)]
struct User {
    /// Most users have one.
    sinks: Mutex<Vec<Arc<dyn LiveSink>>>,
    /// Whether the reading task has subscribed.
    subscribed: AtomicBool,
    /// Whether the server has been seen to have the interest.
    confirmed: AtomicBool,
    left: AtomicBool,
    /// Wakes the subscription when the last sink leaves.
    waker: AtomicWaker,
}

struct Join {
    name: UserName,
    user: Arc<User>,
    confirmed: oneshot::Sender<()>,
}

/// A sink's place among those of its user. Dropping it leaves; the last one to leave unsubscribes.
#[must_use = "dropping it leaves"]
pub struct Joined {
    shared: Arc<Shared>,
    name: UserName,
    user: Arc<User>,
    sink: Arc<dyn LiveSink>,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Joined").field(&self.name).finish()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut users = self.shared.users.lock();
        let mut sinks = self.user.sinks.lock();
        if let Some(place) = sinks.iter().position(|sink| Arc::ptr_eq(sink, &self.sink)) {
            sinks.swap_remove(place);
        }
        if sinks.is_empty() {
            if let hash_map::Entry::Occupied(entry) = users.entry(self.name.clone())
                && Arc::ptr_eq(entry.get(), &self.user)
            {
                entry.remove();
            }
            self.user.left.store(true, Ordering::Release);
            self.user.waker.wake();
        }
    }
}

impl FanIn {
    /// Opens the connection. Nothing is joined and nothing comes but while the [`Reader`] runs. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<(FanIn, Reader), ConnectError> {
        let connection = Connection::open_for(options, region, "-live", WAITING).await?;
        let (joins, joining) = mpsc::channel(JOINS);
        let shared = Arc::new(Shared { connection, users: Mutex::default(), joins });
        let reader = Reader::new(Arc::downgrade(&shared), joining);
        Ok((FanIn { shared }, reader))
    }

    /// Gives a user's live entries to `sink`. Resolves when the server has the interest. Errors: see [`FanInError`]; then the sink is not joined.
    pub async fn join(&self, user: UserName, sink: Arc<dyn LiveSink>) -> Result<Joined, FanInError> {
        let joined = self.enter(user, sink);
        if joined.user.confirmed.load(Ordering::Acquire) {
            return Ok(joined);
        }
        let (sender, confirmed) = oneshot::channel();
        let join = Join { name: joined.name.clone(), user: joined.user.clone(), confirmed: sender };
        let confirmation = async {
            self.shared.joins.send(join).await.ok()?;
            confirmed.await.ok()
        };
        match tokio::time::timeout(JOIN_WITHIN, confirmation).await {
            Ok(Some(())) => Ok(joined),
            Ok(None) | Err(_) => Err(FanInError::Unanswered),
        }
    }

    fn enter(&self, name: UserName, sink: Arc<dyn LiveSink>) -> Joined {
        let mut users = self.shared.users.lock();
        let user = users.entry(name.clone()).or_default().clone();
        let mut sinks = user.sinks.lock();
        // Most users stay alone, and there are many of them.
        sinks.reserve_exact(1);
        sinks.push(sink.clone());
        drop(sinks);
        Joined { shared: self.shared.clone(), name, user, sink }
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

impl User {
    fn give(&self, payload: &Bytes) {
        // A copy of its own: the payload is a slice of the connection's whole read buffer, which must not wait in a socket's queue.
        let message = UserMessage::decode(&Bytes::copy_from_slice(payload));
        let sinks = self.sinks.lock();
        let Some((last, others)) = sinks.split_last() else { return };
        match message {
            Ok(UserMessage::Entry(entry)) => {
                for sink in others {
                    sink.live(entry.clone());
                }
                last.live(entry);
            }
            Ok(UserMessage::Signal(_) | UserMessage::Receipt(_) | UserMessage::Mark(_)) => last.passed_over(),
            Err(error) => {
                tracing::debug!(%error, "if it was an entry, the comparison of heads finds it");
                last.passed_over();
            }
        }
    }
}

/// A user's subscription: ends when the last sink has left, and with it unsubscribes.
struct Inbox {
    user: Arc<User>,
    messages: Subscriber,
}

impl Stream for Inbox {
    type Item = (Arc<User>, Message);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.user.waker.register(cx.waker());
        if self.user.left.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        let message = std::task::ready!(self.messages.poll_next_unpin(cx));
        Poll::Ready(message.map(|message| (self.user.clone(), message)))
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
    pub async fn run(mut self, moves: impl Fn()) {
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
                    self.give_ready();
                }
                Some((user, message)) = self.inboxes.next(), if !self.inboxes.is_empty() => {
                    user.give(&message.payload);
                    self.give_ready();
                }
            }
            self.begin_round_trip();
        }
    }

    fn give_ready(&mut self) {
        for _ in 0..ENTRIES_AT_ONCE {
            match self.inboxes.next().now_or_never() {
                Some(Some((user, message))) => user.give(&message.payload),
                Some(None) | None => return,
            }
        }
    }

    async fn subscribe(&mut self, join: Join) {
        if !join.user.subscribed.load(Ordering::Relaxed) {
            let Some(shared) = self.shared.upgrade() else { return };
            let subscribed = shared.connection.client().subscribe(subject::live_user(&join.name)).await;
            // Dropping the join refuses it.
            let Ok(messages) = subscribed else { return };
            join.user.subscribed.store(true, Ordering::Relaxed);
            self.inboxes.push(Inbox { user: join.user.clone(), messages });
        }
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
            join.user.confirmed.store(true, Ordering::Release);
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
