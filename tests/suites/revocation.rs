//! Tokens that are taken back: at every gateway, at once, and for as long as they would have lived.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dunlin_tests::{
    device::{Device, Ended},
    region::{Region, RegionOptions},
    tokens::{claims, now},
    wait::{PATIENCE, until},
};
use serde_json::{Value, json};

/// Within which a revocation is in force everywhere.
const IN_FORCE: Duration = Duration::from_secs(1);
/// As often as a token is refused in a row, it is out for good.
const SHUT_OUT: usize = 200;

fn token(region: &Region, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims("bob");
    change(&mut claims);
    region.key.sign(&claims)
}

fn admin(region: &Region) -> String {
    token(region, |claims| {
        claims["sub"] = json!("root");
        claims["scope"] = json!("admin");
    })
}

/// Posts, and gives the status and the body.
async fn post(region: &Region, gateway: usize, token: &str, body: String) -> (u16, Value) {
    let url = format!("http://{}/v1/revocations", region.gateway(gateway));
    let request = reqwest::Client::new().post(url).bearer_auth(token).header("content-type", "application/json");
    let answer = request.body(body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.expect("a body")).unwrap_or_default())
}

pub(super) async fn revoke(region: &Region, what: Value) {
    let told = post(region, 0, &admin(region), what.to_string()).await;
    assert_eq!(told, (200, json!({ "done": {} })), "{what}");
}

fn is_revoked(ended: &Ended) {
    assert_eq!((ended.code(), ended.close), (Some("token_revoked"), Some(4401)), "{ended:?}");
}

