//! Two people at a time write to each other and acknowledge what comes: when a delivered receipt is back at the sender, and what it costs.

use std::time::Duration;

use tempfile::TempDir;

use super::{
    Scale,
    exchanged::{let_in, quantiles},
    micros, say,
};
use crate::bench::{
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, Outcome, To},
    generator::pinned,
    report::{Row, shown, verdict},
    system::Dev,
    tokens,
};
use dunlin_schema::limits::MARKS_EVERY;

/// Messages a second for what receipts cost, and how often they are acknowledged then.
const BUSY: u32 = 2_000;
const EACH: u32 = 16;
/// What a message with its receipt may cost, in messages without.
const MOST: f64 = 1.15;
/// Messages a second of each person, for when receipts come: few enough that none waits for its turn.
const QUIET: u32 = 1;

/// Measures both.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("ours: receipts");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("pair", scale.partners, &Dev::data(folder.path()))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    let_in(&mut crowd)?;
    let mut exchange = |acknowledge_each, rate, to| {
        crowd.acknowledge_each = acknowledge_each;
        let (warm, measured) = (scale.warm, scale.measured);
        let exchange = Exchange { load: Load::Open { rate }, to, warm, measured, answers: true };
        pinned(|| exchange.run(&mut crowd, || dev.process.cpu()))
    };
    let quiet = exchange(1, QUIET * scale.partners as u32, To::Partner)?;
    let mut rows = vec![back(&quiet)];
    for (who, to) in [("between two people", To::Partner), ("each of another sender", To::Anybody)] {
        say(&format!("  {who}"));
        let runs =
            [exchange(0, BUSY, to)?, exchange(EACH, BUSY, to)?, exchange(0, BUSY, to)?, exchange(EACH, BUSY, to)?];
        let row = cost(who, &runs);
        // What each message of another sender costs has no goal: nothing can be brought together there.
        rows.push(if matches!(to, To::Partner) {
            row
        } else {
            Row { goal: "-".into(), verdict: shown(row.verdict), ..row }
        });
    }
    Ok(rows)
}

/// When receipts are back.
fn back(run: &Outcome) -> Row {
    let median = |times: &hdrhistogram::Histogram<u64>| Duration::from_nanos(times.value_at_quantile(0.5));
    let (message, receipt) = (median(&run.latency), median(&run.delivered));
    let most = message * 2 + Duration::from_millis(MARKS_EVERY.0);
    Row {
        what: "delivered receipt back at the sender, p50".into(),
        goal: format!("<= 2 x the message + {} ms", MARKS_EVERY.0),
        floor: None,
        ours: micros(receipt),
        ratio: Some(receipt.as_secs_f64() / message.as_secs_f64()),
        generator: Some(run.generator),
        verdict: verdict(receipt <= most, &[run.generator], &[&run.faults]),
        notes: vec![format!(
            "p50/p99: message {}, until `accepted` {}, receipt {}",
            quantiles(&run.latency),
            quantiles(&run.accepted),
            quantiles(&run.delivered)
        )],
    }
}

/// What receipts cost: of runs without and with them, in turns.
fn cost(who: &str, runs: &[Outcome; 4]) -> Row {
    let each = runs.each_ref().map(|run| run.cpu / run.messages.max(1) as u32);
    let ratio = (each[1] + each[3]).as_secs_f64() / (each[0] + each[2]).as_secs_f64();
    let generators = runs.each_ref().map(|run| run.generator);
    let told = runs[1].delivered.len() + runs[3].delivered.len();
    Row {
        what: format!("CPU of a durable message with its receipt, every {EACH}th acknowledged, {BUSY}/s, {who}"),
        goal: format!("<= {MOST} x without"),
        floor: Some((micros(each[0]), micros(each[2]))),
        ours: format!("{}, {}", micros(each[1]), micros(each[3])),
        ratio: Some(ratio),
        generator: generators.into_iter().reduce(f64::max),
        verdict: verdict(ratio <= MOST, &generators, &runs.each_ref().map(|run| &run.faults)),
        notes: vec![format!(
            "{told} messages with a receipt; latency p50/p99 without {}, with {}",
            quantiles(&runs[2].latency),
            quantiles(&runs[3].latency)
        )],
    }
}
