//! Two thousand people write to each other: CPU and latency of a durable message, at two rates.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Scale, micros, millis, ratio, say};
use crate::bench::{
    arrival::Arrival,
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, Outcome},
    generator::pinned,
    process::Process,
    report::{Row, verdict},
    system::{Dev, Relay},
    tokens,
};

/// Messages a second.
const RATES: [u32; 2] = [2_000, 5_000];

/// Lets everybody in and runs each rate.
fn each_rate(scale: &Scale, mut crowd: Crowd, answers: bool, servers: &Process) -> anyhow::Result<Vec<Outcome>> {
    let arrival = Arrival { rate: Some(1_000), jitter: None, entries: 0, within: Duration::from_secs(60) };
    let arrived = pinned(|| arrival.run(&mut crowd, Instant::now()))?;
    if let Some(why) = arrived.faults.why() {
        anyhow::bail!("not everybody could connect: {why}");
    }
    RATES
        .into_iter()
        .map(|rate| {
            say(&format!("  {rate}/s"));
            let exchange =
                Exchange { load: Load::Open { rate }, warm: scale.warm, measured: scale.measured, answers };
            pinned(|| exchange.run(&mut crowd, || servers.cpu()))
        })
        .collect()
}

fn floor(scale: &Scale) -> anyhow::Result<Vec<Outcome>> {
    say("floor A: messages");
    let relay = Relay::start()?;
    let crowd = Crowd::new(Dialect::Relay, relay.address, tokens::strangers("talk", scale.writers))?;
    each_rate(scale, crowd, false, &relay.process)
}

/// Measures the figures of both rates.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let before = floor(scale)?;

    say("ours: durable messages");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("talk", scale.writers, &Dev::signing_key(folder.path()))?;
    let ours = each_rate(scale, Crowd::new(Dialect::Dunlin, dev.address, people)?, true, &dev.process)?;
    drop(dev);

    let after = floor(scale)?;
    let mut rows = Vec::new();
    for (index, rate) in RATES.into_iter().enumerate() {
        let runs = [&before[index], &ours[index], &after[index]];
        let each = runs.map(|run| run.cpu / run.messages.max(1) as u32);
        let generators = runs.map(|run| run.generator);
        let ratio = ratio(each[1], [each[0], each[2]]);
        rows.push(Row {
            what: format!("CPU of a durable message, {rate}/s"),
            goal: "<= 12 x floor A".into(),
            floor: Some((micros(each[0]), micros(each[2]))),
            ours: micros(each[1]),
            ratio: Some(ratio),
            generator: generators.into_iter().reduce(f64::max),
            verdict: verdict(ratio <= 12.0, &generators, &runs.map(|run| &run.faults)),
            notes: vec![format!(
                "{} people; latency p50/p99: floor A {}, ours {}, until `accepted` {}",
                scale.writers,
                quantiles(&before[index].latency),
                quantiles(&ours[index].latency),
                quantiles(&ours[index].accepted)
            )],
        });
    }
    Ok(rows)
}

fn quantiles(latency: &hdrhistogram::Histogram<u64>) -> String {
    let at = |quantile| Duration::from_nanos(latency.value_at_quantile(quantile));
    format!("{}/{}", micros(at(0.5)), millis(at(0.99)))
}
