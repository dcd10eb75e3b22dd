//! People ask who is there, of people of another gateway and of people who are nowhere.

use std::time::{Duration, Instant};

use dunlin_client::{Client, ClientOptions};
use dunlin_schema::{
    DeviceName,
    frame::StartAt,
    limits,
    presence::{Presence, PresenceState},
};
use futures_util::future::try_join_all;

use super::{Scale, millis, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    exchange::histogram,
    generator::pinned,
    report::{Row, verdict},
    system::Parts,
    tokens,
};

/// Questions a second that must be reached: of one person each.
const GOAL: f64 = 10_000.0;
/// Who asks, one question after the other.
const ASKERS: usize = 16;

/// Measures it: closed loop.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: who is there");
    let parts = Parts::start()?;
    let (_elsewhere, address) = parts.another_gateway()?;
    let there = limits::PRESENCE_USERS / 2;
    let mut crowd = Crowd::new(Dialect::Dunlin, address, tokens::people("there", there, parts.data())?)?;
    let within = Duration::from_secs(60);
    let arrival = Arrival { who: crowd.everybody(), rate: Some(500), jitter: None, waiting: Waiting::NOTHING, within };
    let arrived = pinned(|| arrival.run(&mut crowd, Instant::now()))?;

    let users: Vec<String> = tokens::names("there", there).chain(tokens::names("nowhere", there)).collect();
    let askers = tokens::people("asks", ASKERS, parts.data())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut times, mut asked) = (histogram(), 0);
    let (warm, measured) = (scale.warm, scale.measured);
    runtime.block_on(async {
        let device = DeviceName::new("asks")?;
        let each = askers.into_iter().map(|(_, token)| {
            let options = ClientOptions::new(format!("ws://{}", parts.address), token);
            ask(options.device(device.clone()).start(StartAt::Live), users.clone(), warm, measured)
        });
        for taken in try_join_all(each).await? {
            asked += taken.len() * users.len();
            taken.into_iter().try_for_each(|time| times.record(time.as_nanos() as u64))?;
        }
        anyhow::Ok(())
    })?;
    let rate = asked as f64 / measured.as_secs_f64();
    let quantile = |at| Duration::from_nanos(times.value_at_quantile(at));
    Ok(Row {
        what: "questions of one person's presence a second, those who ask on the same cores".into(),
        goal: format!(">= {GOAL:.0}/s"),
        floor: None,
        ours: format!("{rate:.0}/s"),
        ratio: None,
        generator: None,
        verdict: verdict(rate >= GOAL, &[], &[&arrived.faults]),
        notes: vec![format!(
            "{ASKERS} people ask for {} at once, half of them at another gateway and half nowhere: p50 {}, p99 {}",
            users.len(),
            millis(quantile(0.5)),
            millis(quantile(0.99))
        )],
    })
}

/// How long each answer took that came within the measured time. Errors: one that was wrong, or a refusal.
async fn ask(
    options: ClientOptions,
    users: Vec<String>,
    warm: Duration,
    measured: Duration,
) -> anyhow::Result<Vec<Duration>> {
    let (client, _events) = Client::start(options).await?;
    let (begin, mut times) = (Instant::now() + warm, Vec::new());
    while Instant::now() < begin + measured {
        let asked = Instant::now();
        let told = client.presence(users.clone()).await?;
        let is = |presence: &Presence, state: PresenceState| presence.state == state;
        let right = told.iter().all(|(user, presence)| match user.to_string().starts_with("there") {
            true => is(presence, PresenceState::Online),
            false => is(presence, PresenceState::Offline),
        });
        anyhow::ensure!(right && told.len() == users.len(), "an answer that is wrong: {told:?}");
        if begin <= asked && Instant::now() < begin + measured {
            times.push(asked.elapsed());
        }
    }
    client.close().await;
    Ok(times)
}
