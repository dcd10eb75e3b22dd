//! Reads of one shard's logs, answered together: who comes back in a crowd is not the reason for one pass over the shard each.
//!
//! nats-server finds a log's next entry by stepping over those of all the others, so a thousand reads step a thousand times over the same
//! entries. Where a few reads have lately cost so much (`core/demand.rs`), the shard is read once, page by page, into a window that the
//! next ones are answered from (`core/window.rs`: why that is as good as a batch of their own). One read at a time reads the window on, for
//! all who wait. Whatever goes wrong closes the window, and its reads go alone.
//!
//! Only where the stream has one replica: elsewhere each page may come from another server, and the window proves nothing.

mod core;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dunlin_schema::{Millis, Seq, limits, read::StoredEntry};
use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use self::core::{Demand, Message, Page, Way, Window};
use super::{
    LogSubject, ReadError, Reads,
    chain::{Chain, Progress, Reply, subject},
    inbox::Inbox,
};
use crate::api::StreamState;

/// Reads of one shard that go alone at once: few, so that what they cost is seen before all of a crowd have begun.
const ALONE: usize = 4;
/// Windows at once.
const WINDOWS: usize = 8;
/// Memory of a window.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// How long a window is kept for nobody.
const IDLE: Duration = Duration::from_secs(1);
/// How long a window is kept at all: what was erased meanwhile is still in it.
const LIFE: Duration = Duration::from_secs(10);
/// How long the leader's word about the stream's end is good enough beside what the window shows of it.
const END_LASTS: Duration = Duration::from_secs(1);

/// The shards' windows.
#[derive(Debug)]
pub(super) struct Together {
    began: Instant,
    shards: Mutex<HashMap<String, Arc<ShardReads>>>,
    windows: Arc<Semaphore>,
    answered: AtomicU64,
}

/// What a shard's reads share.
#[derive(Debug)]
struct ShardReads {
    demand: Mutex<Demand>,
    open: AsyncMutex<Option<Open>>,
    alone: Arc<Semaphore>,
}

/// A window, and how it is read on.
#[derive(Debug)]
struct Open {
    window: Window,
    inbox: Inbox,
    opened: Instant,
    used: Instant,
    /// When the page was asked that last reached the stream's end.
    complete: Option<Instant>,
    /// The stream's last sequence as its leader said it, and when it was asked.
    end: (Seq, Instant),
    _place: OwnedSemaphorePermit,
}

/// An answer out of a window.
pub(super) struct FromWindow {
    pub(super) entries: Vec<StoredEntry>,
    pub(super) more: bool,
    /// The log's first entry, asked for after the entries were read.
    pub(super) first: Option<Seq>,
    /// The stream's last sequence.
    pub(super) stream_last: Seq,
}

/// A window can't be opened, or read on.
struct Closed;

impl From<ReadError> for Closed {
    fn from(_: ReadError) -> Closed {
        Closed
    }
}

impl Together {
    pub(super) fn new() -> Together {
        let windows = Arc::new(Semaphore::new(WINDOWS));
        Together { began: Instant::now(), shards: Mutex::default(), windows, answered: AtomicU64::new(0) }
    }

    /// How many reads were answered out of windows.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn now(&self) -> Millis {
        Millis(self.began.elapsed().as_millis() as u64)
    }

    fn shard(&self, stream: &str) -> Arc<ShardReads> {
        let mut shards = self.shards.lock();
        if let Some(shard) = shards.get(stream) {
            return shard.clone();
        }
        let (demand, open) = (Mutex::default(), AsyncMutex::new(None));
        let shard = Arc::new(ShardReads { demand, open, alone: Arc::new(Semaphore::new(ALONE)) });
        shards.entry(stream.to_owned()).or_insert(shard).clone()
    }
}

/// The leave to read alone, until it is dropped.
pub(super) struct Alone {
    together: Arc<Together>,
    shard: Arc<ShardReads>,
    from: Seq,
    _turn: Option<OwnedSemaphorePermit>,
}

/// How a read goes.
pub(super) enum Route {
    /// This is its answer.
    FromWindow(FromWindow),
    /// By a batch of its own.
    Alone(Alone),
}

impl Alone {
    /// The read brought these entries, and perhaps wants evidence.
    pub(super) fn brought(self, entries: &[StoredEntry], evidence: bool) {
        let steps = match entries {
            [first, .., last] => last.seq.0 - first.seq.0,
            [_] | [] => 0,
        };
        self.shard.demand.lock().went_alone(self.together.now(), self.from, steps, evidence);
    }
}

impl ShardReads {
    /// Drops the window when nobody uses it; also one that nobody came to open, because who wanted it is gone.
    async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE).await;
            let mut open = self.open.lock().await;
            if open.as_ref().is_none_or(|open| open.used.elapsed() >= IDLE) {
                *open = None;
                return self.demand.lock().close();
            }
        }
    }
}

