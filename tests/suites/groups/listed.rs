//! Groups among somebody's conversations: their last message, what is unread, what mentions one, and their history, each within what one
//! may read.

mod many;

use dunlin_schema::{Log, Millis, Peer, Seq, record::ReadMark, record::ReaderRecord, stream::state_stream, subject};
use dunlin_tests::{
    device::{Device, new_id},
    region::Region,
    wait::until,
};
use serde_json::{Value, json};

use super::{command, done, made, refused};

/// What a question is answered once the index has come so far.
async fn answered(device: &mut Device, what: Value) -> Value {
    until("an answer", async || match device.ask(9, what.clone()).await {
        Ok(answer) => Some(answer),
        Err(refused) => {
            assert_eq!(refused["code"], "unavailable", "{refused}");
            None
        }
    })
    .await
}

/// All conversations in pages of so many: with whom, the text of the last message, how many are unread, how many of these mention one.
async fn listed(device: &mut Device, limit: u64) -> Vec<(String, Option<String>, u64, u64)> {
    let (mut items, mut after) = (Vec::new(), Value::Null);
    loop {
        let mut page = answered(device, json!({ "conversations": { "after": after, "limit": limit } })).await;
        for item in page["conversations"]["items"].as_array().expect("a list") {
            let last = item["last"]["content"]["message"]["text"].as_str().map(str::to_owned);
            let count = |field: &str| item[field].as_u64().expect("a number");
            items.push((
                item["with"].as_str().expect("an address").to_owned(),
                last,
                count("unread"),
                count("mentions"),
            ));
        }
        after = page["conversations"]["next"].take();
        if after.is_null() {
            return items;
        }
    }
}

fn row(
    with: &str,
    last: impl Into<Option<&'static str>>,
    unread: u64,
    mentions: u64,
) -> (String, Option<String>, u64, u64) {
    (with.to_owned(), last.into().map(str::to_owned), unread, mentions)
}

/// The texts of `#team`, the latest first, in pages of so many.
async fn texts(device: &mut Device, limit: u64) -> Vec<String> {
    let (mut texts, mut before) = (Vec::new(), Value::Null);
    loop {
        let what = json!({ "history": { "with": "#team", "before": before, "limit": limit } });
        let mut page = answered(device, what).await;
        for entry in page["history"]["entries"].as_array().expect("a list") {
            assert_eq!((&entry["to"], &entry["order"]), (&json!("#team"), &entry["seq"]));
            texts.push(entry["content"]["message"]["text"].as_str().expect("a text").to_owned());
        }
        before = page["history"]["next"].take();
        if before.is_null() {
            return texts;
        }
    }
}

/// Says something in `#team`, and what it is about.
async fn say(device: &mut Device, content: Value) -> Value {
    let id = new_id();
    device.say(json!({ "send": { "id": id, "to": "#team", "content": content } })).await;
    device.answer(&id).await.expect("accepted")
}

async fn mention(device: &mut Device, text: &str, users: &[&str]) -> Value {
    say(device, json!({ "message": { "text": text, "mentions": users } })).await
}

