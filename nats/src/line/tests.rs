//! A line, played with by a server that follows a script.

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

mod beside;
mod hostile;

use super::{outbound::NotSent, *};
use crate::{
    ConnectOptions,
    wire::{Publish, ReplyTo},
};

const INFO: &[u8] =
    br#"INFO {"server_id":"A","server_name":"a","version":"2.15.2","max_payload":1024,"proto":1,"headers":true}"#;
const PURPOSE: Purpose = Purpose { suffix: "-test", echo: true };

/// The other end of a line: a server as far as a script plays one.
struct Server {
    socket: BufReader<TcpStream>,
}

impl Server {
    /// A line, and the server that has let it in.
    async fn with_line() -> (Line, Server) {
        Server::with_line_greeted(b"", b"").await
    }

    /// The same, with something said before the word that lets it in, and at once with it, behind it.
    async fn with_line_greeted(before: &[u8], behind: &[u8]) -> (Line, Server) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let servers = vec![format!("nats://{}", listener.local_addr().unwrap())];
        let options = ConnectOptions { servers, ..ConnectOptions::default() };
        let accepted = async {
            let (socket, _) = listener.accept().await.unwrap();
            let mut server = Server { socket: BufReader::new(socket) };
            server.says(&[INFO, b"\r\n"].concat()).await;
            assert!(server.hears().await.starts_with("CONNECT {"));
            assert_eq!(server.hears().await, "PING");
            server.says(&[before, b"PONG\r\n", behind].concat()).await;
            server
        };
        let (line, server) = tokio::join!(dial(&options, &PURPOSE), accepted);
        (line.unwrap(), server)
    }

    async fn says(&mut self, bytes: &[u8]) {
        self.socket.get_mut().write_all(bytes).await.unwrap();
    }

    /// Says nothing more, and hears the rest: a socket that is closed over what it has not read takes back what it said.
    async fn ends(mut self) {
        self.socket.get_mut().shutdown().await.unwrap();
        self.socket.read_to_end(&mut Vec::new()).await.ok();
    }

    /// The next line that comes.
    async fn hears(&mut self) -> String {
        let mut line = String::new();
        self.socket.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// The inbox that the line makes first, without its star.
    async fn inbox(&mut self) -> String {
        let line = self.hears().await;
        line.strip_prefix("SUB ").and_then(|line| line.strip_suffix("* 0")).unwrap().to_owned()
    }
}

/// What a line was given, as text.
fn taken(into: &mut Vec<String>) -> impl FnMut(Message<'_>) {
    |message| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        into.push(format!("{} {} {}", message.sid, text(message.subject), text(message.payload)));
    }
}

fn hello(outbound: &Outbound) -> Result<bool, NotSent> {
    outbound.try_publish(&Publish { subject: "a", reply: ReplyTo::Nobody, headers: &[], payload: b"hello" })
}

#[tokio::test]
async fn a_line_that_is_cut_at_any_byte_has_given_what_was_whole_and_gives_up_the_rest() {
    let said = b"MSG a 1 2\r\nhi\r\nPING\r\nHMSG b 2 12 15\r\nNATS/1.0\r\n\r\nyou\r\nMSG a 1 0\r\n\r\n+OK\r\n-ERR 'so'\r\nMSG c 3 1\r\n!\r\n";
    let whole = ["1 a hi", "2 b you", "1 a ", "3 c !"];
    let ends = [15, 54, 67, said.len()];
    for cut in 0..=said.len() {
        let (line, mut server) = Server::with_line().await;
        let outbound = line.outbound().clone();
        let saying = async {
            server.says(&said[..cut]).await;
            server.ends().await;
        };
        let mut given = Vec::new();
        let ((lost, _), ()) = tokio::join!(line.run(taken(&mut given)), saying);
        assert!(matches!(lost, Lost::Closed | Lost::Network(_)), "{lost}");
        let expected = ends.iter().filter(|end| **end <= cut).count();
        assert_eq!(given, whole[..expected], "cut behind {cut} bytes");
        assert_eq!(hello(&outbound), Err(NotSent::Lost));
        assert_eq!(outbound.round_trip().await, Err(NotSent::Lost));
    }
}

