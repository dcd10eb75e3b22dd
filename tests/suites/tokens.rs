//! Tokens that are not to be trusted, each refused with its code and nothing else; and the end of those that were.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_tests::{
    device::{Device, Ended},
    raw::{Heard, Raw, TEXT, frame},
    region::{Node, Region},
    tokens::{Key, claims, now},
    wait::until,
};
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::task::JoinSet;

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = claims("bob");
    change(&mut claims);
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token that is signed with HMAC, as if the public key were a secret.
fn hmac_of(secret: &[u8]) -> String {
    let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "one" })), part(&claims("bob")));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn bad_tokens(key: &Key) -> Vec<(&'static str, String, &'static str)> {
    let good = key.token("bob");
    let [header, _, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("a token has three parts") };
    let eve = part(&claims("eve"));
    let none = format!("{}.{}.", part(&json!({ "alg": "none", "kid": "one" })), part(&claims("bob")));
    let critical = json!({ "alg": "EdDSA", "kid": "one", "crit": ["exp"] });
    let critical = key.sign_with(&critical, &claims("bob"));
    let x = key.jwk()["x"].as_str().expect("a public key").to_owned();
    vec![
        ("expired", key.sign(&changed(|c| c["exp"] = json!(now() - 1))), "token_expired"),
        ("not valid yet", key.sign(&changed(|c| c["nbf"] = json!(now() + 60))), "unauthorized"),
        ("another key under the same id", Key::new("one").token("bob"), "unauthorized"),
        ("a key of another id", Key::new("two").token("bob"), "unauthorized"),
        ("another audience", key.sign(&changed(|c| c["aud"] = json!("others"))), "unauthorized"),
        ("no audience", key.sign(&changed(|c| drop(c.as_object_mut().map(|c| c.remove("aud"))))), "unauthorized"),
        ("the algorithm none", none, "unauthorized"),
        ("an extension that has to be understood", critical, "unauthorized"),
        ("HMAC with the public key", hmac_of(key.public()), "unauthorized"),
        ("HMAC with the public key's text", hmac_of(x.as_bytes()), "unauthorized"),
        ("a changed payload", format!("{header}.{eve}.{signature}"), "unauthorized"),
        ("20 KB of letters", "e".repeat(20_000), "unauthorized"),
        ("no end", key.sign(&changed(|c| drop(c.as_object_mut().map(|c| c.remove("exp"))))), "unauthorized"),
        ("an end as text", key.sign(&changed(|c| c["exp"] = json!((now() + 60).to_string()))), "unauthorized"),
        ("nobody", key.sign(&changed(|c| drop(c.as_object_mut().map(|c| c.remove("sub"))))), "unauthorized"),
        ("a name that is none", key.sign(&changed(|c| c["sub"] = json!("bob.*"))), "unauthorized"),
        ("nothing", String::new(), "unauthorized"),
    ]
}

