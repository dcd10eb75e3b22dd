//! A back end sends over HTTP in the name of any person, by the same rules as on a socket.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{Content, Entry, Millis, entry::Body};
use dunlin_tests::{
    backend::{Answered, BackEnd, message},
    device::{Device, id_at, new_id, text},
    process::Processes,
    raw::Raw,
    region::{Region, RegionOptions},
    tokens::service_claims,
    wait::{PATIENCE, until, within},
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis()
}

fn back_end(region: &Region, gateway: usize) -> BackEnd {
    BackEnd::new(region.gateway(gateway), region.key.sign(&service_claims("shop")))
}

async fn post(back_end: &BackEnd, body: &Value) -> Answered {
    back_end.post(body).await.expect("an answer")
}

fn texts(entries: &[Entry]) -> Vec<&str> {
    let text = |entry: &'_ Entry| match &entry.body {
        Body::Content(Content::Message { text, .. }) => text.is_some(),
        Body::Content(_) | Body::Tombstone { .. } => false,
    };
    assert!(entries.iter().all(text));
    entries
        .iter()
        .filter_map(|entry| match &entry.body {
            Body::Content(Content::Message { text, .. }) => text.as_deref(),
            Body::Content(_) | Body::Tombstone { .. } => None,
        })
        .collect()
}

