//! Presence: who is there.

use dunlin_schema::{Millis, Peer, record::Receipt, stream::receipts_stream, subject};
use dunlin_tests::{
    backend::BackEnd,
    device::Device,
    region::{Region, RegionOptions},
    tokens::service_claims,
    wait::until,
};
use serde_json::{Value, json};

/// What a device is answered about some people.
async fn presence(device: &mut Device, users: &[&str]) -> Value {
    device.ask(7, json!({ "presence": { "users": users } })).await.expect("an answer")["presence"]["users"].clone()
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
async fn who_is_offline_was_last_seen_when_the_last_device_left_and_never_earlier() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    watch(&mut alice, &["bob"]).await;
    assert_eq!(alice.expect("presence").await["last_seen"], Value::Null, "nobody has ever seen him");
    let began = dunlin_tests::tokens::now() * 1_000;
    let phone = region.caught_up(0, "bob", "phone").await;
    let laptop = region.caught_up(1, "bob", "laptop").await;
    assert_eq!(alice.expect("presence").await["last_seen"], Value::Null, "while he is here");
    drop(phone);
    drop(laptop);
    let told = alice.expect("presence").await;
    assert_eq!(told["state"], "offline");
    let seen = seen_after(&mut alice, began).await;
    // An item that comes late, as one of another gateway does, lowers nothing.
    let late = Receipt::Seen { at: Millis(began - 5_000) };
    let (log, jetstream) = (region.mailbox("bob"), region.jetstream().await);
    let subject = subject::receipt(&log.region, log.shard, &"bob".parse().expect("a name"));
    jetstream.publish(subject, late.encode().into()).await.expect("a publish").await.expect("an item");
    until("an empty queue", async || {
        let stream = jetstream.get_stream(receipts_stream(&log.region, log.shard)).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
    assert_eq!(seen_after(&mut alice, began).await, seen);
    // What somebody acknowledges is a sign of life, too, also where the gateway says nothing of it.
    let device = subject::device_record(
        &log.region,
        log.shard,
        &"carol".parse().expect("a name"),
        &"phone".parse().expect("a name"),
        &Peer::User("carol".parse().expect("a name")),
    );
    let carols = region.mailbox("carol");
    let device = device.replace(&format!(".{}.device", log.shard), &format!(".{}.device", carols.shard));
    jetstream.publish(device, "whatever it says".into()).await.expect("a publish").await.expect("a record");
    let carol = presence(&mut alice, &["carol"]).await["carol"].clone();
    assert!(carol["last_seen"].as_u64().expect("a time") >= began, "{carol}");
}

/// When bob was last seen, once that is known to be after some time.
async fn seen_after(device: &mut Device, after: u64) -> u64 {
    let device = tokio::sync::Mutex::new(device);
    until("the time to be stored", async || {
        let bob = presence(*device.lock().await, &["bob"]).await["bob"].clone();
        assert_eq!(bob["state"], "offline");
        bob["last_seen"].as_u64().filter(|seen| *seen >= after)
    })
    .await
}

async fn decides(device: &mut Device, what: Value) {
    assert_eq!(device.ask(7, what).await.expect("an answer"), json!({ "done": {} }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_see_somebody_sees_nobody() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    watch(&mut alice, &["bob"]).await;
    is_told(&mut alice, "bob", "online").await;
    let nobody = json!({ "bob": { "state": "offline", "last_seen": null } });
    let steps = [
        (json!({ "block": { "user": "alice" } }), "offline"),
        (json!({ "unblock": { "user": "alice" } }), "online"),
        (json!({ "set": { "who_sees_presence": "nobody" } }), "offline"),
        (json!({ "set": { "who_sees_presence": "everybody" } }), "online"),
        (json!({ "set": { "who_sees_presence": "contacts" } }), "offline"),
    ];
    for (what, expected) in steps {
        decides(&mut bob, what).await;
        is_told(&mut alice, "bob", expected).await;
        until_told(&mut alice, "bob", expected).await;
    }
    assert_eq!(presence(&mut alice, &["bob"]).await, nobody);
    assert_eq!(state(&mut bob, "bob").await, "online", "to himself");
    // He leaves: who did not see that he was there does not see that he went, nor when.
    let mut carol = region.caught_up(0, "carol", "phone").await;
    bob.send_accepted("carol", "she is a contact").await;
    watch(&mut carol, &["bob"]).await;
    is_told(&mut carol, "bob", "online").await;
    drop(bob);
    is_told(&mut carol, "bob", "offline").await;
    assert_eq!(presence(&mut alice, &["bob"]).await, nobody);
    is_told_nothing(&mut alice).await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    bob.send_accepted("alice", "from now on she is a contact").await;
    until_told(&mut alice, "bob", "online").await;
    drop(bob);
    is_told(&mut alice, "bob", "offline").await;
    assert!(presence(&mut alice, &["bob"]).await["bob"]["last_seen"].is_u64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_sees_what_its_own_user_may_see() {
    let region = Region::start(2).await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let token = region.key.sign(&service_claims("shop"));
    let shop = BackEnd::new(region.gateway(0), token.clone());
    let seen = async |expected: &str| {
        until(expected, async || {
            let answer = shop.get("/v1/presence?user=bob", &format!("Bearer {token}")).await;
            (answer.body["presence"]["users"]["bob"]["state"] == expected).then_some(())
        })
        .await;
    };
    seen("online").await;
    decides(&mut bob, json!({ "block": { "user": "shop" } })).await;
    seen("offline").await;
    decides(&mut bob, json!({ "unblock": { "user": "shop" } })).await;
    seen("online").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_nats_can_say_of_nobody_how_they_are_and_who_may_see_them() {
    let region = Region::start_with(RegionOptions { gateways: 2, linked: true, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let _bob = region.caught_up(0, "bob", "phone").await;
    let _carol = region.caught_up(1, "carol", "phone").await;
    assert_eq!(state(&mut alice, "carol").await, "online");
    region.link().cut().await;
    until_told(&mut alice, "carol", "unknown").await;
    let states = presence(&mut alice, &["bob", "carol", "dave"]).await;
    let states = ["bob", "carol", "dave"].map(|user| states[user]["state"].as_str().expect("a state"));
    assert_eq!(states, ["unknown"; 3]);
    watch(&mut alice, &["bob"]).await;
    is_told(&mut alice, "bob", "unknown").await;
    region.link().heal();
    is_told(&mut alice, "bob", "online").await;
    until_told(&mut alice, "carol", "online").await;
    // For a moment others may be on their way back, too.
    until_told(&mut alice, "dave", "offline").await;
}

/// Has a device watch some people.
async fn watch(device: &mut Device, users: &[&str]) {
    let done = device.ask(7, json!({ "watch": { "users": users } })).await.expect("an answer");
    assert_eq!(done, json!({ "done": {} }));
}

/// The next thing that a device is told of somebody.
async fn told(device: &mut Device) -> (String, String) {
    let told = device.expect("presence").await;
    let text = |field: &str| told[field].as_str().expect("a text").to_owned();
    (text("user"), text("state"))
}

async fn is_told(device: &mut Device, user: &str, state: &str) {
    assert_eq!(told(device).await, (user.to_owned(), state.to_owned()));
}

/// Sees that a device is told nothing of anybody for now: what it asks next is answered first.
async fn is_told_nothing(device: &mut Device) {
    device.say(json!({ "ask": { "ref": 7, "what": { "devices": {} } } })).await;
    let frame = device.next().await.expect("an open socket");
    assert!(frame["answer"].is_object(), "{frame}");
}

async fn metric(gateway: std::net::SocketAddr, name: &str) -> u64 {
    let text = reqwest::get(format!("http://{gateway}/metrics")).await.expect("metrics").text().await.expect("a text");
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("dunlin_gateway_{name} ")));
    line.unwrap_or_else(|| panic!("no {name}")).parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_is_told_at_once_and_of_each_change() {
    let region = Region::start(3).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let carol = region.caught_up(0, "carol", "phone").await;
    watch(&mut alice, &["bob", "bob@local", "carol", "dave@eu"]).await;
    let mut first = vec![told(&mut alice).await, told(&mut alice).await, told(&mut alice).await];
    first.sort();
    let expected = [("bob", "offline"), ("carol", "online"), ("dave@eu", "unknown")];
    assert_eq!(first, expected.map(|(user, state)| (user.to_owned(), state.to_owned())));
    let phone = region.caught_up(1, "bob", "phone").await;
    is_told(&mut alice, "bob", "online").await;
    // A second device, and the end of one of two, change nothing.
    let laptop = region.caught_up(2, "bob", "laptop").await;
    drop(phone);
    drop(carol);
    is_told(&mut alice, "carol", "offline").await;
    is_told_nothing(&mut alice).await;
    let began = std::time::Instant::now();
    drop(laptop);
    is_told(&mut alice, "bob", "offline").await;
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "it took {:?}", began.elapsed());
    // Another watch takes its place, and none ends it.
    watch(&mut alice, &["carol"]).await;
    is_told(&mut alice, "carol", "offline").await;
    let _bob = region.caught_up(0, "bob", "phone").await;
    let carol = region.caught_up(2, "carol", "phone").await;
    is_told(&mut alice, "carol", "online").await;
    watch(&mut alice, &[]).await;
    drop(carol);
    until_told(&mut alice, "carol", "offline").await;
    is_told_nothing(&mut alice).await;
    assert_eq!(metric(region.gateway(0), "presence_watched").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_comes_back_at_once_was_never_away() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    watch(&mut alice, &["bob", "carol"]).await;
    told(&mut alice).await;
    told(&mut alice).await;
    let bob = region.caught_up(1, "bob", "phone").await;
    is_told(&mut alice, "bob", "online").await;
    drop(bob);
    let _bob = region.caught_up(0, "bob", "phone").await;
    // What comes of the end of the older connection comes before this.
    let carol = region.caught_up(1, "carol", "phone").await;
    is_told(&mut alice, "carol", "online").await;
    drop(carol);
    is_told(&mut alice, "carol", "offline").await;
    is_told_nothing(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_takes_its_people_with_it_within_two_pings() {
    let mut region = Region::start(3).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let _carol = region.caught_up(0, "bob_of_here", "phone").await;
    let _bob = region.caught_up(1, "bob", "phone").await;
    let _dave = region.caught_up(1, "dave", "phone").await;
    let _laptop = region.caught_up(2, "dave", "laptop").await;
    watch(&mut alice, &["bob", "dave"]).await;
    is_told_both_online(&mut alice).await;
    let began = std::time::Instant::now();
    region.take_gateway(1).kill();
    let frame = alice.next_within(std::time::Duration::from_secs(60)).await.expect("a frame").expect("an open socket");
    assert_eq!((&frame["presence"]["user"], &frame["presence"]["state"]), (&json!("bob"), &json!("offline")));
    assert!(began.elapsed() < std::time::Duration::from_secs(50), "it took {:?}", began.elapsed());
    is_told_nothing(&mut alice).await;
    assert_eq!(state(&mut alice, "dave").await, "online");
}

async fn is_told_both_online(device: &mut Device) {
    let mut first = vec![told(device).await, told(device).await];
    first.sort();
    assert_eq!(first, ["bob", "dave"].map(|user| (user.to_owned(), "online".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_at_a_gateway_without_nats_is_told_that_nobody_knows() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let _here = region.caught_up(0, "carol", "phone").await;
    let _there = region.caught_up_at(apart, "bob", "phone").await;
    watch(&mut alice, &["bob", "carol"]).await;
    let mut first = vec![told(&mut alice).await, told(&mut alice).await];
    first.sort();
    assert_eq!(first, ["bob", "carol"].map(|user| (user.to_owned(), "online".to_owned())));
    region.link().cut().await;
    is_told(&mut alice, "bob", "unknown").await;
    region.link().heal();
    is_told(&mut alice, "bob", "online").await;
    is_told_nothing(&mut alice).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_who_watch_one_cost_one_interest_and_a_change_one_message_a_gateway() {
    let region = Region::start(2).await;
    let mut watchers = vec![];
    for number in 0..1_000 {
        let mut watcher =
            region.connect(0, &format!("user-{}", number / 10), &format!("d{number}"), Some("live")).await;
        watch(&mut watcher, &["bob"]).await;
        watchers.push(watcher);
    }
    assert_eq!(metric(region.gateway(0), "presence_watched").await, 1);
    let nats = async_nats::connect(region.url()).await.expect("NATS");
    let mut news = nats.subscribe("presence.*").await.expect("a subscription");
    nats.flush().await.expect("NATS");
    let asked = metric(region.gateway(0), "presence_asked_total").await;
    drop(region.caught_up(1, "bob", "phone").await);
    for watcher in &mut watchers {
        while told(watcher).await.1 != "online" {}
    }
    for watcher in &mut watchers {
        is_told(watcher, "bob", "offline").await;
    }
    nats.drain().await.expect("NATS");
    let mut said = 0;
    while let Some(message) = futures_util::StreamExt::next(&mut news).await {
        said += usize::from(message.subject.as_str() == "presence.bob");
    }
    assert_eq!(said, 2, "it came, and it left");
    let asked = metric(region.gateway(0), "presence_asked_total").await - asked;
    assert!((2..=4).contains(&asked), "{asked} questions");
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
        for question in ["presence", "watch"] {
            let refused = alice.ask(7, json!({ question: { "users": users } })).await.unwrap_err();
            let message = refused["message"].as_str().expect("words");
            assert_eq!(refused["code"], code, "{message}");
            assert!(message.contains(says), "{message}");
        }
    }
    let most = many(200);
    let answer = presence(&mut alice, &most.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!(answer.as_object().expect("people").len(), 200);
    assert_eq!(presence(&mut alice, &[]).await, json!({}));
}
