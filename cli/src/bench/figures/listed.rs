//! Somebody with many conversations has them listed.

use std::time::{Duration, Instant};

use anyhow::Context;
use dunlin_client::{Client, ClientOptions};
use dunlin_schema::{DeviceName, frame::StartAt};

use super::{Scale, millis, say};
use crate::bench::{
    arrival::{Arrival, Waiting},
    crowd::{Crowd, Dialect},
    exchange::histogram,
    fill::Fill,
    generator::pinned,
    report::{Row, verdict},
    system::Dev,
    tokens,
};

/// How many conversations are asked for.
const PAGE: u16 = 30;
/// By then 99 of 100 lists are there.
const GOAL: Duration = Duration::from_millis(5);
/// Below the user's share of questions.
const PAUSE: Duration = Duration::from_millis(25);
/// Entries of each conversation.
const EACH: usize = 10;

/// Measures it.
pub(super) fn run(scale: &Scale) -> anyhow::Result<Row> {
    say("ours: somebody has their conversations listed");
    let (with, entries) = (scale.conversations, scale.conversations * EACH);
    let folder = tempfile::TempDir::new()?;
    let dev = Dev::start(folder.path())?;
    let key = Dev::data(folder.path());
    let mut crowd = Crowd::new(Dialect::Dunlin, dev.address, tokens::people("with", with, &key)?)?;
    let within = Duration::from_secs(60);
    let arrival = Arrival { who: crowd.everybody(), rate: Some(500), jitter: None, waiting: Waiting::NOTHING, within };
    let arrived = pinned(|| arrival.run(&mut crowd, Instant::now()))?;
    let mut asker = tokens::people("asks", 1, &key)?;
    let (name, token) = asker.pop().context("one person")?;
    let fill = Fill {
        senders: crowd.everybody(),
        names: &[name],
        items: entries as u32,
        rate: scale.fill.min(2_000),
        heard: false,
    };
    let filled = pinned(|| fill.run(&mut crowd))?;
    crowd.leave(crowd.everybody());

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = ClientOptions::new(format!("ws://{}", dev.address), token).start(StartAt::Live);
    let options = options.device(DeviceName::new("asks")?);
    let times = runtime.block_on(async {
        let (client, _events) = Client::start(options).await?;
        let mut times = histogram();
        for number in 0..scale.lists + scale.lists / 10 {
            let asked = Instant::now();
            let listed = client.conversations(None, PAGE).await?;
            anyhow::ensure!(
                listed.items.len() == usize::from(PAGE).min(with)
                    && listed.items.iter().all(|item| item.unread == EACH as u64),
                "a list that lacks something"
            );
            // The first ones warm caches.
            if number >= scale.lists / 10 {
                times.record(asked.elapsed().as_nanos() as u64)?;
            }
            tokio::time::sleep(PAUSE).await;
        }
        client.close().await;
        anyhow::Ok(times)
    })?;
    let quantile = |at| Duration::from_nanos(times.value_at_quantile(at));
    Ok(Row {
        what: format!(
            "`conversations{{limit: {PAGE}}}` of a person with {with} conversations and {entries} entries, p99"
        ),
        goal: format!("<= {}", millis(GOAL)),
        floor: None,
        ours: millis(quantile(0.99)),
        ratio: None,
        generator: None,
        verdict: verdict(quantile(0.99) <= GOAL, &[], &[&arrived.faults, &filled]),
        notes: vec![format!(
            "p50 {}, the slowest {}, of {}",
            millis(quantile(0.5)),
            millis(quantile(1.0)),
            scale.lists
        )],
    })
}