async fn refused(region: &Region, token: &str) -> Ended {
    match Device::try_hello(region.gateway(0), token, "phone", None).await {
        Ok(device) => panic!("let in: {}", device.welcome),
        Err(ended) => ended,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_token_is_refused_with_its_code_and_nothing_else() {
    let region = Region::start(1).await;
    for (what, token, code) in bad_tokens(&region.key) {
        let ended = refused(&region, &token).await;
        assert_eq!((ended.code(), ended.close), (Some(code), Some(4401)), "{what}: {ended:?}");
        assert_eq!(ended.frames.len(), 1, "{what}: nothing but the goodbye");
        assert!(token.len() < 20 || !ended.frames[0].to_string().contains(&token[..20]), "{what}: no part of a token");
    }
    let ending = |exp: Value| changed(|c| c["exp"] = exp);
    for (exp, message) in [
        (Value::Null, "the token has no `exp`"),
        (json!((now() + 60).to_string()), "the token's `exp` is no time: a number of seconds since 1970"),
    ] {
        let ended = refused(&region, &region.key.sign(&ending(exp))).await;
        assert_eq!(ended.frames[0]["goodbye"]["message"], message);
    }
    let none = json!({ "hello": { "device": "phone" } });
    let mut device = Device::open(region.gateway(0)).await;
    device.say(none).await;
    assert_eq!(device.end().await.code(), Some("unauthorized"));
    region.caught_up(0, "bob", "phone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_issuer_is_refused_where_one_is_configured() {
    let region = Region::start(0).await;
    let issuer =
        |config: &mut dunlin_gateway::Config| config.tokens.issuers[0].issuer = Some("https://id.example".into());
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), issuer).await;
    for (issuer, code) in [(json!("https://evil.example"), "unauthorized"), (Value::Null, "unauthorized")] {
        let token = region.key.sign(&changed(|c| c["iss"] = issuer));
        let Err(ended) = Device::try_hello(gateway, &token, "phone", None).await else { panic!("let in") };
        assert_eq!(ended.code(), Some(code));
    }
    let token = region.key.sign(&changed(|c| c["iss"] = json!("https://id.example")));
    Device::hello(gateway, &token, "phone", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_taken_at_once_and_the_old_one_no_more() {
    let region = Region::start(1).await;
    let (old, new) = (&region.key, Key::new("two"));
    Device::hello(region.gateway(0), &old.token("bob"), "phone", None).await;
    assert_eq!(refused(&region, &new.token("bob")).await.code(), Some("unauthorized"));
    region.keys.write(&[old, &new]);
    Device::hello(region.gateway(0), &new.token("bob"), "phone", None).await;
    Device::hello(region.gateway(0), &old.token("bob"), "phone", None).await;
    region.keys.write(&[&new]);
    until("the old key to be taken out", async || {
        Device::try_hello(region.gateway(0), &old.token("bob"), "phone", None).await.err()
    })
    .await;
    Device::hello(region.gateway(0), &new.token("bob"), "phone", None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_key_set_changes_nothing() {
    let region = Region::start(1).await;
    std::fs::write(region.keys.path(), "{ half a key set").expect("writing");
    let unknown = Key::new("two").token("bob");
    assert_eq!(refused(&region, &unknown).await.code(), Some("unauthorized"), "which made the gateway look");
    Device::hello(region.gateway(0), &region.token("bob"), "phone", None).await;
}

/// A region, and a gateway of it whose key set is behind a URL and is looked at when a key is unknown alone.
async fn keys_behind_a_url() -> (Region, KeyServer, Node, SocketAddr) {
    let region = Region::start(0).await;
    let source = KeyServer::start(&[&region.key]).await;
    let url = source.url();
    let change = move |config: &mut dunlin_gateway::Config| {
        config.tokens.issuers[0].keys = url.parse().expect("a URL");
        config.tokens.refresh = dunlin_schema::Millis(600_000);
    };
    let (node, gateway) = region.new_gateway_of(region.nats.url(), change).await;
    // The first look, and the one with which it begins to look from time to time.
    until("two looks", async || (source.asked() == 2).then_some(())).await;
    (region, source, node, gateway)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_behind_a_url_is_looked_at_when_a_key_is_unknown_and_not_for_each_forger() {
    let (region, source, _node, gateway) = keys_behind_a_url().await;
    Device::hello(gateway, &region.token("bob"), "phone", None).await;
    let began = Instant::now();
    for _ in 0..50 {
        let forged = Key::new("forged").token("bob");
        assert!(Device::try_hello(gateway, &forged, "phone", None).await.is_err());
    }
    // One in two seconds, besides those of its start.
    let may = 3 + began.elapsed().as_secs() as usize / 2;
    assert!(source.asked() <= may, "{} looks for 50 forgers, where {may} may be", source.asked());
    let new = Key::new("two");
    source.put(&[&new]);
    until("the new key to be found", async || Device::try_hello(gateway, &new.token("bob"), "phone", None).await.ok())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_key_is_found_among_forgers_by_one_look_however_long_it_takes() {
    let (_region, source, _node, gateway) = keys_behind_a_url().await;
    let new = Key::new("new");
    source.put(&[&new]);
    // So long that the look ends when another one might have begun, had it not been under way.
    source.answer_after(Duration::from_millis(2_500));
    let source = Arc::new(source);
    let mut hellos = JoinSet::new();
    let forged: Vec<_> = (0..12).map(|forger| Key::new(&format!("forged-{forger}"))).collect();
    for (key, is_forged) in forged.iter().map(|key| (key, true)).chain([(&new, false)]) {
        let (source, token) = (source.clone(), key.token("bob"));
        hellos.spawn(async move {
            loop {
                // Those who come too soon after the last look are refused, and come again.
                let said = Device::try_hello(gateway, &token, "phone", None).await;
                if said.is_ok() || is_forged && source.asked() > 2 {
                    return said.is_ok();
                }
            }
        });
    }
    let let_in = hellos.join_all().await;
    assert_eq!(let_in.iter().filter(|let_in| **let_in).count(), 1, "whose key is in the set");
    assert_eq!(source.asked(), 3, "looks");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_that_does_not_answer_costs_a_hello_no_more_than_its_time() {
    let (_region, source, _node, gateway) = keys_behind_a_url().await;
    source.answer_after(Duration::MAX);
    let unknown = Key::new("new").token("bob");
    let waited = until("a hello that waits for the key set", async || {
        let began = Instant::now();
        let Err(ended) = Device::try_hello(gateway, &unknown, "phone", None).await else { panic!("let in") };
        (source.asked() > 2).then(|| (ended, began.elapsed()))
    });
    let (ended, waited) = waited.await;
    assert_eq!((ended.code(), ended.close), (Some("unavailable"), Some(1013)), "{ended:?}");
    assert!(ended.frames[0]["goodbye"]["retry_after"].is_u64(), "{ended:?}");
    assert!(waited < Duration::from_secs(8), "{waited:?}");

    let authorization = format!("Authorization: Bearer {unknown}\r\n");
    let (_, status, answer) = Raw::request(gateway, &Raw::upgrade("dunlin.v1.json", &authorization)).await;
    assert_eq!(status, 503, "{answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hello_that_waits_for_the_key_set_is_told_that_the_gateway_goes_away() {
    let (_region, source, node, gateway) = keys_behind_a_url().await;
    source.answer_after(Duration::MAX);
    let unknown = Key::new("new").token("bob");
    let mut device = loop {
        let mut device = Device::open(gateway).await;
        device.say(json!({ "hello": { "token": unknown, "device": "phone" } })).await;
        tokio::select! {
            // Too soon after the last look.
            _ = device.end() => {}
            () = until("a look", async || (source.asked() > 2).then_some(())) => break device,
        }
    };
    let began = Instant::now();
    let told = async {
        let ended = device.end().await;
        (ended, began.elapsed())
    };
    let ((ended, took), ()) = tokio::join!(told, node.stop());
    assert_eq!(ended.code(), Some("draining"), "{ended:?}");
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_socket_ends_within_a_second_of_its_token() {
    let region = Region::start(1).await;
    let begun = now();
    let late = join_all((5..8).map(async |seconds| {
        let exp = begun + seconds;
        let token = region.key.sign(&changed(|c| c["exp"] = json!(exp)));
        let mut device = Device::hello(region.gateway(0), &token, &format!("phone-{seconds}"), None).await;
        let ended = device.end().await;
        let at = SystemTime::now();
        assert_eq!((ended.code(), ended.close), (Some("token_expired"), Some(4401)));
        at.duration_since(UNIX_EPOCH + Duration::from_secs(exp)).expect("not before the token's end")
    }))
    .await;
    // A machine that stands still makes one of them late, and not each.
    let least = late.iter().min().expect("three ends");
    assert!(*least < Duration::from_secs(1), "{late:?} late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_one_device_is_for_no_other() {
    let region = Region::start(1).await;
    let pinned = region.key.sign(&changed(|c| c["dev"] = json!("phone")));
    let Err(ended) = Device::try_hello(region.gateway(0), &pinned, "laptop", None).await else { panic!("let in") };
    assert_eq!((ended.code(), ended.close), (Some("forbidden"), Some(4403)));
    let mut device = Device::open(region.gateway(0)).await;
    device.say(json!({ "hello": { "token": pinned } })).await;
    assert_eq!(device.expect("welcome").await["device"], "phone");
    let mut device = Device::open(region.gateway(0)).await;
    device.say(json!({ "hello": { "token": region.token("bob") } })).await;
    assert_eq!(device.end().await.code(), Some("bad_frame"), "somebody has to name the device");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tokens_on_one_socket_are_of_one_user() {
    let region = Region::start(0).await;
    let once = |config: &mut dunlin_gateway::Config| {
        config.limits.connects_per_second = 1;
        config.limits.connects_burst = 1;
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), once).await;
    let pinned = region.key.sign(&changed(|c| c["dev"] = json!("laptop")));
    for (header, hello, kind, word) in [
        ("alice", region.token("bob"), "goodbye", "unauthorized"),
        // It is one connection, and the token in `hello` counts.
        ("bob", pinned, "welcome", "laptop"),
    ] {
        let authorization = format!("Authorization: Bearer {}\r\n", region.token(header));
        let request = Raw::upgrade("dunlin.v1.json", &authorization);
        let (mut raw, status, answer) = Raw::request(gateway, &request).await;
        assert_eq!(status, 101, "{answer}");
        raw.write(&frame(TEXT, json!({ "hello": { "token": hello } }).to_string().as_bytes())).await;
        let Heard::Json(said) = raw.hear().await else { panic!("no frame for {header}") };
        assert_eq!(said[kind][if kind == "goodbye" { "code" } else { "device" }], word, "{said}");
    }
}

#[derive(Default)]
struct Served {
    set: String,
    /// How often it was asked.
    asked: usize,
    /// How long it takes for each answer: it gives one after the other.
    after: Duration,
}

/// A web server that has nothing but a key set.
struct KeyServer {
    address: std::net::SocketAddr,
    served: Arc<Mutex<Served>>,
    task: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    async fn start(keys: &[&Key]) -> KeyServer {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let served = Arc::new(Mutex::new(Served::default()));
        let serving = served.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (body, after) = {
                    let mut served = serving.lock().expect("no panic under the lock");
                    served.asked += 1;
                    (served.set.clone(), served.after)
                };
                let _ = stream.read(&mut [0; 4_096]).await;
                tokio::time::sleep(after).await;
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let server = KeyServer { address, served, task };
        server.put(keys);
        server
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    fn put(&self, keys: &[&Key]) {
        let jwks: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.served.lock().expect("no panic under the lock").set = json!({ "keys": jwks }).to_string();
    }

    fn asked(&self) -> usize {
        self.served.lock().expect("no panic under the lock").asked
    }

    fn answer_after(&self, after: Duration) {
        self.served.lock().expect("no panic under the lock").after = after;
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
