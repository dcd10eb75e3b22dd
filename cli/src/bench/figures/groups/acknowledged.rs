//! A message to a large group whose members all have it within a second and say so: what that costs, and what its sender is told.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{make, say};
use crate::bench::{
    crowd::{Crowd, Dialect, News},
    exchange::Faults,
    exchange::histogram,
    figures::{
        Scale,
        connected::quiet,
        exchanged::{let_in, quantiles},
    },
    generator::{Meter, pinned},
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// CPU of all that the acknowledgements of one message cause, for 10,000 members.
const MOST: Duration = Duration::from_secs(2);
const MOST_OF: u32 = 10_000;
/// What the sender is told meanwhile.
const TOLD: usize = 10;
/// For so long nothing more must come to the sender: longer than between two rounds of a large group, which are 5 s apart.
const SETTLED: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures it: a message that nobody acknowledges, and one that all do.
pub(in crate::bench::figures) fn run(scale: &Scale) -> anyhow::Result<Row> {
    let members = scale.acknowledging;
    say(&format!("ours: a group of {members} who all acknowledge"));
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let people = tokens::people("told", members, &Dev::data(folder.path()))?;
    make(dev.address, std::iter::once(people.as_slice()))?;
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, people)?;
    crowd.people.iter_mut().for_each(|person| person.groups = 1);
    let_in(&mut crowd)?;
    let mut one = |item, acknowledge_each| {
        crowd.acknowledge_each = acknowledge_each;
        quiet(|| dev.process.cpu())?;
        let before = dev.process.cpu()?;
        let said = pinned(|| say_one(&mut crowd, item, acknowledge_each > 0))?;
        anyhow::Ok((dev.process.cpu()? - before, said))
    };
    // What comes first has connections, caches and code of its own.
    one(0, 0)?;
    let (unacknowledged, silent) = one(1, 0)?;
    let (acknowledged, told) = one(2, 1)?;
    let cpu = acknowledged.saturating_sub(unacknowledged);
    let most = MOST * members as u32 / MOST_OF;
    let mut faults = told.faults;
    faults.lost += (members as u64 - 1).saturating_sub(told.counted.last().copied().unwrap_or(0));
    let generators = [silent.generator, told.generator];
    Ok(Row {
        what: format!("receipts of a group of {members} that all acknowledge at once"),
        goal: format!("<= {:.2} core-seconds, <= {TOLD} updates", most.as_secs_f64()),
        floor: None,
        ours: format!("{:.2} core-seconds, {} updates", cpu.as_secs_f64(), told.counted.len()),
        ratio: None,
        generator: generators.into_iter().reduce(f64::max),
        verdict: verdict(cpu <= most && told.counted.len() <= TOLD, &generators, &[&silent.faults, &faults]),
        notes: vec![format!(
            "beside the message itself, {:.2} core-seconds; members have it p50/p99 {}; the sender is told {:?}",
            unacknowledged.as_secs_f64(),
            quantiles(&told.latency),
            told.counted
        )],
    })
}

/// What came of one message.
struct Said {
    /// How many had it, each time that the sender was told.
    counted: Vec<u64>,
    /// Until each member had it, in nanoseconds.
    latency: hdrhistogram::Histogram<u64>,
    generator: f64,
    faults: Faults,
}

/// The first of them says something; it is waited until all have it, and the sender is told no more.
fn say_one(crowd: &mut Crowd, item: u32, is_told: bool) -> anyhow::Result<Said> {
    let (meter, began, members) = (Meter::begin()?, Instant::now(), crowd.people.len());
    let (mut counted, mut latency, mut faults) = (Vec::new(), histogram(), Faults::default());
    let (mut arrived, mut last, mut share) = (0, began, 0.0);
    crowd.send_to(item, 0, &tokens::group(0));
    while last.elapsed() < if arrived < members { PATIENCE } else { SETTLED } {
        crowd.turn(last + SETTLED, |person, now, news| match news {
            News::Entry(number) if number == item => {
                arrived += 1;
                last = now;
                latency.saturating_record((now - began).as_nanos() as u64);
            }
            News::Counted(count) if person == 0 && is_told => {
                counted.push(count);
                last = now;
            }
            News::Accepted(..) => {}
            News::Live | News::Entry(_) | News::Delivered { .. } | News::Counted(_) => faults.astray += 1,
            News::Fault(why) | News::Ended(why) => faults.told.push(why),
        })?;
        if arrived == members && share == 0.0 {
            share = meter.share()?;
        }
    }
    faults.lost = (members - arrived.min(members)) as u64;
    faults.repeated = arrived.saturating_sub(members) as u64;
    Ok(Said { counted, latency, generator: share, faults })
}
