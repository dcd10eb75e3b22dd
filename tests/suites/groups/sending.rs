//! What is said in a group, over sockets and by back ends: who may, in which order it stands, and once.

use dunlin_schema::{Content, Entry, entry::Body};
use dunlin_tests::{
    backend::{BackEnd, message},
    device::{Device, id_at, new_id},
    region::Region,
    tokens::service_claims,
    wait::until,
};
use serde_json::{Value, json};

use super::{done, made, ready};

fn now() -> u128 {
    u128::from(dunlin_tests::tokens::now()) * 1_000
}

/// Sends something to an address, and gives its id.
async fn say(device: &mut Device, to: &str, content: Value) -> String {
    let id = new_id();
    device.say(json!({ "send": { "id": id, "to": to, "content": content } })).await;
    id
}

/// The code with which something is refused for good.
async fn refused(device: &mut Device, to: &str, content: Value) -> String {
    let id = say(device, to, content).await;
    let rejected = device.answer(&id).await.expect_err("a refusal");
    assert_eq!(rejected["retry_after"], Value::Null, "{rejected}");
    rejected["code"].as_str().expect("a code").to_owned()
}

fn text(text: &str) -> Value {
    json!({ "message": { "text": text } })
}

/// What was said in `#team`: the sequence, who said it, and the words.
async fn said(region: &Region) -> Vec<(u64, String, String)> {
    let entries = region.stored_in(&region.group("team")).await;
    let said = entries.into_iter().filter_map(|(seq, Entry { from, body, .. })| match body {
        Body::Content(Content::Message { text, .. }) => Some((seq, from.user.to_string(), text?)),
        Body::Content(_) | Body::Tombstone { .. } => None,
    });
    said.collect()
}

