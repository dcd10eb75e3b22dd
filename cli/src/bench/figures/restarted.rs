//! The two minutes after a single nats-server's restart, in which every append looks into its log first: what that costs.

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
    process::Process,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// Messages a second among everybody.
const AMONG_ALL: u32 = 2_000;
/// Messages a second into one mailbox.
const INTO_ONE: u32 = 200;

/// What it may cost, in messages of before the restart.
const MOST: f64 = 3.0;

/// Measures both loads before and after a restart of everything.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("ours: messages before and after a restart");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("late", scale.writers, &Dev::data(folder.path()))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    let before = both_loads(scale, &mut crowd, &dev.process)?;
    crowd.leave(crowd.everybody());
    crowd.skip_history();
    dev.process.stop()?;

    let dev = Dev::start(folder.path())?;
    crowd.move_to(dev.address);
    let after = both_loads(scale, &mut crowd, &dev.process)?;
    let whats = [format!("{AMONG_ALL}/s among {} people", scale.writers), format!("{INTO_ONE}/s into one mailbox")];
    Ok(whats
        .into_iter()
        .zip(before.iter().zip(&after))
        .map(|(what, (before, after))| row(&what, before, after))
        .collect())
}

fn row(what: &str, before: &Outcome, after: &Outcome) -> Row {
    let [cost_before, cost_after] = [before, after].map(|run| run.cpu / run.messages.max(1) as u32);
    let generators = [before.generator, after.generator];
    let ratio = cost_after.as_secs_f64() / cost_before.as_secs_f64();
    Row {
        what: format!("CPU of a durable message right after a restart, {what}"),
        goal: format!("<= {MOST} x before it"),
        floor: None,
        ours: format!("{} before, {} after", micros(cost_before), micros(cost_after)),
        ratio: Some(ratio),
        generator: generators.into_iter().reduce(f64::max),
        verdict: verdict(ratio <= MOST, &generators, &[&before.faults, &after.faults]),
        notes: vec![format!(
            "until `accepted` p50/p99: {} before, {} after",
            quantiles(&before.accepted),
            quantiles(&after.accepted)
        )],
    }
}

/// Lets everybody in, and runs one load after the other.
fn both_loads(scale: &Scale, crowd: &mut Crowd, servers: &Process) -> anyhow::Result<[Outcome; 2]> {
    let_in(crowd)?;
    let mut load = |rate, to| {
        let (warm, measured) = (scale.warm, scale.measured);
        let exchange = Exchange { load: Load::Open { rate }, to, warm, measured, answers: true };
        pinned(|| exchange.run(crowd, || servers.cpu()))
    };
    Ok([load(AMONG_ALL, To::Anybody)?, load(INTO_ONE, To::One(0))?])
}
