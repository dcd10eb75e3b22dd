//! Signals in a group: to the other members who are there, in a group that is not too large, and to nobody else.

use std::time::Duration;

use dunlin_schema::limits;
use dunlin_tests::{
    device::Device,
    region::Region,
    wait::{until, within},
};
use serde_json::json;

use super::{done, made};

async fn signal(from: &mut Device, kind: &str) {
    from.say(json!({ "signal": { "to": "#team", "kind": kind } })).await;
}

/// The signals that come before this entry does, each with who signals.
async fn before(device: &mut Device, id: &str) -> Vec<(String, String)> {
    let mut signals = Vec::new();
    loop {
        let frame = device.next().await.expect("a frame");
        assert!(frame["signal"].is_null(), "as if it were said to the user alone: {frame}");
        if let Some(signal) = frame.get("group_signal") {
            assert_eq!(signal["group"], "#team");
            let text = |field: &str| signal[field].as_str().expect("a text").to_owned();
            signals.push((text("from"), text("kind")));
        }
        if frame["entry"]["id"] == id {
            return signals;
        }
    }
}

/// Signals until another one sees it: the first ones may come before all this is known.
async fn until_seen(from: &mut Device, by: &mut Device) {
    until("a signal to be seen", async || {
        signal(from, "hello").await;
        let frame = by.next_within(Duration::from_millis(200)).await?.expect("a frame");
        (frame["group_signal"]["kind"] == "hello").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_members_at_all_gateways_see_it_and_nobody_else_does() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut hers = region.caught_up(1, "alice", "laptop").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut carol = region.caught_up(1, "carol", "phone").await;
    let mut eve = region.caught_up(0, "eve", "phone").await;
    made(&mut alice, &["bob", "carol", "eve"]).await;
    // Her own devices are told nothing.
    for device in [&mut bob, &mut carol, &mut eve] {
        until_seen(&mut alice, device).await;
    }
    done(&mut alice, "group_remove", json!({ "users": ["eve"] })).await;
    let gone = alice.send_until_accepted("#team", "eve is gone").await;
    for device in [&mut bob, &mut carol] {
        before(device, &gone).await;
    }
    signal(&mut eve, "intruding").await;
    for device in [&mut hers, &mut carol, &mut alice] {
        until_seen(&mut bob, device).await;
    }
    let id = carol.send_until_accepted("#team", "hello").await;
    for (who, device) in [("alice", &mut alice), ("alice too", &mut hers), ("bob", &mut bob)] {
        let seen = before(device, &id).await;
        assert!(seen.iter().all(|(from, _)| from == "bob" && who != "bob"), "{who}: {seen:?}");
    }
    // Eve is told nothing of the group any more.
    alice.send_until_accepted("eve", "bye").await;
    loop {
        let frame = eve.next().await.expect("a frame");
        assert_ne!(frame["group_signal"]["from"], "bob");
        if frame["entry"]["content"]["message"]["text"] == "bye" {
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_large_group_nobody_is_told() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob"]).await;
    until_seen(&mut alice, &mut bob).await;
    let others: Vec<String> = (0..limits::GROUP_SIGNALLED).map(|number| format!("user-{number}")).collect();
    for users in others.chunks(limits::GROUP_USERS) {
        done(&mut alice, "group_add", json!({ "users": users })).await;
    }
    // What was known before holds for some seconds.
    let mut round = 0;
    within(Duration::from_secs(40), "nobody to be told any more", async || {
        round += 1;
        signal(&mut alice, &format!("round-{round}")).await;
        let id = alice.send_until_accepted("#team", "hi").await;
        before(&mut bob, &id).await.is_empty().then_some(())
    })
    .await;
}
