//! What is deleted leaves the logs within a minute, with a tombstone in its place: nobody is told of a gap, and it does not come back.

mod again;
mod groups;
mod person;

use std::time::Duration;

use dunlin_schema::{Entry, MessageId, Millis, entry::Body, stream::log_stream};
use dunlin_tests::{
    device::{Device, new_id, text},
    region::Region,
    wait::{until, within},
};
use serde_json::{Value, json};

fn delete(target: &Value) -> Value {
    json!({ "delete": { "target": target } })
}

fn edit(target: &Value, text: &str) -> Value {
    json!({ "edit": { "target": target, "text": text } })
}

fn react(target: &Value) -> Value {
    json!({ "react": { "target": target, "emoji": "👍", "on": true } })
}

async fn say_as(device: &mut Device, id: &str, to: &str, content: &Value) -> Result<Value, Value> {
    device.say(json!({ "send": { "id": id, "to": to, "content": content } })).await;
    device.answer(id).await
}

async fn say(device: &mut Device, to: &str, content: Value) -> Value {
    say_as(device, &new_id(), to, &content).await.expect("accepted")
}

fn stands_for(entry: &Entry, target: &Value) -> bool {
    matches!(&entry.body, Body::Tombstone { id, .. } if *target == id.to_string())
}

/// How many entries, and how many tombstones, a mailbox has of an id.
async fn of_id(region: &Region, user: &str, id: &Value) -> (usize, usize) {
    let stored = region.stored(user).await;
    let entries = stored.iter().filter(|entry| *id == entry.id.to_string()).count();
    (entries, stored.iter().filter(|entry| stands_for(entry, id)).count())
}

async fn erased(region: &Region, user: &str, id: &Value) {
    let left = async || (of_id(region, user, id).await == (0, 1)).then_some(());
    within(Duration::from_secs(60), "the tombstone alone to be left", left).await;
}

/// Text that is in no file by chance.
fn marker(what: &str) -> String {
    format!("{what}-{}", new_id())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_what_was_deleted_is_in_any_file_within_a_minute() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let (first, second, kept) = (marker("first"), marker("second"), marker("kept"));
    let message = alice.send_accepted("bob", &first).await["id"].clone();
    let edited = say(&mut alice, "bob", edit(&message, &second)).await["id"].clone();
    alice.send_accepted("bob", &kept).await;
    let there = async |text: &str| until("it to be in a file", async || region.nats.stores(text).then_some(())).await;
    there(&first).await;
    there(&second).await;
    say(&mut alice, "bob", delete(&message)).await;
    for text in [&first, &second] {
        let gone = async || (!region.nats.stores(text)).then_some(());
        within(Duration::from_secs(60), "it to be in no file", gone).await;
    }
    for user in ["alice", "bob"] {
        erased(&region, user, &message).await;
        erased(&region, user, &edited).await;
    }
    there(&kept).await;
    region.watch_for("bob", &kept).await;
}

