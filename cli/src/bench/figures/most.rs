//! As many durable messages a second as two cores give, with the generator on them.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Scale, exchanged::quantiles, micros, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, To},
    generator::pinned,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// Messages a second that must be reached.
const GOAL: f64 = 12_000.0;

/// Measures it: closed loop, with half a message under way for each person.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: as many messages as there can be");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("most", scale.writers, &Dev::data(folder.path()))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    let within = Duration::from_secs(60);
    let arrival =
        Arrival { who: crowd.everybody(), rate: Some(1_000), jitter: None, waiting: Waiting::NOTHING, within };
    let arrived = pinned(|| arrival.run(&mut crowd, Instant::now()))?;

    let window = scale.writers as u32 / 2;
    let exchange = Exchange {
        load: Load::Closed { window },
        to: To::Anybody,
        warm: scale.warm,
        measured: scale.measured,
        answers: true,
    };
    let run = pinned(|| exchange.run(&mut crowd, || dev.process.cpu()))?;
    let rate = run.messages as f64 / run.time.as_secs_f64();
    Ok(Row {
        what: "durable messages a second, generator on the same cores".into(),
        goal: format!(">= {GOAL:.0}/s"),
        floor: None,
        ours: format!("{rate:.0}/s, p50/p99 {}", quantiles(&run.latency)),
        ratio: None,
        generator: Some(run.generator),
        verdict: verdict(rate >= GOAL, &[run.generator], &[&arrived.faults, &run.faults]),
        notes: vec![format!(
            "closed loop, {window} messages under way among {} people; {} of server CPU each",
            scale.writers,
            micros(run.cpu / run.messages.max(1) as u32)
        )],
    })
}
