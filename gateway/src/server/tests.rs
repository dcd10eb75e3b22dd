//! What a client reads when its session panics, or what is done for it; and what operators see of a service that hangs, and of what is
//! dropped.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_nats::{Connection, provision};
use dunlin_schema::{LogName, Millis, Position, Shard, stream::RegionSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tracing::{Event, Metadata, Subscriber, span};

use super::*;
use crate::{
    clock::{self, Uptime},
    config::KeySource,
    connection::tests::{Bomb, read},
    region::tests::{NatsServer, name, until},
    session::Output,
    work::at_once,
};

/// A gateway of a region in which no worker runs, and what signs its users' tokens.
struct Bench {
    server: Server,
    key: Ed25519KeyPair,
    _nats: NatsServer,
    _folder: TempDir,
}

impl Bench {
    async fn new() -> Bench {
        let (nats, options) = NatsServer::start().await;
        let settings =
            RegionSettings { region: name(), shards: 1, replicas: 1, log_bytes: 1 << 20, sync_always: false };
        provision(&Connection::open(&options, &name()).await.unwrap(), &settings).await.unwrap();
        let key = Ed25519KeyPair::generate().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys.json");
        let public = URL_SAFE_NO_PAD.encode(key.public_key());
        let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": public }] });
        std::fs::write(&keys, set.to_string()).unwrap();
        let mut config = Config::new(KeySource::File(keys));
        (config.listen, config.region, config.nats) = (([127, 0, 0, 1], 0).into(), name(), options);
        config.drain = Millis(0);
        Bench { server: Server::bind(config).await.unwrap(), key, _nats: nats, _folder: folder }
    }

    fn token(&self, user: &str) -> String {
        let part = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let (header, until) = (json!({ "alg": "EdDSA" }), clock::now().0 / 1_000 + 3_600);
        let signed = format!("{}.{}", part(header), part(json!({ "sub": user, "aud": "dunlin", "exp": until })));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.key.sign(signed.as_bytes())))
    }

    /// A device that was let in, of a user who has no other.
    async fn connected(&self, user: &str) -> Device {
        let mut socket = TcpStream::connect(self.server.local_addr()).await.unwrap();
        let request = "GET /v1/connect HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: dunlin.v1.json\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        let mut device = Device { socket };
        let hello = json!({ "token": self.token(user), "device": "phone", "cursors": { "mailbox": "live" } });
        device.say(&json!({ "hello": hello })).await;
        let (opcode, welcome) = device.next().await;
        let welcome: Value = serde_json::from_slice(&welcome).unwrap();
        assert!(opcode == TEXT && welcome["welcome"].is_object(), "{welcome}");
        device
    }

    /// The connection of a user's only device.
    async fn connection(&self, user: &str) -> Arc<crate::connection::Connection> {
        until(async || {
            let mut followed = self.server.gateway.0.home()?.directory.followed(Shard(0)).into_iter();
            followed.find_map(|(_, of)| {
                let mut found = None;
                of.iter().for_each(|audience| audience.each(|one| found = Some(one.clone())));
                found.filter(|one| one.user().as_str() == user)
            })
        })
        .await
    }

    fn panics(&self) -> u64 {
        self.server.gateway.0.metrics.panics.get()
    }
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;

/// A client that speaks no more of RFC 6455 than it needs.
struct Device {
    socket: TcpStream,
}

impl Device {
    async fn say(&mut self, frame: &Value) {
        let text = frame.to_string();
        let mut bytes = vec![0x80 | TEXT];
        match u8::try_from(text.len()) {
            Ok(short @ ..126) => bytes.push(0x80 | short),
            Ok(_) | Err(_) => {
                bytes.push(0x80 | 126);
                bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            }
        }
        // A mask of zeros leaves the text as it is.
        bytes.extend([0; 4]);
        bytes.extend(text.as_bytes());
        self.socket.write_all(&bytes).await.unwrap();
    }

    /// The next frame's opcode and payload.
    async fn next(&mut self) -> (u8, Vec<u8>) {
        let first = self.socket.read_u8().await.unwrap();
        let length = match self.socket.read_u8().await.unwrap() {
            126 => self.socket.read_u16().await.unwrap(),
            short => u16::from(short),
        };
        let mut payload = vec![0; usize::from(length)];
        self.socket.read_exact(&mut payload).await.unwrap();
        (first & 0x0f, payload)
    }

