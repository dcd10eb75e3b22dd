//! Many questions, slow readers, and a region that does not answer: nothing grows, nobody waits for ever, and the socket goes on.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use dunlin_schema::{Millis, Peer, limits, record::DeviceRecord, subject};
use dunlin_tests::{
    device::{Device, text},
    process::Processes,
    raw::{Heard, Raw, TEXT, frame},
    region::{Region, RegionOptions},
};
use serde_json::{Value, json};

use super::remove;

const QUESTIONS: u64 = 10_000;
/// Entries of 30 KB: together more than the buffers of a socket take.
const ENTRIES: usize = 700;

/// Takes in answers and refusals until each of the first `count` questions has one. What else comes is given to `other`.
async fn settle(device: &mut Device, count: u64, mut other: impl FnMut(Value)) -> BTreeMap<u64, String> {
    let mut settled = BTreeMap::new();
    while (settled.len() as u64) < count {
        let frame = device.next().await.expect("an open socket");
        let (reference, how) = match (&frame["answer"]["ref"], &frame["refused"]["ref"]) {
            (Value::Number(reference), _) => (reference, "answered"),
            (_, Value::Number(reference)) => {
                assert!(frame["refused"]["retry_after"].is_u64(), "{frame}");
                (reference, frame["refused"]["code"].as_str().expect("a code"))
            }
            _ => {
                other(frame);
                continue;
            }
        };
        let twice = settled.insert(reference.as_u64().expect("a number"), how.to_owned());
        assert_eq!(twice, None, "{frame}");
    }
    settled
}

fn count(settled: &BTreeMap<u64, String>, how: &str) -> usize {
    settled.values().filter(|settled| *settled == how).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_questions_at_once_have_an_answer_or_a_refusal_each_and_messages_go_on() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let asking = tokio::spawn(async move {
        let mut entries = 0;
        // A client that reads while it writes.
        let mut settled = BTreeMap::new();
        for begin in (0..QUESTIONS).step_by(100) {
            for reference in begin..begin + 100 {
                bob.say(json!({ "ask": { "ref": reference, "what": { "devices": {} } } })).await;
            }
            settled.extend(settle(&mut bob, 100, |frame| entries += usize::from(frame["entry"].is_object())).await);
        }
        (bob, settled, entries)
    });
    let mut sent = 0;
    while !asking.is_finished() {
        alice.send_accepted("bob", "hi").await;
        sent += 1;
    }
    let (mut bob, settled, mut entries) = asking.await.expect("no panic");
    assert_eq!(settled.len() as u64, QUESTIONS);
    let [answered, limited, crowded] = ["answered", "rate_limited", "unavailable"].map(|how| count(&settled, how));
    println!("{answered} answered, {limited} beyond the share, {crowded} too many at once; {sent} messages meanwhile");
    assert_eq!(answered + limited + crowded, settled.len());
    assert!(answered > 0 && limited > settled.len() / 2, "{answered} {limited}");
    while entries < sent {
        bob.expect("entry").await;
        entries += 1;
    }
    bob.send_accepted("alice", "as ever").await;
    assert_eq!(text(&alice.expect("entry").await), "as ever");
}

