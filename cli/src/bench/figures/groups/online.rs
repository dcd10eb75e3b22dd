//! Small groups whose members are all there: as many messages as there can be.

use tempfile::TempDir;

use super::{make, micros, say};
use crate::bench::{
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, To},
    figures::{
        Scale,
        exchanged::{let_in, quantiles},
    },
    generator::pinned,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// Members of each.
pub(super) const SIZE: usize = 32;
/// Messages a second.
const GOAL: f64 = 1_500.0;
/// Messages under way.
const WINDOW: u32 = 128;

/// Measures it with one group, and with several.
pub(in crate::bench::figures) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    [1, scale.small_groups].into_iter().map(|groups| of(scale, groups)).collect()
}

fn of(scale: &Scale, groups: usize) -> anyhow::Result<Row> {
    say(&format!("ours: as many messages as there can be, groups of {SIZE}, {groups} of them"));
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("small", groups * SIZE, &Dev::data(folder.path()))?;
    make(dev.address, people.chunks(SIZE))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    crowd.people.iter_mut().for_each(|person| person.groups = 1);
    let_in(&mut crowd)?;
    let exchange = Exchange {
        load: Load::Closed { window: WINDOW },
        to: To::Groups { size: SIZE },
        warm: scale.warm,
        measured: scale.measured,
        answers: true,
    };
    let run = pinned(|| exchange.run(&mut crowd, || dev.process.cpu()))?;
    let rate = run.messages as f64 / run.time.as_secs_f64();
    let whose = if groups == 1 { "one group".to_owned() } else { format!("{groups} groups") };
    Ok(Row {
        what: format!("messages a second, accepted and delivered to all, {whose} of {SIZE} online"),
        goal: format!(">= {GOAL:.0}/s"),
        floor: None,
        ours: format!("{rate:.0}/s"),
        ratio: None,
        generator: Some(run.generator),
        verdict: verdict(rate >= GOAL, &[run.generator], &[&run.faults]),
        notes: vec![format!(
            "{:.0} deliveries a second, generator on the same cores; closed loop, {WINDOW} messages under way; {} of server CPU a message; \
             until the last member has it p50/p99 {}",
            rate * SIZE as f64,
            micros(run.cpu / run.messages.max(1) as u32),
            quantiles(&run.latency)
        )],
    })
}
