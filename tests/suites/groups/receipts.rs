//! Receipts of groups: who sends is told to how many members it came, and to whom, and nobody else is.

use dunlin_tests::{
    device::Device,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

use super::{done, made, refused};

/// Delivered to, read by, of.
type Counts = (u64, u64, u64);

fn counts(of: &Value) -> Counts {
    let number = |field: &str| of[field].as_u64().expect("a number");
    (number("delivered"), number("read"), number("of"))
}

/// Waits until a device is told this of its message; until then nothing is lower than before, or more than that.
async fn until_told(device: &mut Device, order: u64, expected: Counts) {
    let mut before = (0, 0, 0);
    while before != expected {
        let receipt = device.expect("receipt").await;
        if receipt["order"] != order {
            continue;
        }
        assert_eq!((&receipt["by"], &receipt["to"], &receipt["since"]), (&Value::Null, &json!("#team"), &Value::Null));
        let now = counts(&receipt);
        assert!(now.0 >= before.0 && now.1 >= before.1, "{now:?} after {before:?}");
        assert!(now.0 <= expected.0 && now.1 <= expected.1 && now.2 == expected.2, "{now:?} of {expected:?}");
        before = now;
    }
}

async fn said(device: &mut Device, text: &str) -> u64 {
    device.send_accepted("#team", text).await["order"].as_u64().expect("an order")
}

/// Takes what comes of the group up to this order.
async fn takes(device: &mut Device, order: u64) {
    loop {
        let entry = device.expect("entry").await;
        if entry["log"] == "#team" && entry["seq"] == order {
            return;
        }
    }
}

async fn acknowledge(device: &mut Device, upto: u64) {
    device.say(json!({ "ack": { "log": "#team", "delivered": upto } })).await;
}

async fn read(device: &mut Device, upto: u64) {
    device.say(json!({ "read": { "with": "#team", "upto": upto } })).await;
}

async fn asked(device: &mut Device, order: u64) -> Counts {
    let answer = device.ask(5, json!({ "receipts": { "to": "#team", "order": order } })).await.expect("counts");
    assert!(answer["counts"]["stored"].as_u64().expect("a time") > 1_600_000_000_000, "{answer}");
    counts(&answer["counts"])
}

/// Everybody who may read it, in pages of so many.
async fn who(device: &mut Device, order: u64, limit: usize) -> Vec<(String, bool, bool)> {
    let (mut all, mut after) = (Vec::new(), Value::Null);
    loop {
        let question = json!({ "to": "#team", "order": order, "after": after, "limit": limit });
        let answer = device.ask(5, json!({ "receipts_of": question })).await.expect("a page");
        let page = &answer["receipts_of"];
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= limit, "{page}");
        all.extend(items.iter().map(|item| {
            let is = |field: &str| item[field].as_bool().expect("a boolean");
            (item["user"].as_str().expect("a user").to_owned(), is("delivered"), is("read"))
        }));
        after = page["next"].clone();
        if after.is_null() {
            return all;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_devices_of_the_sender_are_told_and_nobody_else_may_ask() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    let mut laptop = region.caught_up(1, "alice", "laptop").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut tablet = region.caught_up(1, "bob", "tablet").await;
    let mut carol = region.caught_up(1, "carol", "phone").await;
    let order = said(&mut alice, "hello").await;
    for device in [&mut laptop, &mut bob, &mut tablet, &mut carol] {
        takes(device, order).await;
    }
    // Of one person two devices count once, and one's own is none; twice and in any order is once.
    for device in [&mut laptop, &mut bob, &mut tablet] {
        acknowledge(device, order).await;
        acknowledge(device, order - 1).await;
    }
    for device in [&mut alice, &mut laptop] {
        until_told(device, order, (1, 0, 2)).await;
    }
    assert_eq!(who(&mut alice, order, 1).await, [("bob".into(), true, false), ("carol".into(), false, false)]);
    acknowledge(&mut carol, order).await;
    read(&mut bob, (1 << 53) - 1).await;
    for device in [&mut bob, &mut tablet] {
        let marked = device.expect("marked").await;
        assert_eq!(
            (&marked["with"], &marked["read"]),
            (&json!("#team"), &json!(order)),
            "no further than the log goes"
        );
    }
    for device in [&mut alice, &mut laptop] {
        until_told(device, order, (2, 1, 2)).await;
    }
    assert_eq!(asked(&mut laptop, order).await, (2, 1, 2));
    assert_eq!(who(&mut laptop, order, 100).await, [("bob".into(), true, true), ("carol".into(), true, false)]);
    let next = said(&mut alice, "again").await;
    assert_eq!(asked(&mut alice, next).await, (0, 0, 2), "what was read of before says nothing of what comes later");
    // Who has what is for whoever sent it, while they are a member.
    let questions = [
        json!({ "receipts": { "to": "#team", "order": order } }),
        json!({ "receipts_of": { "to": "#team", "order": order, "limit": 9 } }),
    ];
    let mut stranger = region.caught_up(0, "mallory", "phone").await;
    for question in &questions {
        assert_eq!(refused(&mut bob, question).await.0, "not_found");
        assert_eq!(refused(&mut stranger, question).await.0, "not_found");
    }
    let of_nobody = json!({ "receipts_of": { "to": "#nobody", "order": order, "limit": 9 } });
    assert_eq!(refused(&mut alice, &of_nobody).await.0, "not_found");
    let before = json!({ "receipts": { "to": "#team", "order": 0 } });
    assert_eq!(refused(&mut alice, &before).await.0, "not_found");
    // She may not read what is a stranger's either.
    read(&mut stranger, order).await;
    assert_eq!(stranger.expect("refused").await["code"], "unknown_log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_count_for_what_they_may_read() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let others: Vec<String> = (0..38).map(|number| format!("user-{number}")).collect();
    let names: Vec<&str> = others.iter().map(String::as_str).chain(["bob"]).collect();
    made(&mut alice, &names).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let first = said(&mut alice, "m1").await;
    takes(&mut bob, first).await;
    let users = json!({ "users": ["bob"] });
    done(&mut alice, "group_remove", users.clone()).await;
    let second = said(&mut alice, "m2").await;
    done(&mut alice, "group_add", users).await;
    done(&mut alice, "group_add", json!({ "users": ["carol"] })).await;
    let third = said(&mut alice, "m3").await;
    takes(&mut bob, third).await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    takes(&mut carol, third).await;
    for device in [&mut bob, &mut carol] {
        acknowledge(device, third).await;
        read(device, third).await;
        device.expect("marked").await;
    }
    for (order, expected) in [(first, (1, 1, 39)), (second, (0, 0, 38)), (third, (2, 2, 40))] {
        until("what it came to", async || (asked(&mut alice, order).await == expected).then_some(())).await;
    }
    let pages = who(&mut alice, third, 7).await;
    assert_eq!(pages, who(&mut alice, third, 1_000).await);
    assert_eq!(pages.len(), 40);
    // Who is removed is told no more of what they said.
    let of_bob = said(&mut bob, "mine").await;
    takes(&mut carol, of_bob).await;
    acknowledge(&mut carol, of_bob).await;
    until_told(&mut bob, of_bob, (1, 0, 40)).await;
    done(&mut alice, "group_remove", json!({ "users": ["bob"] })).await;
    let question = json!({ "receipts": { "to": "#team", "order": of_bob } });
    assert_eq!(refused(&mut bob, &question).await.0, "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_began_live_claims_nothing_of_what_was_before() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let first = said(&mut alice, "before").await;
    let cursors = json!({ "#team": "live" });
    let watch = Device::try_hello_with(region.gateway(0), &region.token("bob"), "watch", cursors).await;
    let mut watch = watch.expect("a welcome");
    while watch.expect("caught_up").await["log"] != "#team" {}
    let second = said(&mut alice, "since").await;
    takes(&mut watch, second).await;
    acknowledge(&mut watch, second).await;
    until_told(&mut alice, second, (1, 0, 1)).await;
    assert_eq!(asked(&mut alice, first).await, (0, 0, 1));
    // Another device has it all, and the first one does not take that back.
    let mut phone = region.caught_up(0, "bob", "phone").await;
    takes(&mut phone, second).await;
    acknowledge(&mut phone, second).await;
    until_told(&mut alice, first, (1, 0, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_away_is_told_and_what_was_lost_on_its_way_is_found() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let order = said(&mut alice, "hello").await;
    drop(alice);
    let mut bob = region.caught_up(0, "bob", "phone").await;
    takes(&mut bob, order).await;
    read(&mut bob, order).await;
    bob.expect("marked").await;
    let mut alice = region.connect(0, "alice", "phone", None).await;
    until_told(&mut alice, order, (1, 1, 1)).await;
    // The comparison of marks finds what was lost.
    let next = said(&mut alice, "and again").await;
    takes(&mut bob, next).await;
    region.link().lose("user.alice");
    acknowledge(&mut bob, next).await;
    until_told(&mut alice, next, (1, 0, 1)).await;
    assert!(region.link().has_lost_all(), "it was told twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_goes_on_after_what_it_acknowledged_until_it_is_removed() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let orders = [said(&mut alice, "m1").await, said(&mut alice, "m2").await];
    takes(&mut bob, orders[1]).await;
    acknowledge(&mut bob, orders[0]).await;
    until_told(&mut alice, orders[0], (1, 0, 1)).await;
    drop(bob);
    let mut bob = region.connect(0, "bob", "phone", None).await;
    assert_eq!(bob.expect("entry").await["seq"], orders[1]);
    assert_eq!(bob.ask(1, json!({ "device_remove": { "device": "phone" } })).await, Ok(json!({ "done": {} })));
    bob.end().await;
    let mut anew = until("a token of later", async || {
        Device::try_hello(region.gateway(0), &region.token("bob"), "phone", None).await.ok()
    })
    .await;
    assert_eq!(anew.expect("entry").await["content"]["settings"]["change"], "created", "it begins with all there is");
    assert_eq!(asked(&mut alice, orders[0]).await, (1, 0, 1), "what was delivered stays so");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_blocked_the_sender_is_counted_and_named_like_others() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    assert_eq!(bob.ask(1, json!({ "block": { "user": "alice" } })).await, Ok(json!({ "done": {} })));
    let order = said(&mut alice, "hello").await;
    takes(&mut bob, order).await;
    acknowledge(&mut bob, order).await;
    until_told(&mut alice, order, (1, 0, 2)).await;
    assert_eq!(who(&mut alice, order, 9).await, [("bob".into(), true, false), ("carol".into(), false, false)]);
}