fn back_end(region: &Region, gateway: usize) -> BackEnd {
    BackEnd::new(region.gateway(gateway), region.key.sign(&service_claims("shop")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_members_say_is_stored_once_in_the_groups_log_in_the_order_in_which_it_is_accepted() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    made(&mut alice, &["bob"]).await;
    let mut expected = Vec::new();
    for round in 0..10 {
        for (device, user, to) in [(&mut alice, "alice", "#team"), (&mut bob, "bob", "#team@local")] {
            let words = format!("{round} of {user}");
            let accepted = device.send_accepted(to, &words).await;
            expected.push((accepted["order"].as_u64().expect("an order"), user.to_owned(), words));
        }
    }
    assert_eq!(said(&region).await, expected);
    // What one socket sends at once stands as it was sent.
    let ids: Vec<_> = (0..100).map(|_| new_id()).collect();
    for id in &ids {
        alice.send_as(id, "#team", id).await;
    }
    for id in &ids {
        alice.answer(id).await.expect("accepted");
    }
    let words: Vec<_> = said(&region).await.into_iter().skip(20).map(|(.., words)| words).collect();
    assert_eq!(words, ids);
    for user in ["alice", "bob"] {
        assert_eq!(region.stored(user).await.len(), 0, "nothing is copied");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_write_is_told_so_and_nothing_is_stored() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut eve = region.caught_up(0, "eve", "phone").await;
    ready(&mut alice).await;
    assert_eq!(refused(&mut alice, "#team", text("nobody there")).await, "not_a_member");
    made(&mut alice, &["bob"]).await;
    assert_eq!(refused(&mut eve, "#team", text("let me in")).await, "not_a_member");
    for (to, code) in [
        ("#team@eu", "unsupported"),
        ("#", "bad_address"),
        ("##team", "bad_address"),
        ("#team#", "bad_address"),
        ("#te.am", "bad_address"),
        ("#team.>", "bad_address"),
        ("#Team", "not_a_member"),
    ] {
        assert_eq!(refused(&mut alice, to, text("hi")).await, code, "{to}");
    }
    for (content, code) in [
        (text(""), "bad_content"),
        (text(&"x".repeat(32 * 1024 + 1)), "too_large"),
        (json!({ "message": { "text": "x", "attachments": ["media"] } }), "bad_content"),
        (json!({ "edit": { "target": new_id(), "text": "ho" } }), "not_yours"),
        (json!({ "delete": { "target": new_id() } }), "not_yours"),
        (json!({ "react": { "target": new_id(), "emoji": "👍", "on": true } }), "not_found"),
        (json!({ "react": { "target": new_id(), "emoji": "no", "on": true } }), "bad_content"),
    ] {
        assert_eq!(refused(&mut alice, "#team", content.clone()).await, code, "{content}");
    }
    // What only the system says.
    let by = |change: &str| json!({ "group": "#team", "users": ["eve"], "change": change, "by": "alice" });
    let settings = json!({ "who_may_add": "admins", "who_may_write": "members", "history": false });
    let mut deleted = by("deleted");
    deleted["settings"] = settings;
    for content in [json!({ "membership": by("added") }), json!({ "settings": deleted })] {
        assert_eq!(refused(&mut bob, "#team", content.clone()).await, "bad_content", "{content}");
    }
    done(&mut alice, "group_set", json!({ "settings": { "who_may_write": "admins" } })).await;
    assert_eq!(refused(&mut bob, "#team", text("me too")).await, "not_allowed");
    alice.send_accepted("#team", "for everybody").await;
    done(&mut alice, "group_set", json!({ "settings": { "who_may_write": "members" } })).await;
    bob.send_accepted("#team", "at last").await;
    done(&mut alice, "group_remove", json!({ "users": ["bob"] })).await;
    assert_eq!(refused(&mut bob, "#team", text("and now")).await, "not_a_member");
    let words: Vec<_> = said(&region).await.into_iter().map(|(.., words)| words).collect();
    assert_eq!(words, ["for everybody", "at last"]);
    done(&mut alice, "group_delete", json!({})).await;
    assert_eq!(refused(&mut alice, "#team", text("an echo")).await, "not_a_member");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_its_authors_to_change_and_an_admins_to_take_away() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    made(&mut alice, &["bob", "carol"]).await;
    let own = bob.send_accepted("#team", "of bob").await["id"].clone();
    let elsewhere = bob.send_accepted("carol", "of bob to carol").await["id"].clone();
    let edit = |target: &Value| json!({ "edit": { "target": target, "text": "ho" } });
    let delete = |target: &Value| json!({ "delete": { "target": target } });
    let react = |target: &Value| json!({ "react": { "target": target, "emoji": "👍", "on": true } });
    for content in [edit(&own), delete(&own)] {
        assert_eq!(refused(&mut carol, "#team", content).await, "not_yours");
    }
    assert_eq!(refused(&mut alice, "#team", edit(&own)).await, "not_yours", "nobody edits what others said");
    for content in [edit(&elsewhere), delete(&elsewhere)] {
        assert_eq!(refused(&mut bob, "#team", content).await, "not_yours", "it is in another conversation");
    }
    assert_eq!(refused(&mut carol, "#team", react(&elsewhere)).await, "not_found");
    for (device, content) in [(&mut carol, react(&own)), (&mut bob, edit(&own)), (&mut alice, delete(&own))] {
        let id = say(device, "#team", content.clone()).await;
        assert!(device.answer(&id).await.is_ok(), "{content}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_gets_its_first_answer_wherever_it_comes_and_whoever_is_gone_by_then() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut laptop = region.caught_up(1, "bob", "laptop").await;
    made(&mut alice, &["bob"]).await;
    for id in [new_id(), id_at(now() - 90_000)] {
        bob.send_as(&id, "#team", "hi").await;
        let first = bob.answer(&id).await.expect("accepted");
        // Other words under the same id are no other message, and nobody else has one under it.
        for (device, words) in [(&mut bob, "hi"), (&mut laptop, "ho")] {
            device.send_as(&id, "#team", words).await;
            assert_eq!(device.answer(&id).await, Ok(first.clone()));
        }
        alice.send_as(&id, "#team", "of alice").await;
        assert_eq!(alice.answer(&id).await.expect_err("bob's id")["code"], "not_yours");
        let posted = back_end(&region, 1).post(&message(&id, Some("bob"), "#team", "hi")).await.expect("an answer");
        assert_eq!((posted.status, &posted.body["accepted"]), (200, &first));
        done(&mut alice, "group_remove", json!({ "users": ["bob"] })).await;
        bob.send_as(&id, "#team", "hi").await;
        assert_eq!(bob.answer(&id).await, Ok(first));
        assert_eq!(refused(&mut bob, "#team", text("another")).await, "not_a_member");
        done(&mut alice, "group_add", json!({ "users": ["bob"] })).await;
    }
    assert_eq!(said(&region).await.len(), 2);
    for (id, code) in [(id_at(now() + 90_000), "from_the_future"), (id_at(now() - 40 * 24 * 3_600_000), "too_old")] {
        bob.send_as(&id, "#team", "hi").await;
        let rejected = bob.answer(&id).await.expect_err("a refusal");
        assert_eq!((&rejected["code"], &rejected["retry_after"]), (&json!(code), &Value::Null), "{rejected}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_says_what_a_member_may_and_is_refused_by_the_same_rules() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let shop = back_end(&region, 0);
    let posted = shop.post(&message(&new_id(), Some("bob"), "#team", "hi")).await.expect("an answer");
    assert_eq!(posted.status, 200, "{posted:?}");
    let order = posted.body["accepted"]["order"].as_u64().expect("an order");
    assert_eq!(said(&region).await, [(order, "bob".to_owned(), "hi".to_owned())]);
    done(&mut alice, "group_set", json!({ "settings": { "who_may_write": "admins" } })).await;
    for (from, to, status, code) in [
        (Some("bob"), "#team", 403, "not_allowed"),
        (Some("eve"), "#team", 403, "not_a_member"),
        (None, "#team", 403, "not_a_member"),
        (Some("alice"), "#nowhere", 403, "not_a_member"),
        (Some("alice"), "#team@eu", 422, "unsupported"),
        (Some("alice"), "#", 422, "bad_address"),
    ] {
        let refused = shop.post(&message(&new_id(), from, to, "hi")).await.expect("an answer");
        assert_eq!((refused.status, refused.code()), (status, Some(code)), "{from:?} to {to}: {refused:?}");
        assert_eq!(refused.body["rejected"]["code"], code, "{refused:?}");
    }
    assert_eq!(said(&region).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_worker_a_message_is_for_later_and_stored_once() {
    let mut region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    made(&mut alice, &["bob"]).await;
    let first = alice.send_accepted("#team", "before").await["order"].as_u64().expect("an order");
    region.workers.pop().expect("a worker").kill();
    let id = new_id();
    until("nobody to listen", async || {
        alice.send_as(&id, "#team", "meanwhile").await;
        let rejected = alice.answer(&id).await.expect_err("nobody stores it");
        assert!(rejected["retry_after"].is_u64(), "{rejected}");
        (rejected["code"] == "unavailable").then_some(())
    })
    .await;
    // Neither what is sent to a person, nor a question about what is stored, waits for a group's worker.
    alice.send_accepted("bob", "straight").await;
    let info = alice.ask(1, json!({ "group_info": { "group": "#team" } })).await.expect("an answer");
    assert_eq!(info["group"]["members"], 2, "{info}");
    region.workers.push(region.new_worker("second").await);
    let accepted = until("a worker", async || {
        alice.send_as(&id, "#team", "meanwhile").await;
        alice.answer(&id).await.ok()
    })
    .await;
    assert!(accepted["order"].as_u64().is_some_and(|order| order > first), "{accepted}");
    let words: Vec<_> = said(&region).await.into_iter().map(|(.., words)| words).collect();
    assert_eq!(words, ["before", "meanwhile"]);
}
