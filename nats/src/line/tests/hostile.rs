//! Servers that no client deserves.

use std::{future::Future, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::Notify;

use super::*;
use crate::ConnectError;

const CLUSTERED: &[u8] = br#"INFO {"server_id":"A","version":"2.15.2","max_payload":1024,"connect_urls":["b:2"]}"#;
const PAYLOAD: [u8; 1_024] = [b'x'; 1_024];
const LARGE: Publish<'_> = Publish { subject: "a", reply: ReplyTo::Nobody, headers: &[], payload: &PAYLOAD };
/// Looks in a row that find no room, after which a line is taken for stuck.
const LOOKS: usize = 10_000;

/// A line that runs, and what is told of each message that it gives.
fn running(line: Line) -> (tokio::task::JoinHandle<(Lost, ServerInfo)>, Arc<Notify>) {
    let given = Arc::new(Notify::new());
    let tell = given.clone();
    (tokio::spawn(line.run(move |_| tell.notify_one())), given)
}

/// Publishes until the server, the network and the line hold all that they can; says how many messages that are.
async fn stuff(outbound: &Outbound) -> usize {
    let (mut sent, mut looks) = (0, 0);
    while looks < LOOKS {
        if outbound.try_publish(&LARGE).unwrap() {
            (sent, looks) = (sent + 1, 0);
        } else {
            looks += 1;
            tokio::task::yield_now().await;
        }
    }
    sent
}

/// What becomes of a line to a server that plays this, and what it hears after it has said its part.
async fn dialled<F: Future<Output = ()>>(plays: impl FnOnce(TcpStream) -> F) -> Result<Line, ConnectError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let servers = vec![format!("nats://{}", listener.local_addr().unwrap())];
    let options = ConnectOptions { servers, ..ConnectOptions::default() };
    let played = async {
        let (socket, _) = listener.accept().await.unwrap();
        plays(socket).await;
    };
    let (line, ()) = tokio::join!(dial(&options, &PURPOSE), played);
    line
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_greet_as_one_makes_no_line() {
    let said = |rest: &[u8]| [INFO, rest].concat();
    let endless = [b"INFO ", &[b'a'; 1 << 20][..]].concat();
    for (greeting, closes, away) in [
        (b"".to_vec(), true, true),
        (b"".to_vec(), false, true),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), false, true),
        (b"PING\r\n".to_vec(), false, true),
        (b"INFO nonsense\r\n".to_vec(), false, true),
        (INFO[..20].to_vec(), true, true),
        (endless, false, true),
        (said(b"\r\n"), false, true),
        (said(b"\r\n"), true, true),
        (said(b"\r\n-ERR 'Authorization Violation'\r\n"), true, false),
        (said(b"\r\n-ERR 'maximum connections exceeded'\r\n"), true, true),
        (said(b"\r\nMSG a 1 67108864\r\nonly so much"), true, true),
        (said(b"\r\nPONGS\r\n"), false, true),
    ] {
        let line = dialled(async |mut socket| {
            // Whoever talks to one that has left may be told so.
            socket.write_all(&greeting).await.ok();
            if closes {
                socket.shutdown().await.ok();
            }
            socket.read_to_end(&mut Vec::new()).await.ok();
        });
        let error = line.await.err().unwrap();
        let shown = greeting[..greeting.len().min(200)].escape_ascii();
        assert_eq!(matches!(error, ConnectError::Unreachable { .. }), away, "{shown}: {error:?}");
    }
}

#[tokio::test]
async fn what_is_said_before_tls_is_not_taken_for_what_is_said_through_it() {
    let info = br#"INFO {"server_id":"A","version":"2.15.2","max_payload":1024,"tls_required":true}"#;
    let mut heard = Vec::new();
    let line = dialled(async |mut socket| {
        socket.write_all(&[info, &b"\r\nPONG\r\nMSG user.bob 1 2\r\nhi\r\n"[..]].concat()).await.unwrap();
        socket.read_to_end(&mut heard).await.unwrap();
    });
    let error = line.await.err().unwrap();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert!(heard.is_empty(), "no greeting of TLS either");
}

