//! Devices that follow many groups: what each group costs a quiet connection, and what coming back costs.

use std::time::{Duration, Instant};

use super::{Person, make, micros, millis, say};
use crate::bench::{
    arrival::{Arrival, Arrived, Waiting},
    crowd::{Crowd, Dialect},
    exchange::Faults,
    figures::{Scale, connected::quiet},
    fill::Fill,
    generator::pinned,
    report::{Row, Verdict, verdict},
    system::Parts,
    tokens,
};

/// Bytes of a gateway's memory for each group that a connection follows.
const MEMORY: f64 = 100.0;
/// What coming back may cost, in those who are in no group.
const MOST: f64 = 2.0;
/// When everything is caught up with.
const CAUGHT_UP: Duration = Duration::from_millis(50);
/// Of so many groups one has something new,
const NEWS_IN: usize = 5;
/// and that is so many entries.
const NEWS: usize = 10;
/// People a second who come back: few enough that none waits for another.
const RATE: u32 = 20;

/// Measures all of it.
pub(in crate::bench::figures) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    say("ours: people in many groups");
    let (count, groups) = (scale.followers, scale.followed);
    let mut parts = Parts::start()?;
    let alone = tokens::people("alone", count, parts.data())?;
    let mut among = tokens::people("among", count, parts.data())?;
    // Each group is made by another one.
    let members: Vec<Vec<Person>> = (0..groups)
        .map(|_| {
            among.rotate_left(1);
            among.clone()
        })
        .collect();
    make(parts.address, members.iter().map(Vec::as_slice))?;
    let mut alone = Crowd::new(Dialect::Dunlin, parts.address, alone)?;
    let mut among = Crowd::new(Dialect::Dunlin, parts.address, among)?;
    among.people.iter_mut().for_each(|person| person.groups = groups);

    come(&parts, &mut alone, 0)?;
    alone.leave(alone.everybody());
    say("  their first time");
    let first = come(&parts, &mut among, 0)?;
    among.leave(among.everybody());

    say("  those in no group come back");
    parts.restart_gateway()?;
    let before = parts.gateway.own_memory()?;
    let without = come(&parts, &mut alone, 0)?;
    let of_connections = parts.gateway.own_memory()?.saturating_sub(before);
    alone.leave(alone.everybody());

    say("  those in many come back");
    parts.restart_gateway()?;
    let before = parts.gateway.own_memory()?;
    let nothing = come(&parts, &mut among, 0)?;
    let of_groups = parts.gateway.own_memory()?.saturating_sub(before);
    let told = say_something(&parts, &mut among, groups)?;
    say("  and to something new");
    let some = come(&parts, &mut among, (groups.div_ceil(NEWS_IN) * NEWS) as u32)?;

    let each = of_groups.saturating_sub(of_connections) as f64 / (count * groups) as f64;
    let faults = [&first, &without, &nothing, &some].map(|came| &came.arrived.faults);
    let memory = Row {
        what: format!("memory of each of {groups} groups that a quiet connection follows, {count} connections"),
        goal: format!("<= {MEMORY} bytes"),
        floor: None,
        ours: format!("{each:.0} bytes"),
        ratio: None,
        generator: None,
        verdict: verdict(each <= MEMORY, &[], &faults),
        notes: vec![format!(
            "RSS of the gateway; a connection without groups has {} bytes",
            of_connections / count as u64
        )],
    };
    let mut rows = vec![memory];
    for (what, came) in [("nothing new", &nothing), ("10 new entries in each fifth of them", &some)] {
        rows.extend(back(what, groups, &without, came, &told));
    }
    Ok(rows)
}

/// What coming back came to, for each of them.
struct Came {
    cpu: Duration,
    arrived: Arrived,
}

impl Came {
    fn when(&self, quantile: f64) -> Duration {
        Duration::from_nanos(self.arrived.since_due.value_at_quantile(quantile))
    }
}

/// Everybody comes, to so many entries.
fn come(parts: &Parts, crowd: &mut Crowd, entries: u32) -> anyhow::Result<Came> {
    let arrival = Arrival {
        who: crowd.everybody(),
        rate: Some(RATE),
        jitter: None,
        waiting: Waiting::Common(entries),
        within: Duration::from_secs(600),
    };
    quiet(|| parts.cpu())?;
    let before = parts.cpu()?;
    let arrived = pinned(|| arrival.run(crowd, Instant::now()))?;
    let cpu = (parts.cpu()? - before) / crowd.people.len() as u32;
    Ok(Came { cpu, arrived })
}

/// One of them says something in some of the groups, and goes like all others.
fn say_something(parts: &Parts, among: &mut Crowd, groups: usize) -> anyhow::Result<Faults> {
    among.leave(1..among.people.len());
    quiet(|| parts.cpu())?;
    let names: Vec<String> = (0..groups).step_by(NEWS_IN).map(tokens::group).collect();
    let fill = Fill { senders: 0..1, names: &names, items: (names.len() * NEWS) as u32, rate: 100, heard: true };
    let told = pinned(|| fill.run(among))?;
    among.leave(0..1);
    // Who said it has it: their cursors are from before.
    Ok(told)
}

fn back(what: &str, groups: usize, without: &Came, came: &Came, told: &Faults) -> [Row; 2] {
    let generators = [without.arrived.generator, came.arrived.generator];
    let faults = [&without.arrived.faults, told, &came.arrived.faults];
    let ratio = came.cpu.as_secs_f64() / without.cpu.as_secs_f64();
    let row = |of: &str, goal: String, floor: String, ours: String, ratio: Option<f64>, verdict: Verdict| Row {
        what: format!("a device that follows {groups} groups comes back, {what}: {of}"),
        goal,
        floor: Some((floor, "-".into())),
        ours,
        ratio,
        generator: generators.into_iter().reduce(f64::max),
        verdict,
        notes: Vec::new(),
    };
    let cpu = row(
        "CPU",
        format!("<= {MOST} x one without groups"),
        micros(without.cpu),
        micros(came.cpu),
        Some(ratio),
        verdict(ratio <= MOST, &generators, &faults),
    );
    let time = row(
        "until it has all, p50",
        format!("<= {}", millis(CAUGHT_UP)),
        millis(without.when(0.5)),
        millis(came.when(0.5)),
        None,
        verdict(came.when(0.5) <= CAUGHT_UP, &generators, &faults),
    );
    [cpu, Row { notes: vec![format!("p99 {}, {RATE} a second", millis(came.when(0.99)))], ..time }]
}
