//! Members whose gateway is cut off from NATS, and a server that loses its last seconds: what was missed is given or told of, and nobody
//! who was removed meanwhile is given more.

use dunlin_schema::content::Change;
use dunlin_tests::{
    by_hand::ByHand,
    device::{Device, message, new_id},
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::json;

use super::{
    done, made,
    told::{all_said, said, until_said},
};

/// Entries that make a log forget all that was before.
const ALL: usize = 10_050;

/// The removal itself is gone from the log when the gateway is back, and the log is further ahead of STATE than anybody looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gap_of_the_tail_over_a_removal_lets_nobody_read_on() {
    let options = RegionOptions { gateways: 1, linked: true, without: Some("groups"), ..RegionOptions::default() };
    let region = Region::start_with(options).await;
    let mut team = ByHand::create(&region, "team", &["alice", "bob", "carol"]).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let mut carol = region.connect(0, "carol", "phone", None).await;
    team.say("alice", "before").await;
    for device in [&mut bob, &mut carol] {
        assert_eq!(until_said(device, "before").await, ["created", "before"]);
    }
    region.link().cut().await;
    team.change(Change::Removed, &["bob"]).await;
    team.say_often("alice", "secret", ALL).await;
    region.link().heal();
    assert_eq!(until_said(&mut carol, "gap").await, ["gap"]);
    assert_eq!(all_said(&mut carol).await, [""; 0], "whoever may read waits for STATE");
    team.apply().await;
    team.say("alice", "after").await;
    let given = until_said(&mut carol, "after").await;
    assert!(given.len() > 9_900 && given.iter().filter(|said| *said == "gap").count() <= 1, "{} entries", given.len());
    let given = all_said(&mut bob).await;
    assert!(given.iter().all(|said| said == "gap"), "bob is given {given:?}");
    // Nor is he when he comes again, wherever he says that he stands.
    for says in [json!({}), json!({ "#team": "live" }), json!({ "#team": "beginning" })] {
        let again = Device::try_hello_with(region.gateway(0), &region.token("bob"), "tablet", says.clone()).await;
        let given = all_said(&mut again.expect("a welcome")).await;
        assert!(given.iter().all(|said| said == "gap"), "{says}: bob is given {given:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_behind_a_cut_link_get_what_they_may_once_it_is_healed() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up_at(apart, "alice", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let mut carol = region.connect(0, "carol", "phone", None).await;
    let mut dave = region.caught_up(0, "dave", "phone").await;
    for device in [&mut bob, &mut carol] {
        assert_eq!(until_said(device, "created").await, ["created"]);
    }
    region.link().cut().await;
    alice.send_accepted("#team", "m1").await;
    done(&mut alice, "group_remove", json!({ "users": ["carol"] })).await;
    alice.send_accepted("#team", "m2").await;
    done(&mut alice, "group_add", json!({ "users": ["dave"] })).await;
    done(&mut alice, "group_add", json!({ "users": ["erin"] })).await;
    done(&mut alice, "group_remove", json!({ "users": ["erin"] })).await;
    region.link().heal();
    alice.send_accepted("#team", "m3").await;
    let bobs = ["m1", "removed", "m2", "added", "added", "removed", "m3"];
    assert_eq!(until_said(&mut bob, "m3").await, bobs);
    assert_eq!(until_said(&mut carol, "removed").await, ["m1", "removed"]);
    assert_eq!(until_said(&mut dave, "m3").await, bobs[3..]);
    assert_eq!(all_said(&mut carol).await, [""; 0]);
    let mut erin = region.connect(0, "erin", "phone", None).await;
    assert_eq!(until_said(&mut erin, "removed").await, ["added", "removed"]);
}

/// The log goes back over a removal, which has to be done again; whoever was there is told of a gap, and goes on in the next epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_loss_is_told_to_the_members_of_a_group() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    alice.send_accepted("#team", "kept").await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    assert_eq!(until_said(&mut bob, "kept").await, ["created", "kept"]);
    region.nats.stop();
    let snapshot = region.nats.snapshot();
    region.nats.restart();
    let mut alice = region.caught_up_when_ready(0, "alice", "laptop").await;
    alice.send_until_accepted("#team", "lost").await;
    done(&mut alice, "group_remove", json!({ "users": ["carol"] })).await;
    assert_eq!(until_said(&mut bob, "removed").await, ["lost", "removed"]);
    region.nats.kill();
    region.nats.put_back(&snapshot);
    region.workers.drain(..).for_each(|worker| worker.kill());
    region.nats.restart();
    let worker = region.new_worker("second").await;
    region.workers.push(worker);
    assert_eq!(until_said(&mut bob, "gap").await, ["gap"]);
    let mut alice = region.caught_up_when_ready(0, "alice", "tablet").await;
    // Nobody knows of the removal any more.
    let mut carol = region.caught_up(0, "carol", "phone").await;
    carol.send_until_accepted("#team", "still here").await;
    until("the worker", async || {
        let remove = super::command("group_remove", json!({ "users": ["carol"] }));
        alice.ask(9, remove).await.ok()
    })
    .await;
    alice.send_until_accepted("#team", "after").await;
    assert_eq!(until_said(&mut bob, "after").await, ["still here", "removed", "after"]);
    let given = all_said(&mut carol).await;
    assert_eq!(given.last().map(String::as_str), Some("removed"), "{given:?}");
}

/// What `bob` is given of `#team` wherever he says that he stands, and what its history tells him.
async fn found(region: &Region, bob: &mut Device) -> Vec<String> {
    let history = json!({ "history": { "with": "#team", "limit": 50 } });
    let page = until("the index", async || bob.ask(9, history.clone()).await.ok()).await;
    let entries = page["history"]["entries"].as_array().expect("a list");
    let mut found: Vec<String> = entries.iter().map(|entry| entry["content"]["message"]["text"].to_string()).collect();
    for (number, says) in [json!({}), json!({ "#team": "live" }), json!({ "#team": "beginning" })].iter().enumerate() {
        let device = format!("tablet-{number}");
        let again = Device::try_hello_with(region.gateway(0), &region.token("bob"), &device, says.clone()).await;
        found.extend(all_said(&mut again.expect("a welcome")).await);
    }
    found
}

/// Either the log goes back over what was said and a removal, or the records do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_removed_is_given_no_more_where_a_power_loss_takes_log_or_records_back() {
    for lost in ["LOG_", "STATE_"] {
        let mut region = Region::start_with(RegionOptions { gateways: 1, shards: 1, ..RegionOptions::default() }).await;
        let mut alice = region.caught_up(0, "alice", "phone").await;
        made(&mut alice, &["bob", "carol"]).await;
        alice.send_accepted("#team", "kept").await;
        let mut bob = region.connect(0, "bob", "phone", None).await;
        assert_eq!(until_said(&mut bob, "kept").await, ["created", "kept"]);
        region.nats.stop();
        let snapshot = region.nats.snapshot();
        region.nats.restart();
        let mut alice = region.caught_up_when_ready(0, "alice", "laptop").await;
        for number in 0..5 {
            alice.send_until_accepted("#team", &format!("said {number}")).await;
        }
        done(&mut alice, "group_remove", json!({ "users": ["bob"] })).await;
        until_said(&mut bob, "removed").await;
        until("the records", async || {
            let info = alice.ask(9, json!({ "group_info": { "group": "#team" } })).await.ok()?;
            (info["group"]["members"] == 2).then_some(())
        })
        .await;
        region.nats.kill();
        region.nats.put_back_streams(&snapshot, lost);
        region.workers.drain(..).for_each(|worker| worker.kill());
        region.nats.restart();
        let worker = region.new_worker("second").await;
        region.workers.push(worker);
        let mut alice = region.caught_up_when_ready(0, "alice", "tablet").await;
        for number in 0..9 {
            alice.send_until_accepted("#team", &format!("secret {number}")).await;
        }
        until_said(&mut region.connect(0, "carol", "phone", None).await, "secret 8").await;
        let id = new_id();
        bob.say(message(&id, "#team", "from outside")).await;
        let mut given = Vec::new();
        let rejected = loop {
            let frame = bob.next().await.expect("an open socket");
            given.extend(said(&frame));
            if frame["rejected"]["id"] == *id {
                break frame["rejected"]["code"].clone();
            }
        };
        assert_eq!(rejected, "not_a_member", "{lost}");
        given.extend(all_said(&mut bob).await);
        given.extend(found(&region, &mut bob).await);
        assert!(!given.iter().any(|said| said.contains("secret")), "{lost}: bob is given {given:?}");
    }
}
