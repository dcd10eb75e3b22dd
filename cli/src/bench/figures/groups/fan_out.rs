//! One message to many members who are there: what a delivery costs, and when the last of them has it.

use std::time::Duration;

use tempfile::TempDir;

use super::{make, micros, millis, ratio, say};
use crate::bench::{
    crowd::{Crowd, Dialect},
    exchange::{Exchange, Load, Outcome, To},
    figures::{Scale, exchanged::let_in},
    generator::pinned,
    process::Process,
    report::{Row, verdict},
    system::{Dev, Relay},
    tokens,
};

/// Deliveries a second: few enough that each message is there before the next one is sent.
const DELIVERIES: usize = 25_000;
/// Bytes of an entry's frame, which the floor writes as well.
const ENTRY_BYTES: usize = 490;
/// Above this share an entry that is larger, or smaller, makes the floor another one.
const OTHER: f64 = 0.05;
/// When the last member has it, in times of the floor.
const LAST: f64 = 2.0;

/// Measures it for groups of each size.
pub(in crate::bench::figures) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (members, most) in scale.members.into_iter().zip([1.5, 2.0]) {
        rows.extend(of(scale, members, most)?);
    }
    Ok(rows)
}

/// `most`: what a delivery may cost, in raw sends.
fn of(scale: &Scale, members: usize, most: f64) -> anyhow::Result<Vec<Row>> {
    let before = floor(scale, members)?;
    say(&format!("ours: a group of {members}"));
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("many", members, &Dev::data(folder.path()))?;
    make(dev.address, std::iter::once(people.as_slice()))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    crowd.people.iter_mut().for_each(|person| person.groups = 1);
    let ours = said(scale, &mut crowd, true, &dev.process)?;
    let bytes = crowd.entry_bytes;
    drop(crowd);
    drop(dev);
    let after = floor(scale, members)?;

    let runs = [&before, &ours, &after];
    let each = runs.map(|run| run.cpu / (run.messages.max(1) as u32 * members as u32));
    let last = runs.map(|run| Duration::from_nanos(run.latency.value_at_quantile(0.5)));
    let generators = runs.map(|run| run.generator);
    let faults = runs.map(|run| &run.faults);
    let is_same = (bytes as f64 / ENTRY_BYTES as f64 - 1.0).abs() < OTHER;
    anyhow::ensure!(is_same, "an entry has {bytes} bytes, and the floor writes {ENTRY_BYTES}: another floor");
    let row = |what: &str, goal: String, times: [String; 3], ratio: f64, reached: bool, note: String| {
        let [before, ours, after] = times;
        Row {
            what: format!("group of {members} online, one message: {what}"),
            goal,
            floor: Some((before, after)),
            ours,
            ratio: Some(ratio),
            generator: generators.into_iter().reduce(f64::max),
            verdict: verdict(reached, &generators, &faults),
            notes: vec![note],
        }
    };
    let (cost, late) = (ratio(each[1], [each[0], each[2]]), ratio(last[1], [last[0], last[2]]));
    let rate = rate(members);
    Ok(vec![
        row(
            "CPU a delivery",
            format!("<= {most} x a raw send of the same bytes"),
            each.map(micros),
            cost,
            cost <= most,
            format!("{} messages, {rate}/s, of {bytes} bytes each as an entry", ours.messages),
        ),
        row(
            "the last member has it, p50",
            format!("<= {LAST} x the floor"),
            last.map(millis),
            late,
            late <= LAST,
            format!("p99 {}", millis(Duration::from_nanos(ours.latency.value_at_quantile(0.99)))),
        ),
    ])
}

fn rate(members: usize) -> u32 {
    (DELIVERIES / members).clamp(1, 100) as u32
}

fn floor(scale: &Scale, members: usize) -> anyhow::Result<Outcome> {
    say(&format!("floor: a loop over {members} sockets"));
    let floor = Relay::start_loop()?;
    let dialect = Dialect::Loop { bytes: ENTRY_BYTES };
    let mut crowd = Crowd::new(dialect, floor.address, tokens::strangers("many", members))?;
    said(scale, &mut crowd, false, &floor.process)
}

/// Lets everybody in, and has messages said to all of them.
fn said(scale: &Scale, crowd: &mut Crowd, answers: bool, servers: &Process) -> anyhow::Result<Outcome> {
    let_in(crowd)?;
    let size = crowd.people.len();
    let exchange = Exchange {
        load: Load::Open { rate: rate(size) },
        to: To::Groups { size },
        warm: scale.warm,
        measured: scale.measured,
        answers,
    };
    pinned(|| exchange.run(crowd, || servers.cpu()))
}
