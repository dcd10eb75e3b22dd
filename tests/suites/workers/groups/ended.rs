//! Groups that are no more: their members are told one after the other, beside all else that becomes of groups, by whoever works.

use dunlin_nats::Records;
use dunlin_schema::{
    GroupName, Seq,
    group::{GroupCommand, GroupRequest},
    record::GroupRecord,
    subject,
};
use dunlin_tests::wait::until;

use super::{SHARD, Team, add, creation, fresh_id, request};

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
