//! Many at once: one order for all, and nobody is admitted who was removed.

use std::collections::BTreeSet;

use dunlin_nats::raw;
use dunlin_schema::{
    Content, Seq,
    content::Change,
    entry::Body,
    envelope,
    group::{GroupAnswer, GroupRefusal, GroupRole},
    limits,
    record::Follows,
    subject,
};
use futures_util::future::join_all;

use super::{SHARD, Team, add, creation, fresh_id, group, message, name, remove, request, role, texts};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_adds_at_once_by_ten_admins_make_one_order() {
    const ADMINS: usize = 10;
    let team = Team::new().await;
    let _workers = (team.working().await, team.worker().await);
    let admins: Vec<_> = (0..ADMINS).map(|number| format!("admin{number}")).collect();
    let named: Vec<_> = admins.iter().map(String::as_str).collect();
    team.stored("alice", creation(&named)).await;
    for admin in &named {
        team.stored("alice", role(admin, GroupRole::Admin)).await;
    }
    // Each adds ten, of whom the next one adds five as well.
    let adding = (0..10 * ADMINS).map(|number| {
        let (team, by) = (&team, named[number % ADMINS]);
        async move {
            let users = [format!("u{number}"), format!("u{}", number / 2)];
            team.stored(by, add(&[users[0].as_str(), users[1].as_str()])).await
        }
    });
    let orders = join_all(adding).await;
    let entries = team.entries().await;
    let stored: BTreeSet<Seq> = entries.iter().map(|(order, _)| *order).collect();
    assert!(orders.iter().all(|order| *order == Seq(0) || stored.contains(order)));
    let mut added = Vec::new();
    for (_, entry) in &entries {
        if let Body::Content(Content::Membership(membership)) = &entry.body
            && membership.change == Change::Added
        {
            added.extend(membership.users.iter().map(ToString::to_string));
        }
    }
    let once: BTreeSet<_> = added.iter().cloned().collect();
    assert_eq!((added.len(), once.len()), (10 * ADMINS, 10 * ADMINS), "each was added once");
    let last = stored.last().copied().unwrap();
    assert_eq!(team.applied(last).await.members as usize, 1 + ADMINS + 10 * ADMINS);
    assert_eq!(team.roles().await.len(), 1 + ADMINS + 10 * ADMINS);
}

/// One worker sleeps while another one has the shard, wakes up with what it knew, and both are asked. `DUNLIN_TAKEOVERS` says how often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_at_once_make_one_order_and_admit_nobody_who_was_removed() {
    let team = Team::new().await;
    let mut first = team.working().await;
    let mut second = team.worker().await;
    team.stored("alice", creation(&["bob", "carol"])).await;
    team.stored("carol", message("0")).await;
    let rounds = std::env::var("DUNLIN_TAKEOVERS").map_or(3, |rounds| rounds.parse().expect("a number"));
    for round in 0..rounds {
        let (awake, asleep) = match round % 2 {
            0 => (&mut second, &mut first),
            _ => (&mut first, &mut second),
        };
        let thaw = asleep.freeze();
        awake.wait("a takeover", dunlin_workers::Readiness::is_all_working).await;
        let removed = team.stored("alice", remove("bob")).await;
        // What the sleeper is asked meanwhile as well, as it takes it when it wakes up.
        let refused = request("bob", fresh_id(), message("from outside"));
        assert_eq!(team.asks(&refused).await, GroupAnswer::Refused(GroupRefusal::NotAMember));
        drop(thaw);
        let talk = (0..20).map(|_| team.ask("bob", message("from outside")));
        let (answers, said) = tokio::join!(join_all(talk), team.stored("carol", message(&round.to_string())));
        for answer in answers {
            assert_eq!(answer, GroupAnswer::Refused(GroupRefusal::NotAMember));
        }
        assert!(said > removed);
        asleep.wait("its own standing by", |readiness| readiness.is_ready() && readiness.standing_by > 0).await;
        team.stored("alice", add(&["bob"])).await;
    }
    assert!(!texts(&team.entries().await).contains(&"from outside".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_too_far_ahead_of_its_records_takes_nothing_more() {
    let team = Team::new().await;
    let worker = team.working().await;
    let created = team.stored("alice", creation(&["bob"])).await;
    team.applied(created).await;
    // A record of a newer release: nobody writes over it.
    let subject = subject::member_record(&team.bench.settings.region, SHARD, &group(), &name("eve"));
    raw::publish(&team.bench.connection, subject.clone(), envelope::seal(99, &()).into()).await.unwrap();
    team.bench.connection.flush().await.unwrap();
    team.stored("alice", add(&["eve"])).await;
    for number in 1..limits::GROUP_AHEAD {
        team.stored("bob", message(&number.to_string())).await;
    }
    let more = request("bob", fresh_id(), message("more"));
    let answer = team.groups.ask(SHARD, &more, super::WITHIN).await.unwrap();
    assert_eq!(answer, GroupAnswer::Refused(GroupRefusal::Busy));
    // It goes on once the records do.
    let records = dunlin_nats::Records::new(&team.bench.connection);
    assert!(records.take_oldest(SHARD, &subject).await.unwrap());
    assert!(matches!(team.asks(&more).await, GroupAnswer::Stored { .. }));
    drop(worker);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_in_more_groups_than_may_be() {
    let team = Team::new().await;
    let _worker = team.working().await;
    team.stored("alice", creation(&[])).await;
    let records = dunlin_nats::Records::new(&team.bench.connection);
    let follows = async |number: usize, is_member, revision| {
        let other = format!("other{number}").parse().unwrap();
        let subject = subject::follows(&team.bench.settings.region, SHARD, &name("bob"), &other);
        let record = Follows { is_member, ..Follows::default() };
        records.save(&subject, record.encode(), revision).await.unwrap()
    };
    let mut first = Seq(0);
    for number in 0..limits::GROUPS {
        let revision = follows(number, true, Seq(0)).await;
        first = if number == 0 { revision } else { first };
    }
    assert_eq!(team.refused("alice", add(&["carol", "bob"])).await, GroupRefusal::TooManyGroups);
    assert_eq!(team.entries().await.len(), 1, "neither of the two is added");
    follows(0, false, first).await;
    team.stored("alice", add(&["carol", "bob"])).await;
}
