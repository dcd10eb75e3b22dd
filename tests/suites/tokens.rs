//! Tokens that are not to be trusted, each refused with its code and nothing else; and the end of those that were.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_tests::{
    device::{Device, Ended},
    raw::{Heard, Raw, TEXT, frame},
    region::Region,
    tokens::{Key, claims, now},
};
use serde_json::{Value, json};

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
    let issuer = |config: &mut dunlin_gateway::Config| config.tokens.issuer = Some("https://id.example".into());
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
    dunlin_tests::wait::until("the old key to be taken out", async || {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_set_behind_a_url_is_looked_at_when_a_key_is_unknown_and_not_for_each_forger() {
    let region = Region::start(0).await;
    let source = KeyServer::start(&[&region.key]).await;
    let url = source.url();
    let (_node, gateway) = region
        .new_gateway_of(region.nats.url(), move |config| {
            config.tokens.keys = url.parse().expect("a URL");
            config.tokens.refresh = dunlin_schema::Millis(600_000);
        })
        .await;
    Device::hello(gateway, &region.token("bob"), "phone", None).await;
    for _ in 0..50 {
        let forged = Key::new("forged").token("bob");
        assert!(Device::try_hello(gateway, &forged, "phone", None).await.is_err());
    }
    assert!(source.asked() <= 5, "{} looks for 50 forgers", source.asked());
    let new = Key::new("two");
    source.put(&[&new]);
    dunlin_tests::wait::until("the new key to be found", async || {
        Device::try_hello(gateway, &new.token("bob"), "phone", None).await.ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_socket_ends_within_a_second_of_its_token() {
    let region = Region::start(1).await;
    let end = UNIX_EPOCH + Duration::from_secs(now() + 3);
    let token = region.key.sign(&changed(|c| c["exp"] = json!(now() + 3)));
    let mut device = Device::hello(region.gateway(0), &token, "phone", None).await;
    let ended = device.end().await;
    let at = SystemTime::now();
    assert_eq!((ended.code(), ended.close), (Some("token_expired"), Some(4401)));
    let late = at.duration_since(end).expect("not before the token's end");
    assert!(late < Duration::from_secs(1), "{late:?} late");
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

/// A web server that has nothing but a key set.
struct KeyServer {
    address: std::net::SocketAddr,
    set: std::sync::Arc<std::sync::Mutex<(String, usize)>>,
    task: tokio::task::JoinHandle<()>,
}

impl KeyServer {
    async fn start(keys: &[&Key]) -> KeyServer {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let set = std::sync::Arc::new(std::sync::Mutex::new((String::new(), 0)));
        let served = set.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let body = {
                    let mut set = served.lock().expect("no panic under the lock");
                    set.1 += 1;
                    set.0.clone()
                };
                let _ = stream.read(&mut [0; 4_096]).await;
                let answer =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let server = KeyServer { address, set, task };
        server.put(keys);
        server
    }

    fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    fn put(&self, keys: &[&Key]) {
        let jwks: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
        self.set.lock().expect("no panic under the lock").0 = json!({ "keys": jwks }).to_string();
    }

    fn asked(&self) -> usize {
        self.set.lock().expect("no panic under the lock").1
    }
}

impl Drop for KeyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
