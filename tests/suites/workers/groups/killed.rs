//! A worker that dies between what it stores and what it writes down of it.

use std::collections::BTreeMap;

use dunlin_nats::raw;
use dunlin_schema::{
    Content, Entry, Seq,
    content::{Change, Membership},
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRole},
};
use dunlin_tests::wait::until;

use super::{Team, add, creation, fresh_id, message, now, remove, request, role, sender, texts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_has_stored_its_successor_writes_down() {
    let team = Team::new().await;
    let mut worker = team.working().await;
    let created = team.stored("alice", creation(&["bob"])).await;
    team.applied(created).await;
    let mut last = created;
    for round in 0..4 {
        let people: Vec<_> = (0..200).map(|number| format!("r{round}u{number}")).collect();
        let people: Vec<_> = people.iter().map(String::as_str).collect();
        last = team.stored("alice", add(&people)).await;
        // At once, and after some of the records were written.
        if round % 2 == 1 {
            until("somebody's record", async || team.member(people[0]).await).await;
        }
        worker.kill();
        worker = team.working().await;
        // The next one knows them, whatever was written down.
        team.stored(people[199], message("hello")).await;
    }
    let record = team.applied(last).await;
    assert_eq!((record.members, record.owners), (802, 1));
    let roles = team.roles().await;
    assert_eq!(roles.len(), 802);
    for user in roles.keys() {
        assert!(team.follows(user).await.unwrap().is_member, "{user}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_killed_under_load_lose_repeat_and_reorder_nothing() {
    let team = Team::new().await;
    let mut worker = Some(team.working().await);
    team.stored("alice", creation(&["bob", "carol"])).await;
    team.stored("alice", role("carol", GroupRole::Admin)).await;
    let mut stored = BTreeMap::new();
    let mut expected = Vec::new();
    for number in 0..60 {
        if number % 12 == 7 {
            worker.take().unwrap().kill();
            worker = Some(team.worker().await);
        }
        let (by, what): (_, GroupCommand) = match number % 4 {
            0 => ("carol", add(&["dave"])),
            1 => ("carol", remove("dave")),
            _ => ("bob", message(&number.to_string())),
        };
        let wanted = request(by, fresh_id(), what);
        match team.asks(&wanted).await {
            GroupAnswer::Stored { order, time } if order > Seq(0) => {
                assert!(stored.insert(order, wanted.id).is_none(), "an order is given once");
                expected.push((order, wanted.id));
                assert_eq!(team.asks(&wanted).await, GroupAnswer::Stored { order, time });
            }
            answer => panic!("{wanted:?}: {answer:?}"),
        }
    }
    let entries = team.entries().await;
    let found: Vec<_> = entries[2..].iter().map(|(order, entry)| (*order, entry.id)).collect();
    assert_eq!(found, expected);
    let windows = until("the records of all", async || {
        let record = team.member("dave").await?;
        (record.windows.last() == expected.iter().rev().nth(2).map(|(order, _)| *order)).then_some(record.windows)
    })
    .await;
    assert_eq!(windows.iter().count(), 15);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_nats_server_loses_and_repeats_nothing_that_was_answered() {
    let mut team = Team::new().await;
    let _worker = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    let mut answered = Vec::new();
    for number in 0..30 {
        if number % 10 == 5 {
            team.bench.nats.kill();
            team.bench.nats.restart();
        }
        let said = request("bob", fresh_id(), message(&number.to_string()));
        let GroupAnswer::Stored { order, .. } = team.asks(&said).await else { panic!("{number} is not stored") };
        answered.push((order, said.id));
    }
    let entries = team.entries().await;
    assert_eq!(entries[1..].iter().map(|(order, entry)| (*order, entry.id)).collect::<Vec<_>>(), answered);
}

/// What a worker knew of a log that went back is worth nothing, also where the numbers are given again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_went_back_is_decided_by_as_it_is() {
    let mut team = Team::new().await;
    let mut worker = team.working().await;
    let created = team.stored("alice", creation(&["bob", "carol"])).await;
    team.applied(created).await;
    team.bench.nats.stop();
    let snapshot = team.bench.nats.snapshot();
    team.bench.restart().await;
    let removed = team.stored("alice", remove("bob")).await;
    team.stored("carol", message("lost")).await;
    team.applied(removed).await;
    team.bench.nats.stop();
    team.bench.nats.put_back(&snapshot);
    team.bench.restart().await;
    // There is no removal any more.
    let said = team.stored("bob", message("I am still here")).await;
    assert_eq!(said, removed, "in the place of what was lost");
    worker.wait("the next epoch", dunlin_workers::Readiness::is_all_working).await;
    let again = team.stored("alice", remove("bob")).await;
    let record = team.applied(again).await;
    assert_eq!((record.members, record.applied.seq), (2, again));
    assert_eq!(team.member("bob").await.map(|bob| bob.role), Some(None));
    assert_eq!(texts(&team.entries().await), ["I am still here"]);
}

/// Another worker has stored as much in the meantime: the numbers fit, and what is known by them is of another log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_let_in_by_a_log_that_is_no_more() {
    let mut team = Team::new().await;
    let _worker = team.working().await;
    let created = team.stored("alice", creation(&["bob", "carol"])).await;
    team.applied(created).await;
    team.bench.nats.stop();
    let snapshot = team.bench.nats.snapshot();
    team.bench.restart().await;
    let lost = team.stored("carol", message("lost")).await;
    team.bench.nats.stop();
    team.bench.nats.put_back(&snapshot);
    team.bench.restart().await;
    let address = |user: &str| format!("{user}@local").parse().unwrap();
    let removal = Membership {
        group: "#team@local".parse().unwrap(),
        users: vec![address("carol")],
        change: Change::Removed.into(),
        by: address("alice"),
    };
    let entry = Entry {
        id: fresh_id(),
        from: sender("alice"),
        to: "#team@local".parse().unwrap(),
        order: None,
        time: now(),
        body: Body::Content(Content::Membership(Box::new(removal))),
    };
    raw::publish(&team.bench.connection, team.log.subject(), entry.encode()).await.unwrap();
    until("the removal", async || team.entries().await.get(1).filter(|(order, _)| *order == lost).map(|_| ())).await;
    assert_eq!(team.refused("carol", message("from outside")).await, GroupRefusal::NotAMember);
    assert!(texts(&team.entries().await).is_empty());
}