/// The token does not come in, wherever it is tried.
async fn stays_out(region: &Region, token: &str, device: &str) {
    for gateway in 0..2 {
        match Device::try_hello(region.gateway(gateway), token, device, None).await {
            Err(ended) => is_revoked(&ended),
            Ok(_) => panic!("{device} is let in at gateway {gateway}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_ends_everywhere_and_another_of_its_person_goes_on() {
    let region = Region::start(2).await;
    let [one, two] = ["one", "two"].map(|jti| token(&region, |claims| claims["jti"] = json!(jti)));
    let mut phone = Device::hello(region.gateway(1), &one, "phone", None).await;
    let mut tablet = Device::hello(region.gateway(1), &two, "tablet", None).await;
    revoke(&region, json!({ "jti": "one" })).await;
    let stored = Instant::now();
    is_revoked(&phone.end().await);
    assert!(stored.elapsed() < IN_FORCE, "{:?}", stored.elapsed());
    stays_out(&region, &one, "phone").await;
    tablet.send_accepted("bob", "as ever").await;
    let (status, body) = post(&region, 1, &one, json!({ "user": "carol" }).to_string()).await;
    assert_eq!((status, &body["code"]), (401, &json!("token_revoked")), "over HTTP, too: {body}");
}

/// Connects again and again, at one gateway after the other, until it is shut out for good. Counts how often it is let in, and gives when
/// that was the case last.
async fn comes_back(gateways: [SocketAddr; 2], token: String, device: &str, let_in: Arc<AtomicUsize>) -> Instant {
    let (mut last, mut shut_out) = (Instant::now(), 0);
    for gateway in gateways.iter().cycle() {
        match Device::try_hello(*gateway, &token, device, Some("live")).await {
            Ok(_) => {
                (last, shut_out) = (Instant::now(), 0);
                let_in.fetch_add(1, Ordering::Relaxed);
            }
            Err(ended) => {
                is_revoked(&ended);
                shut_out += 1;
            }
        }
        if shut_out == SHUT_OUT {
            break;
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_comes_back_again_and_again_while_it_is_revoked_is_out_within_a_second() {
    let region = Region::start(2).await;
    let token = token(&region, |claims| claims["jti"] = json!("one"));
    let mut stays = Device::hello(region.gateway(1), &token, "tablet", None).await;
    let gateways = [region.gateway(0), region.gateway(1)];
    let let_in = Arc::new(AtomicUsize::new(0));
    let coming = ["phone", "laptop", "web"]
        .map(|device| tokio::spawn(comes_back(gateways, token.clone(), device, let_in.clone())));
    until("it to come and go", async || (let_in.load(Ordering::Relaxed) > 20).then_some(())).await;
    revoke(&region, json!({ "jti": "one" })).await;
    let stored = Instant::now();
    is_revoked(&stays.end().await);
    assert!(stored.elapsed() < IN_FORCE, "{:?}", stored.elapsed());
    for device in coming {
        let last = tokio::time::timeout(PATIENCE, device).await.expect("it to be out for good").expect("no panic");
        let late = last.saturating_duration_since(stored);
        assert!(late < IN_FORCE, "let in {late:?} after it was stored");
    }
    // Whoever was let in last has ended, too.
    let mut other = region.caught_up(0, "bob", "other").await;
    until("nobody else to be connected", async || {
        let answer = other.ask(1, json!({ "devices": {} })).await.ok()?;
        let items = answer["devices"]["items"].as_array()?.iter();
        (items.filter(|item| item["last_seen"].is_null()).count() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_comes_back_with_a_newer_token_alone_also_after_restarts() {
    let mut region = Region::start(2).await;
    let old = region.token("bob");
    let without_iat = token(&region, |claims| claims["iat"] = Value::Null);
    let mut devices = vec![];
    for (gateway, device) in [(0, "phone"), (1, "tablet")] {
        devices.push(Device::hello(region.gateway(gateway), &old, device, None).await);
    }
    devices.push(Device::hello(region.gateway(1), &without_iat, "web", None).await);
    let mut other = region.caught_up(1, "bobby", "phone").await;
    revoke(&region, json!({ "user": "bob" })).await;
    for device in &mut devices {
        is_revoked(&device.end().await);
    }
    other.send_accepted("bobby", "as ever").await;
    until("a token of later", async || {
        Device::try_hello(region.gateway(1), &region.token("bob"), "phone", None).await.ok()
    })
    .await;
    region.restart_all().await;
    until("the region to serve again", async || {
        Device::try_hello(region.gateway(0), &region.token("bob"), "phone", None).await.ok()
    })
    .await;
    for gone in [&old, &without_iat] {
        let ended =
            until("an answer", async || match Device::try_hello(region.gateway(1), gone, "phone", None).await {
                Err(ended) if ended.code() == Some("unavailable") => None,
                said => Some(said.err()),
            })
            .await;
        is_revoked(&ended.expect("it is let in"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_does_not_come_back_under_another_name() {
    let region = Region::start(2).await;
    let pinned = |device: &str| token(&region, |claims| claims["dev"] = json!(device));
    let (phone, tablet, unpinned) = (pinned("phone"), pinned("tablet"), region.token("bob"));
    let mut on_phone = Device::hello(region.gateway(1), &phone, "phone", None).await;
    let mut on_tablet = Device::hello(region.gateway(1), &tablet, "tablet", None).await;
    let mut on_web = Device::hello(region.gateway(0), &unpinned, "web", None).await;
    revoke(&region, json!({ "user": "bob", "device": "phone" })).await;
    is_revoked(&on_phone.end().await);
    is_revoked(&on_web.end().await);
    stays_out(&region, &phone, "phone").await;
    stays_out(&region, &unpinned, "phone2").await;
    let soon = token(&region, |claims| claims["iat"] = json!(now() + 5));
    stays_out(&region, &soon, "phone2").await;
    on_tablet.send_accepted("bob", "as ever").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_while_a_gateway_was_cut_off_ends_there_when_it_is_back() {
    let region = Region::start_with(RegionOptions { gateways: 1, linked: true, ..RegionOptions::default() }).await;
    let (_apart, apart) = region.new_gateway(region.nats.url()).await;
    let old = region.token("bob");
    let mut phone = Device::hello(region.gateway(0), &old, "phone", None).await;
    region.link().cut().await;
    let url = format!("http://{apart}/v1/revocations");
    let request =
        reqwest::Client::new().post(url).bearer_auth(admin(&region)).header("content-type", "application/json");
    let request = request.body(json!({ "user": "bob" }).to_string());
    assert_eq!(request.send().await.expect("an answer").status().as_u16(), 200);
    // Nobody is let in by who does not know what was revoked.
    let Err(ended) = Device::try_hello(region.gateway(0), &region.token("alice"), "phone", Some("live")).await else {
        panic!("let in")
    };
    assert_eq!(ended.code(), Some("unavailable"), "{ended:?}");
    region.link().heal();
    is_revoked(&phone.end().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_revoke_and_what_is_no_revocation_is_refused() {
    let region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let user = json!({ "user": "bob" });
    for (scope, status, code) in [
        (json!("service"), 403, "forbidden"),
        (json!("admins"), 403, "forbidden"),
        (json!(["admin"]), 403, "forbidden"),
        (Value::Null, 403, "forbidden"),
    ] {
        let token = token(&region, |claims| claims["scope"] = scope.clone());
        let (told, body) = post(&region, 0, &token, user.to_string()).await;
        assert_eq!((told, &body["code"]), (status, &json!(code)), "{scope}: {body}");
    }
    let forged = dunlin_tests::tokens::Key::new("one")
        .sign(&json!({ "sub": "root", "aud": "dunlin", "exp": now() + 60, "scope": "admin" }));
    assert_eq!(post(&region, 0, &forged, user.to_string()).await.0, 401);
    let long = "x".repeat(9_000);
    for body in [
        "",
        "7",
        "[]",
        "{}",
        "null",
        r#"{"user":"b b"}"#,
        r#"{"user":7}"#,
        r#"{"user":null}"#,
        r#"{"device":"phone"}"#,
        r#"{"user":"bob","device":"*"}"#,
        r#"{"jti":""}"#,
        r#"{"jti":"a","user":"bob"}"#,
        r#"{"jti":"a","jti":"b"}"#,
        r#"{"user":["bob"]}"#,
        &format!(r#"{{"jti":"{long}"}}"#),
        &"[".repeat(5_000),
    ] {
        let (status, told) = post(&region, 0, &admin(&region), body.to_owned()).await;
        assert_eq!((status, &told["code"]), (400, &json!("bad_frame")), "{body}: {told}");
    }
    bob.send_accepted("bob", "as ever").await;
}