impl Reads {
    /// How a read from `from` goes: its answer out of a window, or the leave to go alone, once there is room for that.
    pub(super) async fn route(&self, place: &LogSubject, from: Seq) -> Route {
        let asked = Instant::now();
        let shard = self.together.shard(&place.stream);
        if let Some(shared) = self.shared(&shard, place, from, asked).await {
            return Route::FromWindow(shared);
        }
        let turn = shard.alone.clone().acquire_owned().await.ok();
        // Those who went before may have shown that there is a crowd.
        if let Some(shared) = self.shared(&shard, place, from, asked).await {
            return Route::FromWindow(shared);
        }
        Route::Alone(Alone { together: self.together.clone(), shard, from, _turn: turn })
    }

    /// The answer to a read that was asked at `asked`, out of the shard's window; `None` when it must go alone.
    async fn shared(
        &self,
        shard: &Arc<ShardReads>,
        place: &LogSubject,
        from: Seq,
        asked: Instant,
    ) -> Option<FromWindow> {
        if let Way::Alone = shard.demand.lock().way(self.together.now(), from) {
            return None;
        }
        let (page, stream_last) = {
            let mut open = shard.open.lock().await;
            // Whoever had it before may have closed it.
            let Way::Together(lowest) = shard.demand.lock().way(self.together.now(), from) else { return None };
            match self.read_on(&mut open, shard, place, lowest, asked).await {
                Ok(open) => {
                    open.used = Instant::now();
                    (open.window.page(&place.subject, from), open.end.0.max(open.window.last()))
                }
                Err(Closed) => {
                    tracing::debug!(stream = place.stream, "a window is closed: its reads go alone");
                    *open = None;
                    shard.demand.lock().close();
                    return None;
                }
            }
        };
        let first = self.first_by_any(place).await.ok()?;
        if !page.stands_on(first) {
            return None;
        }
        self.together.answered.fetch_add(1, Ordering::Relaxed);
        let Page { entries, more } = page;
        Some(FromWindow { entries, more, first, stream_last })
    }

    /// Sees to it that the window holds everything that was stored before `asked`.
    async fn read_on<'a>(
        &self,
        open: &'a mut Option<Open>,
        shard: &Arc<ShardReads>,
        place: &LogSubject,
        lowest: Seq,
        asked: Instant,
    ) -> Result<&'a mut Open, Closed> {
        let fits = |open: &Open| open.window.from() <= lowest && open.opened.elapsed() < LIFE;
        if !open.as_ref().is_some_and(fits) {
            *open = None;
            *open = Some(self.open_window(shard, place, lowest).await?);
        }
        let open = open.as_mut().ok_or(Closed)?;
        while open.complete.is_none_or(|complete| complete < asked) {
            let began = Instant::now();
            let (page, pending) = self.page(open, place).await?;
            open.window.take(page).map_err(|_apart| Closed)?;
            if pending == 0 {
                open.complete = Some(began);
            }
            if open.window.bytes() > WINDOW_BYTES {
                return Err(Closed);
            }
        }
        // What an earlier word says of more than is here may have been lost since.
        let doubtful = open.end.0 > open.window.last() && open.end.1 < asked;
        if doubtful || open.end.1.elapsed() > END_LASTS {
            let asked = Instant::now();
            open.end = (Seq(self.stream_state(place).await?.last_seq), asked);
        }
        Ok(open)
    }

    async fn open_window(&self, shard: &Arc<ShardReads>, place: &LogSubject, from: Seq) -> Result<Open, Closed> {
        tokio::spawn(shard.clone().keep());
        let room = self.together.windows.clone().try_acquire_owned().map_err(|_none| Closed)?;
        let now = Instant::now();
        let state = self.stream_state(place).await?;
        if !shard.demand.lock().is_worth(state.messages.min((state.last_seq + 1).saturating_sub(from.0))) {
            return Err(Closed);
        }
        let inbox = self.inbox().await.map_err(|_gone| Closed)?;
        let (window, end) = (Window::new(from), (Seq(state.last_seq), now));
        Ok(Open { window, inbox, opened: now, used: now, complete: None, end, _place: room })
    }

    async fn stream_state(&self, place: &LogSubject) -> Result<StreamState, ReadError> {
        Ok(self.connection.api().stream_info(&place.stream, None).await?.state)
    }

    /// The window's next page, and how many entries the stream has behind it.
    async fn page(&self, open: &mut Open, place: &LogSubject) -> Result<(Vec<Message>, u64), Closed> {
        for _ in 0..=limits::READ_RETRIES {
            let (next, question) = (open.window.next(), open.inbox.next_question());
            self.ask_batch(place, Some(next), None, None, question).await.map_err(|_gone| Closed)?;
            let (mut chain, mut subjects) = (Chain::default(), Vec::new());
            while let Some(message) = open.inbox.reply(self.reply_timeout()).await {
                let stored_under = subject(&message);
                match chain.take(Reply::of(message)) {
                    Progress::Going => subjects.push(stored_under.ok_or(Closed)?),
                    Progress::Complete { entries, pending } => {
                        let message = |(subject, entry)| Message { subject, entry };
                        return Ok((subjects.into_iter().zip(entries).map(message).collect(), pending));
                    }
                    Progress::Broken => break,
                    Progress::NoResponders | Progress::Unreadable(_) => return Err(Closed),
                }
            }
        }
        Err(Closed)
    }
}
