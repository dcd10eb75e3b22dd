//! Clients that say nothing, half of what they should, or too much, beside one that asks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::Instant,
};

use super::*;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n";

async fn served() -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    counted(Arc::default()).await
}

/// The same, with the count of connections that had to go.
async fn counted(count: Arc<AtomicUsize>) -> (std::net::SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, end) = (listener.local_addr().unwrap(), CancellationToken::new());
    let routes = Router::new().route("/", get(|| async { "hello" }));
    let dropped = move || _ = count.fetch_add(1, Ordering::Relaxed);
    (address, end.clone(), tokio::spawn(serve(listener, routes, dropped, end)))
}

/// A connection on which so much was said.
async fn said(address: std::net::SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(bytes).await.unwrap();
    client
}

/// What is heard up to `end`, or to the end of the connection.
async fn heard(client: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut answer = Vec::new();
    while !answer.ends_with(end) && client.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
    answer
}

#[tokio::test]
async fn who_asks_is_answered_beside_more_silent_ones_than_may_stay() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (address, _end, _serving) = counted(dropped.clone()).await;
    let mut silent = Vec::new();
    for _ in 0..2 * AT_ONCE {
        silent.push(said(address, b"GET / HT").await);
    }
    let began = Instant::now();
    assert!(heard(&mut said(address, REQUEST).await, b"hello").await.ends_with(b"hello"));
    assert!(began.elapsed() < HEAD_WITHIN, "{:?}", began.elapsed());
    assert_eq!(heard(&mut silent[0], b"never").await, b"", "the oldest has gone");
    assert!(began.elapsed() < HEAD_WITHIN, "to make room, not because it was late");
    assert_eq!(dropped.load(Ordering::Relaxed), AT_ONCE + 1);
}

#[tokio::test(start_paused = true)]
async fn half_a_request_is_let_go() {
    let (address, _end, _serving) = served().await;
    let began = Instant::now();
    let mut client = said(address, b"GET / HTTP/1.1\r\nHost: wor").await;
    heard(&mut client, b"never").await;
    assert!((HEAD_WITHIN..2 * HEAD_WITHIN).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_has_an_end() {
    let (address, _end, _serving) = served().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    let long = [b"GET / HTTP/1.1\r\nX-Long: ".as_slice(), &[b'x'; 2 * HEAD_BYTES]].concat();
    // It may be refused before all of it is written.
    let _ = client.write_all(&long).await;
    let answer = heard(&mut client, b"\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn the_end_leaves_nobody_behind() {
    let (address, end, serving) = served().await;
    let mut idle = said(address, REQUEST).await;
    assert!(heard(&mut idle, b"hello").await.ends_with(b"hello"));
    let mut silent = said(address, b"").await;
    assert!(heard(&mut said(address, REQUEST).await, b"hello").await.ends_with(b"hello"), "both were accepted");
    end.cancel();
    timeout(HEAD_WITHIN, serving).await.expect("an end").unwrap();
    assert_eq!(heard(&mut idle, b"never").await, b"");
    assert_eq!(heard(&mut silent, b"never").await, b"");
}