#[tokio::test]
async fn what_comes_in_pieces_is_given_once_and_whole() {
    let large = "x".repeat(100_000);
    let said = format!("MSG a 1 100000\r\n{large}\r\nMSG a 1 2\r\nhi\r\n");
    for size in [1_000, 4_096, 65_536, said.len()] {
        let (line, mut server) = Server::with_line().await;
        let saying = async {
            for piece in said.as_bytes().chunks(size) {
                server.says(piece).await;
                tokio::task::yield_now().await;
            }
            server.ends().await;
        };
        let mut given = Vec::new();
        tokio::join!(line.run(taken(&mut given)), saying);
        assert_eq!(given, [format!("1 a {large}"), "1 a hi".to_owned()], "in pieces of {size}");
    }
}

#[tokio::test]
async fn answers_go_to_who_asked_whether_they_come_late_twice_never_or_out_of_order() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let running = tokio::spawn(line.run(|_| panic!("an answer is no message")));
    let inbox = server.inbox().await;
    let ask = |question: &'static str| {
        let outbound = outbound.clone();
        async move { outbound.ask("q", &[("A", "b")], question.as_bytes()).await }
    };
    let (one, two, three, four) = (ask("one"), ask("two"), ask("three"), ask("four"));
    let given_up = tokio::time::timeout(Duration::ZERO, ask("zero"));
    let answering = async {
        for number in 0..5 {
            assert_eq!(server.hears().await, format!("HPUB q {inbox}{number} 18 {}", 18 + [4, 3, 3, 5, 4][number]));
            for _ in 0..4 {
                server.hears().await;
            }
        }
        let answers: String = [(0, "late"), (3, "three"), (1, "one"), (1, "again"), (9, "nobody's"), (2, "two")]
            .iter()
            .map(|(number, answer)| format!("MSG {inbox}{number} 0 {}\r\n{answer}\r\n", answer.len()))
            .collect();
        let none = format!("MSG {inbox}x 0 0\r\n\r\nHMSG {inbox}4 0 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
        server.says(&[answers, none].concat().into_bytes()).await;
    };
    let asked = async {
        given_up.await.unwrap_err();
        tokio::join!(one, two, three, four)
    };
    let ((one, two, three, four), ()) = tokio::join!(asked, answering);
    assert_eq!([one, two, three].map(Result::unwrap), ["one", "two", "three"]);
    assert_eq!(four, Err(AskError::NoResponders));
    // The last one that was answered is given first, and the one that was given up never again.
    let (five, ()) = tokio::join!(ask("five"), async {
        let number: u64 =
            server.hears().await.split(' ').nth(2).unwrap().strip_prefix(&inbox).unwrap().parse().unwrap();
        assert_ne!(number, 0);
        server.says(format!("MSG {inbox}0 0 5\r\nlater\r\nMSG {inbox}{number} 0 4\r\nfive\r\n").as_bytes()).await;
    });
    assert_eq!(five.unwrap(), "five");
    let lost = ask("six");
    drop(server);
    assert_eq!(lost.await, Err(AskError::Unanswered), "whoever waits is told when the line is lost");
    running.await.unwrap();
}

#[tokio::test]
async fn those_who_wait_for_the_server_share_a_question_and_are_answered_in_order() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    outbound.subscribe("user.bob", 1);
    let (first, second) = (outbound.round_trip(), outbound.round_trip());
    let running = tokio::spawn(line.run(|_| {}));
    server.inbox().await;
    assert_eq!([server.hears().await, server.hears().await], ["SUB user.bob 1", "PING"]);
    outbound.unsubscribe(1);
    let third = outbound.round_trip();
    assert_eq!([server.hears().await, server.hears().await], ["UNSUB 1", "PING"]);
    server.says(b"PONG\r\n").await;
    assert_eq!((first.await, second.await), (Ok(()), Ok(())));
    let unanswered = tokio::time::timeout(Duration::from_millis(20), third).await;
    assert!(unanswered.is_err(), "its own question has no answer yet");
    running.abort();
}

