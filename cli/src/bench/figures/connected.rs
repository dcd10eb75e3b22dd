//! Ten thousand people connect, stay and say nothing: CPU of a connect, memory and CPU of an idle connection.

use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Scale, micros, ratio, say};
use crate::bench::{
    arrival::{Arrival, Arrived, Waiting},
    crowd::{Crowd, Dialect},
    exchange::Faults,
    generator::pinned,
    process::Process,
    report::{Row, shown, verdict},
    system::{Dev, Relay},
    tokens,
};

/// Lets everybody in, and tells the servers' CPU time for each.
fn connect(scale: &Scale, crowd: &mut Crowd, servers: &Process) -> anyhow::Result<(Arrived, Duration)> {
    let arrival = Arrival {
        who: crowd.everybody(),
        rate: Some(scale.connects),
        jitter: None,
        waiting: Waiting::NOTHING,
        within: Duration::from_secs(60),
    };
    let before = servers.cpu()?;
    let arrived = pinned(|| arrival.run(crowd, Instant::now()))?;
    let cpu = servers.cpu()? - before;
    Ok((arrived, cpu / scale.connections as u32))
}

fn floor(scale: &Scale) -> anyhow::Result<(Arrived, Duration)> {
    say("floor A: connects");
    let relay = Relay::start()?;
    let mut crowd = Crowd::new(Dialect::Relay, relay.address, tokens::strangers("idle", scale.connections))?;
    connect(scale, &mut crowd, &relay.process)
}

/// The floor alone.
pub(super) fn floors(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let (arrived, each) = floor(scale)?;
    Ok(vec![Row {
        what: format!("floor A: CPU of a connect, {} at {}/s", scale.connections, scale.connects),
        goal: "-".into(),
        floor: Some((micros(each), "-".into())),
        ours: "-".into(),
        ratio: None,
        generator: Some(arrived.generator),
        verdict: shown(verdict(true, &[arrived.generator], &[&arrived.faults])),
        notes: Vec::new(),
    }])
}

/// Measures the three figures.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Vec<Row>> {
    let (first_floor, floor_before) = floor(scale)?;

    say("ours: connects, then idles");
    let folder = TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let servers = &dev.process;
    let key = Dev::data(folder.path());
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, tokens::people("idle", scale.connections, &key)?)?;
    let (own, brokers) = (servers.own_memory()?, servers.others_memory()?);
    let (newcomers, first) = connect(scale, &mut crowd, servers)?;
    let told = pinned(|| Ok(crowd.idle(Duration::from_secs(5))?))?;
    let mut idle_faults = Faults { told, ..Faults::default() };
    let memory = |now: u64, before: u64| now.saturating_sub(before) as f64 / scale.connections as f64 / 1024.0;
    let fresh = memory(servers.own_memory()?, own);
    let before = servers.cpu()?;
    idle_faults.told.extend(pinned(|| Ok(crowd.idle(scale.idle)?))?);
    let idle = (servers.cpu()? - before).as_secs_f64() * 1e3 / scale.idle.as_secs_f64();
    let (kept, broker) = (memory(servers.own_memory()?, own), memory(servers.others_memory()?, brokers));
    crowd.leave(crowd.everybody());
    quiet(|| servers.cpu())?;
    say("ours: the same people come again, with their cursors");
    let (returned, again) = connect(scale, &mut crowd, servers)?;
    drop(crowd);
    drop(dev);

    let (last_floor, floor_after) = floor(scale)?;
    let floors = [floor_before, floor_after];
    let floor = Some((micros(floor_before), micros(floor_after)));
    let row = |what: &str, ours: Duration, arrived: &Arrived| {
        let generators = [first_floor.generator, arrived.generator, last_floor.generator];
        let ratio = ratio(ours, floors);
        Row {
            what: format!("CPU of a connect, {what}, {} at {}/s", scale.connections, scale.connects),
            goal: "<= 9 x floor A".into(),
            floor: floor.clone(),
            ours: micros(ours),
            ratio: Some(ratio),
            generator: generators.into_iter().reduce(f64::max),
            verdict: verdict(ratio <= 9.0, &generators, &[&first_floor.faults, &arrived.faults, &last_floor.faults]),
            notes: vec![format!(
                "from connecting to `caught_up` p50 {}, p99 {}",
                micros(Duration::from_nanos(arrived.since_due.value_at_quantile(0.5))),
                micros(Duration::from_nanos(arrived.since_due.value_at_quantile(0.99)))
            )],
        }
    };
    let faults = [&newcomers.faults, &idle_faults];
    Ok(vec![
        memory_row(scale, Memory { fresh, kept, broker, own }, faults),
        idle_row(scale, idle, faults),
        row("first time", first, &newcomers),
        row("with a cursor", again, &returned),
    ])
}

/// Memory in KiB a connection: shortly after the last connect, and later; nats-server's rise beside it. `own`: that of Dunlin before, in
/// bytes.
struct Memory {
    fresh: f64,
    kept: f64,
    broker: f64,
    own: u64,
}

fn memory_row(scale: &Scale, Memory { fresh, kept, broker, own }: Memory, faults: [&Faults; 2]) -> Row {
    Row {
        what: format!("memory of an idle connection, {}", scale.connections),
        goal: "<= 9 KiB".into(),
        floor: None,
        ours: format!("{kept:.2} KiB"),
        ratio: None,
        generator: None,
        verdict: verdict(fresh.max(kept) <= 9.0, &[], &faults),
        notes: vec![format!(
            "RSS of gateway, worker and `dunlin dev` less {:.1} MiB before; {fresh:.2} KiB 5 s after the last connect; \
             nats-server's RSS rose by {broker:.2} KiB a connection beside it",
            own as f64 / 1_048_576.0
        )],
    }
}

/// `idle`: the servers' CPU in ms/s.
fn idle_row(scale: &Scale, idle: f64, faults: [&Faults; 2]) -> Row {
    Row {
        what: format!("CPU of {} idle connections, ping every 25 s", scale.connections),
        goal: "<= 15 ms/s".into(),
        floor: None,
        ours: format!("{idle:.1} ms/s"),
        ratio: None,
        generator: None,
        verdict: verdict(idle <= 15.0, &[], &faults),
        notes: vec![format!("gateway, workers and nats-server, over {} s", scale.idle.as_secs())],
    }
}

/// Waits until the servers have dealt with what happened before: less than a twentieth of a core for half a second.
pub(super) fn quiet(cpu: impl Fn() -> anyhow::Result<Duration>) -> anyhow::Result<()> {
    let (slice, end) = (Duration::from_millis(500), Instant::now() + Duration::from_secs(10));
    let mut before = cpu()?;
    while Instant::now() < end {
        std::thread::sleep(slice);
        let now = cpu()?;
        if now - before < slice / 20 {
            break;
        }
        before = now;
    }
    Ok(())
}
