//! A message to a small group whose members are away, beside one to a person who is: what is stored, and what it costs.

use std::time::Duration;

use anyhow::Context;

use super::{make, micros, online::SIZE, say};
use crate::bench::{
    crowd::{Crowd, Dialect},
    exchange::Faults,
    figures::{Scale, connected::quiet, exchanged::let_in},
    fill::Fill,
    generator::pinned,
    report::{Row, verdict},
    system::Parts,
    tokens,
};

/// Messages a second.
const RATE: u32 = 1_000;
/// How much more than a message to a person.
const MOST: f64 = 1.2;

/// What one load came to, of each message.
struct Came {
    bytes: f64,
    cpu: Duration,
    faults: Faults,
}

/// Measures both: people, groups, people, groups.
pub(in crate::bench::figures) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("ours: messages to people and to groups who are away");
    // One device each, so that no message has a copy.
    let parts = Parts::start_with("sent_copies = \"several_devices\"")?;
    let senders = scale.away;
    let people = tokens::people("small", senders * SIZE, parts.data())?;
    make(parts.address, people.chunks(SIZE))?;
    let writers = people.into_iter().step_by(SIZE).collect();
    let mut crowd = Crowd::new(Dialect::Dunlin, parts.address, writers)?;
    crowd.people.iter_mut().for_each(|person| person.groups = 1);
    let_in(&mut crowd)?;
    // The same letters: an address is stored with each message.
    let names: Vec<String> = (0..senders).map(|number| format!("bench-{number:05}")).collect();
    let groups: Vec<String> = (0..senders).map(tokens::group).collect();
    let mut came = |names: &[String], heard| to(scale, &parts, &mut crowd, names, heard);
    let runs = [came(&names, false)?, came(&groups, true)?, came(&names, false)?, came(&groups, true)?];

    let faults = runs.each_ref().map(|run| &run.faults);
    let row = |what: &str, of: fn(&Came) -> f64, shown: fn(f64) -> String, note: &str| {
        let [person, group, person_again, group_again] = runs.each_ref().map(of);
        let ratio = (group + group_again) / (person + person_again);
        Row {
            what: format!("{what} of a message to a group of {SIZE} who are away"),
            goal: format!("<= {MOST} x a message to a person, without its copy"),
            floor: Some((shown(person), shown(person_again))),
            ours: format!("{}, {}", shown(group), shown(group_again)),
            ratio: Some(ratio),
            generator: None,
            verdict: verdict(ratio <= MOST, &[], &faults),
            notes: vec![note.to_owned()],
        }
    };
    let cpu = |cpu: f64| micros(Duration::from_secs_f64(cpu));
    Ok(vec![
        row("stored bytes", |run| run.bytes, |bytes| format!("{bytes:.0} bytes"), "of all streams"),
        row("CPU", |run| run.cpu.as_secs_f64(), cpu, "its sender is there, and is given it"),
    ])
}

/// Has each of the people say something to the next of these names.
fn to(scale: &Scale, parts: &Parts, crowd: &mut Crowd, names: &[String], heard: bool) -> anyhow::Result<Came> {
    let stored = || parts.monitor("/jsz")?["bytes"].as_u64().context("/jsz tells no bytes");
    let items = (RATE as f64 * scale.measured.as_secs_f64()) as u32;
    quiet(|| parts.cpu())?;
    let (bytes, cpu) = (stored()?, parts.cpu()?);
    let fill = Fill { senders: crowd.everybody(), names, items, rate: RATE, heard };
    let mut faults = pinned(|| fill.run(crowd))?;
    quiet(|| parts.cpu())?;
    let cpu = (parts.cpu()? - cpu) / items;
    let bytes = stored()?.saturating_sub(bytes) as f64 / f64::from(items);
    // What was said last may still be on its way to who said it.
    faults.told.extend(pinned(|| Ok(crowd.idle(Duration::from_millis(100))?))?);
    Ok(Came { bytes, cpu, faults })
}