#[tokio::test]
async fn a_message_that_the_server_would_not_take_is_refused_and_takes_no_other_with_it() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let running = tokio::spawn(line.run(|_| {}));
    server.inbox().await;
    for (size, headers, taken) in
        [(1_024, &[][..], true), (1_025, &[], false), (1_006, &[("A", "b")], true), (1_007, &[("A", "b")], false)]
    {
        let payload = vec![b'x'; size];
        let sent =
            outbound.publish(&Publish { subject: "a", reply: ReplyTo::Nobody, headers, payload: &payload }).await;
        assert_eq!(sent, if taken { Ok(()) } else { Err(NotSent::TooLarge) }, "{size} bytes and {headers:?}");
    }
    running.abort();
}

#[tokio::test]
async fn whoever_finds_no_room_waits_for_it_and_a_lost_line_lets_nobody_wait() {
    let (line, mut server) = Server::with_line().await;
    let outbound = line.outbound().clone();
    let payload = [b'x'; 1_024];
    let message = Publish { subject: "a", reply: ReplyTo::Nobody, headers: &[], payload: &payload };
    let mut sent = 0;
    while outbound.try_publish(&message) == Ok(true) {
        sent += 1;
    }
    assert!(sent * payload.len() > 1_000_000, "{sent}");
    let waiting = tokio::spawn({
        let outbound = outbound.clone();
        async move { outbound.publish(&Publish { subject: "b", reply: ReplyTo::Nobody, headers: &[], payload: b"" }).await }
    });
    let running = tokio::spawn(line.run(|_| {}));
    let mut last = String::new();
    while last != "PUB b 0" {
        last = server.hears().await;
    }
    assert_eq!(waiting.await.unwrap(), Ok(()));
    while outbound.try_publish(&message) == Ok(true) {
        tokio::task::yield_now().await;
        if running.is_finished() {
            break;
        }
    }
    let stuck = async { outbound.publish(&message).await };
    let (stuck, ()) = tokio::join!(stuck, async { running.abort() });
    assert_eq!(stuck, Err(NotSent::Lost));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_found_and_one_that_answers_is_kept() {
    let (line, mut server) = Server::with_line().await;
    let running = tokio::spawn(line.run(|_| {}));
    server.inbox().await;
    for _ in 0..5 {
        assert_eq!(server.hears().await, "PING");
        server.says(b"PONG\r\n").await;
    }
    assert_eq!(server.hears().await, "PING");
    let (lost, _) = running.await.unwrap();
    assert!(matches!(lost, Lost::Silent), "{lost}");
}

#[tokio::test(start_paused = true)]
async fn a_line_outlives_the_sleep_of_its_machine() {
    let (line, mut server) = Server::with_line().await;
    let running = tokio::spawn(line.run(|_| {}));
    server.inbox().await;
    tokio::time::advance(PING_EVERY * 7).await;
    for _ in 0..2 {
        assert_eq!(server.hears().await, "PING");
        server.says(b"PONG\r\n").await;
    }
    assert!(!running.is_finished());
    running.abort();
}

#[tokio::test]
async fn a_server_is_answered_heard_of_and_left_when_it_talks_nonsense() {
    let (line, mut server) = Server::with_line().await;
    let running = tokio::spawn(line.run(|_| {}));
    server.inbox().await;
    server.says(b"PING\r\n").await;
    assert_eq!(server.hears().await, "PONG");
    server.says(br#"INFO {"server_id":"A","connect_urls":["b:2"],"ldm":true}"#).await;
    server.says(b"\r\nINFO nonsense\r\nMSG a\r\n").await;
    let (lost, info) = running.await.unwrap();
    assert!(matches!(lost, Lost::Malformed(_)), "{lost}");
    assert_eq!(info.connect_urls, ["b:2"]);
    let mut rest = Vec::new();
    server.socket.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
}
