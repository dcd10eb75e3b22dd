//! One id through three gateways, each beside another server, at the same time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dunlin_tests::{device::id_at, region::Region};
use futures_util::future::join_all;

const ROUNDS: usize = 30;
/// Ages of ids: one that is published at once, and two that are looked for before. The oldest is beyond the duplicate window.
const AGES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(40), Duration::from_secs(150)];

pub(super) async fn race_through_every_server(region: &Region) {
    let urls = region.servers().map(|server| server.url());
    let gateways = join_all(urls.map(|url| region.new_gateway(url))).await;
    let mut devices = vec![];
    for (number, (_, address)) in gateways.iter().enumerate() {
        devices.push(region.caught_up_at(*address, "ann", &format!("device-{number}")).await);
    }
    let mut ids = vec![];
    for round in 0..ROUNDS {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970");
        let id = id_at((now - AGES[round % AGES.len()]).as_millis());
        let answers = join_all(devices.iter_mut().map(async |device| {
            device.send_as(&id, "ben", "once").await;
            device.answer(&id).await.expect("accepted")
        }));
        let answers = answers.await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "round {round}: {answers:?}");
        // Whoever repeats it when the race is over is told the same.
        devices[round % 3].send_as(&id, "ben", "once").await;
        assert_eq!(devices[round % 3].answer(&id).await.expect("accepted"), answers[0], "round {round}");
        ids.push(id);
    }
    for user in ["ben", "ann"] {
        let stored: Vec<_> = region.stored(user).await.iter().map(|entry| entry.id.to_string()).collect();
        assert_eq!(stored, ids, "{user} has each once");
    }
}
