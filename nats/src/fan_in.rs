//! The live fan-in: interests in what is live of a log (`user.<user>`, `group.<group>`), each with a sink of its own, on a line of their
//! own.
//!
//! The task that runs the line calls the sinks itself, so nothing waits and nothing is dropped on this side. Joins that come while nothing
//! was written yet share one question to the server. A line that is lost is followed by another, on which every interest is placed anew.

mod reader;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dunlin_schema::{
    Millis, Peer, RegionName, UserName, limits,
    live::{DeviceNews, LiveEntry, Mark, Receipt, Signal, UserMessage},
    presence::{Beat, GatewayRun, Here},
    subject,
};
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::reader::Reader;
use crate::{
    ConnectError, ConnectOptions, PublishError, Status,
    line::{AskError, Outbound},
    wire::{Publish, ReplyTo},
};

/// How long a join may take, through a loss of the line if need be.
const JOIN_WITHIN: Duration = Duration::from_millis(limits::APPEND_FOR.0);
/// How long it may take to hand over what is told: a server that does not read has others wait behind it.
const TELL_WITHIN: Duration = Duration::from_secs(1);

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
    used: Arc<DropGuard>,
}

impl fmt::Debug for FanIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanIn").finish_non_exhaustive()
    }
}

struct Shared {
    region: RegionName,
    state: Mutex<State>,
    status: watch::Sender<Status>,
    losses: watch::Sender<u64>,
    /// Answers to other gateways that found no room.
    unanswered: AtomicU64,
}

#[derive(Default)]
struct State {
    interests: HashMap<u64, Interest>,
    /// The number of the last interest; they are never given twice.
    last: u64,
    /// `None` while there is none.
    line: Option<Outbound>,
}

/// What is called with the bytes of each message.
type Told = dyn Fn(&[u8]) + Send + Sync;

/// A subject, and who takes what comes under it.
struct Interest {
    subject: Box<str>,
    sink: Sink,
}

#[derive(Clone)]
enum Sink {
    /// What is live of a log.
    Live(Arc<dyn LiveSink>),
    /// What gateways tell each other beside it, as bytes.
    Told(Arc<Told>),
}

/// An interest that is in place. Dropping it unsubscribes, and lets the sink go.
#[must_use = "dropping it leaves"]
pub struct Joined {
    shared: Arc<Shared>,
    _used: Arc<DropGuard>,
    number: u64,
}

impl fmt::Debug for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Joined").finish_non_exhaustive()
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        let left = state.interests.remove(&self.number);
        if let Some(line) = &state.line {
            line.unsubscribe(self.number);
        }
        drop(state);
        // What it drops may take locks of its own.
        drop(left);
    }
}