/// How many posts a gateway has under way.
async fn under_way(region: &Region, count: usize) {
    let url = format!("http://{}/metrics", region.gateway(0));
    let line = format!("dunlin_gateway_posts_under_way {count}\n");
    until("so many posts to be under way", async || {
        let metrics = reqwest::get(&url).await.ok()?.text().await.ok()?;
        metrics.contains(&line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_posted_comes_live_and_the_person_it_is_from_has_a_copy() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let shop = back_end(&region, 0);
    let id = new_id();
    let answer = post(&shop, &message(&id, Some("alice"), "bob", "hi")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let (accepted, entry, copy) = (&answer.body["accepted"], bob.expect("entry").await, alice.expect("entry").await);
    assert_eq!((&accepted["id"], accepted["order"].as_u64()), (&json!(id), entry["order"].as_u64()));
    for entry in [&entry, &copy] {
        assert_eq!((&entry["id"], &entry["from"], text(entry)), (&json!(id), &"alice".into(), "hi"), "{entry}");
        assert_eq!((&entry["time"], &entry["order"]), (&accepted["time"], &accepted["order"]), "{entry}");
    }
    // The token's own user where nobody is named; and what is about a message has its rules.
    let own = post(
        &shop,
        &json!({ "id": new_id(), "to": "bob", "content": { "message": { "text": "of the shop" } }, "new": 1 }),
    )
    .await;
    assert_eq!((own.status, bob.expect("entry").await["from"].as_str()), (200, Some("shop")));
    let edit = |from: &str| json!({ "id": new_id(), "from": from, "to": "bob", "content": { "edit": { "target": id, "text": "ho" } } });
    let refused = post(&shop, &edit("shop")).await;
    assert_eq!((refused.status, refused.code()), (403, Some("not_yours")));
    assert_eq!(post(&shop, &edit("alice")).await.status, 200);
    let react =
        json!({ "id": new_id(), "to": "bob", "content": { "react": { "target": id, "emoji": "👍", "on": true } } });
    let refused = post(&shop, &react).await;
    assert_eq!((refused.status, refused.code()), (404, Some("not_found")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_is_stored_once_and_gets_the_first_answer_also_from_another_gateway_and_a_socket() {
    let region = Region::start(2).await;
    let backs = [back_end(&region, 0), back_end(&region, 1)];
    let mut alice = region.caught_up(0, "alice", "phone").await;
    for id in [new_id(), id_at(now() - 90_000)] {
        let body = Arc::new(message(&id, Some("alice"), "bob", "hi"));
        let mut posting = JoinSet::new();
        for number in 0..8 {
            let (back, body) = (backs[number % 2].clone(), body.clone());
            posting.spawn(async move { post(&back, &body).await });
        }
        let answers = posting.join_all().await;
        assert!(answers.iter().all(|answer| answer.status == 200 && *answer == answers[0]), "{answers:?}");
        alice.send_as(&id, "bob", "hi").await;
        assert_eq!(alice.answer(&id).await.expect("accepted"), answers[0].body["accepted"]);
        // Other words under the same id are no other message.
        assert_eq!(post(&backs[0], &message(&id, Some("alice"), "bob", "ho")).await, answers[0]);
    }
    assert_eq!(texts(&region.stored("bob").await), ["hi", "hi"]);
    assert_eq!((region.stored("bob").await.len(), region.stored("alice").await.len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_send_and_what_is_no_post_are_told_by_status_and_code() {
    let region = Region::start(1).await;
    let shop = back_end(&region, 0);
    let good = message(&new_id(), Some("alice"), "bob", "hi").to_string();
    let (json, bearer) = ("application/json", format!("Bearer {}", shop.token()));
    let mut admin = service_claims("shop");
    admin["scope"] = json!("admin");
    let mut expired = service_claims("shop");
    expired["exp"] = json!(dunlin_tests::tokens::now() - 1);
    let token = |claims: &Value| format!("Bearer {}", region.key.sign(claims));
    let stranger = dunlin_tests::tokens::Key::new("one").sign(&service_claims("shop"));
    for (authorization, status, code) in [
        (String::new(), 401, "unauthorized"),
        (format!("Basic {}", shop.token()), 401, "unauthorized"),
        ("Bearer".to_owned(), 401, "unauthorized"),
        ("Bearer x.y.z".to_owned(), 401, "unauthorized"),
        (format!("Bearer {stranger}"), 401, "unauthorized"),
        (token(&expired), 401, "token_expired"),
        (format!("Bearer {}", region.token("alice")), 403, "forbidden"),
        (token(&admin), 403, "forbidden"),
        (format!("bearer {}", shop.token()), 200, ""),
    ] {
        let answer = shop.request(good.clone(), json, &authorization).await.expect("an answer");
        assert_eq!((answer.status, answer.code().unwrap_or_default()), (status, code), "{authorization:?}: {answer:?}");
    }
    let no_scope = shop.request(good.clone(), json, &format!("Bearer {}", region.token("alice"))).await;
    assert!(no_scope.expect("an answer").body["detail"].as_str().is_some_and(|words| words.contains("`service`")));

    let body = |change: fn(&mut Value)| {
        let mut body = message(&new_id(), Some("alice"), "bob", "hi");
        change(&mut body);
        body.to_string()
    };
    let padded = |length: usize| {
        let mut body = message(&new_id(), Some("alice"), "bob", "hi").to_string();
        body.extend(std::iter::repeat_n(' ', length.saturating_sub(body.len())));
        body
    };
    for (what, body, kind, status, code) in [
        ("no JSON", "hi".to_owned(), json, 400, "bad_frame"),
        ("half of it", good[..good.len() - 2].to_owned(), json, 400, "bad_frame"),
        ("nothing", String::new(), json, 400, "bad_frame"),
        ("more behind it", format!("{good}x"), json, 400, "bad_frame"),
        ("a list", format!("[{good}]"), json, 400, "bad_frame"),
        ("no id", body(|b| drop(b.as_object_mut().expect("an object").remove("id"))), json, 400, "bad_frame"),
        ("no `to`", body(|b| drop(b.as_object_mut().expect("an object").remove("to"))), json, 422, "bad_content"),
        ("unknown content", body(|b| b["content"] = json!({ "poll": { "question": "?" } })), json, 422, "bad_content"),
        ("an empty message", body(|b| b["content"] = json!({ "message": {} })), json, 422, "bad_content"),
        ("no address", body(|b| b["to"] = json!("b.o.b")), json, 422, "bad_address"),
        ("nobody", body(|b| b["from"] = json!("al ice")), json, 422, "bad_address"),
        ("another region's person", body(|b| b["from"] = json!("alice@eu")), json, 422, "bad_address"),
        ("another region", body(|b| b["to"] = json!("bob@eu")), json, 422, "unsupported"),
        (
            "an id that is no ULID",
            body(|b| b["id"] = json!("6f1e1c9c-0000-4000-8000-000000000000")),
            json,
            422,
            "bad_id",
        ),
        ("an old id", body(|b| b["id"] = json!(id_at(now() - 31 * 24 * 3_600_000))), json, 422, "too_old"),
        ("a coming id", body(|b| b["id"] = json!(id_at(now() + 3_600_000))), json, 422, "from_the_future"),
        (
            "a long text",
            body(|b| b["content"]["message"]["text"] = json!("x".repeat(32 * 1024 + 1))),
            json,
            413,
            "too_large",
        ),
        (
            "text whose letters are escapes",
            body(|b| b["content"]["message"]["text"] = json!("\u{1}".repeat(32 * 1024))),
            json,
            200,
            "",
        ),
        ("as long as it may be", padded(256 * 1024), json, 200, ""),
        ("longer", padded(256 * 1024 + 1), json, 413, "too_large"),
        ("much longer", padded(1024 * 1024), json, 413, "too_large"),
        ("a form", good.clone(), "application/x-www-form-urlencoded", 415, "bad_frame"),
        ("no kind", good.clone(), "", 415, "bad_frame"),
        ("a kind with its letters", good.clone(), "application/json; charset=utf-8", 200, ""),
    ] {
        let answer = shop.request(body, kind, &bearer).await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!((answer.status, answer.code().unwrap_or_default()), (status, code), "{what}: {answer:?}");
        // A message with an id is refused as on a socket.
        let looked_at = status == 422 || what == "a long text";
        assert_eq!(answer.body["rejected"].is_object(), looked_at, "{what}: {answer:?}");
    }
    // Also whoever is refused before it has said all is told why.
    let long = || padded(512 * 1024);
    for (authorization, kind, status) in [("Bearer x.y.z", json, 401), (&bearer, "text/plain", 415)] {
        for _ in 0..20 {
            assert_eq!(shop.request(long(), kind, authorization).await.map(|answer| answer.status), Some(status));
        }
    }
    for method in ["GET", "PUT", "OPTIONS"] {
        let request = format!("{method} /v1/messages HTTP/1.1\r\nHost: gateway\r\nContent-Length: 0\r\n\r\n");
        let (_, status, answer) = Raw::request(region.gateway(0), request).await;
        assert_eq!(status, 405, "{answer}");
        let answer = answer.to_ascii_lowercase();
        assert!(answer.contains("allow: post\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/problem+json\r\n"), "{answer}");
    }
    // Where a problem's `type` leads.
    let page = async |path: &str| reqwest::get(format!("http://{}{path}", region.gateway(0))).await.expect("an answer");
    let explained = page("/codes/rate_limited").await.text().await.expect("text");
    assert!(explained.starts_with("# rate_limited\n") && explained.contains("`retry_after`"), "{explained}");
    assert_eq!(page("/codes/rate").await.status(), 404);
    let openapi = reqwest::get(format!("http://{}/openapi.json", region.gateway(0))).await.expect("an answer");
    let openapi: Value = serde_json::from_str(&openapi.text().await.expect("text")).expect("JSON");
    assert!(openapi["paths"]["/v1/messages"]["post"].is_object(), "{openapi}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_person_has_a_share_of_its_own() {
    let region = Region::start(0).await;
    let tight = |config: &mut dunlin_gateway::Config| {
        (config.limits.sends_per_second, config.limits.sends_burst) = (1, 3);
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), tight).await;
    let shop = BackEnd::new(gateway, region.key.sign(&service_claims("shop")));
    let limited = until("alice's share to be used up", async || {
        let answer = post(&shop, &message(&new_id(), Some("alice"), "bob", "hi")).await;
        (answer.status != 200).then_some(answer)
    });
    let limited = limited.await;
    assert_eq!((limited.status, limited.code()), (429, Some("rate_limited")), "{limited:?}");
    assert!(limited.retry_after.is_some_and(|after| after >= 1), "{limited:?}");
    assert_eq!(post(&shop, &message(&new_id(), Some("carol"), "bob", "hi")).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_about_a_post_that_was_refused_for_now_waits_for_it() {
    let region = Region::start(0).await;
    let tight = |config: &mut dunlin_gateway::Config| {
        (config.limits.sends_per_second, config.limits.sends_burst) = (1, 1);
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), tight).await;
    let shop = BackEnd::new(gateway, region.key.sign(&service_claims("shop")));
    let within_share = async |body: &Value| {
        until("a place in alice's share", async || {
            let answer = post(&shop, body).await;
            (answer.status != 429).then_some(answer)
        })
        .await
    };
    let limited = until("alice's share to be used up", async || {
        let body = message(&new_id(), Some("alice"), "bob", "hi");
        (post(&shop, &body).await.status == 429).then_some(body)
    })
    .await;
    let content = json!({ "edit": { "target": limited["id"], "text": "ho" } });
    let edit = json!({ "id": new_id(), "from": "alice", "to": "bob", "content": content });
    let waits = within_share(&edit).await;
    assert_eq!((waits.status, waits.code()), (503, Some("unavailable")), "{waits:?}");
    assert_eq!(within_share(&limited).await.status, 200);
    assert_eq!(within_share(&edit).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_posts_of_one_person_to_one_address_keep_their_order_and_others_wait_for_neither() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let shop = back_end(&region, 0);
    region.freeze().await;
    let mut posting = JoinSet::new();
    let texts_of = |number: usize| format!("number {number}");
    for number in 0..20 {
        let (shop, body) = (shop.clone(), message(&new_id(), Some("alice"), "bob", &texts_of(number)));
        posting.spawn(async move { post(&shop, &body).await.status });
        under_way(&region, number + 1).await;
    }
    region.link().heal();
    let statuses = posting.join_all().await;
    assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    let stored = region.stored("bob").await;
    let mut numbers: Vec<usize> = texts(&stored)
        .iter()
        .map(|text| text.rsplit(' ').next().expect("a number").parse().expect("a number"))
        .collect();
    let found = numbers.clone();
    numbers.sort_unstable();
    assert_eq!(found, numbers, "in their order");
    let accepted = statuses.iter().filter(|status| **status == 200).count();
    assert!(accepted > 0 && found.len() >= accepted, "{statuses:?} {found:?}");
    under_way(&region, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_loses_nothing() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let shop = back_end(&region, 0);
    region.freeze().await;
    let body = message(&new_id(), Some("alice"), "bob", "hung up");
    let posting = tokio::spawn(async move { shop.post(&body).await });
    under_way(&region, 1).await;
    posting.abort();
    assert!(posting.await.is_err_and(|error| error.is_cancelled()), "the back end is gone");
    region.link().heal();
    region.watch_for("bob", "hung up").await;
    region.watch_for("alice", "hung up").await;
    under_way(&region, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_person_only_so_many_are_under_way() {
    let region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let shop = back_end(&region, 0);
    region.freeze().await;
    let mut posting = JoinSet::new();
    for _ in 0..300 {
        let (shop, body) = (shop.clone(), message(&new_id(), Some("alice"), "bob", "hi"));
        posting.spawn(async move { post(&shop, &body).await });
    }
    under_way(&region, 256).await;
    let carol = post(&shop, &message(&new_id(), Some("carol"), "bob@eu", "hi")).await;
    assert_eq!(carol.code(), Some("unsupported"), "others have their own");
    region.link().heal();
    let answers = posting.join_all().await;
    let crowded = answers.iter().filter(|answer| answer.code() == Some("unavailable"));
    assert!(crowded.clone().count() >= 44, "{}", crowded.count());
    for answer in answers {
        assert!(answer.status == 200 || (answer.status == 503 && answer.retry_after.is_some()), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_goes_away_answers_what_it_has_and_takes_no_more() {
    let region = Region::start_with(RegionOptions { gateways: 0, linked: true, ..RegionOptions::default() }).await;
    // A hundredth of this passes between one socket that is told to go and the next; then HTTP ends.
    let slow = |config: &mut dunlin_gateway::Config| config.drain = Millis(10_000);
    let (node, gateway) = region.new_gateway_of(region.link().url(), slow).await;
    let mut devices = vec![];
    for user in 0..20 {
        devices.push(region.caught_up_at(gateway, &format!("user-{user}"), "phone").await);
    }
    let shop = BackEnd::new(gateway, region.key.sign(&service_claims("shop")));
    region.link().freeze();
    let (back, body) = (shop.clone(), message(&new_id(), Some("alice"), "bob", "begun before"));
    let posting = tokio::spawn(async move { post(&back, &body).await });
    let url = format!("http://{gateway}/metrics");
    until("the post to be under way", async || {
        let metrics = reqwest::get(&url).await.ok()?.text().await.ok()?;
        metrics.contains("dunlin_gateway_posts_under_way 1\n").then_some(())
    })
    .await;
    let late = async {
        // One that would be refused anyway: another one would wait until storage answers.
        let refused = until("posts to be refused", async || {
            let answer = shop.post(&Value::Null).await?;
            (answer.code() == Some("draining")).then_some(answer)
        });
        let refused = refused.await;
        region.link().heal();
        (refused, posting.await.expect("no panic"))
    };
    let ((refused, begun), ()) = tokio::join!(late, node.stop());
    assert_eq!((refused.status, refused.retry_after), (503, Some(1)), "{refused:?}");
    assert_eq!(begun.status, 200, "{begun:?}");
    let stored = region.stored("bob").await;
    assert!(texts(&stored).contains(&"begun before"), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_200_is_in_the_mailbox_once_whatever_is_killed() {
    let mut region = Processes::start(1).await;
    let gateway = region.gateways()[0];
    let token = region.service_token("shop");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let accepted = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let mut posting = JoinSet::new();
    for poster in 0..6 {
        let (shop, stop, accepted) = (BackEnd::new(gateway, token.clone()), stop.clone(), accepted.clone());
        posting.spawn(async move {
            let from = format!("poster-{}", poster % 3);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let id = new_id();
                let body = message(&id, Some(&from), "bob", "hi");
                shop.post_until_stored(&body).await;
                accepted.lock().push(id);
            }
        });
    }
    for kill in 0..6 {
        let before = accepted.lock().len();
        within(Duration::from_secs(60), "the posts to go on", async || {
            (accepted.lock().len() > before + 20).then_some(())
        })
        .await;
        if kill % 3 == 2 { region.replace_gateway(0) } else { region.nats.restart() }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    while let Some(poster) = posting.join_next().await {
        poster.expect("a poster is content");
    }
    region.caught_up(0, "nobody", "phone").await;
    let mut bob = Device::hello(region.gateways()[0], &region.token("bob"), "phone", Some("beginning")).await;
    let (entries, _) = bob.catch_up().await;
    let mut stored: Vec<&str> = entries.iter().filter_map(|entry| entry["id"].as_str()).collect();
    let count = stored.len();
    stored.sort_unstable();
    stored.dedup();
    assert_eq!(stored.len(), count, "each once");
    let mut accepted = accepted.lock().clone();
    accepted.sort_unstable();
    assert_eq!(stored, accepted, "what is stored is what was accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_names_people_of_its_own_issuer_alone() {
    let region = Region::start(0).await;
    let staff = |config: &mut dunlin_gateway::Config| config.tokens.issuers[0].prefix = "staff-".into();
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), staff).await;
    let shop = BackEnd::new(gateway, region.key.sign(&service_claims("shop")));
    for (from, status, code) in [
        (None, 200, None),
        (Some("staff-alice"), 200, None),
        (Some("cust-alice"), 403, Some("forbidden")),
        (Some("alice"), 403, Some("forbidden")),
        (Some("Staff-alice"), 403, Some("forbidden")),
    ] {
        let answer = post(&shop, &message(&new_id(), from, "staff-bob", "hi")).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{from:?}: {answer:?}");
    }
    assert!(region.stored("alice").await.is_empty() && region.stored("cust-alice").await.is_empty());
}

/// Whoever has said all closes its half, and waits for the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_end_that_closes_its_half_is_answered() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let region = Region::start(1).await;
    let body = message(&new_id(), Some("alice"), "bob", "hi").to_string();
    let token = region.key.sign(&service_claims("shop"));
    let request = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = tokio::net::TcpStream::connect(region.gateway(0)).await.expect("connecting");
    socket.write_all(request.as_bytes()).await.expect("a gateway that reads");
    socket.shutdown().await.expect("closing one half");
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, socket.read_to_string(&mut answer))
        .await
        .expect("an answer in time")
        .expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer:?}");
}
