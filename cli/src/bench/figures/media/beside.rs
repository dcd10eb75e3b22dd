//! People write to each other while others upload files, in turns with people who write while nobody does.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use futures_util::future::try_join_all;
use tempfile::TempDir;
use tokio::time::sleep;

use super::MIB;
use crate::bench::{
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, Outcome, To},
    figures::{
        Scale,
        exchanged::{let_in, quantiles},
        millis, say,
    },
    files::{Files, Mover},
    generator::{Meter, pinned},
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// Messages a second.
const RATE: u32 = 500;
/// People who upload at once, one file after the other: how large these are, and how many bytes a second each one's line carries, in bytes.
const UPLOADERS: usize = 20;
const SIZE: usize = 8 * MIB;
const LINE: u32 = 2 << 20;
/// Turns without and with them.
const TURNS: usize = 5;
/// What a message may take beside uploads, in messages without.
const MOST: f64 = 1.5;
/// Files that are there to be uploaded.
const FILES: usize = 20_000;

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: messages, and messages beside uploads");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let data = Dev::data(folder.path());
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, tokens::people("talk", scale.partners, &data)?)?;
    let people = tokens::people("uploads", UPLOADERS, &data)?;
    let files = Files::new(SIZE, FILES);
    let next = AtomicUsize::new(0);
    let_in(&mut crowd)?;
    let mut exchange = || {
        let (warm, measured) = (scale.warm, scale.measured);
        let exchange = Exchange { load: Load::Open { rate: RATE }, to: To::Anybody, warm, measured, answers: true };
        pinned(|| exchange.run(&mut crowd, || dev.process.cpu()))
    };
    let (mut without, mut with, mut generators) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        without.push(exchange()?);
        let (enough, meter) = (AtomicBool::new(false), Meter::of_all()?);
        let beside = thread::scope(|scope| {
            let uploading = scope.spawn(|| pinned(|| upload(dev.address, &people, &files, &next, &enough)));
            let outcome = exchange();
            enough.store(true, Relaxed);
            uploading.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the uploaders panicked")))?;
            outcome
        })?;
        generators.push(meter.share()?);
        with.push(beside);
    }
    let ratios = without.iter().zip(&with).map(|(without, with)| p99(with).as_secs_f64() / p99(without).as_secs_f64());
    let mut ratios: Vec<f64> = ratios.collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[TURNS / 2];
    generators.extend(without.iter().map(|run| run.generator));
    let faults: Vec<_> = without.iter().chain(&with).map(|run| &run.faults).collect();
    let all = |runs: &[Outcome]| runs.iter().map(|run| quantiles(&run.latency)).collect::<Vec<_>>().join(", ");
    Ok(Row {
        what: format!(
            "latency of a durable message, p99, {RATE}/s, beside {UPLOADERS} uploads of {} MiB/s each",
            LINE as usize / MIB
        ),
        goal: format!("<= {MOST} x without"),
        floor: Some((millis(p99(&without[0])), millis(p99(&without[TURNS - 1])))),
        ours: format!(
            "{} to {}",
            with.iter().map(p99).min().map_or_else(String::new, millis),
            with.iter().map(p99).max().map_or_else(String::new, millis)
        ),
        ratio: Some(ratio),
        generator: generators.iter().copied().reduce(f64::max),
        verdict: verdict(ratio <= MOST, &generators, &faults),
        notes: vec![
            format!(
                "the median of {TURNS} ratios: {ratios:.2?}; p50/p99 without {}; with {}",
                all(&without),
                all(&with)
            ),
            format!("{} files of {} MiB were uploaded meanwhile", next.load(Relaxed), SIZE / MIB),
        ],
    })
}

fn p99(run: &Outcome) -> Duration {
    Duration::from_nanos(run.latency.value_at_quantile(0.99))
}

/// Has everybody upload one file after the other until it is enough.
fn upload(
    gateway: SocketAddr,
    people: &[(String, String)],
    files: &Files,
    next: &AtomicUsize,
    enough: &AtomicBool,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let each = people.iter().enumerate().map(async |(place, (_, token))| {
            let mover = Mover::start(gateway, token).await?;
            // They began at any time.
            sleep(Duration::from_secs(1) * (SIZE / UPLOADERS * place) as u32 / LINE).await;
            while !enough.load(Relaxed) {
                mover.upload_slowly(&files.bytes(next.fetch_add(1, Relaxed)), LINE).await?;
            }
            anyhow::Ok(())
        });
        try_join_all(each).await?;
        Ok(())
    })
}
