//! Key sets that come late, change unseen, and belong to several issuers.

use std::{
    fs::File,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket},
    time::timeout,
};

use super::*;
use crate::{
    config::{Issuer, KeySource},
    tokens::{
        source::may_follow,
        verify::tests::{NOW, Pair},
    },
};

fn claims(issuer: &str) -> Value {
    json!({ "sub": "bob", "aud": "dunlin", "iss": issuer, "exp": NOW.0 / 1_000 + 60 })
}

fn set(keys: &[(&str, &Pair)]) -> String {
    json!({ "keys": keys.iter().map(|(kid, pair)| pair.jwk(kid)).collect::<Vec<_>>() }).to_string()
}

fn of_file(path: &Path) -> Tokens {
    Tokens { refresh: Millis(600_000), ..Tokens::new(KeySource::File(path.into())) }
}

#[tokio::test]
async fn each_issuer_is_trusted_with_its_own_keys_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (Pair::ed(), Pair::ed());
    let issuer = |name: &str, pair: &Pair| {
        let path = folder.path().join(name);
        std::fs::write(&path, set(&[("key", pair)])).unwrap();
        Issuer { issuer: Some(name.to_owned()), prefix: format!("{name}-"), ..Issuer::new(KeySource::File(path)) }
    };
    let issuers = vec![issuer("one", &one), issuer("other", &other)];
    let ring = KeyRing::open(&Tokens { issuers, refresh: Millis(600_000) }).await.unwrap();
    let forged = Err(TokenError::Signature);
    for (pair, said, outcome) in [
        (&one, json!("one"), Ok("one-bob".to_owned())),
        (&other, json!("other"), Ok("other-bob".to_owned())),
        (&one, json!("other"), forged.clone()),
        (&other, json!("one"), forged),
        (&one, json!("third"), Err(TokenError::Issuer)),
        (&one, json!(null), Err(TokenError::Missing("iss".to_owned()))),
    ] {
        let mut claims = claims("");
        claims["iss"] = said.clone();
        let verified = ring.verify(&pair.token("key", &claims), NOW).await;
        assert_eq!(verified.map(|identity| identity.user.to_string()), outcome, "{said}");
    }
}

#[tokio::test]
async fn a_refresh_reads_also_a_file_that_looks_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let (one, two) = (Pair::ed(), Pair::ed());
    std::fs::write(&path, set(&[("one", &one)])).unwrap();
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let ring = KeyRing::open(&of_file(&path)).await.unwrap();
    std::fs::write(&path, set(&[("two", &two)])).unwrap();
    File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    let token = two.token("two", &claims("any"));
    let trying = async {
        assert_eq!(ring.verify(&token, NOW).await, Err(TokenError::UnknownKey), "it looks unchanged");
        ring.refresh();
        while ring.verify(&token, NOW).await.is_err() {}
    };
    tokio::select! {
        () = ring.run(|| ()) => panic!("it ends by itself"),
        tried = timeout(Duration::from_secs(20), trying) => tried.unwrap(),
    }
}

#[tokio::test]
async fn an_issuer_that_is_not_there_yet_is_waited_for() {
    // Bound, so that nobody else takes it, and not listened on, so that nobody is there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("http://dunlin:s3cr3t@{}/jwks", socket.local_addr().unwrap());
    let tokens = Tokens { refresh: Millis(100), ..Tokens::new(url.parse().unwrap()) };
    let ring = KeyRing::open(&tokens).await.unwrap();
    let why = ring.unready().unwrap();
    assert!(why.contains("/jwks: error sending request") && !why.contains("s3cr3t"), "{why}");
    let pair = Pair::ed();
    let token = pair.token("one", &claims("any"));
    let refused = ring.verify(&token, NOW).await.unwrap_err();
    assert_eq!((refused.code(), refused), (dunlin_schema::Code::Unavailable, TokenError::NoKeysYet));

    let listener = socket.listen(8).unwrap();
    let coming = async {
        let serving = serve(listener, set(&[("one", &pair)]));
        let there = async {
            while ring.verify(&token, NOW).await.is_err() {
                tokio::task::yield_now().await
            }
        };
        tokio::select! { () = serving => {}, () = there => {} }
    };
    tokio::select! {
        () = ring.run(|| ()) => panic!("it ends by itself"),
        came = timeout(Duration::from_secs(20), coming) => came.unwrap(),
    }
    assert_eq!(ring.unready(), None);
}

async fn serve(listener: TcpListener, body: String) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4_096]).await;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let _ = stream.write_all((head + &body).as_bytes()).await;
    }
}

#[test]
fn no_redirect_leaves_https() {
    let url = |text: &str| text.parse::<reqwest::Url>().unwrap();
    for (previous, next, follows) in [
        (&["https://id.example/jwks"][..], "https://keys.example/jwks", true),
        (&["http://localhost/jwks"], "http://127.0.0.1/jwks", true),
        (&["http://id.example/jwks"], "https://id.example/jwks", true),
        (&["https://id.example/jwks"], "http://id.example/jwks", false),
        (&["http://id.example/jwks", "https://id.example/jwks"], "http://id.example/keys", false),
    ] {
        let previous: Vec<_> = previous.iter().map(|text| url(text)).collect();
        assert_eq!(may_follow(&previous, &url(next)).is_ok(), follows, "{previous:?} to {next}");
    }
}

#[tokio::test]
async fn a_url_that_redirects_to_itself_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let serving = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4_096]).await;
            let head =
                format!("HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
        }
    };
    let tokens = Tokens::new(url.parse().unwrap());
    tokio::select! {
        () = serving => {}
        ring = KeyRing::open(&tokens) => {
            let why = ring.unwrap().unready().unwrap();
            assert!(why.contains("it redirects again and again"), "{why}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_hangs_is_not_covered_by_another_that_moves() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json");
    std::fs::write(&keys, set(&[("key", &Pair::ed())])).unwrap();
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", silent.local_addr().unwrap()).parse().unwrap();
    let issuer = |name: &str, keys| Issuer { issuer: Some(name.to_owned()), ..Issuer::new(keys) };
    let moves_of = async |issuers| {
        let ring = KeyRing::open(&Tokens { issuers, refresh: Millis(600_000) }).await.unwrap();
        let moves = AtomicUsize::new(0);
        let a_while = Duration::from_millis(4_500);
        let running = ring.run(|| _ = moves.fetch_add(1, Relaxed));
        assert!(timeout(a_while, running).await.is_err(), "it runs until it is dropped");
        moves.into_inner()
    };
    let both = vec![issuer("file", KeySource::File(keys.clone())), issuer("silent", url)];
    assert!(moves_of(both).await <= 2, "as its first look began, and not since");
    let alone = vec![issuer("file", KeySource::File(keys))];
    assert!(moves_of(alone).await >= 4);
}
