//! Questions of clients, and the devices of a user that they are about.

mod many;
mod named;

use dunlin_schema::{Millis, Peer, Seq, record::DeviceRecord, stream::receipts_stream, stream::state_stream, subject};
use dunlin_tests::{
    device::{Device, Ended, text},
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

fn remove(device: &str) -> Value {
    json!({ "device_remove": { "device": device } })
}

/// The user's devices: each one's name, whether it is connected, and whether it is the one that asks.
async fn devices(device: &mut Device) -> Vec<(String, bool, bool)> {
    let answer = device.ask(99, json!({ "devices": {} })).await.expect("an answer");
    let items = answer["devices"]["items"].as_array().expect("a list").iter();
    let item = |item: &Value| {
        let name = item["device"].as_str().expect("a name").to_owned();
        (name, item["last_seen"].is_null(), item["here"].as_bool().expect("whether it asks"))
    };
    items.map(item).collect()
}

/// Acknowledges everything, and waits until that is stored.
async fn acknowledge(region: &Region, device: &mut Device, user: &str, name: &str, seq: &Value) {
    let (log, jetstream) = (region.mailbox(user), region.jetstream().await);
    let of = Peer::User(user.parse().expect("a name"));
    let (user, name) = (user.parse().expect("a name"), name.parse().expect("a name"));
    let record = subject::device_record(&log.region, log.shard, &user, &name, &of);
    let state = jetstream.get_stream(state_stream(&log.region, log.shard)).await.expect("the shard's state");
    let before = state.get_last_raw_message_by_subject(&record).await.map_or(0, |message| message.sequence);
    device.say(json!({ "ack": { "log": "mailbox", "delivered": seq } })).await;
    until("the acknowledgement to be stored", async || {
        let message = state.get_last_raw_message_by_subject(&record).await.ok()?;
        (message.sequence > before).then_some(())
    })
    .await;
}

/// Waits until the receipts worker has taken in everything of a user's shard.
async fn all_taken_in(region: &Region, user: &str) {
    let (log, jetstream) = (region.mailbox(user), region.jetstream().await);
    until("an empty queue", async || {
        let stream = jetstream.get_stream(receipts_stream(&log.region, log.shard)).await.ok()?;
        (stream.cached_info().state.messages == 0).then_some(())
    })
    .await;
}

/// Bob's device that was removed comes back, once it has a token that was issued later.
async fn back(region: &Region, gateway: usize, device: &str) -> Device {
    until("a token of later", async || {
        Device::try_hello(region.gateway(gateway), &region.token("bob"), device, None).await.ok()
    })
    .await
}

fn removed(ended: &Ended) -> bool {
    (ended.code(), ended.close) == (Some("token_revoked"), Some(4401))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn devices_of_two_gateways_are_listed_with_those_that_are_gone() {
    let region = Region::start(2).await;
    let began = dunlin_tests::tokens::now() * 1_000;
    let mut tablet = region.connect(1, "bob", "tablet", None).await;
    let seq = tablet.catch_up().await.1["seq"].clone();
    acknowledge(&region, &mut tablet, "bob", "tablet", &seq).await;
    drop(tablet);
    let mut phone = region.caught_up(0, "bob", "phone").await;
    let mut laptop = region.caught_up(1, "bob", "laptop").await;
    let _web = region.caught_up(0, "bob", "web").await;
    let _stranger = region.caught_up(0, "bobby", "stranger").await;
    let at = |name: &str, connected, here| (name.to_owned(), connected, here);
    let expected =
        |here: &str| ["laptop", "phone", "tablet", "web"].map(|name| at(name, name != "tablet", name == here)).to_vec();
    until("the tablet to be gone", async || (devices(&mut phone).await == expected("phone")).then_some(())).await;
    assert_eq!(devices(&mut laptop).await, expected("laptop"), "also for one that never acknowledged anything");
    let answer = phone.ask(1, json!({ "devices": {} })).await.expect("an answer");
    let seen = answer["devices"]["items"][2]["last_seen"].as_u64().expect("a time");
    let now = dunlin_tests::tokens::now() * 1_000;
    assert!((began..now + 2_000).contains(&seen), "{began} {seen} {now}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_removed_while_it_is_away_comes_back_as_a_new_one() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    alice.send_accepted("bob", "one").await;
    let mut tablet = region.connect(0, "bob", "tablet", None).await;
    let seq = tablet.catch_up().await.1["seq"].clone();
    acknowledge(&region, &mut tablet, "bob", "tablet", &seq).await;
    drop(tablet);
    let (entries, _) = region.connect(0, "bob", "tablet", None).await.catch_up().await;
    assert_eq!(entries.len(), 0, "it goes on after what it acknowledged");
    // The same name of another user.
    let mut hers = region.connect(0, "carol", "tablet", None).await;
    let seq = hers.catch_up().await.1["seq"].clone();
    acknowledge(&region, &mut hers, "carol", "tablet", &seq).await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    for (reference, device) in [(1, "tablet"), (2, "tablet"), (3, "no-such-device")] {
        assert_eq!(phone.ask(reference, remove(device)).await, Ok(json!({ "done": {} })), "{device}");
    }
    until("nothing but the phone", async || {
        (devices(&mut phone).await == [("phone".to_owned(), true, true)]).then_some(())
    })
    .await;
    let mut tablet = back(&region, 0, "tablet").await;
    let (entries, caught_up) = tablet.catch_up().await;
    assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), ["one"], "from the beginning");
    acknowledge(&region, &mut tablet, "bob", "tablet", &caught_up["seq"]).await;
    drop(tablet);
    let (entries, _) = region.connect(0, "bob", "tablet", None).await.catch_up().await;
    assert_eq!(entries.len(), 0, "what it acknowledged since then counts");
    assert_eq!(devices(&mut hers).await, [("tablet".to_owned(), true, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_removed_at_another_gateway_ends_and_what_it_said_last_counts_no_more() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    let mut tablet = region.caught_up(1, "bob", "tablet").await;
    let mut other = region.caught_up(1, "bob", "web").await;
    alice.send_accepted("bob", "one").await;
    for device in [&mut phone, &mut tablet, &mut other] {
        device.expect("entry").await;
    }
    tablet.say(json!({ "ack": { "log": "mailbox", "delivered": 1 } })).await;
    assert_eq!(phone.ask(1, remove("tablet")).await, Ok(json!({ "done": {} })));
    let ended = tablet.end().await;
    assert!(removed(&ended), "{ended:?}");
    assert!(ended.frames.last().expect("a goodbye")["goodbye"]["retry_after"].is_null());
    alice.send_accepted("bob", "two").await;
    assert_eq!(text(&other.expect("entry").await), "two", "nobody else ends");
    all_taken_in(&region, "bob").await;
    let listed = devices(&mut phone).await;
    assert_eq!(listed.iter().map(|(name, ..)| name.as_str()).collect::<Vec<_>>(), ["phone", "web"]);
    let (entries, _) = back(&region, 1, "tablet").await.catch_up().await;
    assert_eq!(entries.iter().map(text).collect::<Vec<_>>(), ["one", "two"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_removed_while_it_connects_ends_though_its_gateway_did_not_hear_of_it() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let (_node, other) = region.new_gateway(region.url()).await;
    let mut phone = region.caught_up_at(other, "bob", "phone").await;
    // Let in by a gateway whose interest waits in its link, so that nobody tells it of the removal.
    region.freeze().await;
    let mut tablet = region.try_connect(0, "bob", "tablet", "live").await.expect("a welcome");
    assert_eq!(phone.ask(1, remove("tablet")).await, Ok(json!({ "done": {} })));
    // What goes out behind the removal has its answer: the removal has been told, too.
    assert_eq!(devices(&mut phone).await, [("phone".to_owned(), true, true)]);
    region.link().heal();
    let ended = tablet.end().await;
    assert!(removed(&ended), "{ended:?}");
    back(&region, 0, "tablet").await.send_accepted("bob", "as a new one").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_removed_while_its_gateway_is_cut_off_ends_when_that_is_back() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let (_node, other) = region.new_gateway(region.url()).await;
    let mut phone = region.caught_up_at(other, "bob", "phone").await;
    let mut tablet = region.caught_up(0, "bob", "tablet").await;
    region.link().cut().await;
    assert_eq!(phone.ask(1, remove("tablet")).await, Ok(json!({ "done": {} })));
    region.link().heal();
    let ended = tablet.end().await;
    assert!(removed(&ended), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_comes_back_at_a_gateway_whose_clock_is_behind_and_what_it_acknowledges_counts() {
    let region = Region::start(1).await;
    let (log, jetstream) = (region.mailbox("bob"), region.jetstream().await);
    let (user, device) = ("bob".parse().expect("a name"), "tablet".parse().expect("a name"));
    let record = subject::device_record(&log.region, log.shard, &user, &device, &log.owner);
    let ahead = Millis((dunlin_tests::tokens::now() + 3_600) * 1_000);
    let removed = DeviceRecord { removed: Some(ahead), ..DeviceRecord::default() };
    jetstream.publish(record, removed.encode().into()).await.expect("a publish").await.expect("stored");
    let mut tablet = region.connect(0, "bob", "tablet", None).await;
    let seq = tablet.catch_up().await.1["seq"].clone();
    acknowledge(&region, &mut tablet, "bob", "tablet", &seq).await;
    tablet.send_accepted("alice", "as ever").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_removes_itself_is_answered_before_its_socket_ends() {
    let region = Region::start(1).await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    assert_eq!(phone.ask(1, remove("phone")).await, Ok(json!({ "done": {} })));
    let ended = phone.end().await;
    assert!(removed(&ended), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_question_is_refused_under_its_number_and_the_socket_goes_on() {
    let region = Region::start(1).await;
    let mut phone = region.caught_up(0, "bob", "phone").await;
    for (what, code, words) in [
        (json!({ "weather": { "users": ["alice"] } }), "unknown_question", "weather"),
        (json!({ "gestures": {} }), "unknown_question", "gestures"),
        (remove("my phone"), "bad_question", "`device`"),
        (remove(""), "bad_question", "`device`"),
        (remove(&"x".repeat(65)), "bad_question", "`device`"),
        (remove("a.b"), "bad_question", "`device`"),
        (remove("*"), "bad_question", "`device`"),
        (json!({ "device_remove": {} }), "bad_question", "`device`"),
        (json!({ "device_remove": { "device": 7 } }), "bad_question", "`device`"),
        (json!("devices"), "bad_question", "`what`"),
        (Value::Null, "bad_question", "`what`"),
    ] {
        let refused = phone.ask(7, what.clone()).await.expect_err("a refusal");
        assert_eq!((&refused["code"], &refused["retry_after"]), (&json!(code), &Value::Null), "{what}");
        assert!(refused["message"].as_str().is_some_and(|said| said.contains(words)), "{what}: {refused}");
    }
    phone.send_accepted("bob", "as ever").await;
    // Two of one number are two questions.
    for _ in 0..2 {
        phone.say(json!({ "ask": { "ref": 7, "what": remove("tablet") } })).await;
    }
    for _ in 0..2 {
        assert_eq!(phone.answered(7).await, Ok(json!({ "done": {} })));
    }
    let devices = json!({ "devices": {} });
    for (ask, words) in [
        (json!({ "what": devices }), "`ref`"),
        (json!({ "ref": "7", "what": devices }), "`ref`"),
        (json!({ "ref": 1_u64 << 53, "what": devices }), "`ref`"),
        (json!(7), "`ask`"),
    ] {
        phone.say(json!({ "ask": ask })).await;
        let refused = phone.expect("refused").await;
        assert_eq!((&refused["code"], &refused["ref"]), (&json!("bad_question"), &Value::Null), "{ask}: {refused}");
        assert!(refused["message"].as_str().is_some_and(|said| said.contains(words)), "{ask}: {refused}");
    }
    phone.send_accepted("bob", "as ever").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_waits_for_hello_and_for_nothing_else() {
    let region = Region::start(1).await;
    let devices = json!({ "ask": { "ref": 1, "what": { "devices": {} } } });
    let mut early = Device::open(region.gateway(0)).await;
    early.say(devices.clone()).await;
    let ended = early.end().await;
    assert_eq!((ended.code(), ended.close), (Some("bad_frame"), Some(4400)));
    let mut phone = Device::open(region.gateway(0)).await;
    phone.say(json!({ "hello": { "token": region.token("bob"), "device": "phone" } })).await;
    phone.say(devices).await;
    assert!(phone.next().await.expect("a frame")["welcome"].is_object(), "first of all");
    let answer = phone.answered(1).await.expect("an answer");
    assert_eq!(
        answer["devices"]["items"],
        json!([{ "device": "phone", "last_seen": null, "here": true, "title": null }])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_whose_record_is_damaged_is_listed_and_removed_all_the_same() {
    let region = Region::start(1).await;
    let (log, user) = (region.mailbox("bob"), "bob".parse().expect("a name"));
    let record = subject::device_record(
        &log.region,
        log.shard,
        &user,
        &"tablet".parse().expect("a name"),
        &Peer::User(user.clone()),
    );
    let jetstream = region.jetstream().await;
    let stored = jetstream.publish(record, "no record".into()).await.expect("a publish").await.expect("stored");
    assert!(Seq(stored.sequence) > Seq(0));
    let mut phone = region.caught_up(0, "bob", "phone").await;
    let names = async |phone: &mut Device| devices(phone).await.into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    assert_eq!(names(&mut phone).await, ["phone", "tablet"]);
    assert_eq!(phone.ask(1, remove("tablet")).await, Ok(json!({ "done": {} })));
    assert_eq!(names(&mut phone).await, ["phone"]);
}
