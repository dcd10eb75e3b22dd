//! Who reaches whom: blocks and settings, at whichever gateways the two are.

mod faults;

use std::time::Duration;

use dunlin_schema::{Content, Entry, entry::Body, limits, stream::state_stream, subject};
use dunlin_tests::{
    backend::{BackEnd, message},
    device::{Device, new_id, text},
    region::{Region, RegionOptions},
    tokens::service_claims,
    wait::until,
};
use serde_json::{Value, json};

/// How soon a change is in force everywhere.
const IN_FORCE: Duration = Duration::from_secs(1);

async fn done(device: &mut Device, what: Value) {
    assert_eq!(device.ask(7, what.clone()).await, Ok(json!({ "done": {} })), "{what}");
}

fn block(user: &str) -> Value {
    json!({ "block": { "user": user } })
}

fn unblock(user: &str) -> Value {
    json!({ "unblock": { "user": user } })
}

fn who_may_write(audience: &str) -> Value {
    json!({ "set": { "who_may_write": audience } })
}

/// The code with which a message is refused for good.
async fn refused(device: &mut Device, to: &str) -> Value {
    let id = device.send(to, "let me in").await;
    let rejected = device.answer(&id).await.expect_err("a refusal");
    assert_eq!(rejected["retry_after"], Value::Null, "{rejected}");
    rejected
}

/// Sends until it is refused for good.
async fn refused_soon(device: &mut Device, to: &str) -> Value {
    until("a refusal", async || {
        let id = device.send(to, "before").await;
        device.answer(&id).await.err().filter(|rejected| rejected["retry_after"].is_null())
    })
    .await
}

async fn accepted_soon(device: &mut Device, to: &str) {
    until("the message to be let in", async || {
        let id = device.send(to, "hello again").await;
        device.answer(&id).await.ok()
    })
    .await;
}

