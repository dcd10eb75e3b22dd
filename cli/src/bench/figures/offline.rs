//! What a user who is offline costs the broker.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Scale, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    fill::Fill,
    generator::pinned,
    report::{Row, verdict},
    system::Parts,
    tokens,
};

/// People who send.
const SENDERS: usize = 500;
/// Bytes of nats-server's memory for each.
const GOAL: f64 = 600.0;
/// How often the memory is looked at while it settles.
const LOOK: Duration = Duration::from_secs(5);
/// At most so many times as long as it must not fall it is waited for.
const PATIENCE: u32 = 7;

/// What a broker holds.
#[derive(Debug)]
struct Held {
    consumers: u64,
    subscriptions: u64,
}

fn held(parts: &Parts) -> anyhow::Result<Held> {
    let number = |path: &str, field: &str| {
        parts.monitor(path)?[field].as_u64().with_context(|| format!("{path} tells no {field}"))
    };
    Ok(Held { consumers: number("/jsz", "consumers")?, subscriptions: number("/varz", "subscriptions")? })
}

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: users who are offline");
    let parts = Parts::start()?;
    let people = tokens::people("from", SENDERS, parts.data())?;
    let mut crowd = Crowd::new(Dialect::Dunlin, parts.address, people)?;
    let within = Duration::from_secs(60);
    let arrival = Arrival { who: crowd.everybody(), rate: Some(500), jitter: None, waiting: Waiting::NOTHING, within };
    let arrived = pinned(|| arrival.run(&mut crowd, Instant::now()))?;
    let (memory, before) = (parts.broker.own_memory()?, held(&parts)?);
    let names: Vec<String> = tokens::names("away", scale.offline).collect();
    let fill =
        Fill { senders: crowd.everybody(), names: &names, items: scale.offline as u32, rate: scale.fill, heard: false };
    let filled = pinned(|| fill.run(&mut crowd))?;
    let each =
        || Ok::<_, anyhow::Error>(parts.broker.own_memory()?.saturating_sub(memory) as f64 / scale.offline as f64);
    let at_once = each()?;
    let (began, mut lowest, mut fell, mut idle) = (Instant::now(), at_once, Instant::now(), Vec::new());
    while fell.elapsed() < scale.settled && began.elapsed() < scale.settled * PATIENCE {
        idle.extend(pinned(|| Ok(crowd.idle(LOOK)?))?);
        let now = each()?;
        if now < lowest * 0.99 {
            (lowest, fell) = (now, Instant::now());
        }
    }
    let (each, waited) = (each()?, began.elapsed());
    let after = held(&parts)?;
    let no_more = after.consumers <= before.consumers && after.subscriptions <= before.subscriptions;
    Ok(Row {
        what: format!("broker memory of a user who is offline, {}", scale.offline),
        goal: "<= 600 bytes, no consumer, no subscription".into(),
        floor: None,
        ours: format!("{each:.0} bytes"),
        ratio: None,
        generator: None,
        verdict: verdict(each <= GOAL && no_more && idle.is_empty(), &[], &[&arrived.faults, &filled]),
        notes: vec![format!(
            "before {before:?}, after {after:?}; RSS of nats-server {} s after the last message, when it has not fallen for {} s; right after \
             it, with the shards' buffers and the ids of the duplicate window, {at_once:.0} bytes",
            waited.as_secs(),
            scale.settled.as_secs()
        )],
    })
}
