//! A worker that dies in front of each of its writes: what it was told comes again, and counts once.

use dunlin_nats::Records;
use dunlin_schema::{Peer, counts::GroupMarks, record::ReadMark, subject};
use dunlin_tests::{link::Link, server::ServerOptions, wait::until};

use super::{Team, ack, cursor, group, names, read};
use crate::workers::bench::{Bench, SHARD, name};

/// Up to where bob has read as the group's shard knows it, up to where as his own does, and what alice's message came to.
type Stored = (Option<u64>, Option<u64>, Vec<(u64, u32, u32, u32)>);

fn subjects(bench: &Bench) -> [String; 3] {
    let (region, bob, team) = (&bench.settings.region, name("u1"), Peer::Group(group()));
    [
        subject::group_marks(region, SHARD, &group(), GroupMarks::part(&bob)),
        subject::read_mark(region, SHARD, &bob, &team, region),
        subject::sent_marks(region, SHARD, &name("alice"), &team, region),
    ]
}

async fn stored(team: &Team<'_>) -> Stored {
    let records = Records::new(&team.bench.connection);
    let [marks, read, _] = subjects(team.bench);
    let load = async |subject: &str| records.load(SHARD, subject).await.unwrap();
    let marks = load(&marks).await.map(|record| GroupMarks::decode(&record.bytes).unwrap().members[&name("u1")].read.0);
    let read = load(&read).await.map(|record| ReadMark::decode(&record.bytes).unwrap().order.0);
    (marks, read, team.stored("alice").await)
}

async fn killed_in_front_of(which: usize) {
    let bench = Bench::new(ServerOptions::default()).await;
    let team = Team::of(&bench, &names(3)).await;
    let order = team.said("alice", 1).await;
    let first = bench.working("boot").await;
    let epoch = bench.epoch().await;
    first.stop().await;
    let link = Link::to(bench.nats.port()).await;
    link.stop_at(&subjects(&bench)[which]);
    let worker = bench.worker_through(link.url(), "boot").await;
    team.says(vec![ack("u1", cursor(epoch, order))], vec![read("u1", epoch, order)]).await;
    until("the worker to be about to write", async || link.has_stopped().then_some(())).await;
    worker.kill();
    link.cut().await;
    assert_eq!(team.waiting().await, 1, "in front of {which}");
    let half = stored(&team).await;
    assert_eq!(half.0, (which > 0).then_some(order), "what members have is written first");
    let _worker = bench.working("boot").await;
    team.done().await;
    assert_eq!(stored(&team).await, (Some(order), Some(order), vec![(order, 1, 1, 2)]), "behind {which}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_front_of_any_of_its_writes_loses_nothing_and_counts_nobody_twice() {
    tokio::join!(killed_in_front_of(0), killed_in_front_of(1), killed_in_front_of(2));
}