fn said(entry: &Entry) -> Option<&str> {
    match &entry.body {
        Body::Content(Content::Message { text, .. }) => text.as_deref(),
        Body::Content(_) | Body::Tombstone { .. } => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_while_messages_flow_stores_nothing_a_second_later() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    alice.send_accepted("bob", "first").await;
    let flowing = tokio::spawn(async move {
        // Each with the time before which it was not sent.
        let (mut accepted, mut refusals) = (vec![], vec![]);
        while refusals.len() < 50 {
            let (sent, id) = (std::time::Instant::now(), alice.send("bob", "flowing").await);
            match alice.answer(&id).await {
                Ok(_) => accepted.push((id, sent)),
                Err(rejected) => refusals.push(rejected),
            }
        }
        (alice, accepted, refusals)
    });
    region.watch_for("bob", "flowing").await;
    done(&mut bob, block("alice")).await;
    let blocked = std::time::Instant::now();
    let (mut alice, accepted, refusals) = flowing.await.expect("no panic");
    for refusal in &refusals {
        assert_eq!((&refusal["code"], &refusal["retry_after"]), (&json!("refused"), &Value::Null), "{refusal}");
    }
    let late: Vec<_> = accepted.iter().filter(|(_, sent)| *sent > blocked + IN_FORCE).collect();
    assert!(late.is_empty(), "{late:?}");
    let stored = region.stored("bob").await.len();
    assert_eq!(stored, accepted.len() + 1, "what was refused is not stored");
    // Edits and reactions of what was stored before are sends too.
    let (first, _) = &accepted[0];
    for content in [
        json!({ "edit": { "target": first, "text": "changed" } }),
        json!({ "delete": { "target": first } }),
        json!({ "react": { "target": first, "emoji": "👍", "on": true } }),
    ] {
        let id = new_id();
        alice.say(json!({ "send": { "id": id, "to": "bob", "content": content } })).await;
        assert_eq!(alice.answer(&id).await.expect_err("a refusal")["code"], "refused", "{content}");
    }
    // A repeat of what was accepted gets its first answer.
    alice.send_as(first, "bob", "flowing").await;
    assert_eq!(alice.answer(first).await.expect("accepted")["id"], *first);
    assert_eq!(region.stored("bob").await.len(), stored);
    // Nobody else is, and bob himself writes to whom he likes.
    carol.send_accepted("bob", "from carol").await;
    bob.send_accepted("alice", "from bob").await;
    assert_eq!(bob.ask(7, json!({ "blocks": {} })).await, Ok(json!({ "blocks": { "users": ["alice"] } })));
    done(&mut bob, unblock("alice")).await;
    accepted_soon(&mut alice, "bob").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_blocks_at_a_gateway_is_obeyed_there_at_once() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    for _ in 0..20 {
        alice.send_accepted("bob", "hello").await;
        done(&mut bob, block("alice@local")).await;
        assert_eq!(refused(&mut alice, "bob").await["code"], "refused");
        done(&mut bob, unblock("alice")).await;
    }
    assert_eq!(region.stored("bob").await.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_blocked_is_told_no_more_than_who_may_not_write() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    done(&mut bob, block("alice")).await;
    done(&mut carol, who_may_write("nobody")).await;
    let (mut of_bob, mut of_carol) = (refused(&mut alice, "bob").await, refused(&mut alice, "carol").await);
    (of_bob["id"], of_carol["id"]) = (Value::Null, Value::Null);
    assert_eq!(of_bob, of_carol);
    carol.send_accepted("carol", "a note to oneself").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_of_who_is_blocked_are_not_seen_and_nobody_is_told() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut carol = region.caught_up(0, "carol", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let mut here = region.caught_up(0, "bob", "tablet").await;
    let typing = json!({ "signal": { "to": "bob", "kind": "typing" } });
    done(&mut bob, block("alice")).await;
    refused_soon(&mut alice, "bob").await;
    // The first one is looked up, the next one known.
    for _ in 0..2 {
        alice.say(typing.clone()).await;
        alice.send_accepted("carol", "was anything refused?").await;
        carol.expect("entry").await;
    }
    carol.say(typing).await;
    let hers = json!({ "signal": { "from": "carol", "kind": "typing" } });
    for device in [&mut bob, &mut here] {
        loop {
            let frame = device.next().await.expect("a frame");
            if frame["signal"].is_object() {
                assert_eq!(frame, hers);
                break;
            }
        }
    }
    // What is wrong with a signal is said as ever.
    alice.say(json!({ "signal": { "to": "b b", "kind": "typing" } })).await;
    assert_eq!(alice.expect("refused").await["code"], "bad_address");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_lets_contacts_write_hears_from_those_to_whom_they_have_written() {
    let region = Region::start(2).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut mallory = region.caught_up(0, "mallory", "phone").await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    done(&mut bob, who_may_write("contacts")).await;
    for stranger in [&mut alice, &mut mallory] {
        assert_eq!(refused_soon(stranger, "bob").await["code"], "refused");
    }
    bob.send_accepted("alice", "do you still have my book?").await;
    assert_eq!(text(&alice.expect("entry").await), "do you still have my book?");
    alice.send_accepted("bob", "here it is").await;
    assert_eq!(refused(&mut mallory, "bob").await["code"], "refused");
    done(&mut bob, block("alice")).await;
    assert_eq!(refused_soon(&mut alice, "bob").await["code"], "refused", "a contact who is blocked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_sends_for_people_under_the_same_rules() {
    let region = Region::start(2).await;
    let mut bob = region.caught_up(1, "bob", "phone").await;
    let shop = BackEnd::new(region.gateway(0), region.key.sign(&service_claims("shop")));
    done(&mut bob, block("alice")).await;
    let post = async |from: &str| {
        let posted = shop.post(&message(&new_id(), Some(from), "bob", "in the name of somebody")).await;
        posted.expect("an answer")
    };
    until("a refusal", async || (post("alice").await.status == 403).then_some(())).await;
    let answer = post("alice").await;
    assert_eq!((answer.status, answer.code()), (403, Some("refused")));
    assert_eq!(post("carol").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_are_read_back_and_what_is_none_is_refused() {
    let region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let settings = |write: &str, presence: &str| {
        Ok(json!({ "settings": { "who_may_write": write, "who_sees_presence": presence } }))
    };
    let read = json!({ "settings": {} });
    assert_eq!(bob.ask(7, read.clone()).await, settings("everybody", "everybody"));
    assert_eq!(bob.ask(7, json!({ "blocks": {} })).await, Ok(json!({ "blocks": { "users": [] } })));
    done(&mut bob, json!({ "set": { "who_sees_presence": "contacts" } })).await;
    done(&mut bob, json!({ "set": { "who_may_write": "nobody", "who_sees_presence": null } })).await;
    done(&mut bob, json!({ "set": {} })).await;
    assert_eq!(bob.ask(7, read).await, settings("nobody", "contacts"));
    for (what, code) in [
        (block("bob"), "bad_question"),
        (block("bob@local"), "bad_question"),
        (block("#team"), "bad_address"),
        (unblock("#team"), "bad_address"),
        (block("b.b"), "bad_question"),
        (json!({ "block": {} }), "bad_question"),
        (who_may_write("friends"), "bad_question"),
        (json!({ "set": { "who_may_write": 7 } }), "bad_question"),
    ] {
        assert_eq!(bob.ask(7, what.clone()).await.expect_err("a refusal")["code"], code, "{what}");
    }
    for user in ["carol@eu", "mallory", "alice@local", "mallory"] {
        done(&mut bob, block(user)).await;
    }
    done(&mut bob, unblock("nobody-at-all")).await;
    let blocked = json!({ "blocks": { "users": ["alice", "carol@eu", "mallory"] } });
    assert_eq!(bob.ask(7, json!({ "blocks": {} })).await, Ok(blocked));
}
