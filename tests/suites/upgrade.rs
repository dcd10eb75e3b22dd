//! A request that is no valid upgrade gets the HTTP status that says so; a valid one the subprotocol that the client prefers.

use dunlin_gateway::Server;
use dunlin_tests::{
    raw::{Heard, Raw, TEXT, frame},
    region::Region,
    wait::until,
};
use serde_json::json;

const GOOD: &str = "dunlin.v1.json";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_bad_request_gets_the_status_that_says_so() {
    let region = Region::start(1).await;
    let good = Raw::upgrade(GOOD, "");
    let without = |line: &str| {
        let lines = good.split("\r\n").filter(|found| !found.starts_with(line));
        lines.collect::<Vec<_>>().join("\r\n")
    };
    let expired = region.key.sign(&serde_json::json!({ "sub": "bob", "aud": "dunlin", "exp": 1 }));
    for (what, request, status, words) in [
        ("no `Upgrade`", without("Upgrade"), 426, "upgrade: websocket"),
        ("no `Connection`", without("Connection"), 426, "upgrade: websocket"),
        ("another version", good.replace("Version: 13", "Version: 8"), 426, "sec-websocket-version: 13"),
        ("no version", without("Sec-WebSocket-Version"), 426, "sec-websocket-version: 13"),
        ("no key", without("Sec-WebSocket-Key"), 400, ""),
        ("a short key", good.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400, ""),
        ("no subprotocol", without("Sec-WebSocket-Protocol"), 400, ""),
        ("an unknown subprotocol", Raw::upgrade("chat, dunlin.v2.json", ""), 400, ""),
        ("another method", good.replace("GET ", "POST "), 405, "allow: get"),
        ("HEAD", good.replace("GET ", "HEAD "), 405, "allow: get\r\n"),
        ("another address", good.replace("/v1/connect", "/v2/connect"), 404, ""),
        ("no JWT", Raw::upgrade(GOOD, "Authorization: Bearer letters\r\n"), 401, "www-authenticate: bearer"),
        ("an old token", Raw::upgrade(GOOD, &format!("Authorization: Bearer {expired}\r\n")), 401, "bearer"),
        (
            "a token of 20 KB",
            Raw::upgrade(GOOD, &format!("Authorization: Bearer {}\r\n", "e".repeat(20_000))),
            401,
            "bearer",
        ),
        ("a body", format!("{}hello", Raw::upgrade(GOOD, "Content-Length: 5\r\n")), 400, ""),
        ("a body in chunks", Raw::upgrade(GOOD, "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400, ""),
        ("HTTP/1.0", good.replace("HTTP/1.1", "HTTP/1.0"), 400, ""),
    ] {
        let (_, found, answer) = Raw::request(region.gateway(0), &request).await;
        assert_eq!(found, status, "{what}: {answer}");
        let answer = answer.to_ascii_lowercase();
        assert!(answer.contains(words), "{what}: {answer}");
        assert!(!answer.contains("content-length: 0"), "{what} is told no reason: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_proxies_add_to_an_upgrade_does_no_harm() {
    let region = Region::start(1).await;
    for (what, request) in [
        ("no body, said so", Raw::upgrade(GOOD, "Content-Length: 0\r\n")),
        ("an `Authorization` of the proxy's", Raw::upgrade(GOOD, "Authorization: Basic eA==\r\n")),
        ("one that names no scheme", Raw::upgrade(GOOD, "Authorization: letters\r\n")),
        ("a `Proxy-Authorization`", Raw::upgrade(GOOD, "Proxy-Authorization: Bearer letters\r\n")),
        (
            "where it came from",
            Raw::upgrade(
                GOOD,
                "Forwarded: for=192.0.2.1;proto=https\r\nX-Forwarded-For: 192.0.2.1, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nVia: 1.1 proxy\r\n",
            ),
        ),
        (
            "what it knows of the client",
            Raw::upgrade(
                GOOD,
                "X-Real-IP: 192.0.2.1\r\nX-Forwarded-Host: chat.example\r\nX-Forwarded-Port: 443\r\nX-Request-Id: 7\r\nCF-Ray: 7\r\n\
                 Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nCookie: a=b; c=\"d\"\r\nX-Empty:\r\n",
            ),
        ),
        ("a `Content-Type`", Raw::upgrade(GOOD, "Content-Type: application/json\r\nAccept: */*\r\n")),
        ("an `Expect`", Raw::upgrade(GOOD, "Expect: 100-continue\r\n")),
        ("a `Keep-Alive`", Raw::upgrade(GOOD, "Keep-Alive: timeout=5\r\nTE: trailers\r\nPragma: no-cache\r\n")),
        ("extensions", Raw::upgrade(GOOD, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n")),
        ("subprotocols in two lines", Raw::upgrade("chat", &format!("Sec-WebSocket-Protocol: {GOOD}\r\n"))),
        ("the whole URL", Raw::upgrade(GOOD, "").replace("GET /", "GET http://chat.example/")),
        ("a query", Raw::upgrade(GOOD, "").replace("/v1/connect", "/v1/connect?trace=7")),
        (
            "an offer of HTTP/2",
            Raw::upgrade(GOOD, "Connection: HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"),
        ),
        (
            "a list in `Connection`",
            Raw::upgrade(GOOD, "").replace("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        ),
        ("two lines of `Connection`", Raw::upgrade(GOOD, "Connection: keep-alive\r\n")),
        ("a list in `Upgrade`", Raw::upgrade(GOOD, "").replace("Upgrade: websocket", "Upgrade: h2c, WebSocket")),
    ] {
        let (mut raw, status, answer) = Raw::request(region.gateway(0), &request).await;
        assert_eq!(status, 101, "{what}: {answer}");
        let hello = json!({ "hello": { "token": region.token("bob"), "device": "phone" } });
        raw.write(&frame(TEXT, hello.to_string().as_bytes())).await;
        let Heard::Json(said) = raw.hear().await else { panic!("{what}: no frame") };
        assert!(said["welcome"].is_object(), "{what}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_told_what_this_is_and_where_its_documents_are() {
    let region = Region::start(1).await;
    let answer = reqwest::get(format!("http://{}/", region.gateway(0))).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    let text = answer.text().await.expect("text");
    assert!(text.contains("Dunlin") && text.contains("/v1/connect") && text.contains("/asyncapi.json"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_see_is_on_the_internal_listener_alone_where_there_is_one() {
    let region = Region::start(0).await;
    let mut config = region.gateway_config(region.nats.url());
    config.internal_listen = Some(([127, 0, 0, 1], 0).into());
    let server = Server::bind(config).await.expect("a gateway");
    let (public, internal) = (server.local_addr(), server.internal_addr().expect("an internal address"));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async { drop(stopped.await) }));
    region.caught_up_at(public, "bob", "phone").await;
    for (path, of_operators) in [
        ("/livez", true),
        ("/readyz", true),
        ("/metrics", true),
        ("/", false),
        ("/asyncapi.json", false),
        ("/v1/connect", false),
    ] {
        let status = async |address| reqwest::get(format!("http://{address}{path}")).await.expect("an answer").status();
        assert_eq!(status(public).await == 404, of_operators, "{path} on the public one");
        assert_eq!(status(internal).await == 404, !of_operators, "{path} on the internal one");
    }
    drop(stop);
    running.await.expect("no panic").expect("an orderly end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_read_up_to_64_kib() {
    let region = Region::start(1).await;
    for (bytes, status) in [(60_000, 101), (66_000, 431), (100_000, 431)] {
        let lines = format!("X-Long: {}\r\n", "x".repeat(bytes));
        let (_, found, answer) = Raw::request(region.gateway(0), &Raw::upgrade(GOOD, &lines)).await;
        assert_eq!(found, status, "{bytes} bytes: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_preference_counts() {
    let region = Region::start(1).await;
    for (offered, chosen) in [
        ("dunlin.v1.json", "dunlin.v1.json"),
        ("dunlin.v1.postcard", "dunlin.v1.postcard"),
        ("dunlin.v2.json, dunlin.v1.postcard, dunlin.v1.json", "dunlin.v1.postcard"),
        ("chat,dunlin.v1.json", "dunlin.v1.json"),
    ] {
        let (_, status, answer) = Raw::request(region.gateway(0), &Raw::upgrade(offered, "")).await;
        assert_eq!(status, 101);
        assert!(answer.to_ascii_lowercase().contains(&format!("sec-websocket-protocol: {chosen}\r\n")), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_listed_origins_may_connect_and_who_is_no_browser() {
    let region = Region::start(0).await;
    let allow = |config: &mut dunlin_gateway::Config| config.origins = vec!["https://chat.example".into()];
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), allow).await;
    for (line, status) in [
        ("", 101),
        ("Origin: https://chat.example\r\n", 101),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: https://chat.example.evil\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        let (_, found, answer) = Raw::request(gateway, &Raw::upgrade(GOOD, line)).await;
        assert_eq!(found, status, "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_connects_too_often_and_a_full_gateway_are_told_so() {
    let region = Region::start(0).await;
    let tight = |config: &mut dunlin_gateway::Config| {
        config.limits.connects_per_second = 1;
        config.limits.connects_burst = 2;
    };
    let (_node, gateway) = region.new_gateway_of(region.nats.url(), tight).await;
    let bob = Raw::upgrade(GOOD, &format!("Authorization: Bearer {}\r\n", region.token("bob")));
    // What a second adds to an account is taken, too, where the machine stood still.
    let mut let_in = 0;
    let answer = until("a user to have connected too often", async || {
        let (_raw, status, answer) = Raw::request(gateway, &bob).await;
        let_in += usize::from(status == 101);
        (status != 101).then_some((status, answer))
    });
    let (status, answer) = answer.await;
    assert!(status == 429 && let_in >= 2, "{let_in} let in, then {answer}");
    assert!(answer.to_ascii_lowercase().contains("retry-after: 1\r\n"), "{answer}");

    let (_node, gateway) = region.new_gateway_of(region.nats.url(), |config| config.limits.connections = 3).await;
    let mut places = vec![];
    let answer = until("the gateway to be full", async || {
        let (raw, status, answer) = Raw::request(gateway, &Raw::upgrade(GOOD, "")).await;
        places.push(raw);
        (status != 101).then_some((status, answer))
    });
    let (status, answer) = answer.await;
    assert!(status == 503 && places.len() >= 4, "{answer} to the {}.", places.len());
    assert!(answer.to_ascii_lowercase().contains("retry-after"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_beside_it_say_how_the_gateway_is() {
    let region = Region::start(1).await;
    let base = format!("http://{}", region.gateway(0));
    let page = async |path: &str| reqwest::get(format!("{base}{path}")).await.expect("an answer");
    assert_eq!(page("/livez").await.status(), 200);
    until("ready", async || (page("/readyz").await.status() == 200).then_some(())).await;
    for (method, host) in ["GET", "HEAD", "OPTIONS"].into_iter().flat_map(|method| [(method, ""), (method, "gateway")])
    {
        for path in ["/livez", "/readyz"] {
            let request = match host {
                "" => format!("{method} {path} HTTP/1.0\r\n\r\n"),
                host => format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            };
            let (_, status, answer) = Raw::request(region.gateway(0), &request).await;
            assert_eq!(status, 200, "as load balancers ask, {request:?}: {answer}");
        }
    }
    let asyncapi = page("/asyncapi.json").await.text().await.expect("text");
    let asyncapi: serde_json::Value = serde_json::from_str(&asyncapi).expect("JSON");
    assert!(asyncapi["asyncapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{asyncapi}");
    let _bob = region.caught_up(0, "bob", "phone").await;
    let metrics = page("/metrics").await.text().await.expect("text");
    assert!(metrics.contains("dunlin_gateway_devices 1\n"), "{metrics}");
    region.nats.freeze();
    let down = async || {
        let answer = page("/readyz").await;
        if answer.status() == 503 { answer.text().await.ok() } else { None }
    };
    let why = dunlin_tests::wait::within(std::time::Duration::from_secs(60), "not ready", down).await;
    assert!(why.starts_with("not ready: "), "{why}");
    region.nats.thaw();
}
