//! What people have decided, what was taken back, and somebody's erasure, while the servers that lead their records and logs are killed
//! one after the other under load.

use std::time::Duration;

use dunlin_schema::{Shard, stream::state_stream};
use dunlin_tests::{
    cluster,
    device::Device,
    load::Load,
    region::Region,
    tokens,
    wait::{until, within},
};
use serde_json::{Value, json};

use super::{
    kill_leader,
    kills::{AFTER_ELECTIONS, USERS, accepted_more},
    stream,
};

/// What dave and bob have sent to each other, each.
const MESSAGES: usize = 150;
/// How often each user of the load sends: mailboxes keep what was sent while there was no leader.
const PACE: Duration = Duration::from_millis(20);
/// Within which what is decided is in force everywhere, where a server dies just then.
const IN_FORCE: Duration = Duration::from_secs(5);

pub(super) async fn decide_under_load(region: &mut Region) {
    let gateways = vec![region.gateway(0), region.gateway(1)];
    let load = Load::paced(USERS, PACE, |user| region.token(user), gateways.clone());
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(1, "alice", "phone").await;
    let mut dave = region.caught_up(1, "dave", "phone").await;
    for number in 0..MESSAGES {
        dave.send_accepted("bob", &format!("of dave {number}")).await;
        bob.send_accepted("dave", &format!("of bob {number}")).await;
    }
    alice.send_accepted("bob", "before").await;
    region.caught_up(0, "bob", "tablet").await;
    for what in decisions() {
        done(&mut bob, &what).await;
    }
    let revoked = revocable(region, "before");
    let mut ends = Device::hello(region.gateway(1), &revoked, "web", None).await;
    revoke(region, "before").await;
    assert_eq!(ends.end().await.code(), Some("token_revoked"));
    let before = answers(&mut bob).await;

    // The records have no leader for seconds. What is decided meanwhile is unavailable, or holds.
    let leader = cluster::leader(&region.jetstream().await, &state(region)).await;
    region.server(&leader).kill();
    let (settled, meanwhile) = (revocable(region, "meanwhile"), json!({ "block": { "user": "mallory" } }));
    done(&mut bob, &meanwhile).await;
    revoke(region, "meanwhile").await;
    region.server(&leader).restart();
    accepted_more(&load, "behind the records").await;

    // The eraser is killed off its log in the midst of dave.
    let answer = dave.ask(1, json!({ "erase": { "confirm": "dave" } })).await;
    assert_eq!(answer, Ok(json!({ "done": {} })));
    until("the eraser to begin", async || (region.stored("dave").await.len() < 2 * MESSAGES).then_some(())).await;
    let leader = kill_leader(region).await;
    assert_eq!(dave.end().await.code(), Some("token_revoked"));
    within(AFTER_ELECTIONS, "another leader", async || {
        (cluster::leader(&region.jetstream().await, &stream(region)).await != leader).then_some(())
    })
    .await;
    within(AFTER_ELECTIONS, "dave to be gone", async || region.stored("dave").await.is_empty().then_some(())).await;
    accepted_more(&load, "behind the erasure").await;
    region.server(&leader).restart();

    for (number, address) in gateways.iter().enumerate() {
        for token in [&revoked, &settled] {
            let out = async || Device::try_hello(*address, token, "web", None).await.err();
            assert_eq!(within(IN_FORCE, "nobody let in", out).await.code(), Some("token_revoked"), "gateway {number}");
        }
        for user in ["alice", "mallory"] {
            let mut blocked = region.caught_up_at(*address, user, "laptop").await;
            let id = blocked.send("bob", "after").await;
            assert_eq!(blocked.answer(&id).await.expect_err("a refusal")["code"], "refused", "{user} at {number}");
        }
    }
    let mut after = region.caught_up(1, "bob", "phone").await;
    let told = bob.end().await;
    assert_eq!(told.code(), Some("replaced"));
    let [blocks, settings, devices, conversations, history] = answers(&mut after).await;
    assert_eq!(blocks, json!({ "blocks": { "users": ["alice", "mallory"] } }));
    // Dave's messages are bob's, too.
    assert_eq!([settings, devices, conversations, history], before[1..]);
    assert!(region.stored("bob").await.len() > 2 * MESSAGES, "what bob has is his");
    let mut again = region.caught_up(0, "dave", "phone").await;
    let nothing = json!({ "conversations": { "items": [], "next": null } });
    assert_eq!(answered(&mut again, &json!({ "conversations": { "limit": 50 } })).await, nothing);

    let left = load.finish(AFTER_ELECTIONS).await;
    left.is_told(|user| region.token(user), &gateways).await;
    region.holds_each_once(USERS).await;
}

/// The stream of the only shard's records.
fn state(region: &Region) -> String {
    state_stream(&region.settings().region, Shard(0))
}

fn decisions() -> [Value; 3] {
    [
        json!({ "block": { "user": "alice" } }),
        json!({ "set": { "who_sees_presence": "contacts", "who_may_write": "everybody" } }),
        json!({ "device_name": { "device": "phone", "title": "Bob's" } }),
    ]
}

/// What bob is told of his decisions, his devices and his messages.
async fn answers(bob: &mut Device) -> [Value; 5] {
    let mut told = [const { Value::Null }; 5];
    let questions = [
        json!({ "blocks": {} }),
        json!({ "settings": {} }),
        json!({ "devices": {} }),
        json!({ "conversations": { "limit": 50 } }),
        json!({ "history": { "with": "dave", "limit": 100 } }),
    ];
    for (told, what) in told.iter_mut().zip(&questions) {
        *told = answered(bob, what).await;
    }
    told
}

/// What a question is answered in the end: what may come before is that nobody can say now.
async fn answered(device: &mut Device, what: &Value) -> Value {
    within(AFTER_ELECTIONS, "an answer", async || match device.ask(7, what.clone()).await {
        Ok(answer) => Some(answer),
        Err(refused) => {
            assert_eq!((&refused["code"], refused["retry_after"].is_u64()), (&json!("unavailable"), true), "{refused}");
            None
        }
    })
    .await
}

async fn done(device: &mut Device, what: &Value) {
    assert_eq!(answered(device, what).await, json!({ "done": {} }), "{what}");
}

/// A token of carol's with this `jti`.
fn revocable(region: &Region, jti: &str) -> String {
    let mut claims = tokens::claims("carol");
    claims["jti"] = json!(jti);
    region.key.sign(&claims)
}

/// Takes a token back, once that can be stored.
async fn revoke(region: &Region, jti: &str) {
    let mut claims = tokens::claims("root");
    claims["scope"] = json!("admin");
    let (url, token) = (format!("http://{}/v1/revocations", region.gateway(0)), region.key.sign(&claims));
    let client = reqwest::Client::new();
    within(AFTER_ELECTIONS, "a revocation", async || {
        let request = client.post(&url).bearer_auth(&token).header("content-type", "application/json");
        let status = request.body(json!({ "jti": jti }).to_string()).send().await.expect("an answer").status();
        assert!([200, 503].contains(&status.as_u16()), "{status}");
        status.is_success().then_some(())
    })
    .await;
}
