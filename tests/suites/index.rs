//! Conversations and their history: what the index answers, also behind what goes from the log, takeovers, and a log that went back.

mod killed;

use std::time::Duration;

use async_nats::jetstream::Context;
use dunlin_schema::{
    Address, Content, Entry, MessageId, Millis, Peer, RegionName, Sender, Seq, UserName,
    entry::Body,
    record::{ReadMark, ReaderRecord},
    stream::state_stream,
    subject,
};
use dunlin_tests::{
    device::{Device, new_id},
    region::{Region, RegionOptions},
    wait::{until, within},
};
use serde_json::{Value, json};

/// What a question is answered once the index has come so far: what it may say before is that it has not.
async fn answered(device: &mut Device, what: &Value) -> Value {
    within(Duration::from_secs(60), "an answer", async || match device.ask(7, what.clone()).await {
        Ok(answer) => Some(answer),
        Err(refused) => {
            assert_eq!(
                (&refused["code"], refused["retry_after"].is_null()),
                (&json!("unavailable"), false),
                "{refused}"
            );
            None
        }
    })
    .await
}

/// Whom somebody has conversations with: the text of the last message, how many are unread, and up to where it was read.
async fn conversations(device: &mut Device) -> Vec<(String, String, u64, Option<u64>)> {
    let answer = answered(device, &json!({ "conversations": { "limit": 50 } })).await;
    let items = answer["conversations"]["items"].as_array().expect("a list").iter();
    let item = |item: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let last = text(&item["last"]["content"]["message"]["text"]);
        (text(&item["with"]), last, item["unread"].as_u64().expect("a number"), item["read"].as_u64())
    };
    items.map(item).collect()
}

async fn history(device: &mut Device, with: &str, before: Option<u64>, limit: u64) -> (Vec<Value>, Value) {
    let question = json!({ "history": { "with": with, "before": before, "limit": limit } });
    let answer = answered(device, &question).await["history"].take();
    (answer["entries"].as_array().expect("a list").clone(), answer["next"].clone())
}

/// The texts of a conversation, the latest first.
async fn texts(device: &mut Device, with: &str) -> Vec<String> {
    let (entries, next) = history(device, with, None, 100).await;
    assert_eq!(next, Value::Null);
    let text = |entry: &Value| entry["content"]["message"]["text"].as_str().expect("a text").to_owned();
    entries.iter().map(text).collect()
}

/// Gives the order.
async fn say(device: &mut Device, to: &str, content: Value) -> u64 {
    let id = new_id();
    device.say(json!({ "send": { "id": id, "to": to, "content": content } })).await;
    number(&device.answer(&id).await.expect("accepted")["order"])
}

