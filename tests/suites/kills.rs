//! `kill -9` of the gateway, the worker, nats-server and of all three, under load, at random moments: with all roles of the worker at work.

use std::time::Duration;

use dunlin_tests::{load::Load, process::Processes, wait::within};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Kills in one run; a longer run sets `DUNLIN_KILLS`.
fn kills() -> u32 {
    std::env::var("DUNLIN_KILLS").map_or(20, |count| count.parse().expect("DUNLIN_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_accepted_message_arrives_once_and_all_marks_are_right_whatever_is_killed() {
    let seed =
        std::env::var("DUNLIN_KILLS_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("DUNLIN_KILLS_SEED={seed} replays the choice of what is killed when");
    let mut random = StdRng::seed_from_u64(seed);
    let mut region = Processes::start(2).await;
    let load = Load::start(8, |user| region.token(user), region.gateways());
    for kill in 0..kills() {
        let before = load.accepted();
        let patience = Duration::from_secs(60);
        within(patience, "the load to go on", async || (load.accepted() > before + 20).then_some(())).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
        println!("kill {kill}: {} accepted so far", load.accepted());
        region.replace_in_turn(kill, random.random_range(0..2));
    }
    let left = load.finish(Duration::from_secs(120)).await;
    println!("{} messages accepted, each given once, through {} kills", left.accepted, kills());
    left.is_told(|user| region.token(user), &region.gateways()).await;
}