    /// Reads to the end: a goodbye is the last frame, then comes the close, and nothing more.
    async fn ends_as_broken(mut self) {
        let mut last = Value::Null;
        let close = loop {
            match self.next().await {
                (TEXT, frame) => last = serde_json::from_slice(&frame).unwrap(),
                (CLOSE, close) => break close,
                (_ping, _) => {}
            }
        };
        assert_eq!(last["goodbye"]["code"], "unavailable", "{last}");
        assert_eq!(last["goodbye"]["retry_after"], 1_000, "{last}");
        assert_eq!(close[..2], 1013_u16.to_be_bytes());
        assert_eq!(self.socket.read(&mut [0]).await.unwrap(), 0);
    }

    /// Asks what no worker is there to do, which is refused.
    async fn asks(&mut self) {
        self.say(&json!({ "ask": { "ref": 7, "what": { "device_remove": { "device": "tablet" } } } })).await;
    }
}

/// Panics in whoever logs that a question is refused.
struct Trap {
    armed: AtomicBool,
}

impl Subscriber for Trap {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "dunlin_gateway::asks"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, _: &Event<'_>) {
        assert!(!self.armed.swap(false, SeqCst), "as the test wants it");
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn after_a_panic_under_the_sessions_lock_its_client_reads_a_goodbye_and_nobody_else_does() {
    let bench = Bench::new().await;
    let (alice, mut bob) = (bench.connected("alice").await, bench.connected("bob").await);
    let connection = bench.connection("alice").await;
    // As another task tells it.
    let told = catch_unwind(AssertUnwindSafe(|| connection.tell(read(bytes::Bytes::from_owner(Bomb)))));
    assert!(told.is_ok(), "whoever told it goes on");
    alice.ends_as_broken().await;
    assert_eq!(bench.panics(), 1);
    bob.asks().await;
    while !String::from_utf8(bob.next().await.1).unwrap().contains(r#""refused":{"ref":7"#) {}
}

#[tokio::test]
async fn after_a_panic_of_what_is_done_for_a_session_its_client_reads_a_goodbye_and_nobody_else_does() {
    let bench = Bench::new().await;
    let (mut alice, mut bob) = (bench.connected("alice").await, bench.connected("bob").await);
    let _trapped = tracing::subscriber::set_default(Trap { armed: AtomicBool::new(true) });
    alice.asks().await;
    alice.ends_as_broken().await;
    assert_eq!(bench.panics(), 1);
    bob.asks().await;
    while !String::from_utf8(bob.next().await.1).unwrap().contains(r#""refused":{"ref":7"#) {}
}

#[tokio::test]
async fn a_service_that_hangs_makes_the_gateway_unready() {
    let bench = Bench::new().await;
    let gateway = &bench.server.gateway.0;
    gateway.services.spawn("what hangs", |_pulse| std::future::pending());
    let began = Uptime::now();
    // The others move meanwhile, so that it is the only one that has not for so long.
    until(async || {
        let ages = gateway.services.ages(Uptime::now());
        let hung = Uptime::now().since(began);
        ages.iter().all(|(name, age)| name == "what hangs" || age.0 + 100 < hung.0).then_some(())
    })
    .await;
    let why = gateway.unready(began.plus(Millis(15_050))).expect("unready");
    assert_eq!(why, "the service `what hangs` does not move");
    assert!(!gateway.unready(Uptime::now()).is_some_and(|why| why.contains("does not move")));
}

#[tokio::test]
async fn what_overflows_and_what_cannot_be_read_is_counted() {
    let bench = Bench::new().await;
    let _device = bench.connected("alice").await;
    let connection = bench.connection("alice").await;
    let Gateway { metrics, .. } = &*bench.server.gateway.0;
    let region = bench.server.gateway.0.home().unwrap();
    at_once(region, &connection, Output::Overflowed(LogName::Mailbox));
    at_once(region, &connection, Output::Corrupt(LogName::Mailbox, Position::default()));
    assert_eq!((metrics.overflows.get(), metrics.corrupt_entries.get()), (1, 1));
}
