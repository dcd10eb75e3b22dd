//! Acknowledgements that the receipts worker absorbs: put into its queues by many devices, each with its hint, until all queues are empty.

use std::{
    fs,
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use dunlin_nats::{ConnectOptions, Connection, Receipts, StreamName, provision, stream_fill};
use dunlin_schema::{
    Cursor, DeviceName, Epoch, Millis, Peer, Position, RegionName, Sender, Seq, Shard, StreamTime, UserName, limits,
    record::{Receipt, Senders},
    stream::{RegionSettings, receipts_stream},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use tempfile::TempDir;

use super::{Scale, say};
use crate::bench::{
    process::Process,
    report::{Row, verdict},
    system::{broker, dunlin, tail},
};

/// People whose devices acknowledge, and how many of them each has.
const PEOPLE: usize = 100;
const DEVICES: usize = 10;
/// Acknowledgements that are put into queues at once.
const AT_ONCE: usize = 256;
/// What must be absorbed a second.
const LEAST: f64 = 10_000.0;
const READY: Duration = Duration::from_secs(60);
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: acknowledgements");
    let folder = TempDir::new()?;
    let (mut broker, ports) = broker(folder.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let region = runtime.block_on(Region::make(ports.nats))?;
    let (settings, log) = (folder.path().join("worker.toml"), folder.path().join("worker.log"));
    fs::write(&settings, format!("roles = [\"receipts\"]\n[nats]\nservers = [\"nats://{}\"]\n", ports.nats))?;
    let mut worker = dunlin()?;
    worker.arg("worker").arg("--config").arg(&settings);
    let mut worker = Process::start("the worker", &mut worker, &log)?;
    worker.ready(READY).with_context(|| tail(&log))?;
    let before = worker.cpu()? + broker.cpu()?;
    let took = runtime.block_on(region.absorb(scale.acknowledgements))?;
    let cpu = worker.cpu()? + broker.cpu()? - before;
    let all = f64::from(scale.acknowledgements) * (PEOPLE * DEVICES) as f64;
    let a_second = all / took.as_secs_f64();
    worker.kill();
    broker.kill();
    Ok(Row {
        what: format!("acknowledgements absorbed a second, of {DEVICES} devices of each of {PEOPLE} people"),
        goal: format!(">= {LEAST}/s"),
        floor: None,
        ours: format!("{a_second:.0}/s"),
        ratio: None,
        generator: None,
        verdict: verdict(a_second >= LEAST, &[], &[]),
        notes: vec![format!("CPU of worker and broker: {:.1} us each", cpu.as_secs_f64() * 1e6 / all)],
    })
}

/// A region whose queues are filled.
struct Region {
    connection: Connection,
    settings: RegionSettings,
}

impl Region {
    async fn make(nats: SocketAddr) -> anyhow::Result<Region> {
        let region = RegionName::new("local")?;
        let options = ConnectOptions { servers: vec![format!("nats://{nats}")], ..ConnectOptions::default() };
        let connection = Connection::open(&options, &region).await?;
        let settings =
            RegionSettings { region, shards: limits::SHARDS, replicas: 1, log_bytes: 64 << 20, sync_always: false };
        provision(&connection, &settings).await?;
        Ok(Region { connection, settings })
    }

    /// Has each device acknowledge `each` entries one by one. Gives how long it took until the last one was absorbed.
    async fn absorb(&self, each: u32) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let receipts = &Receipts::new(&self.connection);
        let all = (1..=u64::from(each)).flat_map(|seq| (0..PEOPLE * DEVICES).map(move |device| (seq, device)));
        let puts = stream::iter(all).map(|(seq, device)| async move {
            let (user, receipt) = self.acknowledged(seq, device)?;
            let shard = Shard::of(user.as_str(), self.settings.shards);
            receipts.publish(shard, &user, &receipt).await?;
            anyhow::Ok(())
        });
        puts.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        while !self.is_absorbed().await? {
            anyhow::ensure!(began.elapsed() < PATIENCE, "the queues are never empty");
        }
        Ok(began.elapsed())
    }

    async fn is_absorbed(&self) -> anyhow::Result<bool> {
        for shard in self.settings.shards() {
            let name = receipts_stream(&self.settings.region, shard);
            let queue = StreamName { domain: self.settings.region.clone(), name };
            if stream_fill(&self.connection, &queue).await?.bytes > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Each person has one who writes to them.
    fn acknowledged(&self, seq: u64, device: usize) -> anyhow::Result<(UserName, Receipt)> {
        let person = device / DEVICES;
        let (user, writes) = (UserName::new(&format!("bob-{person}"))?, UserName::new(&format!("alice-{person}"))?);
        let position = Position { epoch: Epoch(1), seq: Seq(seq), time: StreamTime(seq) };
        let sender = Sender { user: writes, region: self.settings.region.clone() };
        let receipt = Receipt::Delivered {
            device: DeviceName::new(&format!("d{}", device % DEVICES))?,
            log: Peer::User(user.clone()),
            cursor: Cursor { position, at: Millis(seq), began: Seq(0) },
            opened: Millis(1),
            senders: Some(Senders { from: Seq(seq - 1), highest: vec![(sender, Seq(seq))] }),
        };
        Ok((user, receipt))
    }
}
