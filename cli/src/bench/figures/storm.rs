//! The gateway of ten thousand people is killed and started again, and all of them come back at once.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{Scale, millis, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    generator::pinned,
    report::{Row, verdict},
    system::Parts,
    tokens,
};

/// The longest wait before somebody tries again.
const JITTER: Duration = Duration::from_millis(200);
/// 99 % must be live by then.
const GOAL: Duration = Duration::from_millis(1_400);

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: a storm");
    let mut parts = Parts::start()?;
    let people = tokens::people("storm", scale.connections, parts.data())?;
    let mut crowd = Crowd::new(Dialect::Dunlin, parts.address, people)?;
    let arrival = |rate, jitter, seconds| Arrival {
        who: 0..scale.connections,
        rate,
        jitter,
        waiting: Waiting::NOTHING,
        within: Duration::from_secs(seconds),
    };
    let first = pinned(|| arrival(Some(scale.connects), None, 60).run(&mut crowd, Instant::now()))?;
    let idle = pinned(|| Ok(crowd.idle(Duration::from_secs(3))?))?;
    if let Some(why) = first.faults.why().or(idle.into_iter().next()) {
        anyhow::bail!("not everybody was connected before the storm: {why}");
    }

    let (others, began) = (parts.others_cpu()?, Instant::now());
    let (back, ready) = thread::scope(|scope| {
        let back = scope.spawn(|| pinned(|| arrival(None, Some(JITTER), 30).run(&mut crowd, began)));
        let ready = parts.restart_gateway().map(|()| began.elapsed());
        (back.join(), ready)
    });
    let (back, ready) = (back.unwrap_or_else(|_| Err(anyhow::anyhow!("the crowd panicked")))?, ready?);
    let cpu = parts.gateway.cpu()? + parts.others_cpu()? - others;
    let most = back.when(0.99, scale.connections);
    Ok(Row {
        what: format!("storm: {} people, gateway killed and restarted, 99 % live and compared", scale.connections),
        goal: "<= 1.4 s".into(),
        floor: None,
        ours: most
            .map_or("never".into(), |most| format!("{:.2} s, {:.2} CPU-s", most.as_secs_f64(), cpu.as_secs_f64())),
        ratio: None,
        generator: Some(back.generator),
        verdict: verdict(most.is_some_and(|most| most <= GOAL), &[back.generator], &[&back.faults]),
        notes: vec![format!(
            "from the kill; the new gateway was ready after {}, the last of all live after {:.2} s, {} tries failed",
            millis(ready),
            back.time.as_secs_f64(),
            back.failed
        )],
    })
}