/// At it, below it, behind it, at its tombstone, in the middle of a read, live, and with none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_of_a_gap_and_the_rest_comes_once() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut live = region.caught_up(1, "bob", "live").await;
    let mut ids = vec![];
    for number in 0..600 {
        ids.push(alice.send("bob", &format!("m{number}")).await);
    }
    for id in &ids {
        alice.answer(id).await.expect("accepted");
    }
    let (entries, _) = region.connect(1, "bob", "tablet", None).await.catch_up().await;
    // In the middle of a read.
    let mut slow = region.connect(1, "bob", "slow", None).await;
    let mut slow_got = vec![text(&slow.expect("entry").await).to_owned()];
    // The first ones, some in the middle, the last.
    let deleted: Vec<usize> = [0, 1, 299, 300, 301, 598, 599].to_vec();
    for index in &deleted {
        say(&mut alice, "bob", delete(&json!(ids[*index]))).await;
    }
    for index in &deleted {
        erased(&region, "bob", &json!(ids[*index])).await;
    }
    let last = alice.send_accepted("bob", "after").await["id"].clone();
    let messages = |entries: &[Value]| -> Vec<String> {
        let said = entries.iter().filter(|entry| entry["content"]["message"].is_object());
        said.map(|entry| text(entry).to_owned()).collect()
    };
    let left_after = |index: Option<usize>| -> Vec<String> {
        let first = index.map_or(0, |index| index + 1);
        let left = (first..600).filter(|index| !deleted.contains(index)).map(|number| format!("m{number}"));
        left.chain(["after".to_owned()]).collect()
    };
    for index in [None, Some(0), Some(1), Some(2), Some(298), Some(299), Some(300), Some(597), Some(598), Some(599)] {
        let cursor = index.and_then(|index| entries[index]["cursor"].as_str());
        for device in ["resumes", "anew"] {
            let mut device = match cursor {
                None => region.connect(0, "bob", &format!("{device}-{}", new_id()), None).await,
                cursor => region.connect(0, "bob", device, cursor).await,
            };
            assert_eq!(messages(&device.catch_up().await.0), left_after(index), "{index:?}");
        }
    }
    // A device may have been given what was deleted after it was read; nothing else is missing, and nothing comes twice.
    slow_got.extend(messages(&slow.catch_up().await.0));
    if slow_got.last().is_none_or(|text| text != "after") {
        slow_got.push(text(&next_message(&mut slow).await).to_owned());
    }
    slow_got.retain(|text| !deleted.iter().any(|index| *text == format!("m{index}")));
    assert_eq!(slow_got, left_after(None));
    for number in 0..600 {
        assert_eq!(text(&next_message(&mut live).await), format!("m{number}"));
    }
    assert_eq!(next_message(&mut live).await["id"], last);
}

