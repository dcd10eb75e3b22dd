//! Floor B: a raw JetStream publish with its acknowledgement, then a core publish to a subscriber. What is left of a durable message when
//! sockets, tokens, identity, order and the reader are taken away.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, AsRawFd, RawFd},
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use dunlin_nats::{
    ConnectOptions, Connection, provision,
    raw::{self, Listener, Store},
};
use dunlin_schema::{Peer, RegionName, UserName, stream::RegionSettings, subject};
use hdrhistogram::Histogram;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tempfile::TempDir;
use tokio::{io::unix::AsyncFd, runtime, task::LocalSet};

use super::{
    exchange::{Faults, histogram},
    generator::{Meter, pinned},
    item::BODY,
    system,
};

/// What came of one rate.
pub(super) struct Outcome {
    /// From the scheduled time of sending to the subscriber, in nanoseconds.
    pub(super) latency: Histogram<u64>,
    pub(super) generator: f64,
    pub(super) faults: Faults,
}

/// Mailboxes that are written to.
const MAILBOXES: u32 = 2_000;
/// How long the last message may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs each of these rates against a nats-server of its own, on one pinned thread.
pub(super) fn run(rates: &[u32], warm: Duration, measured: Duration) -> anyhow::Result<Vec<Outcome>> {
    let folder = TempDir::new()?;
    let (_broker, ports) = system::broker(folder.path())?;
    let options = ConnectOptions { servers: vec![format!("nats://{}", ports.nats)], ..ConnectOptions::default() };
    pinned(|| {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        LocalSet::new().block_on(&runtime, async {
            let region = RegionName::new("local")?;
            let settings = RegionSettings {
                region: region.clone(),
                shards: 8,
                replicas: 1,
                log_bytes: 1 << 30,
                sync_always: false,
            };
            let (publishes, listens) =
                (Connection::open(&options, &region).await?, Connection::open(&options, &region).await?);
            provision(&publishes, &settings).await?;
            let mut outcomes = Vec::new();
            for rate in rates {
                outcomes.push(at_rate(&publishes, &listens, &settings, *rate, warm, measured).await?);
            }
            Ok(outcomes)
        })
    })
}

async fn at_rate(
    publishes: &Connection,
    listens: &Connection,
    settings: &RegionSettings,
    rate: u32,
    warm: Duration,
    measured: Duration,
) -> anyhow::Result<Outcome> {
    let live = subject::live(&Peer::User(UserName::new("floor")?));
    let mut arrives = Listener::open(listens, live.clone()).await?;
    listens.flush().await?;
    let logs: Rc<[subject::Log]> = (0..MAILBOXES)
        .map(|number| {
            Ok(subject::Log::mailbox(&settings.region, settings.shards, &UserName::new(&format!("talk{number:06}"))?))
        })
        .collect::<anyhow::Result<_>>()?;

    let (first, items) =
        ((warm.as_secs_f64() * f64::from(rate)) as u32, ((warm + measured).as_secs_f64() * f64::from(rate)) as u32);
    let faults = Rc::new(RefCell::new(Faults::default()));
    let began = Instant::now();
    let due = move |item: u32| began + Duration::from_secs(1) * item / rate;
    let talk = Talk { store: Store::over(publishes), publishes: publishes.clone(), logs, live, faults: faults.clone() };
    let sender = tokio::task::spawn_local(talk.send_all(first, items, due));

    let (mut latency, mut seen, mut left) = (histogram(), vec![false; items as usize], items);
    while left > 0 {
        let Ok(Some(body)) = tokio::time::timeout(PATIENCE, arrives.next()).await else { break };
        let now = Instant::now();
        let item = body.first_chunk().map_or(u32::MAX, |number| u32::from_be_bytes(*number));
        match seen.get_mut(item as usize) {
            Some(true) => faults.borrow_mut().repeated += 1,
            Some(unseen) => (*unseen, left) = (true, left - 1),
            None => faults.borrow_mut().astray += 1,
        }
        if item >= first {
            latency.saturating_record((now - due(item)).as_nanos() as u64);
        }
    }
    faults.borrow_mut().lost = u64::from(left);
    let generator: anyhow::Result<f64> = sender.await?;
    let faults = faults.borrow().clone();
    Ok(Outcome { latency, generator: generator?, faults })
}

/// What is stored and then published, item by item.
#[derive(Clone)]
struct Talk {
    store: Store,
    publishes: Connection,
    logs: Rc<[subject::Log]>,
    live: String,
    faults: Rc<RefCell<Faults>>,
}

impl Talk {
    /// Sends every item when it is due, without waiting for any. Gives the generator's share of its core, from item `first` on.
    async fn send_all(self, first: u32, items: u32, due: impl Fn(u32) -> Instant) -> anyhow::Result<f64> {
        let timer = Timer::new()?;
        let mut meter = None;
        for item in 0..items {
            if item == first {
                meter = Some(Meter::begin()?);
            }
            timer.until(due(item)).await?;
            tokio::task::spawn_local(self.clone().send(item));
        }
        meter.map_or(Ok(0.0), |meter| meter.share())
    }

    async fn send(self, item: u32) {
        let mut body = vec![b'.'; BODY];
        body[..4].copy_from_slice(&item.to_be_bytes());
        let body = Bytes::from(body);
        let stored = self.store.put(&self.logs[item as usize % self.logs.len()], body.clone()).await;
        let told = match stored {
            Ok(()) => raw::publish(&self.publishes, self.live, body).await,
            refused => refused,
        };
        if let Err(why) = told {
            self.faults.borrow_mut().told.push(why.to_string());
        }
    }
}

/// A timer that is true to the microsecond; tokio's ticks in milliseconds.
struct Timer(AsyncFd<Readable>);

/// A timerfd as tokio wants to see it.
struct Readable(TimerFd);

impl AsRawFd for Readable {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    #[expect(
        deprecated,
        reason = "its successor is unsafe, and this descriptor lives as long as its owner, which never gives it away"
    )]
    fn new() -> io::Result<Timer> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Timer(AsyncFd::new(Readable(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?))?))
    }

    /// Returns at `at`, or at once if that is over.
    async fn until(&self, at: Instant) -> io::Result<()> {
        let wait = at.saturating_duration_since(Instant::now());
        if wait > Duration::from_micros(2) {
            self.0.get_ref().0.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty())?;
            self.0.readable().await?.clear_ready();
        }
        Ok(())
    }
}
