//! Many groups, groups with much in them, and an index that is made again.

use dunlin_schema::content::Change;
use dunlin_tests::{by_hand::ByHand, region::Region};

use super::{listed, row, texts};

/// What STATE does not say yet is in the log: whoever asks is told within it, and never what lies outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_state_does_not_say_yet_counts_all_the_same() {
    let region = Region::start(1).await;
    let mut team = ByHand::create(&region, "team", &["alice", "bob"]).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    team.say("alice", "m1").await;
    team.change(Change::Removed, &["bob"]).await;
    team.say("alice", "m2").await;
    assert_eq!(texts(&mut bob, 9).await, ["m1"]);
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "m1", 1, 0)]);
    team.change(Change::Added, &["bob"]).await;
    team.say("alice", "m3").await;
    assert_eq!(texts(&mut bob, 9).await, ["m3", "m1"]);
    // The members first, the group last, as the worker writes them.
    team.apply_members().await;
    assert_eq!(texts(&mut bob, 9).await, ["m3", "m1"]);
    team.apply().await;
    assert_eq!(texts(&mut bob, 9).await, ["m3", "m1"]);
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "m3", 2, 0)]);
}

/// Pages go by time over all of them, whichever shards they are in, and people among them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_list_each_conversation_once_the_latest_first() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut expected = Vec::new();
    for number in 0..7 {
        let name = format!("group-{number}");
        let mut group = ByHand::create(&region, &name, &["alice", "bob"]).await;
        if number % 3 != 2 {
            group.say("alice", "hi").await;
        }
        expected.push(row(&format!("#{name}"), (number % 3 != 2).then_some("hi"), u64::from(number % 3 != 2), 0));
        // A group without a message stands where one joined it.
        if number % 3 == 1 {
            bob.send_accepted(&format!("user-{number}"), "to somebody").await;
            expected.push(row(&format!("user-{number}"), "to somebody", 0, 0));
        }
        alice.send_accepted("bob", "again").await;
    }
    expected.push(row("alice", "again", 7, 0));
    expected.reverse();
    for limit in [50, 1, 2, 3, 5] {
        assert_eq!(listed(&mut bob, limit).await, expected, "pages of {limit}");
    }
}
