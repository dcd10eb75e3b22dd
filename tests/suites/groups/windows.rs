//! What somebody may read of a group, by commands and over sockets, in small groups and larger ones.

use std::time::Duration;

use dunlin_tests::{device::Device, region::Region, wait::until};
use serde_json::{Value, json};

use super::{done, made};

/// People whom one command adds.
const AT_ONCE: usize = 250;
/// For how long nothing is to come.
const QUIET: Duration = Duration::from_millis(400);

async fn hello(region: &Region, device: &str, cursors: Value) -> Device {
    Device::try_hello_with(region.gateway(0), &region.token("bob"), device, cursors).await.expect("a welcome")
}

/// What a frame says of the group.
fn said(frame: &Value) -> Option<String> {
    let content = &frame["entry"]["content"];
    let change = || content["membership"]["change"].as_str().or(content["settings"]["change"].as_str());
    let text = content["message"]["text"].as_str().or_else(change);
    (frame["entry"]["log"] == "#team").then(|| text.expect("something").to_owned())
}

/// What comes of the group until it has been quiet for a while, but for this first.
async fn heard(device: &mut Device, until: Option<&str>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    loop {
        let waits = until.is_some_and(|last| all.iter().all(|said| said != last));
        let patience = if waits { Duration::from_secs(30) } else { QUIET };
        match device.next_within(patience).await {
            Some(frame) => all.extend(said(&frame.expect("an open socket"))),
            None => return all,
        }
    }
}

/// A group of so many in which bob is added, removed and added again, and something is said each time.
async fn added_removed_and_added(region: &Region, alice: &mut Device, count: usize) {
    let others: Vec<String> = (0..count - 2).map(|number| format!("user-{number}")).collect();
    let (first, others) = others.split_at(others.len().min(AT_ONCE));
    made(alice, &first.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for users in others.chunks(AT_ONCE) {
        done(alice, "group_add", json!({ "users": users })).await;
    }
    let bob = json!({ "users": ["bob"] });
    for (command, text) in [("group_add", "m1"), ("group_remove", "m2"), ("group_add", "m3")] {
        done(alice, command, bob.clone()).await;
        alice.send_accepted("#team", text).await;
    }
    assert!(!region.stored_in(&region.group("team")).await.is_empty());
}

const PIECES: [&str; 5] = ["added", "m1", "removed", "added", "m3"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_away_is_given_the_pieces_and_never_what_lies_between() {
    for count in [3, 1_000] {
        let region = Region::start(1).await;
        let mut alice = region.caught_up(0, "alice", "phone").await;
        let mut live = region.caught_up(0, "bob", "live").await;
        added_removed_and_added(&region, &mut alice, count).await;
        assert_eq!(heard(&mut live, Some("m3")).await, PIECES, "live, {count}");
        // A new device, one that stops in the midst of it and goes on, and one that says where.
        let mut phone = hello(&region, "phone", json!({})).await;
        let mut cursors = Vec::new();
        while cursors.len() < PIECES.len() {
            let entry = phone.expect("entry").await;
            cursors.push(entry["cursor"].clone());
            assert_eq!(said(&json!({ "entry": entry })).expect("of the group"), PIECES[cursors.len() - 1]);
        }
        for (place, cursor) in cursors.iter().enumerate() {
            let mut tablet = hello(&region, "tablet", json!({ "#team": cursor })).await;
            assert_eq!(heard(&mut tablet, PIECES[place + 1..].last().copied()).await, PIECES[place + 1..], "{count}");
        }
        let mut watch = hello(&region, "watch", json!({ "#team": "live" })).await;
        assert_eq!(heard(&mut watch, None).await, [""; 0], "{count}");
        alice.send_accepted("#team", "m4").await;
        for device in [&mut live, &mut phone, &mut watch] {
            assert_eq!(heard(device, Some("m4")).await, ["m4"], "{count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_removed_is_given_nothing_behind_it_whatever_they_say() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    alice.send_accepted("#team", "m1").await;
    assert_eq!(heard(&mut bob, Some("m1")).await, ["created", "m1"]);
    done(&mut alice, "group_remove", json!({ "users": ["bob"] })).await;
    alice.send_accepted("#team", "m2").await;
    assert_eq!(heard(&mut bob, Some("removed")).await, ["removed"], "live");
    // Carol's cursors are no better than bob's own.
    let mut carol = region.connect(0, "carol", "phone", None).await;
    let mut cursors = vec![json!("live"), json!("beginning"), json!("AQID")];
    while cursors.len() < 7 {
        let entry = carol.expect("entry").await;
        if entry["log"] == "#team" {
            cursors.push(entry["cursor"].clone());
        }
    }
    let mut devices = vec![bob];
    for (number, cursor) in cursors.into_iter().enumerate() {
        let mut device = hello(&region, &format!("device-{}", number % 10), json!({ "#team": cursor })).await;
        let given = heard(&mut device, None).await;
        assert!(
            ["created", "m1", "removed"].ends_with(&given.iter().map(String::as_str).collect::<Vec<_>>()),
            "{given:?}"
        );
        devices.push(device);
    }
    alice.send_accepted("#team", "m3").await;
    for device in &mut devices {
        assert_eq!(heard(device, None).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_goes_on_after_what_it_acknowledged_of_a_group() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    for text in ["m1", "m2", "m3"] {
        alice.send_accepted("#team", text).await;
    }
    let mut bob = hello(&region, "phone", json!({})).await;
    while bob.expect("entry").await["content"]["message"]["text"] != "m1" {}
    let seq = bob.expect("entry").await["seq"].clone();
    bob.say(json!({ "ack": { "log": "#team", "delivered": seq } })).await;
    until("the acknowledgement to be stored", async || {
        let mut bob = hello(&region, "phone", json!({})).await;
        (heard(&mut bob, Some("m3")).await == ["m3"]).then_some(())
    })
    .await;
    let mut laptop = hello(&region, "laptop", json!({})).await;
    assert_eq!(heard(&mut laptop, Some("m3")).await, ["created", "m1", "m2", "m3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deletion_of_a_group_is_the_last_of_it() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob"]).await;
    done(&mut alice, "group_delete", json!({})).await;
    assert_eq!(heard(&mut bob, Some("deleted")).await, ["created", "deleted"]);
    let mut away = hello(&region, "tablet", json!({})).await;
    assert_eq!(heard(&mut away, Some("deleted")).await, ["created", "deleted"]);
}
