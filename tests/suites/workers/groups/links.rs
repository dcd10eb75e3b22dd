//! Links by which people join: who is let in, and how many, whoever comes at once and whatever becomes of the worker.

use dunlin_nats::Records;
use dunlin_schema::{
    LinkKey, Millis, Seq,
    group::{GroupAnswer, GroupCommand, GroupRefusal, GroupRequest},
    limits,
    record::LinkRecord,
    subject,
};
use dunlin_workers::groups::core::Meaning;
use futures_util::future::join_all;

use super::{SHARD, Team, creation, fresh_id, now, remove, request};

const KEY: LinkKey = LinkKey([1; 32]);
const OTHER: LinkKey = LinkKey([2; 32]);

fn link(key: LinkKey, uses: Option<u32>) -> GroupCommand {
    GroupCommand::Link { key, until: now().plus(Millis(60_000)), uses }
}

impl Team {
    /// What is kept of a link, and for how long it holds.
    async fn kept(&self, key: &LinkKey) -> Option<LinkRecord> {
        let subject = subject::link(&self.bench.settings.region, SHARD, &super::group(), key);
        let stored = Records::new(&self.bench.connection).load(SHARD, &subject).await.unwrap()?;
        Some(LinkRecord::decode(&stored.bytes).unwrap())
    }

    async fn members(&self) -> usize {
        self.entries().await.iter().map(|(_, entry)| Meaning::of(entry).joining().len()).sum()
    }
}

fn is_stored(answer: &GroupAnswer) -> bool {
    matches!(answer, GroupAnswer::Stored { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_at_once_join_by_a_link_for_three_and_three_do() {
    let team = Team::new().await;
    let _node = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    assert_eq!(team.stored("alice", link(KEY, Some(3))).await, Seq(0), "nothing of it stands in the log");
    let joins: Vec<GroupRequest> =
        (0..10).map(|number| request(&format!("user-{number}"), fresh_id(), GroupCommand::Join(KEY))).collect();
    let answers = join_all(joins.iter().map(|join| team.asks(join))).await;
    assert_eq!(answers.iter().filter(|answer| is_stored(answer)).count(), 3, "{answers:?}");
    let refused = answers.iter().filter(|answer| **answer == GroupAnswer::Refused(GroupRefusal::NoLink)).count();
    assert_eq!(refused, 7, "{answers:?}");
    // Each that joined may ask again, under the same id and under another one, and costs no use.
    assert_eq!(join_all(joins.iter().map(|join| team.asks(join))).await, answers);
    for join in joins.iter().zip(&answers).filter(|(_, answer)| is_stored(answer)).map(|(join, _)| join) {
        assert!(is_stored(&team.ask(join.by.user.as_str(), GroupCommand::Join(KEY)).await));
    }
    assert_eq!(team.members().await, 5);
    assert_eq!(team.kept(&KEY).await.unwrap().left, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_lets_in_as_long_as_it_holds_and_nobody_is_told_why_it_does_not() {
    let team = Team::new().await;
    let _node = team.working().await;
    let join = || GroupCommand::Join(KEY);
    assert_eq!(team.refused("eve", join()).await, GroupRefusal::NoLink, "there is no such group");
    team.stored("alice", creation(&["bob"])).await;
    assert_eq!(team.refused("eve", join()).await, GroupRefusal::NoLink, "nor such a link");
    assert_eq!(team.refused("bob", link(KEY, None)).await, GroupRefusal::NotAllowed);
    let soon = GroupCommand::Link { key: OTHER, until: now().minus(Millis(1)), uses: None };
    team.stored("alice", soon).await;
    assert_eq!(team.refused("eve", GroupCommand::Join(OTHER)).await, GroupRefusal::NoLink, "it is over");
    // Who was removed comes back by a link that holds.
    team.stored("alice", link(KEY, Some(2))).await;
    let first = request("eve", fresh_id(), join());
    let answer = team.asks(&first).await;
    assert!(is_stored(&answer));
    team.stored("alice", remove("eve")).await;
    assert_eq!(team.asks(&first).await, answer, "a repeat is no second joining");
    assert_eq!(team.kept(&KEY).await.unwrap().left, Some(1));
    assert!(is_stored(&team.ask("eve", join()).await));
    assert_eq!(team.refused("dave", join()).await, GroupRefusal::NoLink, "it is used up");
    // A link of one's own, and others'.
    team.stored("alice", link(OTHER, None)).await;
    assert_eq!(team.refused("bob", GroupCommand::Unlink(Some(OTHER))).await, GroupRefusal::NotAllowed);
    team.stored("bob", GroupCommand::Unlink(None)).await;
    assert!(team.kept(&OTHER).await.is_some(), "that is none of bob's");
    team.stored("alice", GroupCommand::Unlink(None)).await;
    team.stored("alice", GroupCommand::Unlink(Some(OTHER))).await;
    assert_eq!((team.kept(&KEY).await, team.kept(&OTHER).await), (None, None));
    assert_eq!(team.refused("dave", GroupCommand::Join(OTHER)).await, GroupRefusal::NoLink, "it was revoked");
    team.stored("alice", link(OTHER, None)).await;
    team.stored("alice", GroupCommand::Delete).await;
    assert_eq!(team.refused("dave", GroupCommand::Join(OTHER)).await, GroupRefusal::NoLink, "its group is no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_made_again_takes_the_place_of_the_first_and_there_are_only_so_many() {
    let team = Team::new().await;
    let _node = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    let made = request("alice", fresh_id(), link(KEY, None));
    assert!(is_stored(&team.asks(&made).await));
    assert!(is_stored(&team.asks(&GroupRequest { what: link(OTHER, None), ..made }).await));
    assert_eq!(team.kept(&KEY).await, None);
    assert!(team.kept(&OTHER).await.is_some());
    for number in 1..limits::LINKS {
        team.stored("alice", link(LinkKey([10 + number as u8; 32]), None)).await;
    }
    assert_eq!(team.refused("alice", link(KEY, None)).await, GroupRefusal::TooManyLinks);
    team.stored("alice", GroupCommand::Unlink(Some(OTHER))).await;
    team.stored("alice", link(KEY, None)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_while_many_join_it_lets_in_nobody_after() {
    let team = Team::new().await;
    let _node = team.working().await;
    team.stored("alice", creation(&["bob"])).await;
    team.stored("alice", link(KEY, Some(1_000))).await;
    let join = async |number: usize| team.ask(&format!("user-{number}"), GroupCommand::Join(KEY)).await;
    let (joined, ()) = tokio::join!(join_all((0..40).map(join)), async {
        team.stored("alice", GroupCommand::Unlink(Some(KEY))).await;
    });
    assert_eq!(team.members().await, 2 + joined.iter().filter(|answer| is_stored(answer)).count());
    assert_eq!(team.refused("eve", GroupCommand::Join(KEY)).await, GroupRefusal::NoLink);
    assert_eq!(team.kept(&KEY).await, None, "nobody who used it has written it again");
}
