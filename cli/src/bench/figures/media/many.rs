//! Many people upload large files at once: what gateway and worker hold of them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

use super::MIB;
use crate::bench::{
    figures::{Scale, say},
    files::{Files, Mover},
    generator::{Meter, pinned},
    process::Process,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// What all of them may take together, in MiB.
const GOAL: f64 = 64.0;
/// How long everybody is connected before what is idle is looked at.
const QUIET: Duration = Duration::from_secs(5);

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    let (people, size) = (scale.uploads, scale.upload);
    say(&format!("ours: {people} uploads of {} MiB at once", size / MIB));
    let folder = TempDir::new()?;
    let disk = statvfs(folder.path())?;
    let (free, needed) = (disk.blocks_available() * disk.fragment_size(), (people * size) as u64);
    anyhow::ensure!(
        free > needed + needed / 8,
        "{needed} bytes are written, and {} has {free}",
        folder.path().display()
    );
    let dev = Dev::start(folder.path())?;
    let tokens = tokens::people("uploads", people, &Dev::data(folder.path()))?;
    let Held { idle, most, took, generator } = pinned(|| uploaded(&dev.process, dev.address, size, tokens))?;
    let mib = |bytes: u64| bytes as f64 / MIB as f64;
    let above = mib(most.saturating_sub(idle));
    Ok(Row {
        what: format!("memory of {people} uploads of {} MiB at once, above idle", size / MIB),
        goal: format!("<= {GOAL} MiB"),
        floor: None,
        ours: format!("{above:.1} MiB"),
        ratio: None,
        generator: Some(generator),
        verdict: verdict(above <= GOAL, &[generator], &[]),
        notes: vec![format!(
            "the most that was resident of gateway, worker and `dunlin dev`, each at its own time, less {:.1} MiB with \
             everybody connected; {:.1} s, {:.0} MiB/s",
            mib(idle),
            took.as_secs_f64(),
            mib(needed) / took.as_secs_f64()
        )],
    })
}

/// Resident bytes, and how long it took.
struct Held {
    idle: u64,
    most: u64,
    took: Duration,
    generator: f64,
}

fn uploaded(
    servers: &Process,
    gateway: SocketAddr,
    size: usize,
    people: Vec<(String, String)>,
) -> anyhow::Result<Held> {
    let files = Files::new(size, people.len());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let movers = try_join_all(people.iter().map(|(_, token)| Mover::start(gateway, token))).await?;
        tokio::time::sleep(QUIET).await;
        let idle = servers.own_memory()?;
        servers.forget_peaks()?;
        let (meter, began) = (Meter::of_all()?, Instant::now());
        try_join_all(movers.iter().enumerate().map(|(number, mover)| mover.upload(files.bytes(number)))).await?;
        Ok(Held { idle, most: servers.own_peaks()?, took: began.elapsed(), generator: meter.share()? })
    })
}
