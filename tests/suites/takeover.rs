//! Workers die, stop, go on and are cut off: the other one takes over, nothing is lost and nothing is given twice.

use std::time::{Duration, Instant};

use dunlin_tests::{
    history::Application,
    link::Link,
    process::Processes,
    region::{Region, RegionOptions},
    wait::PATIENCE,
};
use nix::sys::signal::Signal;

/// What docs/how-to/deploy.md names: the lease of 3 s, the standby's half second between looks, and the start of the new reader.
const TAKEOVER: Duration = Duration::from_secs(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_worker_is_followed_by_its_standby() {
    let mut region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("bob", "before").await;
    let mut application = Application::default();
    application.take(&bob.next().await.expect("an open socket"));
    let mut took = vec![];
    for _ in 0..3 {
        let standby = region.new_worker("first").await;
        region.workers.push(standby);
        region.workers.remove(0).kill();
        let begun = Instant::now();
        let sent = alice.send_accepted("bob", "after").await;
        while !application.has(sent["id"].as_str().expect("an id")) {
            application.take(&bob.next().await.expect("an open socket"));
        }
        took.push(begun.elapsed());
    }
    shortest_is_in_time(&took);
    assert!(application.gaps.is_empty(), "{:?}", application.gaps);
}

/// A machine that stands still makes some of them longer, and not each.
fn shortest_is_in_time(took: &[Duration]) {
    assert!(took.iter().min().is_some_and(|shortest| *shortest < TAKEOVER), "takeovers took {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_was_stopped_and_goes_on_harms_nobody() {
    let mut region = Processes::start(1).await;
    region.add_worker().await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut application = Application::default();
    let mut took = vec![];
    for worker in [0, 1, 0] {
        region.signal_worker(worker, Signal::SIGSTOP);
        let mut sent = vec![];
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let accepted = alice.send_accepted("bob", "meanwhile").await;
            sent.push(accepted["id"].as_str().expect("an id").to_owned());
            if application.has(sent.first().expect("sent")) {
                break;
            }
            while let Some(frame) = bob.next_within(Duration::from_millis(50)).await {
                application.take(&frame.expect("an open socket"));
            }
        }
        assert!(application.has(&sent[0]), "nobody took over from worker {worker} within {PATIENCE:?}");
        took.push(begun.elapsed());
        // Now there are two: the one that took over, and the one that believes it still has the shard.
        region.signal_worker(worker, Signal::SIGCONT);
        for _ in 0..50 {
            let accepted = alice.send_accepted("bob", "by either").await;
            sent.push(accepted["id"].as_str().expect("an id").to_owned());
        }
        while !sent.iter().all(|id| application.has(id)) {
            application.take(&bob.next().await.expect("an open socket"));
        }
    }
    shortest_is_in_time(&took);
    assert!(application.gaps.is_empty(), "{:?}", application.gaps);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_is_followed_too() {
    let mut region = Region::start_with(RegionOptions::default()).await;
    let link = Link::to(region.nats.port()).await;
    region.workers.remove(0).stop().await;
    let cut_off = region.new_worker_through(link.url(), "first").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut application = Application::default();
    let standby = region.new_worker("first").await;
    link.freeze();
    let sent = alice.send_accepted("bob", "while it is cut off").await;
    while !application.has(sent["id"].as_str().expect("an id")) {
        application.take(&bob.next().await.expect("an open socket"));
    }
    link.heal();
    let sent = alice.send_accepted("bob", "with both").await;
    while !application.has(sent["id"].as_str().expect("an id")) {
        application.take(&bob.next().await.expect("an open socket"));
    }
    assert!(application.gaps.is_empty(), "{:?}", application.gaps);
    drop((cut_off, standby));
}