/// Says, as the receipts worker does, that somebody has read what somebody sent.
async fn read(region: &Region, user: &str, with: &str, order: u64) {
    let (log, of) = (region.mailbox(user), region.settings().region.clone());
    let name = |name: &str| name.parse::<UserName>().expect("a name");
    let jetstream = region.jetstream().await;
    let stream = jetstream.get_stream(state_stream(&of, log.shard)).await.expect("the shard's state");
    let reader = stream.get_last_raw_message_by_subject(&subject::reader_record(&of, log.shard, "deliver")).await;
    let reader = ReaderRecord::decode(&reader.expect("a reader").payload).expect("its record");
    let mark = ReadMark { epoch: reader.position.epoch, order: Seq(order), time: Millis(u64::MAX >> 12) };
    let subject = subject::read_mark(&of, log.shard, &name(user), &Peer::User(name(with)), &of);
    jetstream.publish(subject, mark.encode().into()).await.expect("sent").await.expect("stored");
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_sides_and_a_new_device_see_their_conversations_as_they_are_now() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let first = alice.send_accepted("bob", "first").await;
    let second = alice.send_accepted("bob", "second").await;
    let third = alice.send_accepted("bob", "third").await;
    let mine = bob.send_accepted("alice", "mine").await;
    bob.send_accepted("bob", "to myself").await;
    bob.send_accepted("carol", "to carol").await;
    let of_bob = |unread, read| {
        [("carol", "to carol", 0, None), ("bob", "to myself", 0, None), ("alice", "mine", unread, read)]
            .map(|(with, last, unread, read)| (with.to_owned(), last.to_owned(), unread, read))
    };
    assert_eq!(conversations(&mut bob).await, of_bob(3, None));
    assert_eq!(conversations(&mut alice).await, [("bob".to_owned(), "mine".to_owned(), 1, None)]);

    let order = number(&first["order"]);
    read(&region, "bob", "alice", order).await;
    assert_eq!(conversations(&mut bob).await, of_bob(2, Some(order)));
    // Changes are not unread; a message that is taken back is neither unread nor there.
    say(&mut alice, "bob", json!({ "edit": { "target": first["id"], "text": "first, edited" } })).await;
    say(&mut alice, "bob", json!({ "react": { "target": mine["id"], "emoji": "👍", "on": true } })).await;
    say(&mut bob, "alice", json!({ "react": { "target": first["id"], "emoji": "❤", "on": true } })).await;
    say(&mut bob, "alice", json!({ "react": { "target": first["id"], "emoji": "🎉", "on": true } })).await;
    say(&mut bob, "alice", json!({ "react": { "target": first["id"], "emoji": "🎉", "on": false } })).await;
    say(&mut alice, "bob", json!({ "delete": { "target": second["id"] } })).await;
    assert_eq!(conversations(&mut bob).await, of_bob(1, Some(order)));

    // A device that is new, and reads no log.
    for (gateway, user, with) in [(0, "bob", "alice"), (1, "alice", "bob")] {
        let mut device = Device::open(region.gateway(gateway)).await;
        let hello = json!({ "token": region.token(user), "device": "new", "cursors": { "mailbox": "live" } });
        device.say(json!({ "hello": hello })).await;
        device.expect("welcome").await;
        let (entries, next) = history(&mut device, with, None, 10).await;
        assert_eq!((entries.len(), next), (3, Value::Null), "{entries:?}");
        let by = |emoji: &str, from: &str| json!([{ "from": from, "emoji": emoji, "time": null }]);
        for (entry, sent, text, (from, to), reactions) in [
            (&entries[0], &mine, "mine", ("bob", "alice"), by("👍", "alice")),
            (&entries[1], &third, "third", ("alice", "bob"), json!([])),
            (&entries[2], &first, "first, edited", ("alice", "bob"), by("❤", "bob")),
        ] {
            let mut entry = entry.clone();
            for reaction in entry["reactions"].as_array_mut().expect("a list") {
                assert!(reaction["time"].take().is_u64());
            }
            assert_eq!(entry["edited"].is_null(), text != "first, edited", "{entry}");
            let said = ["from", "to", "id", "order", "time"].map(|field| entry[field].clone());
            let expected = [json!(from), json!(to), sent["id"].clone(), sent["order"].clone(), sent["time"].clone()];
            assert_eq!((said, &entry["content"]["message"]["text"]), (expected, &json!(text)));
            assert_eq!(entry["reactions"], reactions, "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_go_on_where_the_one_before_ended_and_questions_that_make_no_sense_are_refused() {
    let region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    // Seven of them fit into a frame.
    let long = "x".repeat(32 * 1024 - 8);
    for user in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        bob.send_accepted(user, &format!("{long}{user}")).await;
    }
    let (mut after, mut seen, mut pages) = (Value::Null, String::new(), 0);
    loop {
        let question = json!({ "conversations": { "after": after, "limit": 1u64 << 60 } });
        let page = answered(&mut bob, &question).await["conversations"].take();
        let items = page["items"].as_array().expect("a list").iter();
        items.for_each(|item| seen += item["with"].as_str().expect("a name"));
        pages += 1;
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!((seen.as_str(), pages), ("jihgfedcba", 2));

    for number in 0..5 {
        bob.send_accepted("a", &number.to_string()).await;
    }
    let (first, next) = history(&mut bob, "a", None, 2).await;
    let (second, _) = history(&mut bob, "a", next.as_u64(), 3).await;
    let said = |entries: &[Value]| -> Vec<Value> {
        entries.iter().map(|entry| entry["content"]["message"]["text"].clone()).collect()
    };
    assert_eq!((said(&first), said(&second)), (vec![json!("4"), json!("3")], vec![json!("2"), json!("1"), json!("0")]));
    for (with, before) in [("a", Some(0)), ("a", Some(1)), ("nobody", None), ("bob", None), ("A", Some((1 << 53) - 1))]
    {
        assert_eq!(history(&mut bob, with, before, 10).await, (vec![], Value::Null), "{with} {before:?}");
    }
    assert_eq!(history(&mut bob, "a@local", Some((1 << 53) - 1), 1 << 60).await.0.len(), 6);
    for (question, code) in [
        (json!({ "history": { "with": "#team", "limit": 1 } }), "not_a_member"),
        (json!({ "history": { "with": "#team@eu", "limit": 1 } }), "unsupported"),
        (json!({ "history": { "with": "a@eu", "limit": 1 } }), "unsupported"),
        (json!({ "history": { "with": "a b", "limit": 1 } }), "bad_question"),
        (json!({ "history": { "limit": 1 } }), "bad_question"),
        (json!({ "history": { "with": "a", "limit": 0 } }), "bad_question"),
        (json!({ "history": { "with": "a", "limit": 1, "before": 1u64 << 53 } }), "bad_question"),
        (json!({ "history": { "with": "a", "limit": 1, "before": -1 } }), "bad_question"),
        (json!({ "conversations": {} }), "bad_question"),
        (json!({ "conversations": { "limit": 0 } }), "bad_question"),
        (json!({ "conversations": { "limit": -1 } }), "bad_question"),
        (json!({ "conversations": { "limit": "30" } }), "bad_question"),
        (json!({ "conversations": { "limit": 1, "after": 1u64 << 53 } }), "bad_question"),
    ] {
        let refused = bob.ask(9, question.clone()).await.expect_err("refused");
        assert_eq!((&refused["code"], &refused["retry_after"]), (&json!(code), &Value::Null), "{question}: {refused}");
    }
}

/// What messengers have counted as new: one's own messages, what was taken back, edits and reactions; and what they have lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_message_or_is_taken_back_is_not_new_on_any_device() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let first = alice.send_accepted("bob", "first").await;
    let second = alice.send_accepted("bob", "second").await;
    let deletion = say(&mut alice, "bob", json!({ "delete": { "target": second["id"] } })).await;
    let of_bob = |last: &str, unread, read| [("alice".to_owned(), last.to_owned(), unread, read)];
    assert_eq!(conversations(&mut bob).await, of_bob("first", 1, None));
    // What is read is the deletion: it is the last thing that came.
    bob.say(json!({ "read": { "with": "alice", "upto": deletion } })).await;
    while bob.expect("marked").await["read"] != deletion {}
    assert_eq!(conversations(&mut bob).await, of_bob("first", 0, Some(deletion)));
    let react = |emoji: &str, on| json!({ "react": { "target": first["id"], "emoji": emoji, "on": on } });
    say(&mut bob, "alice", react("❤\u{fe0f}", true)).await;
    say(&mut alice, "bob", react("👍", true)).await;
    say(&mut alice, "bob", react("👍", false)).await;
    say(&mut alice, "bob", json!({ "edit": { "target": first["id"], "text": "first, edited" } })).await;
    say(&mut bob, "alice", react("❤", true)).await;
    assert_eq!(conversations(&mut bob).await, of_bob("first, edited", 0, Some(deletion)));
    let (entries, _) = history(&mut bob, "alice", None, 10).await;
    let reactions: Vec<_> =
        entries[0]["reactions"].as_array().expect("a list").iter().map(|one| &one["from"]).collect();
    assert_eq!((entries.len(), reactions), (1, vec![&json!("bob")]), "one, however it is spelled, also behind an edit");
    let third = alice.send_accepted("bob", "third").await;
    let mut tablet = region.caught_up(0, "bob", "tablet").await;
    for device in [&mut bob, &mut tablet] {
        assert_eq!(conversations(device).await, of_bob("third", 1, Some(deletion)));
    }
    // One's own are not unread either, on whichever device and whatever became of them.
    let mut laptop = region.caught_up(0, "alice", "laptop").await;
    for (text, device) in [("third", &mut laptop), ("first, edited", &mut alice)] {
        assert_eq!(conversations(device).await, [("bob".to_owned(), text.to_owned(), 0, None)]);
        if text == "third" {
            say(device, "bob", json!({ "delete": { "target": third["id"] } })).await;
        }
    }
    assert_eq!(conversations(&mut tablet).await, of_bob("first, edited", 0, Some(deletion)));
}

/// Another worker, which has no projection, takes over from one that was killed, and from one that gave its shards back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_projection_that_is_made_again_gives_the_same_answers() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    for number in 0..40 {
        let sent = alice.send_accepted("bob", &number.to_string()).await;
        let about = match number % 4 {
            0 => json!({ "edit": { "target": sent["id"], "text": format!("{number} edited") } }),
            1 => json!({ "delete": { "target": sent["id"] } }),
            2 => json!({ "react": { "target": sent["id"], "emoji": "👍", "on": true } }),
            _ => continue,
        };
        say(&mut alice, "bob", about).await;
    }
    bob.send_accepted("alice", "mine").await;
    let everything = async |bob: &mut Device| {
        let listed = answered(bob, &json!({ "conversations": { "limit": 50 } })).await;
        (listed, history(bob, "alice", None, 100).await)
    };
    let before = everything(&mut bob).await;
    assert_eq!(before.1.0.len(), 31);
    let standby = region.new_worker("boot").await;
    region.workers.remove(0).kill();
    assert_eq!(everything(&mut bob).await, before);
    let last = region.new_worker("boot").await;
    standby.stop().await;
    assert_eq!(everything(&mut bob).await, before);
    last.stop().await;
    let refused = bob.ask(9, json!({ "conversations": { "limit": 1 } })).await.expect_err("refused");
    assert_eq!(refused["code"], "unavailable", "nobody is there to answer");
}

