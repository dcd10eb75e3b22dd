//! Frames that no honest client sends: a typed refusal or a documented close, and the other sockets notice nothing.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use dunlin_tests::{
    device::{Device, Ended, id_at, message, new_id},
    raw::{FIRST, Heard, LAST, Raw, TEXT, frame},
    region::{Region, RegionOptions},
};
use serde_json::{Value, json};

/// What is expected of the gateway.
enum Answer {
    /// `refused` with this code, and the socket lives.
    Refused(&'static str),
    /// `rejected` with this code, and the socket lives.
    Rejected(&'static str),
    /// `goodbye` with this code, and this close.
    Goodbye(&'static str, u16),
    /// A close without a word.
    Close(u16),
}

use Answer::{Close, Goodbye, Refused, Rejected};

fn text(json: impl Into<String>) -> Vec<u8> {
    frame(TEXT, json.into().as_bytes())
}

fn to(address: &str) -> Vec<u8> {
    text(message(&new_id(), address, "hi").to_string())
}

fn content(content: Value) -> Vec<u8> {
    text(json!({ "send": { "id": new_id(), "to": "alice", "content": content } }).to_string())
}

fn said(text: &str) -> Value {
    json!({ "message": { "text": text } })
}

fn read(upto: Value) -> Vec<u8> {
    text(json!({ "read": { "with": "alice", "upto": upto } }).to_string())
}

fn ask(what: Value) -> Vec<u8> {
    text(json!({ "ask": { "ref": 1, "what": what } }).to_string())
}

fn cases() -> Vec<(&'static str, Vec<u8>, Answer)> {
    const BAD: Answer = Goodbye("bad_frame", 4400);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    let ahead = id_at(now.as_millis() + 60_000);
    let attachments = json!({ "message": { "text": "a", "attachments": ["media"] } });
    let react = |emoji: &str| json!({ "react": { "target": new_id(), "emoji": emoji, "on": true } });
    let membership = json!({ "membership": { "group": "#team", "users": ["bob"], "change": "added", "by": "alice" } });
    let deep = |depth: usize| format!(r#"{{"send":{{"x":{}{}}}}}"#, "[".repeat(depth), "]".repeat(depth));
    let deeper = format!(r#"{{"send":{}}}"#, r#"{"a":"#.repeat(10_000));
    vec![
        ("an empty message", text(""), BAD),
        ("half a JSON", text(r#"{"send":{"id":"#), BAD),
        ("no object", text("7"), BAD),
        ("an empty object", text("{}"), BAD),
        ("two frames in one", text(r#"{"ack":{"log":"mailbox","delivered":1},"send":{}}"#), BAD),
        ("something behind it", text(r#"{"ack":{"log":"mailbox","delivered":1}} {}"#), BAD),
        ("deep nesting", text(deep(5_000)), BAD),
        ("deep and never closed", text(deeper), BAD),
        ("an unknown frame", text(r#"{"teleport":{"to":"mars"}}"#), Refused("unknown_frame")),
        (
            "an unknown frame with a long name",
            text(format!(r#"{{"{}":0}}"#, "x".repeat(60_000))),
            Refused("unknown_frame"),
        ),
        ("a second hello", text(r#"{"hello":{"token":"x","device":"phone"}}"#), BAD),
        ("numbers for texts", text(r#"{"send":{"id":7,"to":7,"content":7}}"#), Rejected("bad_id")),
        ("text for a number", text(r#"{"ack":{"log":"mailbox","delivered":"7"}}"#), BAD),
        ("a number below zero", text(r#"{"ack":{"log":"mailbox","delivered":-1}}"#), BAD),
        ("a number beyond 2^53", text(r#"{"ack":{"log":"mailbox","delivered":9007199254740993}}"#), BAD),
        ("a read up to a text", read(json!("7")), Refused("bad_content")),
        ("a read up to less than nothing", read(json!(-1)), Refused("bad_content")),
        ("a read up to half of an order", read(json!(1.5)), Refused("bad_content")),
        ("a read up to 2^53", read(json!(1_u64 << 53)), Refused("bad_content")),
        ("a read up to nothing", read(Value::Null), Refused("bad_content")),
        ("an erasure without a name", ask(json!({ "erase": {} })), Refused("bad_question")),
        ("an erasure of a number", ask(json!({ "erase": { "confirm": 7 } })), Refused("bad_question")),
        ("an erasure of somebody else", ask(json!({ "erase": { "confirm": "alice" } })), Refused("bad_question")),
        (
            "an ack of a log that is not followed",
            text(r##"{"ack":{"log":"#team","delivered":1}}"##),
            Refused("unknown_log"),
        ),
        ("an ack of what is no log", text(r#"{"ack":{"log":"bob","delivered":1}}"#), Refused("unknown_log")),
        ("an id that is none", text(message("not-an-id", "alice", "hi").to_string()), Rejected("bad_id")),
        (
            "an id beyond its bits",
            text(message("8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "alice", "hi").to_string()),
            Rejected("bad_id"),
        ),
        (
            "an id in small letters",
            text(message(&new_id().to_lowercase(), "alice", "hi").to_string()),
            Rejected("bad_id"),
        ),
        ("bad UTF-8", frame(TEXT, b"{\"send\":\"\xff\"}"), Close(1007)),
        ("300 KB", text("x".repeat(300_000)), Goodbye("too_large", 1009)),
        (
            "300 KB in fragments",
            [frame(FIRST, &[b' '; 150_000]), frame(LAST, &[b' '; 150_000])].concat(),
            Goodbye("too_large", 1009),
        ),
        ("nobody", to(""), Rejected("bad_address")),
        ("a dot", to("alice.bob"), Rejected("bad_address")),
        ("a star", to("*"), Rejected("bad_address")),
        ("a wildcard", to(">"), Rejected("bad_address")),
        ("a space", to("alice bob"), Rejected("bad_address")),
        ("line breaks", to("alice\r\nPUB user.bob 2\r\nhi"), Rejected("bad_address")),
        ("a long name", to(&"a".repeat(65)), Rejected("bad_address")),
        ("letters of another alphabet", to("älice"), Rejected("bad_address")),
        ("a region that is none", to("alice@e.u"), Rejected("bad_address")),
        ("two regions", to("alice@eu@us"), Rejected("bad_address")),
        ("an id from the future", text(message(&ahead, "alice", "hi").to_string()), Rejected("from_the_future")),
        ("an empty body", content(json!({ "message": {} })), Rejected("bad_content")),
        ("a long body", content(said(&"x".repeat(32_769))), Rejected("too_large")),
        ("attachments that are none", content(attachments), Rejected("bad_content")),
        ("data that is no base64", content(json!({ "message": { "data": "?" } })), Rejected("bad_content")),
        ("an emoji of 50 letters", content(react(&"x".repeat(50))), Rejected("bad_content")),
        ("what only the system says", content(membership), Rejected("bad_content")),
        (
            "half of an emoji, as JavaScript writes one that was cut",
            text(message(&new_id(), "alice", "HALF").to_string().replace("HALF", r"hi \ud83d")),
            Rejected("bad_content"),
        ),
        ("content of a kind to come", content(json!({ "poll": { "question": "?" } })), Rejected("bad_content")),
    ]
}

async fn heard(raw: &mut Raw) -> Value {
    loop {
        let heard = raw.hear().await;
        let Heard::Json(value) = heard else { panic!("{heard:?} instead of a frame") };
        if value["entry"].is_null() {
            return value;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_frame_gets_its_answer_and_the_others_notice_nothing() {
    let region = Region::start(1).await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut laptop = region.caught_up(0, "alice", "laptop").await;
    for (index, (what, bytes, answer)) in cases().into_iter().enumerate() {
        let token = region.token(&format!("user-{index}"));
        let mut raw = Raw::caught_up(region.gateway(0), &token, "phone").await;
        // A gateway that has heard enough of a long message takes no more of it.
        raw.try_write(&bytes).await;
        match answer {
            Refused(code) => assert_eq!(heard(&mut raw).await["refused"]["code"], code, "{what}"),
            Rejected(code) => {
                let rejected = heard(&mut raw).await;
                assert_eq!(rejected["rejected"]["code"], code, "{what}: {rejected}");
                assert_eq!(rejected["rejected"]["retry_after"], Value::Null, "{what}: {rejected}");
            }
            Goodbye(code, close) => {
                assert_eq!(heard(&mut raw).await["goodbye"]["code"], code, "{what}");
                assert_eq!(raw.hear().await, Heard::Close(Some(close)), "{what}");
            }
            Close(close) => assert_eq!(raw.hear().await, Heard::Close(Some(close)), "{what}"),
        }
        if let Refused(_) | Rejected(_) = answer {
            raw.write(&text(message(&new_id(), &format!("user-{index}"), "alive").to_string())).await;
            raw.json("accepted").await;
        }
    }
    alice.send_accepted("alice", "as ever").await;
    assert_eq!(dunlin_tests::device::text(&laptop.expect("entry").await), "as ever");
    assert_eq!(region.stored("alice").await.len(), 1, "nothing bad was stored");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_still_sends_when_told_goodbye_hears_it_whole() {
    let region = Region::start(1).await;
    let mut raw = Raw::caught_up(region.gateway(0), &region.token("mallory"), "phone").await;
    // Far more than sockets hold: with a reset, the gateway would not take it all.
    let more = text(message(&new_id(), "bob", &"x".repeat(30_000)).to_string());
    let bytes = [text("7"), more.repeat(1_000)].concat();
    let mut heard = vec![];
    raw.exchange(&bytes, |next| {
        heard.push(next);
        heard.last() != Some(&Heard::End)
    })
    .await;
    let [Heard::Json(goodbye), Heard::Close(Some(4400)), Heard::End] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(goodbye["goodbye"]["code"], "bad_frame");
    assert_eq!(region.stored("bob").await.len(), 0, "nothing behind the goodbye counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_frame_that_is_no_hello_ends_the_socket() {
    let region = Region::start(1).await;
    let hello = |device: Value, cursors: Value| {
        json!({ "hello": { "token": region.token("bob"), "device": device, "cursors": cursors } }).to_string()
    };
    for (what, first) in [
        ("a send", message(&new_id(), "alice", "hi").to_string()),
        ("an ack", json!({ "ack": { "log": "mailbox", "delivered": 1 } }).to_string()),
        ("an unknown frame", json!({ "what": {} }).to_string()),
        ("nothing", String::new()),
        ("a device with a dot", hello(json!("pho.ne"), json!({}))),
        ("a device that is a wildcard", hello(json!(">"), json!({}))),
        ("a device with a line break", hello(json!("a\r\nb"), json!({}))),
        ("a long device", hello(json!("a".repeat(65)), json!({}))),
    ] {
        let mut device = Device::open(region.gateway(0)).await;
        device.say_text(first).await;
        let Ended { frames, close } = device.end().await;
        assert_eq!(frames.len(), 1, "{what}: {frames:?}");
        assert_eq!((&frames[0]["goodbye"]["code"], close), (&json!("bad_frame"), Some(4400)), "{what}: {frames:?}");
    }
}

/// A body within its limit is accepted however JSON writes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_within_its_limit_is_accepted_however_it_is_escaped() {
    let region = Region::start(1).await;
    let mut raw = Raw::caught_up(region.gateway(0), &region.token("bob"), "phone").await;
    for (what, escaped) in [
        ("6,000 emojis", r"\ud83d\ude00".repeat(6_000)),
        ("15,000 Cyrillic letters", r"\u0436".repeat(15_000)),
        ("30,000 line breaks", r"\u000a".repeat(30_000)),
    ] {
        let sent = message(&new_id(), "bob", "BODY").to_string().replace("BODY", &escaped);
        assert!(sent.len() > 64 * 1024, "{what}: {}", sent.len());
        raw.write(&text(sent)).await;
        let answer = heard(&mut raw).await;
        assert!(answer["accepted"].is_object(), "{what}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_no_ulid_is_rejected_as_it_came() {
    let region = Region::start(1).await;
    let mut raw = Raw::caught_up(region.gateway(0), &region.token("bob"), "phone").await;
    let long = "x".repeat(10 * 1024);
    let uuid = "8c7f1a3e-5b0d-4c7e-9a51-0d4c1f0a7b11";
    for (id, told) in [(uuid, uuid), ("", ""), (long.as_str(), &long[..dunlin_schema::limits::ID_BYTES])] {
        raw.write(&text(message(id, "alice", "hi").to_string())).await;
        let rejected = heard(&mut raw).await["rejected"].clone();
        assert_eq!((&rejected["id"], &rejected["code"]), (&json!(told), &json!("bad_id")));
        let words = rejected["message"].as_str().expect("words");
        assert!(words.contains("ULID") && words.contains("10240 bytes") == (id == long), "{rejected}");
    }
    raw.write(&text(message(&new_id(), "alice", "hi").to_string())).await;
    assert!(heard(&mut raw).await["accepted"].is_object(), "the socket goes on");
}

/// Another release, or another user, made it: the mailbox goes on after what the device acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_cannot_be_opened_is_named_and_the_log_goes_on_after_what_was_acknowledged() {
    let region = Region::start(1).await;
    let other = region.connect(0, "alice", "phone", None).await.catch_up().await.1;
    let mut sender = region.caught_up(0, "carol", "phone").await;
    sender.send_accepted("bob", "one").await;
    let mut bob = region.connect(0, "bob", "phone", None).await;
    let (entries, caught_up) = bob.catch_up().await;
    assert_eq!(entries.len(), 1);
    bob.say(json!({ "ack": { "log": "mailbox", "delivered": caught_up["seq"] } })).await;
    drop(bob);
    sender.send_accepted("bob", "two").await;
    let long = "A".repeat(100_000);
    for cursor in ["b0Zk", "", "b0 Zk=", &long, other["cursor"].as_str().expect("a cursor")] {
        dunlin_tests::wait::until("the acknowledgement to be stored", async || {
            let mut bob = region.connect(0, "bob", "phone", Some(cursor)).await;
            let refused = bob.expect("refused").await;
            assert_eq!(refused["code"], "bad_cursor", "{refused}");
            let (entries, _) = bob.catch_up().await;
            (entries.len() == 1 && dunlin_tests::device::text(&entries[0]) == "two").then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_followed_is_passed_over_and_named() {
    let region = Region::start(1).await;
    let mut device = Device::open(region.gateway(0)).await;
    let teams = (0..20).map(|log| format!("#team-{log:02}@eu"));
    // Another release may have named the last one.
    let logs = teams.chain(["channel!news".to_owned()]).map(|log| (log, json!("beginning")));
    let logs: serde_json::Map<_, _> = logs.collect();
    device.say(json!({ "hello": { "token": region.token("bob"), "device": "phone", "cursors": logs } })).await;
    assert!(device.next().await.expect("a welcome")["welcome"].is_object());
    let refused = device.expect("refused").await;
    assert_eq!((&refused["code"], &refused["ref"]), (&json!("unknown_log"), &Value::Null));
    let message = refused["message"].as_str().expect("words");
    assert!(message.contains("#team-00@eu, #team-01@eu") && message.contains("and 13 more"), "{message}");
    device.expect("caught_up").await;
    device.send_accepted("bob", "and the mailbox goes on").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_told_to_go() {
    let region = Region::start(1).await;
    let mut device = Device::open(region.gateway(0)).await;
    let ended = device.end().await;
    assert_eq!((ended.code(), ended.close), (Some("hello_timeout"), Some(4400)));
    let goodbye = &ended.frames.last().unwrap()["goodbye"];
    assert!(goodbye["retry_after"].is_u64(), "whoever was held up comes again: {goodbye}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_user_may_send_is_shared_by_its_devices() {
    const PER_SECOND: u32 = 100;
    const BURST: f64 = 500.0;
    let region = Region::start_with(RegionOptions { sends_per_second: PER_SECOND, ..RegionOptions::default() }).await;
    let began = Instant::now();
    let sending = ["phone", "tablet"].map(async |device| {
        let mut raw = Raw::caught_up(region.gateway(0), &region.token("mallory"), device).await;
        let burst: Vec<u8> = (0..1_000).flat_map(|_| to("bob")).collect();
        let (mut answered, mut accepted) = (0, 0);
        let answers = raw.exchange(&burst, |heard| {
            let Heard::Json(value) = heard else { panic!("an answer for each send, not {heard:?}") };
            answered += u32::from(value["accepted"].is_object() || value["rejected"].is_object());
            accepted += u32::from(value["accepted"].is_object());
            answered < 1_000
        });
        answers.await;
        accepted
    });
    let accepted: u32 = futures_util::future::join_all(sending).await.into_iter().sum();
    let may = BURST + began.elapsed().as_secs_f64() * f64::from(PER_SECOND);
    assert!(accepted >= 500 && f64::from(accepted) <= may, "{accepted} accepted where {may:.0} may be");
    region.caught_up(0, "alice", "phone").await.send_accepted("bob", "another user's account").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_sends_in_a_burst_are_all_answered() {
    let options = RegionOptions { sends_per_second: 500, ..RegionOptions::default() };
    let region = Region::start_with(options).await;
    let mut bursting = Raw::caught_up(region.gateway(0), &region.token("mallory"), "phone").await;
    let mut alice = region.caught_up(0, "alice", "phone").await;
    let mut left: HashSet<_> = (0..10_000).map(|_| new_id()).collect();
    let burst: Vec<u8> = left.iter().flat_map(|id| text(message(id, "bob", "burst").to_string())).collect();
    let (mut accepted, mut limited) = (0, 0);
    let answers = bursting.exchange(&burst, |heard| {
        let Heard::Json(value) = heard else { panic!("an answer for each send, not {heard:?}") };
        let answer = if value["accepted"].is_object() {
            accepted += 1;
            &value["accepted"]
        } else if value["rejected"].is_object() {
            let rejected = &value["rejected"];
            assert_eq!(rejected["code"], "rate_limited", "{rejected}");
            assert!(rejected["retry_after"].as_u64().is_some_and(|wait| wait >= 1_000), "{rejected}");
            limited += 1;
            rejected
        } else {
            return true;
        };
        assert!(left.remove(answer["id"].as_str().expect("an id")), "one answer for each send: {answer}");
        !left.is_empty()
    });
    let noticing = async {
        let began = Instant::now();
        alice.send_accepted("alice", "meanwhile").await;
        began.elapsed()
    };
    let ((), took) = tokio::join!(answers, noticing);
    assert!(took < Duration::from_secs(5), "another user's send took {took:?}");
    assert!(accepted >= 500 && limited > 0, "{accepted} accepted, {limited} limited");
    assert_eq!(region.stored("bob").await.len(), accepted, "what was accepted is what is stored");
}
