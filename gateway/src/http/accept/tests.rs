//! How long a connection may stay with HTTP, on a clock that stands still but where a test moves it, or where everybody waits.

use axum::routing::get;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, advance, timeout},
};

use super::*;
use crate::tokens::Identity;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: gateway\r\n\r\n";

/// A connection on which `page` is served, and the task that serves it.
async fn connected(page: &'static str) -> (TcpStream, tokio::task::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    let routes = Router::new().route("/", get(move || std::future::ready(page)));
    let served = tokio::spawn(async move {
        let (finish, kill) = (CancellationToken::new(), CancellationToken::new());
        http(stream, routes, &finish, &kill).await.is_some()
    });
    (client, served)
}

/// Reads one answer. Gives whether there was one.
async fn answered(client: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nhello") {
        if client.read_buf(&mut answer).await.unwrap_or(0) == 0 {
            return false;
        }
    }
    true
}

/// A subscription takes room for 32 messages, of which an idle connection writes to none: it costs the more, the more of it was written to
/// before. So nothing that each connection has for a moment is of the sizes among which the allocator puts that room.
#[test]
fn what_lets_a_connection_in_is_not_of_the_size_of_its_subscription() {
    fn entering<A, B, C, D, F>(_: fn(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }
    fn opening<'a, F>(
        _: impl FnOnce(&'a Arc<Gateway>, &'a mut Socket, &'a Arc<Alarm>, Option<Identity>) -> F,
    ) -> usize {
        size_of::<F>()
    }
    for size in [entering(enter), opening(open)] {
        assert!(!(5_121..=6_144).contains(&size), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_again_and_again_is_let_go_after_a_minute() {
    let (mut client, served) = connected("hello").await;
    let began = Instant::now();
    while client.write_all(REQUEST).await.is_ok() && answered(&mut client).await {
        assert!(began.elapsed() <= HTTP_FOR, "an answer after {:?}", began.elapsed());
        advance(HEAD_WITHIN / 2).await;
    }
    assert!(began.elapsed() >= HTTP_FOR, "let go after {:?}", began.elapsed());
    assert!(!served.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_answers_is_let_go_soon_after_the_minute() {
    let long: &'static str = "x".repeat(64 * 1024).leak();
    let (mut client, served) = connected(long).await;
    let began = Instant::now();
    client.write_all(&REQUEST.repeat(500)).await.unwrap();
    assert!(!timeout(2 * HTTP_FOR, served).await.expect("let go").unwrap());
    assert_eq!(began.elapsed().as_secs(), (HTTP_FOR + ANSWER_WITHIN + HEAD_WITHIN).as_secs());
}

/// Ten thousand idle connections are ten thousand of these.
#[test]
fn the_task_of_a_connection_is_little_more_than_its_device() {
    fn size_of_output<A, B, F>(_: fn(A, B) -> F) -> usize {
        size_of::<F>()
    }
    let task = size_of_output(serve::<std::future::Pending<Option<Running>>>);
    assert!(task <= size_of::<Running>() + 128, "{task} bytes");
}