/// Questions of every kind, one after the other.
fn question(reference: u64) -> Value {
    match reference % 8 {
        0 => json!({ "devices": {} }),
        1 => json!({ "presence": { "users": (0..200).map(|user| format!("user-{user}")).collect::<Vec<_>>() } }),
        2 => json!({ "watch": { "users": (0..200).map(|user| format!("user-{user}")).collect::<Vec<_>>() } }),
        3 => json!({ "conversations": { "limit": 50 } }),
        4 => json!({ "history": { "with": "alice", "limit": 100 } }),
        5 => json!({ "set": { "who_may_write": "everybody" } }),
        6 => json!({ "device_name": { "device": "phone", "title": format!("{reference}") } }),
        _ => json!({ "blocks": {} }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_questions_in_one_burst_cost_a_gateway_little_memory_and_others_no_time() {
    let region = Processes::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut bob = Raw::caught_up(region.gateways()[0], &region.token("bob"), "phone").await;
    let ask = |reference| json!({ "ask": { "ref": reference, "what": question(reference) } }).to_string();
    let burst: Vec<u8> = (0..QUESTIONS).flat_map(|reference| frame(TEXT, ask(reference).as_bytes())).collect();
    let before = region.resident_bytes(0);
    let (mut settled, mut limited) = (BTreeMap::new(), 0);
    let asking = bob.exchange(&burst, |heard| {
        let Heard::Json(frame) = heard else { panic!("an answer for each question, not {heard:?}") };
        let (reference, how) = match (&frame["answer"]["ref"], &frame["refused"]["ref"]) {
            (Value::Number(reference), _) => (reference, "answered"),
            (_, Value::Number(reference)) => (reference, frame["refused"]["code"].as_str().expect("a code")),
            _ => return true,
        };
        assert!(["answered", "rate_limited", "unavailable"].contains(&how), "{frame}");
        limited += u64::from(how == "rate_limited");
        let twice = settled.insert(reference.as_u64().expect("a number"), how.to_owned());
        assert_eq!(twice, None, "{frame}");
        (settled.len() as u64) < QUESTIONS
    });
    let others = async {
        let mut most = Duration::ZERO;
        for _ in 0..20 {
            let began = Instant::now();
            alice.send_accepted("alice", "meanwhile").await;
            most = most.max(began.elapsed());
        }
        most
    };
    let ((), waited) = tokio::join!(asking, others);
    let grown = region.resident_bytes(0).saturating_sub(before);
    println!("{limited} beyond the share; another user waited {waited:?} at most; {grown} bytes more");
    assert!(limited > QUESTIONS / 2 && count(&settled, "answered") > 0, "{limited}");
    assert!(waited < Duration::from_secs(5), "another user waited {waited:?}");
    assert!(grown < 64 << 20, "the gateway has grown by {grown} bytes");
    let alive = dunlin_tests::device::message(&dunlin_tests::device::new_id(), "bob", "alive").to_string();
    bob.write(&frame(TEXT, alive.as_bytes())).await;
    bob.json("accepted").await;
}

/// A refusal is an answer too: whoever has none to hope for may not have more of them than others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_nobody_knows_count_like_all_others() {
    let region = Region::start(1).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let asked = u64::from(2 * limits::ASKS_BURST);
    for reference in 0..asked {
        let what = if reference % 2 == 0 { json!({ "gestures": {} }) } else { json!({ "device_remove": {} }) };
        bob.say(json!({ "ask": { "ref": reference, "what": what } })).await;
    }
    let mut codes = BTreeMap::<String, u64>::new();
    for _ in 0..asked {
        let refused = bob.expect("refused").await;
        *codes.entry(refused["code"].as_str().expect("a code").to_owned()).or_default() += 1;
    }
    let expected = ["bad_question", "rate_limited", "unknown_question"];
    assert_eq!(codes.keys().map(String::as_str).collect::<Vec<_>>(), expected, "{codes:?}");
}

/// As many devices as are listed: a long list makes long answers.
async fn long_list(region: &Region, user: &str) {
    let (log, jetstream) = (region.mailbox(user), region.jetstream().await);
    let user = user.parse().expect("a name");
    for number in 0..limits::DEVICES_LISTED {
        let device = format!("{number:064}").parse().expect("a name");
        let record = subject::device_record(&log.region, log.shard, &user, &device, &Peer::User(user.clone()));
        let seen = DeviceRecord { cursor: Some(Default::default()), ..DeviceRecord::default() };
        jetstream.publish(record, seen.encode().into()).await.expect("a publish").await.expect("stored");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_has_an_answer_or_a_refusal_for_each_question_in_the_end() {
    let region = Region::start(1).await;
    long_list(&region, "bob").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let asked = u64::from(limits::ASKS_BURST);
    for reference in 0..asked {
        bob.say(json!({ "ask": { "ref": reference, "what": { "devices": {} } } })).await;
    }
    let mut alice = region.caught_up(0, "alice", "phone").await;
    for _ in 0..100 {
        alice.send_accepted("alice", "nobody waits for bob").await;
    }
    let settled = settle(&mut bob, asked, |_| ()).await;
    let [answered, refused] = ["answered", "unavailable"].map(|how| count(&settled, how));
    println!("{answered} answered, {refused} refused");
    assert_eq!(answered + refused, settled.len());
    assert!((1..=asked as usize).contains(&answered) && refused > 0, "{answered} {refused}");
    bob.send_accepted("bob", "as ever").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_find_no_room_before_a_full_socket_are_refused_and_entries_follow() {
    let region = Region::start(1).await;
    long_list(&region, "bob").await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    // More than the socket holds: bob reads none of it for now.
    let body = "x".repeat(30_000);
    for number in 0..ENTRIES {
        alice.send_accepted("bob", &format!("{number:06} {body}")).await;
    }
    let asked = limits::ASKS_IN_FLIGHT as u64;
    for reference in 0..asked {
        bob.say(json!({ "ask": { "ref": reference, "what": { "devices": {} } } })).await;
    }
    let page = format!("http://{}/metrics", region.gateway(0));
    dunlin_tests::wait::until("an answer that finds no room", async || {
        let metrics = reqwest::get(&page).await.ok()?.text().await.ok()?;
        let line = metrics.lines().find(|line| line.starts_with("dunlin_gateway_unread_answers_total "))?;
        (!line.ends_with(" 0")).then_some(())
    })
    .await;
    let mut next = 0;
    let mut in_order = |frame: &Value| {
        if frame["entry"].is_object() {
            assert_eq!(text(&frame["entry"])[..6], format!("{next:06}"));
            next += 1;
        }
        next
    };
    let settled = settle(&mut bob, asked, |frame| {
        in_order(&frame);
    })
    .await;
    let [answered, refused] = ["answered", "unavailable"].map(|how| count(&settled, how));
    assert_eq!(answered + refused, settled.len());
    assert!(answered > 0 && refused > 0, "{answered} {refused}");
    while in_order(&Value::Null) < ENTRIES {
        in_order(&bob.next().await.expect("an open socket"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_that_does_not_answer_is_told_in_time() {
    let mut region = Region::start_with(RegionOptions { linked: true, ..RegionOptions::default() }).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    bob.ask(1, json!({ "devices": {} })).await.expect("an answer");
    for worker in region.workers.drain(..) {
        worker.stop().await;
    }
    refused_in_time(&mut bob, remove("tablet")).await;
    bob.ask(3, json!({ "devices": {} })).await.expect("that needs no worker");
    region.link().freeze();
    for what in [json!({ "devices": {} }), remove("tablet")] {
        refused_in_time(&mut bob, what).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_without_a_leader_are_told_in_time() {
    let options = RegionOptions { replicas: 3, servers: 3, shards: 1, ..RegionOptions::default() };
    let mut region = Region::start_with(options).await;
    let mut bob = region.caught_up(0, "bob", "phone").await;
    // The gateway stays with the first server, which is alone now.
    region.peers.iter_mut().for_each(|server| server.kill());
    let what = json!({ "devices": {} });
    dunlin_tests::wait::until("the first server to know that it leads nothing", async || {
        bob.ask(1, what.clone()).await.err().map(drop)
    })
    .await;
    for what in [what, remove("tablet")] {
        refused_in_time(&mut bob, what).await;
    }
}

async fn refused_in_time(device: &mut Device, what: Value) {
    let began = Instant::now();
    let refused = device.ask(2, what).await.expect_err("a refusal");
    assert_eq!(refused["code"], "unavailable", "{refused}");
    assert!(refused["retry_after"].is_u64(), "{refused}");
    let slack = Millis(2_000);
    assert!(began.elapsed() < Duration::from_millis(limits::ASK_WITHIN.plus(slack).0), "{:?}", began.elapsed());
}
