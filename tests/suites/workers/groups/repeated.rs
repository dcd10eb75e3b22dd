//! What is asked again gets its first answer, whoever answers, whatever was decided since.

use dunlin_nats::raw;
use dunlin_schema::{
    Millis,
    group::{GroupAnswer, GroupCommand, GroupRefusal},
};

use super::{MessageId, Team, creation, fresh_id, message, now, remove, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_gets_its_first_answer_also_of_somebody_removed_since() {
    let team = Team::new().await;
    let mut worker = team.working().await;
    let create = request("alice", fresh_id(), creation(&["bob"]));
    let created = team.asks(&create).await;
    // One whose id is young, one whose id is older than what the stream remembers.
    let old = MessageId::from_parts(now().minus(Millis(300_000)), 1);
    let said = [request("bob", fresh_id(), message("young")), request("bob", old, message("old"))];
    let mut answers = Vec::new();
    for said in &said {
        answers.push(team.asks(said).await);
    }
    let remove = request("alice", fresh_id(), remove("bob"));
    let removed = team.asks(&remove).await;
    // The same worker, then one that has read nothing yet.
    for _ in 0..2 {
        for (said, first) in said.iter().zip(&answers) {
            assert!(matches!(first, GroupAnswer::Stored { .. }), "{first:?}");
            let again = dunlin_schema::group::GroupRequest { at: now(), ..said.clone() };
            assert_eq!(team.asks(&again).await, *first);
        }
        assert_eq!(team.asks(&create).await, created);
        assert_eq!(team.asks(&remove).await, removed);
        let new = request("bob", fresh_id(), message("new"));
        assert_eq!(team.asks(&new).await, GroupAnswer::Refused(GroupRefusal::NotAMember));
        worker.stop().await;
        worker = team.working().await;
    }
    assert_eq!(team.entries().await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_owners_leaving_is_done_once_where_the_worker_died_in_its_midst() {
    use dunlin_schema::{
        Entry, Seq,
        content::{Change, Content, Membership},
        entry::Body,
    };
    let team = Team::new().await;
    let worker = team.working().await;
    let created = team.stored("alice", creation(&["bob", "carol"])).await;
    worker.stop().await;
    // As far as it came: the heir is an owner.
    let address = |user: &str| format!("{user}@local").parse().unwrap();
    let membership = Membership {
        group: "#team@local".parse().unwrap(),
        users: vec![address("bob")],
        change: Change::Owner.into(),
        by: address("alice"),
    };
    let promotion = Entry {
        id: fresh_id(),
        from: super::sender("alice"),
        to: "#team@local".parse().unwrap(),
        order: None,
        time: now(),
        body: Body::Content(Content::Membership(Box::new(membership))),
    };
    raw::publish(&team.bench.connection, team.log.subject(), promotion.encode()).await.unwrap();
    team.bench.connection.flush().await.unwrap();
    let _worker = team.working().await;
    let leave = request("alice", fresh_id(), GroupCommand::Leave);
    let GroupAnswer::Stored { order, .. } = team.asks(&leave).await else { panic!("she leaves") };
    assert_eq!(order, Seq(created.0 + 2), "nobody else was made an owner");
    assert_eq!(team.asks(&leave).await, GroupAnswer::Stored { order, time: leave.at });
    assert_eq!(team.applied(order).await.owners, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_of_tomorrow_and_one_of_last_year_are_refused() {
    let team = Team::new().await;
    let _worker = team.working().await;
    team.stored("alice", creation(&[])).await;
    for (time, refusal) in [
        (Millis(now().0 + 60_000), GroupRefusal::FromTheFuture),
        (now().minus(Millis(365 * 24 * 3_600_000)), GroupRefusal::TooOld),
    ] {
        let said = request("alice", MessageId::from_parts(time, 1), message("hello"));
        assert_eq!(team.asks(&said).await, GroupAnswer::Refused(refusal));
    }
}