/// Something of alice's for bob, as it is stored.
fn entry(of: &RegionName, number: u64, content: Content) -> Entry {
    Entry {
        id: MessageId::from_parts(Millis(number), number.into()),
        from: Sender { user: name("alice"), region: of.clone() },
        to: Address::local(name("bob")).said_in(of),
        order: None,
        time: Millis(number),
        body: Body::Content(content),
    }
}

fn name(name: &str) -> UserName {
    name.parse().expect("a name")
}

fn message(text: String) -> Content {
    Content::Message { text: Some(text), data: None, attachments: vec![], reply_to: None, mentions: vec![] }
}

/// Stores entries, straight into a mailbox.
async fn store_all(jetstream: &Context, subject: &str, entries: impl Iterator<Item = Entry>) {
    let mut last = None;
    for (number, entry) in entries.enumerate() {
        last = Some(jetstream.publish(subject.to_owned(), entry.encode()).await.expect("sent"));
        if number % 500 == 0 {
            last.take().expect("one").await.expect("stored");
        }
    }
    if let Some(last) = last {
        last.await.expect("stored");
    }
}

/// Alice's messages, straight into bob's mailbox.
async fn store(region: &Region, numbers: std::ops::Range<u64>) {
    let of = region.settings().region.clone();
    let entries = numbers.map(|number| entry(&of, number, message(number.to_string())));
    store_all(&region.jetstream().await, &region.mailbox("bob").subject(), entries).await;
}

