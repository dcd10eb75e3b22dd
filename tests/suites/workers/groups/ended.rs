//! Groups that are no more: their members are told one after the other, beside all else that becomes of groups, by whoever works.

use dunlin_nats::Records;
use dunlin_schema::{
    GroupName, Position, Seq,
    group::{GroupCommand, GroupRequest},
    record::{EndingRecord, GroupRecord},
    subject,
};
use dunlin_tests::wait::until;

use super::{SHARD, Team, add, creation, fresh_id, message, request};

/// Enough that it is seen how far it is.
const MEMBERS: usize = 2_048;

impl Team {
    /// A group of two and so many others, with its owner among the last whose record was written.
    async fn of_many(&self) {
        self.stored("alice", creation(&["bob"])).await;
        let names: Vec<String> = (0..MEMBERS).map(|number| format!("user-{number}")).collect();
        let mut order = Seq(0);
        for chunk in names.chunks(256) {
            order = self.stored("alice", add(&chunk.iter().map(String::as_str).collect::<Vec<_>>())).await;
        }
        assert_eq!(self.applied(order).await.members as usize, MEMBERS + 2);
    }

    /// The group's record while it is being ended, with some of its members.
    async fn half_ended(&self) -> GroupRecord {
        until("some to be told that the group is no more", async || {
            self.group().await.filter(|record| record.deleted && (record.members as usize) < MEMBERS)
        })
        .await
    }

    async fn other(&self) -> Option<GroupRecord> {
        let other: GroupName = "other".parse().unwrap();
        let subject = subject::group_record(&self.bench.settings.region, SHARD, &other);
        Some(GroupRecord::decode(&self.record(subject).await?).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_group_ends_beside_others_and_however_often_its_worker_is_killed() {
    let team = Team::new().await;
    let mut worker = team.working().await;
    team.of_many().await;
    let deleted = team.stored("alice", GroupCommand::Delete).await;
    let other = GroupRequest { group: "other".parse().unwrap(), ..request("eve", fresh_id(), creation(&[])) };
    team.asks(&other).await;
    until("another group's records", async || team.other().await).await;
    let record = team.half_ended().await;
    assert!(record.applied.seq < deleted, "it was ended before the other group was made");
    assert!(team.member("alice").await.unwrap().role.is_some(), "who deleted it sees how far it is");
    let mut left = record.members;
    for _ in 0..2 {
        worker.kill();
        worker = team.working().await;
        let record = until("it to go on", async || team.group().await.filter(|record| record.members < left)).await;
        left = record.members;
    }
    let record = team.applied(deleted).await;
    assert_eq!((record.deleted, record.members, record.owners), (true, 0, 0));
    assert!(team.roles().await.is_empty());
    for user in (0..MEMBERS).map(|number| format!("user-{number}")).chain(["alice".to_owned(), "bob".to_owned()]) {
        assert!(!team.follows(&user).await.unwrap().is_member, "{user}");
        assert_eq!(team.member(&user).await.unwrap().windows.last(), Some(deleted), "{user}");
    }
    let endings = subject::endings(&team.bench.settings.region, SHARD);
    until("nothing to be left to do", async || {
        (Records::new(&team.bench.connection).count(SHARD, &endings).await.unwrap() == 0).then_some(())
    })
    .await;
}

/// What says that groups are to be ended: of one that goes on, since a power loss took its end; of one that never was; and of one whose
/// end is yet to be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_says_that_a_group_is_to_be_ended_goes_where_that_will_never_be() {
    let team = Team::new().await;
    let worker = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    let said = team.stored("bob", message("hello")).await;
    let at = team.applied(said).await.applied;
    worker.stop().await;
    let records = Records::new(&team.bench.connection);
    let region = &team.bench.settings.region;
    let later = Position { seq: Seq(at.seq.0 + 1_000), ..at };
    for (group, at) in [("later", later), ("team", at), ("nowhere", at)] {
        let subject = subject::ending(region, SHARD, &group.parse().unwrap());
        records.save(&subject, EndingRecord { at }.encode(), Seq(0)).await.unwrap();
    }
    let _worker = team.working().await;
    until("two of them to be gone", async || {
        let left = records.page(SHARD, &subject::endings(region, SHARD), Seq(0)).await.unwrap().records;
        let left: Vec<_> = left.iter().filter_map(|(subject, _)| subject::parse_ending(subject)).collect();
        (left == ["later".parse::<GroupName>().unwrap()]).then_some(())
    })
    .await;
    team.stored("bob", message("still here")).await;
    assert_eq!(team.roles().await.len(), 2);
}
