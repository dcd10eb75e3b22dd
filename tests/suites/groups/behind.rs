//! STATE is behind a group's log, or ahead of it, and what is told of it is lost: the log alone says who may read what.

use std::collections::BTreeMap;

use dunlin_schema::{content::Change, group::GroupSettings};
use dunlin_tests::{
    by_hand::ByHand,
    device::Device,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

use super::told::{all_said, said, until_said};

/// A region in which nobody but the test writes a group's log and records.
async fn without_worker() -> Region {
    Region::start_with(RegionOptions { without: Some("groups"), ..RegionOptions::default() }).await
}

/// A device that says where logs go on.
async fn hello(region: &Region, user: &str, device: &str, cursors: Value) -> Device {
    let mut opened = Device::open(region.gateway(0)).await;
    opened.say(json!({ "hello": { "token": region.token(user), "device": device, "cursors": cursors } })).await;
    opened.expect("welcome").await;
    opened
}

/// Alice's cursors of the group, by what was said there.
async fn cursors(region: &Region, last: &str) -> BTreeMap<String, Value> {
    let mut alice = hello(region, "alice", "cursors", json!({ "#team": "beginning" })).await;
    let mut cursors = BTreeMap::new();
    while !cursors.contains_key(last) {
        let frame = alice.next().await.expect("an open socket");
        cursors.extend(said(&frame).map(|said| (said, frame["entry"]["cursor"].clone())));
    }
    cursors
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_away_gets_what_is_inside_the_windows_whatever_state_says_by_then() {
    let region = without_worker().await;
    let mut team = ByHand::create(&region, "team", &["alice"]).await;
    team.say("alice", "m0").await;
    team.apply().await;
    team.change(Change::Added, &["bob"]).await;
    team.apply().await;
    team.say("alice", "m1").await;
    team.change(Change::Removed, &["bob"]).await;
    team.say("alice", "m2").await;
    team.change(Change::Added, &["bob"]).await;
    team.say("alice", "m3").await;
    let mut expected = ["added", "m1", "removed", "added", "m3"].map(str::to_owned).to_vec();
    for applied in [false, true] {
        if applied {
            team.apply().await;
        }
        let mut bob = hello(&region, "bob", &format!("phone-{applied}"), json!({})).await;
        assert_eq!(until_said(&mut bob, &expected[expected.len() - 1]).await, expected, "applied: {applied}");
        let live = format!("live {applied}");
        team.say("alice", &live).await;
        assert_eq!(until_said(&mut bob, &live).await, [live.as_str()]);
        expected.push(live);
        bob.say(json!({ "ack": { "log": "#team", "delivered": 1_000_000 } })).await;
        until("the device to go on where it was", async || {
            drop(hello(&region, "bob", &format!("phone-{applied}"), json!({})).await);
            let mut bob = hello(&region, "bob", &format!("phone-{applied}"), json!({})).await;
            all_said(&mut bob).await.is_empty().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_removed_gets_nothing_behind_it_though_state_does_not_know() {
    let region = without_worker().await;
    let mut team = ByHand::create(&region, "team", &["alice", "bob"]).await;
    team.say("alice", "m1").await;
    team.apply().await;
    team.change(Change::Removed, &["bob"]).await;
    team.say("alice", "m2").await;
    let cursors = cursors(&region, "m2").await;
    for applied in [false, true] {
        if applied {
            team.apply().await;
        }
        let cases = [
            ("old", cursors["created"].clone(), vec!["m1", "removed"]),
            ("its-own", cursors["m1"].clone(), vec!["removed"]),
            ("last", cursors["removed"].clone(), vec![]),
            ("another-ones", cursors["m2"].clone(), vec![]),
            ("live", json!("live"), vec![]),
            ("beginning", json!("beginning"), vec!["created", "m1", "removed"]),
            ("forged", json!("AQID"), vec!["created", "m1", "removed"]),
        ];
        let mut devices = Vec::new();
        for (device, cursor, expected) in cases {
            let mut bob = hello(&region, "bob", &format!("{device}-{applied}"), json!({ "#team": cursor })).await;
            assert_eq!(all_said(&mut bob).await, expected, "{device}, applied: {applied}");
            devices.push((device, bob));
        }
        // Nor does what is said from now on come.
        team.say("alice", "secret").await;
        for (device, bob) in &mut devices {
            assert_eq!(all_said(bob).await, [""; 0], "{device}, applied: {applied}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_ends_it_at_its_place_and_whoever_is_added_again_goes_on_from_there() {
    let region = without_worker().await;
    let mut team = ByHand::create(&region, "team", &["alice", "bob"]).await;
    let mut bob = hello(&region, "bob", "phone", json!({})).await;
    assert_eq!(until_said(&mut bob, "created").await, ["created"]);
    for round in 0..3 {
        let (inside, outside, again) = (format!("in {round}"), format!("out {round}"), format!("again {round}"));
        team.say("alice", &inside).await;
        team.change(Change::Removed, &["bob"]).await;
        team.say("alice", &outside).await;
        assert_eq!(all_said(&mut bob).await, [&inside, "removed"]);
        // What STATE said of before does not bring it back; what it says then does.
        if round > 0 {
            team.apply().await;
            assert_eq!(all_said(&mut bob).await, [""; 0]);
        }
        team.change(Change::Added, &["bob"]).await;
        team.say("alice", &again).await;
        team.apply().await;
        assert_eq!(until_said(&mut bob, &again).await, ["added", &again]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_somebody_joins_is_followed_at_once_and_waited_for_where_its_record_is_not_there_yet() {
    let region = without_worker().await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut team = ByHand::begin(&region, "team", GroupSettings::default()).await;
    team.made_by(&["alice"]).await;
    team.say("alice", "m0").await;
    team.apply().await;
    team.change(Change::Added, &["bob"]).await;
    team.say("alice", "m1").await;
    // The hint is faster than the records.
    team.apply_follows().await;
    assert_eq!(until_said(&mut bob, "m1").await, ["added", "m1"]);
    // Several at once are heard of the same way.
    let mut others = Vec::new();
    for number in 0..10 {
        let mut group = ByHand::begin(&region, &format!("group-{number}"), GroupSettings::default()).await;
        group.made_by(&["alice", "bob"]).await;
        group.apply().await;
        others.push(group);
    }
    for number in 0..10 {
        let name = format!("#group-{number}");
        let mut found = false;
        while !found {
            found = bob.expect("entry").await["log"] == name.as_str();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_group_shows_its_history_those_who_join_are_given_all_of_it() {
    let region = without_worker().await;
    let settings = GroupSettings { history: true, ..GroupSettings::default() };
    let mut team = ByHand::begin(&region, "team", settings).await;
    team.made_by(&["alice"]).await;
    team.say("alice", "m0").await;
    team.change(Change::Added, &["bob"]).await;
    team.apply_follows().await;
    let mut bob = hello(&region, "bob", "phone", json!({})).await;
    assert_eq!(until_said(&mut bob, "added").await, ["created", "m0", "added"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_somebody_is_not_in_is_not_followed_for_them() {
    let region = without_worker().await;
    let mut team = ByHand::create(&region, "team", &["alice", "carol"]).await;
    team.say("alice", "m1").await;
    let cursors = cursors(&region, "m1").await;
    for cursor in [json!("beginning"), json!("live"), cursors["created"].clone(), json!("AQID")] {
        let mut bob = hello(&region, "bob", "phone", json!({ "#team": cursor })).await;
        let refused = bob.expect("refused").await;
        assert_eq!(refused["code"], "unknown_log", "{refused}");
        assert_eq!(all_said(&mut bob).await, [""; 0]);
    }
}
