//! Who is added to a group, and who lets nobody add them.

use dunlin_schema::subject;
use dunlin_tests::{
    device::{Device, new_id},
    region::Region,
};
use serde_json::{Value, json};

use super::{command, command_as, done, ready, refused};

async fn decides(device: &mut Device, what: Value) {
    assert_eq!(device.ask(7, what.clone()).await, Ok(json!({ "done": {} })), "{what}");
}

fn add(users: &[&str]) -> Value {
    command("group_add", json!({ "users": users }))
}

fn without(users: &[&str]) -> Value {
    json!({ "without": { "users": users, "group": null } })
}

/// Who is in `#team`.
async fn members(device: &mut Device) -> Vec<String> {
    let of = json!({ "group_members": { "group": "#team", "limit": 100 } });
    let answer = device.ask(9, of).await.expect("an answer");
    let items = answer["members"]["items"].as_array().expect("members").iter();
    let mut members: Vec<_> = items.map(|item| item["user"].as_str().expect("a name").to_owned()).collect();
    members.sort_unstable();
    members
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_added_by_whom_they_do_not_let_write() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let mut carol = region.caught_up(1, "carol", "phone").await;
    let mut dave = region.caught_up(1, "dave", "phone").await;
    let mut erin = region.caught_up(1, "erin", "phone").await;
    ready(&mut alice).await;
    decides(&mut carol, json!({ "block": { "user": "alice" } })).await;
    decides(&mut dave, json!({ "set": { "who_may_write": "nobody" } })).await;
    decides(&mut erin, json!({ "set": { "who_may_write": "contacts" } })).await;
    let create = json!({ "members": ["bob", "carol", "erin"], "settings": { "who_may_add": "members" } });
    let answer = alice.ask(1, command("group_create", create)).await.expect("a group");
    assert_eq!(answer["without"]["users"], json!(["carol", "erin"]), "{answer}");
    assert_eq!(
        (&answer["without"]["group"]["members"], &answer["without"]["group"]["role"]),
        (&json!(2), &json!("owner"))
    );
    assert_eq!(members(&mut alice).await, ["alice", "bob"]);
    // Whatever says so, the words are the same.
    let mut told = Vec::new();
    for users in [&["carol"][..], &["dave"], &["erin"], &["bob", "dave", "carol"]] {
        let refusal = alice.ask(1, add(users)).await.expect_err("a refusal");
        assert_eq!((&refusal["code"], &refusal["retry_after"]), (&json!("refused"), &Value::Null), "{refusal}");
        told.push(refusal["message"].clone());
    }
    assert!(told.iter().all(|message| *message == told[0]), "{told:?}");
    assert_eq!(alice.ask(1, add(&["dave", "frank", "bob", "carol"])).await, Ok(without(&["dave", "carol"])));
    assert_eq!(members(&mut alice).await, ["alice", "bob", "frank"]);
    // She has blocked alice alone, and he lets whom he wrote to.
    assert_eq!(bob.ask(1, add(&["carol"])).await, Ok(json!({ "done": {} })));
    let id = erin.send("alice", "hello").await;
    erin.answer(&id).await.expect("accepted");
    assert_eq!(alice.ask(1, add(&["erin"])).await, Ok(json!({ "done": {} })));
    // Who is a member is not asked, and who was is.
    assert_eq!(alice.ask(1, add(&["carol", "george"])).await, Ok(json!({ "done": {} })));
    done(&mut carol, "group_leave", json!({})).await;
    assert_eq!(refused(&mut alice, &add(&["carol"])).await, ("refused".to_owned(), false));
    // By a link people join by themselves.
    let link = alice.ask(1, command("group_link", json!({}))).await.expect("a link")["link"]["token"].clone();
    for device in [&mut carol, &mut dave] {
        let joined = device.ask(1, json!({ "group_join": { "id": new_id(), "token": link } })).await;
        assert!(joined.is_ok(), "{joined:?}");
    }
    assert_eq!(members(&mut alice).await, ["alice", "bob", "carol", "dave", "erin", "frank", "george"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_says_again_without_whom_it_was_done() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    ready(&mut alice).await;
    decides(&mut carol, json!({ "block": { "user": "alice" } })).await;
    let id = new_id();
    let create = json!({ "title": "Dogs", "members": ["bob", "carol"] });
    let made = alice.ask(1, command_as(&id, "group_create", create)).await.expect("a group");
    assert_eq!(made["without"]["users"], json!(["carol"]));
    let added_id = new_id();
    let adding = command_as(&added_id, "group_add", json!({ "users": ["bob", "carol", "dave", "erin"] }));
    assert_eq!(alice.ask(1, adding.clone()).await, Ok(without(&["carol"])));
    // She lets alice by now, who adds her and removes others.
    decides(&mut carol, json!({ "unblock": { "user": "alice" } })).await;
    done(&mut alice, "group_remove", json!({ "users": ["bob", "dave"] })).await;
    assert_eq!(alice.ask(1, adding.clone()).await, Ok(without(&["carol"])));
    assert_eq!(members(&mut alice).await, ["alice", "erin"], "a repeat does nothing");
    done(&mut alice, "group_add", json!({ "users": ["carol"] })).await;
    assert_eq!(alice.ask(1, adding).await, Ok(without(&["carol"])));
    // What says something else under the same id is a repeat all the same.
    let other = command_as(&id, "group_create", json!({ "title": "Cats", "members": ["bob", "carol"] }));
    assert_eq!(alice.ask(1, other).await, Ok(made));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_settings_are_damaged_is_added_by_nobody() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    ready(&mut alice).await;
    alice.ask(1, command("group_create", json!({}))).await.expect("a group");
    let log = region.mailbox("carol");
    let record = subject::settings(&log.region, log.shard, &"carol".parse().expect("a name"));
    region.jetstream().await.publish(record, "damaged".into()).await.expect("a publish").await.expect("stored");
    assert_eq!(refused(&mut alice, &add(&["carol"])).await, ("refused".to_owned(), false));
    assert_eq!(alice.ask(1, add(&["carol", "bob"])).await, Ok(without(&["carol"])));
}