/// Says, as the receipts worker does, that somebody has read `#team` up to an order.
async fn read(region: &Region, user: &str, order: &Value) {
    let (log, of) = (region.mailbox(user), region.settings().region.clone());
    let Log { shard, owner, .. } = region.group("team");
    let jetstream = region.jetstream().await;
    let state = async |shard| jetstream.get_stream(state_stream(&of, shard)).await.expect("the shard's state");
    let reader = subject::reader_record(&of, shard, "deliver");
    let reader = state(shard).await.get_last_raw_message_by_subject(&reader).await.expect("a reader");
    let epoch = ReaderRecord::decode(&reader.payload).expect("its record").position.epoch;
    let mark = ReadMark { epoch, order: Seq(order.as_u64().expect("an order")), time: Millis(u64::MAX >> 12) };
    let Peer::User(name) = &log.owner else { panic!("a mailbox is a user's") };
    let subject = subject::read_mark(&of, log.shard, name, &owner, &of);
    jetstream.publish(subject, mark.encode().into()).await.expect("sent").await.expect("stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_who_was_added_removed_and_added_the_pieces_are_listed_and_counted() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["carol"]).await;
    alice.send_accepted("#team", "m0").await;
    assert_eq!(refused(&mut bob, &json!({ "history": { "with": "#team", "limit": 9 } })).await.0, "not_a_member");
    assert_eq!(listed(&mut bob, 9).await, []);
    let users = json!({ "users": ["bob"] });
    done(&mut alice, "group_add", users.clone()).await;
    assert_eq!(listed(&mut bob, 9).await, [row("#team", None, 0, 0)], "a group without a message for him is there");
    alice.send_accepted("#team", "m1").await;
    done(&mut alice, "group_remove", users.clone()).await;
    alice.send_accepted("#team", "m2").await;
    assert_eq!(texts(&mut bob, 9).await, ["m1"]);
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "m1", 1, 0)], "what he may read stays there");
    done(&mut alice, "group_add", users.clone()).await;
    let third = alice.send_accepted("#team", "m3").await;
    for limit in [1, 2, 9] {
        assert_eq!(texts(&mut bob, limit).await, ["m3", "m1"]);
    }
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "m3", 2, 0)]);
    read(&region, "bob", &third["order"]).await;
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "m3", 0, 0)]);
    // Where the group shows its history all is there, and nothing of it is news to those who join.
    done(&mut alice, "group_set", json!({ "settings": { "history": true } })).await;
    done(&mut alice, "group_add", json!({ "users": ["dave"] })).await;
    let mut dave = region.caught_up(0, "dave", "phone").await;
    alice.send_accepted("#team", "m4").await;
    assert_eq!(texts(&mut dave, 3).await, ["m4", "m3", "m2", "m1", "m0"]);
    assert_eq!(listed(&mut dave, 9).await, [row("#team", "m4", 1, 0)]);
    for device in [&mut alice, &mut dave] {
        assert_eq!(texts(device, 100).await, ["m4", "m3", "m2", "m1", "m0"]);
    }
    assert_eq!(texts(&mut bob, 100).await, ["m4", "m3", "m1"], "what is shown to newcomers is not shown to him");
    let other = json!({ "history": { "with": "#other", "limit": 9 } });
    assert_eq!(refused(&mut bob, &other).await.0, "not_a_member", "no such group, in the same words");
    assert_eq!(refused(&mut bob, &json!({ "history": { "with": "#team@eu", "limit": 9 } })).await.0, "unsupported");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mentions_are_counted_apart_and_what_a_blocked_member_says_counts_as_read() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut eve = region.caught_up(0, "eve", "phone").await;
    made(&mut alice, &["bob", "eve"]).await;
    alice.send_accepted("bob", "to bob alone").await;
    mention(&mut alice, "to bob", &["bob", "eve@local", "eve"]).await;
    mention(&mut eve, "to all", &["bob", "alice"]).await;
    mention(&mut bob, "to myself", &["bob"]).await;
    let last = say(&mut alice, json!({ "message": { "text": "to nobody" } })).await;
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "to nobody", 3, 2), row("alice", "to bob alone", 1, 0)]);
    assert_eq!(listed(&mut eve, 9).await, [row("#team", "to nobody", 3, 1)]);
    // Whoever asks is told whom it mentions, each once.
    let page = answered(&mut bob, json!({ "history": { "with": "#team", "limit": 9 } })).await;
    let first = page["history"]["entries"].as_array().expect("a list").last().expect("an entry").clone();
    assert_eq!(first["content"]["message"]["mentions"], json!(["bob", "eve"]));
    for (content, code) in [
        (json!({ "message": { "text": "x", "mentions": ["dave"] } }), "not_found"),
        (json!({ "message": { "text": "x", "mentions": ["#team"] } }), "bad_content"),
        (json!({ "message": { "text": "x", "mentions": ["bob", "bob"] } }), "bad_content"),
    ] {
        let id = new_id();
        alice.say(json!({ "send": { "id": id, "to": "#team", "content": content } })).await;
        assert_eq!(alice.answer(&id).await.expect_err("a refusal")["code"], code, "{content}");
    }
    let id = new_id();
    let content = json!({ "message": { "text": "x", "mentions": ["bob"] } });
    alice.say(json!({ "send": { "id": id, "to": "bob", "content": content } })).await;
    assert_eq!(alice.answer(&id).await.expect_err("a refusal")["code"], "bad_content", "a person has no members");

    assert_eq!(bob.ask(7, json!({ "block": { "user": "eve" } })).await, Ok(json!({ "done": {} })));
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "to nobody", 2, 1));
    mention(&mut eve, "again", &["bob"]).await;
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "again", 2, 1), "it is there, and no news");
    assert_eq!(texts(&mut bob, 9).await[0], "again");
    read(&region, "bob", &last["order"]).await;
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "again", 0, 0));
    assert_eq!(bob.ask(7, json!({ "unblock": { "user": "eve" } })).await, Ok(json!({ "done": {} })));
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "again", 1, 1));
    // A mention that is taken back, also after it was edited, is none.
    let target = mention(&mut eve, "oh", &["bob"]).await["id"].clone();
    say(&mut eve, json!({ "edit": { "target": target, "text": "well" } })).await;
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "well", 2, 2));
    say(&mut eve, json!({ "delete": { "target": target } })).await;
    assert_eq!(listed(&mut bob, 9).await[0], row("#team", "again", 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_given_as_their_authors_and_admins_left_them() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob"]).await;
    done(&mut alice, "group_set", json!({ "title": "The team" })).await;
    let first = mention(&mut alice, "first", &["bob"]).await;
    let second = alice.send_accepted("#team", "second").await;
    let third = bob.send_accepted("#team", "third").await;
    let about = |kind: &str, target: &Value, more: Value| {
        let mut content = json!({ kind: { "target": target["id"] } });
        content[kind].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        content
    };
    let thumb = json!({ "emoji": "👍", "on": true });
    say(&mut alice, about("edit", &first, json!({ "text": "first, edited" }))).await;
    for device in [&mut bob, &mut alice] {
        say(device, about("react", &first, thumb.clone())).await;
    }
    say(&mut alice, about("delete", &second, json!({}))).await;
    assert_eq!(listed(&mut bob, 9).await, [row("#team", "third", 1, 1)]);
    // Bob's, which is the last of the list, is taken back by an admin: the one before it is the last then.
    say(&mut alice, about("delete", &third, json!({}))).await;
    assert_eq!(listed(&mut alice, 9).await, [row("#team", "first, edited", 0, 0)]);
    let page = answered(&mut bob, json!({ "conversations": { "limit": 9 } })).await;
    let item = &page["conversations"]["items"][0];
    assert_eq!((&item["title"], &item["last"]["from"]), (&json!("The team"), &json!("alice")));
    assert_eq!(item["last"]["content"]["message"]["mentions"], json!(["bob"]), "an edit leaves them");
    let by: Vec<_> = item["last"]["reactions"].as_array().expect("a list").iter().map(|one| &one["from"]).collect();
    assert_eq!(by, ["bob", "alice"]);
    assert!(item["last"]["edited"].is_u64());
    assert_eq!(texts(&mut bob, 9).await, ["first, edited"]);
}

/// Of a group that is no more one reads what there was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_deleted_and_one_that_was_left_stay_with_what_there_was() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    made(&mut alice, &["bob"]).await;
    done(&mut bob, "group_leave", json!({})).await;
    assert_eq!(listed(&mut bob, 9).await, [], "there was nothing");
    alice.send_accepted("#team", "alone").await;
    done(&mut alice, "group_delete", json!({})).await;
    assert_eq!(listed(&mut bob, 9).await, []);
    assert_eq!(texts(&mut bob, 9).await, [""; 0]);
    assert_eq!(listed(&mut alice, 9).await, [row("#team", "alone", 0, 0)]);
    assert_eq!(texts(&mut alice, 9).await, ["alone"]);
    let again = alice.ask(7, command("group_create", json!({}))).await.expect_err("a refusal");
    assert_eq!(again["code"], "exists");
}

/// What becomes of a message once somebody is no longer in the group is not theirs to know, and neither is what that is called then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_removed_knows_messages_and_the_group_as_they_were() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["carol"]).await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let told = alice.send_accepted("#team", "hello").await;
    done(&mut alice, "group_remove", json!({ "users": ["carol"] })).await;
    done(&mut alice, "group_set", json!({ "title": "Without carol" })).await;
    say(&mut alice, json!({ "edit": { "target": told["id"], "text": "carol is gone" } })).await;
    say(&mut alice, json!({ "react": { "target": told["id"], "emoji": "👍", "on": true } })).await;
    let question = json!({ "conversations": { "limit": 9 } });
    let item = &answered(&mut carol, question.clone()).await["conversations"]["items"][0];
    let last = &item["last"];
    assert_eq!((&item["title"], &last["content"]["message"]["text"]), (&Value::Null, &json!("hello")));
    assert_eq!((&last["edited"], &last["reactions"]), (&Value::Null, &json!([])));
    let item = &answered(&mut alice, question).await["conversations"]["items"][0];
    assert_eq!(
        (&item["title"], &item["last"]["content"]["message"]["text"]),
        (&json!("Without carol"), &json!("carol is gone"))
    );
}
