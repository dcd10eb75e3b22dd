//! A file is uploaded through the embedded store and downloaded again, beside a copy of it on the same disk.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::MIB;
use crate::bench::{
    figures::{Scale, millis, ratio, say},
    files::{Files, Mover},
    floor_copy,
    generator::{Meter, pinned},
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// What a file may take, in copies of it.
const MOST: f64 = 2.0;

/// What was done again and again: how long it took each time, the servers' CPU time, and the generator's share of its core.
#[derive(Default)]
struct Took {
    times: Vec<Duration>,
    cpu: Vec<Duration>,
    generators: Vec<f64>,
}

impl Took {
    fn take(&mut self, did: Did, counts: bool) {
        if counts {
            self.times.push(did.time);
            self.cpu.push(did.cpu);
            self.generators.push(did.generator);
        }
    }
}

/// What was done once.
struct Did {
    time: Duration,
    cpu: Duration,
    generator: f64,
}

/// Measures both, in turns with the floor.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("a file: copied, uploaded and downloaded in turns");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let mut people = tokens::people("moves", 1, &Dev::data(folder.path()))?;
    let token = people.remove(0).1;
    let source = folder.path().join("source");
    let [copies, uploads, downloads] = pinned(|| rounds(scale, &dev, &token, &source))?;
    let (before, after) = copies.times.split_at(copies.times.len() / 2);
    let floors = [before, after].map(median);
    let row = |what: &str, took: &Took| {
        let (time, generator) =
            (median(&took.times), took.generators.iter().sum::<f64>() / took.generators.len() as f64);
        let ratio = ratio(time, floors);
        Row {
            what: format!("{what} of {} MiB through the embedded store", scale.file / MIB),
            goal: format!("<= {MOST} x a copy with its hash"),
            floor: Some((millis(floors[0]), millis(floors[1]))),
            ours: millis(time),
            ratio: Some(ratio),
            generator: Some(generator),
            verdict: verdict(ratio <= MOST, &[generator], &[]),
            notes: vec![format!(
                "{:.0} MiB/s; medians of {}, the fastest {}, of the copies {}; CPU of the servers {}, of a copy {}",
                (scale.file / MIB) as f64 / time.as_secs_f64(),
                took.times.len(),
                least(&took.times),
                least(&copies.times),
                millis(median(&took.cpu)),
                millis(median(&copies.cpu)),
            )],
        }
    };
    Ok(vec![row("upload", &uploads), row("download", &downloads)])
}

/// Copies, uploads and downloads.
fn rounds(scale: &Scale, dev: &Dev, token: &str, source: &Path) -> anyhow::Result<[Took; 3]> {
    let files = Files::new(scale.file, scale.moves + 1);
    fs::write(source, files.bytes(0))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mover = runtime.block_on(Mover::start(dev.address, token))?;
    let mut all: [Took; 3] = Default::default();
    for round in 0..=scale.moves {
        // The first round warms caches.
        let counts = round > 0;
        let (meter, began) = (Meter::begin()?, Instant::now());
        let copy = floor_copy::copy(source)?;
        all[0].take(Did { time: began.elapsed(), cpu: meter.cpu()?, generator: 0.0 }, counts);
        fs::remove_file(copy)?;
        let (media, did) = done(dev, || runtime.block_on(mover.upload(files.bytes(round))))?;
        all[1].take(did, counts);
        let (size, did) = done(dev, || runtime.block_on(mover.download(media)))?;
        all[2].take(did, counts);
        anyhow::ensure!(size == scale.file as u64, "{size} bytes came back");
    }
    Ok(all)
}

/// Does it, and says what it took.
fn done<T>(dev: &Dev, what: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(T, Did)> {
    let (cpu, meter, began) = (dev.process.cpu()?, Meter::of_all()?, Instant::now());
    let done = what()?;
    let (time, generator) = (began.elapsed(), meter.share()?);
    Ok((done, Did { time, cpu: dev.process.cpu()? - cpu, generator }))
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times[times.len() / 2]
}

fn least(times: &[Duration]) -> String {
    times.iter().min().copied().map_or_else(String::new, millis)
}
