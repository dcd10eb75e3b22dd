//! Presence: who is there.

use dunlin_tests::{
    device::Device,
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

/// The answer to a question, or as an error its refusal.
async fn ask(device: &mut Device, what: Value) -> Result<Value, Value> {
    device.say(json!({ "ask": { "ref": 7, "what": what } })).await;
    loop {
        let frame = device.next().await.expect("an open socket");
        if frame["answer"]["ref"] == 7 {
            return Ok(frame["answer"]["what"].clone());
        }
        if frame["refused"]["ref"] == 7 {
            return Err(frame["refused"].clone());
        }
    }
}

/// What a device is answered about some people.
async fn presence(device: &mut Device, users: &[&str]) -> Value {
    ask(device, json!({ "presence": { "users": users } })).await.expect("an answer")["presence"]["users"].clone()
}

async fn state(device: &mut Device, user: &str) -> String {
    presence(device, &[user]).await[user]["state"].as_str().expect("a state").to_owned()
}

/// Waits until that is what a device is told of somebody.
async fn until_told(device: &mut Device, user: &str, expected: &str) {
    let device = tokio::sync::Mutex::new(device);
    until(expected, async || {
        let told = state(*device.lock().await, user).await;
        (told == expected).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_is_online_until_their_last_device_at_any_gateway_is_gone() {
    let mut region = Region::start(3).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    assert_eq!(presence(&mut alice, &["bob"]).await, json!({ "bob": { "state": "offline", "last_seen": null } }));
    let phone = region.caught_up(1, "bob", "phone").await;
    let laptop = region.caught_up(2, "bob", "laptop").await;
    let told = presence(&mut alice, &["bob", "bob@local", "carol", "bob@eu", "alice"]).await;
    let person = |state: &str| json!({ "state": state, "last_seen": null });
    let (online, offline, unknown) = (person("online"), person("offline"), person("unknown"));
    let expected = json!({ "alice": online, "bob": online, "bob@eu": unknown, "bob@local": online, "carol": offline });
    assert_eq!(told, expected);
    // Dropped, it says nothing any more: as one that was killed.
    drop(region.take_gateway(2));
    drop(laptop);
    for _ in 0..5 {
        assert_eq!(state(&mut alice, "bob").await, "online");
    }
    drop(phone);
    until_told(&mut alice, "bob", "offline").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_nats_knows_its_own_people_and_no_others() {
    let region = Region::start_with(RegionOptions { gateways: 2, linked: true, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let _bob = region.caught_up(0, "bob", "phone").await;
    let _carol = region.caught_up(1, "carol", "phone").await;
    assert_eq!(state(&mut alice, "carol").await, "online");
    region.link().cut().await;
    until_told(&mut alice, "carol", "unknown").await;
    let states = presence(&mut alice, &["bob", "carol", "dave"]).await;
    let states = ["bob", "carol", "dave"].map(|user| states[user]["state"].as_str().expect("a state"));
    assert_eq!(states, ["online", "unknown", "unknown"]);
    region.link().heal();
    until_told(&mut alice, "carol", "online").await;
    assert_eq!(state(&mut alice, "dave").await, "offline");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_list_of_people_is_refused_in_words() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let many = |count: usize| (0..count).map(|number| format!("user-{number}")).collect::<Vec<_>>();
    for (users, code, says) in [
        (json!(["bob", "b.b"]), "bad_address", "\"b.b\""),
        (json!(["bob", "#team"]), "unsupported", "#team"),
        (json!("bob"), "bad_question", "`users`"),
        (json!(null), "bad_question", "`users`"),
        (json!(["bob", 7]), "bad_question", "expected a string"),
        (json!(many(201)), "bad_question", "more than 200"),
        (json!(many(10_000)), "bad_question", "more than 200"),
    ] {
        let refused = ask(&mut alice, json!({ "presence": { "users": users } })).await.unwrap_err();
        let message = refused["message"].as_str().expect("words");
        assert_eq!(refused["code"], code, "{message}");
        assert!(message.contains(says), "{message}");
    }
    let most = many(200);
    let answer = presence(&mut alice, &most.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(answer.as_object().expect("people").len(), 200);
    assert_eq!(presence(&mut alice, &[]).await, json!({}));
}
