//! Many groups, groups with much in them, and an index that is made again.

use dunlin_schema::{content::Change, stream::log_stream};
use dunlin_tests::{
    by_hand::ByHand,
    device::Device,
    region::{Region, RegionOptions},
};
use serde_json::{Value, json};

use super::{answered, done, listed, made, mention, row, say, texts};

/// A region whose groups are written by hand alone.
async fn without_groups_worker() -> Region {
    let options = RegionOptions { gateways: 1, without: Some("groups"), ..RegionOptions::default() };
    Region::start_with(options).await
}

/// What STATE does not say yet is in the log: whoever asks is told within it, and never what lies outside.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_state_does_not_say_yet_counts_all_the_same() {
    let region = without_groups_worker().await;
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
    let region = without_groups_worker().await;
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

/// Unread and history are of what the log has when they are asked for, whether the rows are still there or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_log_has_let_go_is_neither_given_nor_counted() {
    let region = without_groups_worker().await;
    let mut team = ByHand::create(&region, "team", &["alice", "bob"]).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let (jetstream, log) = (region.jetstream().await, region.group("team"));
    let stream = jetstream.get_stream(log_stream(&log.region, log.shard)).await.expect("the shard");
    let mut config = stream.cached_info().config.clone();
    config.max_messages_per_subject = 3;
    jetstream.update_stream(config).await.expect("another limit");
    for number in 1..=9 {
        team.say("alice", &format!("m{number}")).await;
        let kept = 3.min(number);
        let expected: Vec<_> = (number - kept + 1..=number).rev().map(|number| format!("m{number}")).collect();
        // Of the first ones the log has kept the entry that makes the group.
        let expected = if number < 3 { &expected[..number] } else { &expected[..] };
        assert_eq!(texts(&mut bob, 9).await, expected);
        assert_eq!(listed(&mut bob, 9).await[0].2, expected.len() as u64);
    }
}

/// Another worker, which has no projection, takes over from one that was killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_made_again_from_the_log_gives_the_same_answers() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    for number in 0..24 {
        let sent = match number % 2 {
            0 => mention(&mut alice, &number.to_string(), &["bob"]).await,
            _ => mention(&mut bob, &number.to_string(), &["alice"]).await,
        };
        let target = &sent["id"];
        match number % 6 {
            0 => say(&mut alice, json!({ "edit": { "target": target, "text": format!("{number} edited") } })).await,
            1 | 4 => say(&mut alice, json!({ "delete": { "target": target } })).await,
            2 => say(&mut bob, json!({ "react": { "target": target, "emoji": "👍", "on": true } })).await,
            _ => Value::Null,
        };
        if number % 8 == 4 {
            let change = if number % 16 == 4 { "group_remove" } else { "group_add" };
            done(&mut alice, change, json!({ "users": ["carol"] })).await;
        }
    }
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let everything = async |device: &mut Device| {
        let listed = answered(device, json!({ "conversations": { "limit": 50 } })).await;
        (listed, answered(device, json!({ "history": { "with": "#team", "limit": 100 } })).await)
    };
    let before = (everything(&mut bob).await, everything(&mut carol).await);
    let count = |answer: &Value| answer["history"]["entries"].as_array().expect("a list").len();
    assert!(count(&before.0.1) > count(&before.1.1), "carol was away for a while");
    let standby = region.new_worker("boot").await;
    region.workers.remove(0).kill();
    assert_eq!((everything(&mut bob).await, everything(&mut carol).await), before);
    standby.stop().await;
}
