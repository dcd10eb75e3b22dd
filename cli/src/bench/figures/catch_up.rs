//! A thousand people come back to a hundred entries each, after everything was started again.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Scale, millis, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    fill::Fill,
    generator::pinned,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// Within this all of them connect.
const SPREAD: Duration = Duration::from_secs(2);
/// By then all of them must be caught up.
const GOAL: Duration = Duration::from_millis(2_100);
/// CPU an entry, connecting included.
const GOAL_CPU: Duration = Duration::from_micros(10);
/// People who send.
const SENDERS: usize = 500;

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("ours: entries wait, everything is started again, people come back");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let key = Dev::data(folder.path());
    let (returning, all) = (scale.returning, scale.returning + SENDERS.min(scale.returning));
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, tokens::people("back", all, &key)?)?;
    let arrival = |who, rate, entries| Arrival {
        who,
        rate: Some(rate),
        jitter: None,
        waiting: Waiting::Own(entries),
        within: Duration::from_secs(60),
    };
    let first = pinned(|| arrival(0..returning, 1_000, 0).run(&mut crowd, Instant::now()))?;
    crowd.leave(0..returning);
    let senders = pinned(|| arrival(returning..all, 1_000, 0).run(&mut crowd, Instant::now()))?;
    let names: Vec<String> = crowd.people[..returning].iter().map(|person| person.name.clone()).collect();
    let items = returning as u32 * scale.waiting;
    let fill = Fill { senders: returning..all, names: &names, items, rate: scale.fill, heard: false };
    let filled = pinned(|| fill.run(&mut crowd))?;
    crowd.leave(returning..all);
    dev.process.stop()?;

    let dev = Dev::start(folder.path())?;
    crowd.move_to(dev.address);
    let before = dev.process.cpu()?;
    let rate = (returning as f64 / SPREAD.as_secs_f64()) as u32;
    let back = pinned(|| arrival(0..returning, rate, scale.waiting).run(&mut crowd, Instant::now()))?;
    let cpu = (dev.process.cpu()? - before) / items;
    let faults = [&first.faults, &senders.faults, &filled, &back.faults];
    let row = |what: String, goal: &str, ours: String, reached: bool| Row {
        what,
        goal: goal.into(),
        floor: None,
        ours,
        ratio: None,
        generator: Some(back.generator),
        verdict: verdict(reached, &[back.generator], &faults),
        notes: Vec::new(),
    };
    let what = format!(
        "{returning} people with {} entries each, back within 2 s after a restart of everything",
        scale.waiting
    );
    let time = row(
        format!("catch-up: {what}"),
        "all by 2.1 s",
        format!("{:.2} s", back.time.as_secs_f64()),
        back.time <= GOAL,
    );
    let each = format!("{:.1} us", cpu.as_secs_f64() * 1e6);
    let quantile = |at| millis(Duration::from_nanos(back.since_due.value_at_quantile(at)));
    Ok(vec![
        Row {
            notes: vec![format!("from connecting to `caught_up` p50 {}, p99 {}", quantile(0.5), quantile(0.99))],
            ..time
        },
        row("catch-up: CPU an entry, connecting included".into(), "<= 10 us", each, cpu <= GOAL_CPU),
    ])
}
