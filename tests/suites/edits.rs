//! `edit` and `delete` count only from the message's author, `react` only within the conversation; a repeat gets its first answer.

use dunlin_schema::{Entry, MessageId, Millis, entry::Body, stream::log_stream};
use dunlin_tests::{
    device::{Device, id_at, new_id},
    region::{Region, RegionOptions},
    wait::until,
};
use serde_json::{Value, json};

fn edit(target: &Value) -> Value {
    json!({ "edit": { "target": target, "text": "ho" } })
}

fn delete(target: &Value) -> Value {
    json!({ "delete": { "target": target } })
}

fn react(target: &Value) -> Value {
    json!({ "react": { "target": target, "emoji": "👍", "on": true } })
}

/// Sends content, and gives the answer.
async fn say(device: &mut Device, to: &str, content: Value) -> Result<Value, Value> {
    say_as(device, &new_id(), to, content).await
}

async fn say_as(device: &mut Device, id: &str, to: &str, content: Value) -> Result<Value, Value> {
    device.say(json!({ "send": { "id": id, "to": to, "content": content } })).await;
    device.answer(id).await
}

async fn refused(device: &mut Device, to: &str, content: Value, code: &str) -> Value {
    let mut rejected = say(device, to, content.clone()).await.expect_err("refused");
    assert_eq!((&rejected["code"], &rejected["retry_after"]), (&code.into(), &Value::Null), "{content}: {rejected}");
    rejected["id"] = Value::Null;
    rejected
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_author_edits_and_deletes_also_right_behind_the_message() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    for to in ["bob", "alice"] {
        let id = alice.send(to, "hi").await;
        for content in [edit(&json!(id)), delete(&json!(id))] {
            let accepted = say(&mut alice, to, content.clone()).await.expect("accepted");
            if to == "bob" {
                let entry = until("what is about the message", async || {
                    let entry = bob.expect("entry").await;
                    entry["content"]["message"].is_null().then_some(entry)
                });
                let entry = entry.await;
                let (target, order) = (content.pointer("/edit/target"), &accepted["order"]);
                let target = target.or(content.pointer("/delete/target")).expect("a target");
                let found = entry.pointer("/content/edit/target").or(entry.pointer("/content/delete/target"));
                assert_eq!((found, &entry["order"]), (Some(target), order), "{entry}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_else_wrote_and_what_is_not_there_are_refused_alike() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let carols = carol.send_accepted("bob", "of carol's").await["id"].clone();
    let bobs = bob.send_accepted("alice", "of bob's").await["id"].clone();
    let to_carol = alice.send_accepted("carol", "to carol").await["id"].clone();
    let mine = alice.send_accepted("bob", "mine").await["id"].clone();
    let doomed = alice.send_accepted("bob", "doomed").await["id"].clone();
    let about_mine = say(&mut alice, "bob", edit(&mine)).await.expect("accepted")["id"].clone();
    let none = json!(new_id());
    let long_ago = json!(id_at(now() - 40 * 24 * 3_600_000));
    let to_come = json!(id_at(now() + 24 * 3_600_000));
    for (make, of_mine) in [(edit as fn(&Value) -> Value, &mine), (delete, &doomed)] {
        let words = refused(&mut alice, "bob", make(&none), "not_yours").await;
        assert!(words["message"].as_str().is_some_and(|words| words.contains("no such message of yours")), "{words}");
        for target in [&carols, &bobs, &to_carol, &about_mine, &long_ago, &to_come] {
            assert_eq!(refused(&mut alice, "bob", make(target), "not_yours").await, words, "{target}");
        }
        say(&mut alice, "bob", make(of_mine)).await.expect("accepted");
    }
    let words = refused(&mut alice, "bob", react(&none), "not_found").await;
    for target in [&carols, &to_carol, &about_mine, &long_ago, &to_come] {
        assert_eq!(refused(&mut alice, "bob", react(target), "not_found").await, words, "{target}");
    }
    // Both sides of the conversation.
    for target in [&mine, &bobs] {
        say(&mut alice, "bob", react(target)).await.expect("accepted");
        say(&mut bob, "alice", react(target)).await.expect("accepted");
    }
    assert_eq!(refused(&mut carol, "bob", react(&mine), "not_found").await, words, "it is not hers");
    let metrics = reqwest::get(format!("http://{}/metrics", region.gateway(0))).await.expect("an answer");
    let metrics = metrics.text().await.expect("text");
    for outcome in ["found", "not_there"] {
        let counted = format!("dunlin_gateway_look_ups_total{{outcome=\"{outcome}\"}}");
        assert!(metrics.contains(&counted), "{counted} in {metrics}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_gets_its_first_answer_though_the_message_has_gone_and_a_new_one_is_refused() {
    let region = Region::start(2).await;
    let mut phone = region.caught_up(0, "alice", "phone").await;
    for how in ["erased", "with a tombstone", "evicted"] {
        let message = phone.send_accepted("bob", "hi").await["id"].clone();
        let mut first = vec![];
        for content in [edit(&message), react(&message)] {
            let id = new_id();
            let accepted = say_as(&mut phone, &id, "bob", content.clone()).await.expect("accepted");
            first.push((id, content, accepted));
        }
        take_away(&region, "bob", message.as_str().expect("an id"), how).await;
        let mut laptop = region.caught_up(1, "alice", "laptop").await;
        for (id, content, accepted) in first {
            let code = if content["react"].is_object() { "not_found" } else { "not_yours" };
            for device in [&mut phone, &mut laptop] {
                let again = say_as(device, &id, "bob", content.clone()).await;
                assert_eq!(again.as_ref(), Ok(&accepted), "{how}: {content}");
                refused(device, "bob", content.clone(), code).await;
            }
        }
    }
}

/// Takes a message out of a mailbox.
async fn take_away(region: &Region, user: &str, id: &str, how: &str) {
    let jetstream = region.jetstream().await;
    let log = region.mailbox(user);
    let stream = log_stream(&log.region, log.shard);
    let mut stream = jetstream.get_stream(stream).await.expect("the shard");
    let stored = region.stored(user).await;
    let entry = stored.iter().find(|entry| entry.id.to_string() == id).expect("the message");
    if how == "evicted" {
        // What came behind it stays: of three times two things about it.
        let mut config = stream.info().await.expect("the shard's settings").config.clone();
        config.max_messages_per_subject = 2;
        jetstream.update_stream(config).await.expect("a smaller mailbox");
    } else {
        if how == "with a tombstone" {
            let body = Body::Tombstone { sender: entry.from.clone(), id: entry.id };
            let grave =
                Entry { id: MessageId::from_parts(Millis(now() as u64), rand::random()), body, ..entry.clone() };
            let ack = jetstream.publish(log.subject(), grave.encode()).await.expect("a publish");
            ack.await.expect("stored");
        }
        let mut next = 1;
        let seq = loop {
            let found = stream.get_first_raw_message_by_subject(&log.subject(), next).await.expect("the message");
            if Entry::decode(&found.payload).expect("an entry").id == entry.id {
                break found.sequence;
            }
            next = found.sequence + 1;
        };
        stream.delete_message(seq).await.expect("an erasure");
    }
    let left = region.stored(user).await;
    assert!(left.iter().all(|entry| entry.id.to_string() != id), "{how}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_for_what_is_old_counts_for_more() {
    let region = Region::start(0).await;
    let tight = |config: &mut dunlin_gateway::Config| {
        (config.limits.sends_per_second, config.limits.sends_burst) = (1, 30);
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), tight).await;
    let mut alice = region.caught_up_at(gateway, "alice", "phone").await;
    let young = alice.send_accepted("bob", "hi").await["id"].clone();
    let old = json!(id_at(now() - 3_600_000));
    for _ in 0..3 {
        say(&mut alice, "bob", edit(&young)).await.expect("accepted");
    }
    let mut codes = vec![];
    for _ in 0..4 {
        let rejected = say(&mut alice, "bob", edit(&old)).await.expect_err("refused");
        if rejected["code"] == "rate_limited" {
            assert!(rejected["retry_after"].is_u64(), "{rejected}");
        }
        codes.push(rejected["code"].as_str().expect("a code").to_owned());
    }
    assert_eq!((codes[0].as_str(), codes[3].as_str()), ("not_yours", "rate_limited"), "{codes:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_up_that_nobody_answers_is_unavailable_and_stores_nothing() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let message = alice.send_accepted("bob", "hi").await["id"].clone();
    region.link().cut().await;
    let id = new_id();
    let rejected = say_as(&mut alice, &id, "bob", edit(&message)).await.expect_err("nobody is there to look");
    assert_eq!(rejected["code"], "unavailable", "{rejected}");
    assert!(rejected["retry_after"].is_u64(), "{rejected}");
    region.link().heal();
    let accepted =
        until("the gateway to look again", async || say_as(&mut alice, &id, "bob", edit(&message)).await.ok());
    accepted.await;
    assert_eq!(region.stored("bob").await.len(), 2);
}