#[tokio::test]
async fn what_is_said_around_the_word_that_lets_in_is_heard() {
    let told = [CLUSTERED, b"\r\n"].concat();
    for (before, behind) in [(&told[..], &b""[..]), (b"", &told), (b"+OK\r\nPING\r\n", &told)] {
        let (line, server) = Server::with_line_greeted(before, behind).await;
        let ((_, info), ()) = tokio::join!(line.run(|_| {}), server.ends());
        assert_eq!(info.connect_urls, ["b:2"]);
    }
    let (line, mut server) = Server::with_line_greeted(b"", b"PING\r\n").await;
    let (running, _) = running(line);
    server.inbox().await;
    assert_eq!(server.hears().await, "PONG");
    running.abort();
}

#[tokio::test]
async fn a_server_that_reads_nothing_is_not_owed_an_answer_to_each_of_its_questions() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let (running, given) = running(line);
    let sent = stuff(&outbound).await;
    let processed = outbound.round_trip();
    server.says(&[&b"PING\r\n".repeat(100_000)[..], b"MSG a 1 0\r\n\r\n"].concat()).await;
    given.notified().await;
    assert_eq!(outbound.try_publish(&LARGE), Ok(false), "nothing was read meanwhile");
    server.inbox().await;
    let (mut messages, mut answers) = (0, 0);
    loop {
        match &*server.hears().await {
            "PONG" => answers += 1,
            "PING" => break,
            message => {
                assert_eq!(message, "PUB a 1024");
                assert_eq!(server.hears().await.len(), PAYLOAD.len());
                messages += 1;
            }
        }
    }
    assert_eq!((messages, answers), (sent, 0));
    // As soon as it reads, all is as before.
    server.says(b"PONG\r\nPING\r\n").await;
    assert_eq!(processed.await, Ok(()));
    assert_eq!(server.hears().await, "PONG");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_reading_is_left_and_whoever_waits_is_told() {
    let (line, _server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let (running, _) = running(line);
    stuff(&outbound).await;
    let (processed, published, asked) = (outbound.round_trip(), outbound.publish(&LARGE), outbound.ask("q", &[], b""));
    let (lost, processed, published, asked) = tokio::join!(running, processed, published, asked);
    assert!(matches!(lost.unwrap().0, Lost::Silent));
    assert_eq!((processed, published), (Err(NotSent::Lost), Err(NotSent::Lost)));
    assert_eq!(asked, Err(AskError::Unanswered));
}

#[tokio::test]
async fn answers_to_no_question_answer_none_that_comes_later() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let (running, given) = running(line);
    server.inbox().await;
    server.says(b"PONG\r\nPONG\r\nMSG a 1 0\r\n\r\n").await;
    given.notified().await;
    let mut processed = std::pin::pin!(outbound.round_trip());
    assert_eq!(server.hears().await, "PING");
    server.says(b"MSG a 1 0\r\n\r\n").await;
    given.notified().await;
    assert_eq!((&mut processed).now_or_never(), None);
    server.says(b"PONG\r\n").await;
    assert_eq!(processed.await, Ok(()));
    running.abort();
}

#[tokio::test]
async fn complaints_without_end_hold_up_nothing() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let (running, given) = running(line);
    server.inbox().await;
    let complaints = b"-ERR 'Permissions Violation for Publish to \"a\"'\r\n".repeat(10_000);
    server.says(&[&complaints[..], b"MSG a 1 0\r\n\r\n", &complaints].concat()).await;
    given.notified().await;
    let processed = outbound.round_trip();
    assert_eq!(server.hears().await, "PING");
    server.says(b"PONG\r\n").await;
    assert_eq!(processed.await, Ok(()));
    running.abort();
}

#[tokio::test]
async fn a_message_that_comes_byte_by_byte_is_given_once_and_one_that_is_announced_never() {
    let (line, mut server) = Server::with_line().await;
    server.socket.get_ref().set_nodelay(true).unwrap();
    let saying = async {
        for byte in b"MSG a 1 2\r\nhi\r\nHMSG b 2 12 15\r\nNATS/1.0\r\n\r\nyou\r\nMSG c 3 67108864\r\nonly so much" {
            server.says(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        server.ends().await;
    };
    let mut given = Vec::new();
    let ((lost, _), ()) = tokio::join!(line.run(taken(&mut given)), saying);
    assert!(matches!(lost, Lost::Closed), "{lost}");
    assert_eq!(given, ["1 a hi", "2 b you"]);
}
