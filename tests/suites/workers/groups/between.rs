//! Workers that die in front of each record of what they have stored, and what happens at once where owners go.

use dunlin_schema::{
    MessageId, Millis, Seq, Turn, Windows,
    entry::Body,
    group::{GroupAnswer, GroupCommand, GroupRequest, GroupRole},
    subject,
};
use dunlin_tests::{link::Link, wait::until};
use dunlin_workers::{Boot, Config, deliver, groups};

use super::{SHARD, Team, add, creation, fresh_id, group, message, name, now, remove, request, role, sender};

/// What is wanted, by when it was asked for, and whom it concerns.
struct Wanted {
    what: GroupCommand,
    ago: Millis,
    whom: &'static str,
}

fn records(team: &Team, whom: &str) -> [String; 3] {
    let region = &team.bench.settings.region;
    [
        subject::member_record(region, SHARD, &group(), &name(whom)),
        subject::follows(region, SHARD, &name(whom), &group()),
        subject::group_record(region, SHARD, &group()),
    ]
}

/// What somebody may read by the log alone.
async fn windows(team: &Team, user: &str) -> Windows {
    let mut windows = Windows::default();
    for (order, entry) in team.entries().await {
        if let Body::Content(content) = &entry.body
            && let Some(turn) = Turn::of(content, &sender(user))
        {
            windows.turn(order, turn, false);
        }
    }
    windows
}

/// Kills a worker in front of its write of that record; the next one does the rest, and knows what was stored.
async fn killed_in_front_of(record: usize, wanted: Wanted) {
    let Wanted { what, ago, whom } = wanted;
    let team = Team::new().await;
    let before = team.working().await;
    let created = team.stored("alice", creation(&["bob", "carol"])).await;
    team.applied(created).await;
    before.kill();
    let link = Link::to(team.bench.nats.port()).await;
    let subject = &records(&team, whom)[record];
    link.stop_at(subject);
    let roles = vec![deliver::ROLE, groups::ROLE];
    let nats = dunlin_nats::ConnectOptions { servers: vec![link.url()], ..team.bench.options() };
    let config = Config { roles, nats, boot: Boot::Given("boot".to_owned()), ..Config::default() };
    let worker = team.bench.worker_as_it_is(config).await;
    let at = now().minus(ago);
    let wanted = GroupRequest { at, ..request("alice", MessageId::from_parts(at, rand::random()), what) };
    let stored = team.asks(&wanted).await;
    let GroupAnswer::Stored { order, .. } = stored else { panic!("{wanted:?}: {stored:?}") };
    until("the worker to be about to write", async || link.has_stopped().then_some(())).await;
    worker.kill();
    link.cut().await;
    assert!(team.group().await.unwrap().applied.seq < order, "in front of {subject}");
    let _worker = team.working().await;
    assert_eq!(team.asks(&wanted).await, stored, "a repeat gets its first answer");
    let applied = team.applied(order).await;
    let (member, follows) = (team.member(whom).await.unwrap(), team.follows(whom).await.unwrap());
    assert_eq!(member.windows, windows(&team, whom).await, "behind {subject}");
    assert_eq!(follows.is_member, member.role.is_some(), "behind {subject}");
    let roles = team.roles().await;
    assert_eq!(applied.members as usize, roles.len(), "behind {subject}");
    assert_eq!(roles.contains_key(whom), member.windows.are_open(), "behind {subject}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_in_front_of_any_record_loses_none_of_what_it_has_stored() {
    let hour = Millis(3_600_000);
    for record in 0..3 {
        let wanted = |what, ago, whom| Wanted { what, ago, whom };
        tokio::join!(
            killed_in_front_of(record, wanted(add(&["dave"]), Millis(0), "dave")),
            killed_in_front_of(record, wanted(remove("bob"), hour, "bob")),
            killed_in_front_of(record, wanted(GroupCommand::Delete, hour, "carol")),
        );
    }
}

/// Whoever has gone when and whatever is asked at once, somebody may manage the group at each place of its log.
async fn always_has_an_owner(team: &Team) {
    let mut roles = std::collections::BTreeMap::new();
    for (order, entry) in team.entries().await {
        for (user, becomes) in groups::core::Meaning::of(&entry).named() {
            match becomes.after(roles.get(&user).copied()) {
                Some(role) => roles.insert(user, role),
                None => roles.remove(&user),
            };
        }
        assert!(roles.values().any(|role| *role == GroupRole::Owner), "at {order:?}: {roles:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_who_leave_at_once_leave_an_owner() {
    let team = Team::new().await;
    let _workers = (team.working().await, team.worker().await);
    team.stored("alice", creation(&["ann", "bob", "carol"])).await;
    for _ in 0..5 {
        team.stored("alice", role("ann", GroupRole::Owner)).await;
        team.stored("alice", role("bob", GroupRole::Admin)).await;
        let (one, other) =
            tokio::join!(team.stored("alice", GroupCommand::Leave), team.stored("ann", GroupCommand::Leave),);
        assert_ne!(one, other);
        always_has_an_owner(&team).await;
        assert_eq!(team.roles_at(one.max(other)).await.get("bob"), Some(&GroupRole::Owner), "bob came next");
        team.stored("bob", add(&["alice", "ann"])).await;
        team.stored("bob", role("alice", GroupRole::Owner)).await;
        team.stored("alice", role("bob", GroupRole::Member)).await;
    }
}

/// The last owner leaves, while whoever comes next is removed, leaves, or becomes something else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_to_follow_an_owner_may_go_meanwhile() {
    for round in 0..4 {
        let team = Team::new().await;
        let _workers = (team.working().await, team.worker().await);
        team.stored("alice", creation(&["ann", "bob", "carol"])).await;
        team.stored("alice", role("ann", GroupRole::Admin)).await;
        team.stored("alice", role("bob", GroupRole::Admin)).await;
        let leaves = request("alice", fresh_id(), GroupCommand::Leave);
        let (left, _) = tokio::join!(team.asks(&leaves), async {
            // It may come too late.
            let _ = match round % 2 {
                0 => team.ask("bob", remove("ann")).await,
                _ => team.ask("ann", GroupCommand::Leave).await,
            };
            team.ask("carol", message("meanwhile")).await
        });
        assert!(matches!(left, GroupAnswer::Stored { order, .. } if order > Seq(0)), "{left:?}");
        always_has_an_owner(&team).await;
        assert_eq!(team.asks(&leaves).await, left, "a repeat gets its first answer");
    }
}