/// A worker that comes an hour late says that it is behind, and never a part. Unread is what is there: with a counter, 2,000 would stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_evicted_is_not_unread_and_a_worker_that_is_behind_says_so() {
    let mut region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    store(&region, 0..3_000).await;
    assert_eq!(conversations(&mut bob).await, [("alice".to_owned(), "2999".to_owned(), 3_000, None)]);
    region.workers.remove(0).stop().await;
    store(&region, 3_000..12_000).await;
    let worker = region.new_worker("boot").await;
    // Every answer is of the whole mailbox.
    let mut bob = region.caught_up_when_ready(0, "bob", "tablet").await;
    assert_eq!(conversations(&mut bob).await, [("alice".to_owned(), "11999".to_owned(), 10_000, None)]);
    let (entries, _) = history(&mut bob, "alice", None, 1).await;
    read(&region, "bob", "alice", number(&entries[0]["order"])).await;
    let all_read = [("alice".to_owned(), "11999".to_owned(), 0, Some(number(&entries[0]["seq"])))];
    assert_eq!(conversations(&mut bob).await, all_read);
    // Backwards to the first one that is there, and beyond it.
    let first = number(&entries[0]["seq"]) - 9_999;
    let (entries, next) = history(&mut bob, "alice", Some(first + 2), 100).await;
    let seqs: Vec<_> = entries.iter().map(|entry| number(&entry["seq"])).collect();
    assert_eq!((seqs, next), (vec![first + 1, first], Value::Null));
    assert_eq!(history(&mut bob, "alice", Some(first), 100).await, (vec![], Value::Null));
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_log_lost_is_not_told_when_it_went_back() {
    let mut region = Region::start_with(RegionOptions { gateways: 1, ..RegionOptions::default() }).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    for text in ["1", "2", "3"] {
        alice.send_accepted("bob", text).await;
    }
    assert_eq!(texts(&mut alice, "bob").await, ["3", "2", "1"]);
    region.nats.stop();
    let snapshot = region.nats.snapshot();
    region.nats.restart();
    let mut alice = region.caught_up_when_ready(0, "alice", "tablet").await;
    for text in ["lost 4", "lost 5"] {
        alice.send_until_accepted("bob", text).await;
    }
    assert_eq!(texts(&mut alice, "bob").await, ["lost 5", "lost 4", "3", "2", "1"]);
    region.nats.stop();
    region.nats.put_back(&snapshot);
    region.nats.restart();
    let mut alice = region.caught_up_when_ready(0, "alice", "laptop").await;
    for text in ["4", "5", "6"] {
        alice.send_until_accepted("bob", text).await;
    }
    until("the log as it is now", async || {
        let now = texts(&mut alice, "bob").await;
        assert!(!now.iter().any(|text| text.starts_with("lost")), "{now:?}");
        (now == ["6", "5", "4", "3", "2", "1"]).then_some(())
    })
    .await;
}
