//! What people call their devices.

use std::iter;

use dunlin_tests::{device::Device, region::Region, wait::until};
use serde_json::{Value, json};

use super::{acknowledge, back, remove};

fn name(device: &str, title: impl Into<Value>) -> Value {
    json!({ "device_name": { "device": device, "title": title.into() } })
}

async fn named(by: &mut Device, device: &str, title: impl Into<Value>) {
    assert_eq!(by.ask(1, name(device, title)).await, Ok(json!({ "done": {} })), "{device}");
}

/// A device of the user's as it is listed; `None` where it is not.
async fn listed(asker: &mut Device, device: &str) -> Option<Value> {
    let answer = asker.ask(99, json!({ "devices": {} })).await.expect("an answer");
    let items = answer["devices"]["items"].as_array().expect("a list").clone();
    items.into_iter().find(|item| item["device"] == device)
}

/// The same once it is gone.
async fn away(asker: &mut Device, device: &str) -> Value {
    let mut item = None;
    until("the device to be gone", async || {
        item = listed(asker, device).await.filter(|item| item["last_seen"].is_u64());
        item.is_some().then_some(())
    })
    .await;
    item.expect("listed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_away_is_named_by_another_and_was_seen_no_later_for_it() {
    let region = Region::start(2).await;
    let mut tablet = region.connect(1, "bob", "tablet", None).await;
    let seq = tablet.catch_up().await.1["seq"].clone();
    acknowledge(&region, &mut tablet, "bob", "tablet", &seq).await;
    drop(tablet);
    let (mut phone, mut laptop) =
        (region.caught_up(0, "bob", "phone").await, region.caught_up(1, "bob", "laptop").await);
    let seen = away(&mut phone, "tablet").await["last_seen"].clone();
    let of = |title: &str| Some(json!({ "device": "tablet", "last_seen": seen, "here": false, "title": title }));
    for title in ["Bob's \"tablet\" 📱", "The old one", &"📱".repeat(64)] {
        named(&mut phone, "tablet", title).await;
        assert_eq!(listed(&mut laptop, "tablet").await, of(title));
    }
    named(&mut laptop, "tablet", Value::Null).await;
    let item = listed(&mut phone, "tablet").await.expect("it stays");
    assert_eq!((&item["title"], &item["last_seen"]), (&Value::Null, &seen));
    assert_eq!(listed(&mut phone, "phone").await.expect("listed")["title"], Value::Null, "no other is named");
    // A title stays with what the device acknowledges, and goes when it is removed.
    named(&mut phone, "tablet", "Bob's").await;
    let mut tablet = region.connect(0, "bob", "tablet", None).await;
    tablet.catch_up().await;
    let sent = phone.send_accepted("bob", "one").await["order"].clone();
    tablet.expect("entry").await;
    acknowledge(&region, &mut tablet, "bob", "tablet", &sent).await;
    let item = listed(&mut laptop, "tablet").await.expect("listed");
    assert_eq!((&item["title"], &item["last_seen"]), (&json!("Bob's"), &Value::Null));
    assert_eq!(phone.ask(1, remove("tablet")).await, Ok(json!({ "done": {} })));
    let refused = phone.ask(2, name("tablet", "Bob's")).await.expect_err("a refusal");
    assert_eq!((&refused["code"], &refused["retry_after"]), (&json!("not_found"), &Value::Null), "{refused}");
    let _tablet = back(&region, 1, "tablet").await;
    assert_eq!(listed(&mut laptop, "tablet").await.expect("it is back")["title"], Value::Null);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_never_acknowledged_anything_is_named_while_it_is_connected_and_stays_known() {
    let region = Region::start(2).await;
    let (mut phone, tv) = (region.caught_up(0, "bob", "phone").await, region.caught_up(1, "bob", "tv").await);
    let _stranger = region.caught_up(0, "carol", "radio").await;
    let refused = phone.ask(1, name("radio", "Not bob's")).await.expect_err("a refusal");
    assert_eq!(refused["code"], "not_found", "somebody else's: {refused}");
    named(&mut phone, "tv", "Living room").await;
    named(&mut phone, "phone", "Mine").await;
    drop(tv);
    assert_eq!(away(&mut phone, "tv").await["title"], "Living room");
    named(&mut phone, "tv", "Kitchen").await;
    let (entries, _) = {
        phone.send_accepted("bob", "one").await;
        region.connect(1, "bob", "tv", None).await.catch_up().await
    };
    assert_eq!(entries.len(), 1, "to be named is to have acknowledged nothing");
    assert_eq!(listed(&mut phone, "tv").await.expect("listed")["title"], "Kitchen");
    // Nothing else is known of it: without its title it is not there.
    away(&mut phone, "tv").await;
    named(&mut phone, "tv", Value::Null).await;
    assert_eq!(listed(&mut phone, "tv").await, None);
    assert_eq!(phone.ask(1, name("tv", "Again")).await.expect_err("a refusal")["code"], "not_found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_title_is_refused_and_the_socket_goes_on() {
    let region = Region::start(1).await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    named(&mut phone, "phone", "Mine").await;
    let long: String = iter::repeat_n('ë', 65).collect();
    for (what, words) in [
        (name("phone", ""), "`title`"),
        (name("phone", long), "`title`"),
        (name("phone", "two\nlines"), "`title`"),
        (name("phone", "\u{1b}[2J"), "`title`"),
        (name("phone", 7), "`title`"),
        (name("phone", json!(["Mine"])), "`title`"),
        (name("my phone", "Mine"), "`device`"),
        (name("*", "Mine"), "`device`"),
        (json!({ "device_name": { "title": "Mine" } }), "`device`"),
        (json!({ "device_name": "phone" }), "`device_name`"),
    ] {
        let refused = phone.ask(7, what.clone()).await.expect_err("a refusal");
        assert_eq!((&refused["code"], &refused["retry_after"]), (&json!("bad_question"), &Value::Null), "{what}");
        assert!(refused["message"].as_str().is_some_and(|said| said.contains(words)), "{what}: {refused}");
    }
    assert_eq!(listed(&mut phone, "phone").await.expect("listed")["title"], "Mine");
    assert_eq!(phone.ask(1, json!({ "device_name": { "device": "phone" } })).await, Ok(json!({ "done": {} })));
    assert_eq!(listed(&mut phone, "phone").await.expect("listed")["title"], Value::Null, "left out is null");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_worker_a_name_is_unavailable_and_later_it_is_there() {
    let mut region = Region::start(1).await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    region.workers.pop().expect("a worker").kill();
    until("nobody to listen", async || {
        let refused = phone.ask(1, name("phone", "Mine")).await.err()?;
        assert_eq!(refused["code"], "unavailable", "{refused}");
        assert!(refused["retry_after"].is_u64(), "{refused}");
        Some(())
    })
    .await;
    region.workers.push(region.new_worker("later").await);
    until("a name", async || phone.ask(1, name("phone", "Mine")).await.ok()).await;
    assert_eq!(listed(&mut phone, "phone").await.expect("listed")["title"], "Mine");
}
