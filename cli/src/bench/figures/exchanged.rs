//! Two thousand people write to each other: CPU and latency of a durable message, at two rates.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tempfile::TempDir;

use super::{Scale, micros, millis, ratio, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, Outcome, To},
    floor_nats,
    generator::pinned,
    process::Process,
    report::{Row, shown, verdict},
    system::{Dev, Relay},
    tokens,
};

/// Messages a second.
const RATES: [u32; 2] = [2_000, 5_000];

/// Lets everybody in. Errors: somebody could not connect.
pub(super) fn let_in(crowd: &mut Crowd) -> anyhow::Result<()> {
    let arrival = Arrival {
        who: crowd.everybody(),
        rate: Some(1_000),
        jitter: None,
        waiting: Waiting::NOTHING,
        within: Duration::from_secs(60),
    };
    let arrived = pinned(|| arrival.run(crowd, Instant::now()))?;
    if let Some(why) = arrived.faults.why() {
        anyhow::bail!("not everybody could connect: {why}");
    }
    Ok(())
}

/// Lets everybody in and runs each rate.
fn each_rate(scale: &Scale, mut crowd: Crowd, answers: bool, servers: &Process) -> anyhow::Result<Vec<Outcome>> {
    let_in(&mut crowd)?;
    RATES
        .into_iter()
        .map(|rate| {
            say(&format!("  {rate}/s"));
            let exchange = Exchange {
                load: Load::Open { rate },
                to: To::Anybody,
                warm: scale.warm,
                measured: scale.measured,
                answers,
            };
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

fn floor_of_latency(scale: &Scale) -> anyhow::Result<Vec<floor_nats::Outcome>> {
    say("floor B: JetStream, then core NATS");
    floor_nats::run(&RATES, scale.warm, scale.measured)
}

/// The floors alone.
pub(super) fn floors(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let row = |(rate, run): (u32, &Outcome)| Row {
        what: format!("floor A: CPU of a message, {rate}/s"),
        goal: "-".into(),
        floor: Some((micros(run.cpu / run.messages.max(1) as u32), "-".into())),
        ours: "-".into(),
        ratio: None,
        generator: Some(run.generator),
        verdict: shown(verdict(true, &[run.generator], &[&run.faults])),
        notes: vec![format!("{} people; latency p50/p99 {}", scale.writers, quantiles(&run.latency))],
    };
    let latency = |(rate, run): (u32, &floor_nats::Outcome)| Row {
        what: format!("floor B: latency p50/p99, {rate}/s"),
        floor: Some((quantiles(&run.latency), "-".into())),
        generator: Some(run.generator),
        verdict: shown(verdict(true, &[run.generator], &[&run.faults])),
        goal: "-".into(),
        ours: "-".into(),
        ratio: None,
        notes: Vec::new(),
    };
    let (relay, broker) = (floor(scale)?, floor_of_latency(scale)?);
    Ok(RATES.into_iter().zip(&relay).map(row).chain(RATES.into_iter().zip(&broker).map(latency)).collect())
}

/// Measures the figures of both rates.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let (before, latency_before) = (floor(scale)?, floor_of_latency(scale)?);

    say("ours: durable messages");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("talk", scale.writers, &Dev::data(folder.path()))?;
    let ours = each_rate(scale, Crowd::new(Dialect::Dunlin, dev.address, people)?, true, &dev.process)?;
    drop(dev);

    let (latency_after, after) = (floor_of_latency(scale)?, floor(scale)?);
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
        let (before, ours, after) = (&latency_before[index], &ours[index], &latency_after[index]);
        let generators = [before.generator, ours.generator, after.generator];
        for (name, quantile, most) in [("p50", 0.5, 2.0), ("p99", 0.99, 3.0)] {
            let at = |latency: &Histogram<u64>| Duration::from_nanos(latency.value_at_quantile(quantile));
            let [floor_before, of_ours, floor_after] = [&before.latency, &ours.latency, &after.latency].map(at);
            let ratio = super::ratio(of_ours, [floor_before, floor_after]);
            rows.push(Row {
                what: format!("latency of a durable message, {name}, {rate}/s"),
                goal: format!("<= {most} x floor B"),
                floor: Some((micros(floor_before), micros(floor_after))),
                ours: micros(of_ours),
                ratio: Some(ratio),
                generator: generators.into_iter().reduce(f64::max),
                verdict: verdict(ratio <= most, &generators, &[&before.faults, &ours.faults, &after.faults]),
                notes: Vec::new(),
            });
        }
    }
    Ok(rows)
}

/// p50 and p99.
pub(super) fn quantiles(latency: &Histogram<u64>) -> String {
    let at = |quantile| Duration::from_nanos(latency.value_at_quantile(quantile));
    format!("{}/{}", micros(at(0.5)), millis(at(0.99)))
}