/// The next entry that is a message; a gap is none that anybody may be told of.
async fn next_message(device: &mut Device) -> Value {
    loop {
        let frame = device.next().await.expect("an open socket");
        assert!(frame["gap"].is_null(), "{frame}");
        if frame["entry"]["content"]["message"].is_object() {
            return frame["entry"].clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_of_what_was_erased_gets_its_first_answer_and_is_not_stored() {
    const WINDOW: &str = "within the duplicate window";
    let mut region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let first = alice.send_accepted("bob", "regretted").await;
    let id = first["id"].clone();
    let deletion = say(&mut alice, "bob", delete(&id)).await;
    for user in ["alice", "bob"] {
        erased(&region, user, &id).await;
    }
    let again = async |region: &Region, when: &str| {
        for gateway in [0, 1] {
            let mut alice = region.caught_up_when_ready(gateway, "alice", &new_id()).await;
            let said = until("an answer", async || {
                alice.send_as(id.as_str().expect("an id"), "bob", "regretted").await;
                alice.answer(id.as_str().expect("an id")).await.ok()
            });
            let said = said.await;
            assert_eq!(said["order"], first["order"], "{when}");
            // While JetStream alone knows it, nobody knows when it was taken.
            assert!(said["time"] == first["time"] || when == WINDOW, "{when}: {said}");
            let deletion_id = deletion["id"].as_str().expect("an id");
            assert_eq!(say_as(&mut alice, deletion_id, "bob", &delete(&id)).await.as_ref(), Ok(&deletion), "{when}");
        }
        for user in ["alice", "bob"] {
            assert_eq!(of_id(region, user, &id).await, (0, 1), "{when}: {user}");
        }
    };
    again(&region, WINDOW).await;
    region.restart_all().await;
    again(&region, "after a restart").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_something_erased_is_refused() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let id = alice.send_accepted("bob", "regretted").await["id"].clone();
    let reaction = new_id();
    let reacted = say_as(&mut bob, &reaction, "alice", &react(&id)).await.expect("accepted");
    say(&mut alice, "bob", delete(&id)).await;
    for user in ["alice", "bob"] {
        erased(&region, user, &id).await;
    }
    for (content, code) in [(edit(&id, "ho"), "not_yours"), (delete(&id), "not_yours"), (react(&id), "not_found")] {
        let rejected = say_as(&mut alice, &new_id(), "bob", &content).await.expect_err("refused");
        assert_eq!((&rejected["code"], &rejected["retry_after"]), (&code.into(), &Value::Null), "{content}");
    }
    let rejected = say_as(&mut bob, &new_id(), "alice", &react(&id)).await.expect_err("refused");
    assert_eq!(rejected["code"], "not_found");
    assert_eq!(say_as(&mut bob, &reaction, "alice", &react(&id)).await, Ok(reacted), "a repeat gets its first answer");
}

/// Stores something in a user's mailbox that says it is like another entry.
async fn put(region: &Region, user: &str, entry: &Entry) {
    let jetstream = region.jetstream().await;
    let ack = jetstream.publish(region.mailbox(user).subject(), entry.encode()).await.expect("a publish");
    ack.await.expect("stored");
}

/// An edit that was looked up before the deletion, and comes behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_comes_late_goes_as_well() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let message = alice.send_accepted("bob", "regretted").await["id"].clone();
    let edited = say(&mut alice, "bob", edit(&message, "before")).await["id"].clone();
    let stored = region.stored("bob").await;
    let early = stored.iter().find(|entry| edited == entry.id.to_string()).expect("the edit");
    say(&mut alice, "bob", delete(&message)).await;
    erased(&region, "bob", &edited).await;
    erased(&region, "bob", &message).await;
    let late = Entry { id: new_id().parse().expect("an id"), ..early.clone() };
    put(&region, "bob", &late).await;
    erased(&region, "bob", &json!(late.id.to_string())).await;
}

/// Killed before, between and after the two halves of an erasure; the next worker brings it to its end, with one tombstone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_that_was_interrupted_begins_again() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut messages = vec![];
    for number in 0..40 {
        messages.push(alice.send_accepted("bob", &format!("m{number}")).await["id"].clone());
    }
    let (half_done, rest) = messages.split_at(10);
    region.workers.pop().expect("a worker").kill();
    for id in &messages {
        say(&mut alice, "bob", delete(id)).await;
    }
    let stored = region.stored("bob").await;
    for id in half_done {
        let place = stored.iter().position(|entry| *id == entry.id.to_string()).expect("the message");
        let tombstone = MessageId::from_parts(Millis(1_800_000_000_000), rand::random());
        put(&region, "bob", &stored[place].header().tombstone(dunlin_schema::Seq(1), tombstone)).await;
    }
    // Two at once, of which the first is killed when it has begun.
    let first = region.new_worker("first").await;
    erased(&region, "bob", &rest[0]).await;
    first.kill();
    region.workers.push(region.new_worker("first").await);
    for id in &messages {
        for user in ["alice", "bob"] {
            let gone = async || (of_id(&region, user, id).await.0 == 0).then_some(());
            within(Duration::from_secs(60), "the message to be erased", gone).await;
        }
        assert!(of_id(&region, "bob", id).await.1 <= 2, "a tombstone for each life of the worker at most");
    }
    for id in half_done {
        assert_eq!(of_id(&region, "bob", id).await, (0, 1), "the tombstone that stood there will do");
    }
    let (entries, _) = region.connect(0, "bob", "phone", None).await.catch_up().await;
    assert!(entries.iter().all(|entry| entry["content"]["delete"].is_object()), "{entries:?}");
}

/// Full mailboxes erase too: the tombstones take the place of others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_in_a_log_that_lost_its_message_is_done_with() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let message = alice.send_accepted("bob", "evicted").await["id"].clone();
    let log = region.mailbox("bob");
    let jetstream = region.jetstream().await;
    let mut stream = jetstream.get_stream(log_stream(&log.region, log.shard)).await.expect("the shard");
    let mut config = stream.info().await.expect("the shard's settings").config.clone();
    config.max_messages_per_subject = 1;
    jetstream.update_stream(config.clone()).await.expect("a smaller mailbox");
    say(&mut alice, "bob", delete(&message)).await;
    config.max_messages_per_subject = 10;
    jetstream.update_stream(config).await.expect("a larger mailbox");
    let other = alice.send_accepted("bob", "another").await["id"].clone();
    say(&mut alice, "bob", delete(&other)).await;
    erased(&region, "bob", &other).await;
    assert_eq!(of_id(&region, "bob", &message).await.0, 0);
}