impl FanIn {
    /// Opens the connection. Nothing is joined and nothing comes but while the [`Reader`] runs. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<(FanIn, Reader), ConnectError> {
        let unused = CancellationToken::new();
        let shared = Arc::new(Shared {
            region: region.clone(),
            state: Mutex::default(),
            status: watch::Sender::new(Status::Connected),
            losses: watch::Sender::new(0),
            unanswered: AtomicU64::new(0),
        });
        let reader = Reader::open(options, shared.clone(), unused.clone()).await?;
        Ok((FanIn { shared, used: Arc::new(unused.drop_guard()) }, reader))
    }

    /// Gives the live entries of `log`'s owner to `sink`. Resolves when the server has the interest. Errors: see [`FanInError`]; then the
    /// sink is not joined.
    pub async fn join(&self, log: Peer, sink: Arc<dyn LiveSink>) -> Result<Joined, FanInError> {
        self.interest(subject::live(&log), Sink::Live(sink)).await
    }

    /// Calls `again` whenever somebody's presence may have changed at another gateway; like a sink it must not block. Resolves and errors
    /// as [`FanIn::join`].
    pub async fn watch(&self, user: &UserName, again: impl Fn() + Send + Sync + 'static) -> Result<Joined, FanInError> {
        self.interest(subject::presence(user), Sink::Told(Arc::new(move |_| again()))).await
    }

    /// Calls `beat` whenever another gateway says that it is there; like a sink it must not block. Resolves and errors as [`FanIn::join`].
    pub async fn gateways(&self, beat: impl Fn(GatewayRun) + Send + Sync + 'static) -> Result<Joined, FanInError> {
        let told = move |bytes: &[u8]| match Beat::decode(bytes) {
            Ok(Beat { gateway }) => beat(gateway),
            Err(error) => tracing::debug!(%error, "what a gateway says can't be read"),
        };
        self.interest(subject::gateways(&self.shared.region), Sink::Told(Arc::new(told))).await
    }

    async fn interest(&self, subject: String, sink: Sink) -> Result<Joined, FanInError> {
        let number = self.shared.place(Interest { subject: subject.into(), sink });
        let joined = Joined { shared: self.shared.clone(), _used: self.used.clone(), number };
        let placed = timeout(JOIN_WITHIN, self.shared.placed()).await;
        placed.map(|()| joined).map_err(|_| FanInError::Unanswered)
    }

    /// Publishes to all others who have joined a log, on the connection that the joins are on: whoever answers finds them in
    /// place. Errors: see [`PublishError`].
    pub async fn tell_others(&self, log: &Peer, message: &UserMessage) -> Result<(), PublishError> {
        self.tell(&subject::live(log), &message.encode()).await
    }

    /// Has all other gateways that watch a user ask again. Errors: see [`PublishError`].
    pub async fn ask_again(&self, user: &UserName) -> Result<(), PublishError> {
        self.tell(&subject::presence(user), &[]).await
    }

    /// Says to all other gateways of the region that this one is there. Errors: see [`PublishError`].
    pub async fn beat(&self, gateway: GatewayRun) -> Result<(), PublishError> {
        self.tell(&subject::gateways(&self.shared.region), &Beat { gateway }.encode()).await
    }

    /// Says it while there is a line: later it is true no longer.
    async fn tell(&self, subject: &str, payload: &[u8]) -> Result<(), PublishError> {
        let line = self.shared.line().ok_or(PublishError::Unanswered)?;
        let message = Publish { subject, reply: ReplyTo::Nobody, headers: &[], payload };
        let told = timeout(TELL_WITHIN, line.publish(&message)).await;
        told.ok().and_then(Result::ok).ok_or(PublishError::Unanswered)
    }

    /// Asks the other gateways whether a device of a user is connected; the first one that holds one answers. Errors: nobody there has an
    /// interest in the user, or none of those who have answered in time.
    pub async fn is_there(&self, user: &UserName, within: Millis) -> Result<Here, AskError> {
        let line = self.shared.line().ok_or(AskError::Unanswered)?;
        let (subject, question) = (subject::live(&Peer::User(user.clone())), UserMessage::IsThere.encode());
        let answer = timeout(Duration::from_millis(within.0), line.ask(&subject, &[], &question)).await;
        let answer = answer.unwrap_or(Err(AskError::Unanswered))?;
        Here::decode(&answer).map_err(|_| AskError::Unanswered)
    }

    /// How many answers to other gateways found no room.
    pub fn unanswered(&self) -> u64 {
        self.shared.unanswered.load(Relaxed)
    }

    /// Whether there is a connection just now.
    pub fn is_connected(&self) -> bool {
        *self.shared.status.borrow() != Status::Disconnected
    }

    /// A number that rises after every event that can have lost live entries, once every subscription is in place again.
    pub fn losses(&self) -> watch::Receiver<u64> {
        self.shared.losses.subscribe()
    }

    /// Whether the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }
}

impl Shared {
    fn line(&self) -> Option<Outbound> {
        self.state.lock().line.clone()
    }

    /// Places an interest on the line, and on each that follows it. Gives its number.
    fn place(&self, interest: Interest) -> u64 {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        if let Some(line) = &state.line {
            line.subscribe(&interest.subject, number);
        }
        state.interests.insert(number, interest);
        number
    }

    /// Resolves when the server has every interest that was placed before.
    async fn placed(&self) {
        loop {
            let mut status = self.status.subscribe();
            let asked = self.line().map(|line| line.round_trip());
            if let Some(asked) = asked
                && asked.await.is_ok()
            {
                return;
            }
            // Its sender is here: it never fails.
            status.changed().await.ok();
        }
    }
}
