//! A client against a gateway that follows a script: sockets that die, tokens that end, applications that do not read.

#![expect(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "what a script does not expect is a failure")]

mod asking;
mod gateway;
mod groups;
mod media;
mod newer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use dunlin_client::{
    Client, ClientOptions, ClockSkew, ConnectError, CursorStore, Cursors, Ended, Event, FileStore, Lost, MemoryStore,
    SendError, Status, TokenError, TokenRequest,
    schema::{
        Code, LogName, Open,
        frame::{ClientFrame, Encoding, Goodbye, ServerFrame, StartAt},
    },
};
use futures_util::StreamExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{Message, protocol::CloseFrame};

use gateway::*;

#[tokio::test]
async fn sends_and_receives_in_both_encodings() {
    for encoding in [Encoding::Json, Encoding::Postcard] {
        let gateway = Gateway::start().await;
        let (client, mut events) = start(gateway.options().encoding(encoding)).await;
        let (mut peer, cursor) = gateway.welcome().await;
        assert_eq!(cursor, None);
        let sending = client.submit("carol", text("hello")).await.unwrap();
        let send = peer.accept_send().await;
        assert_eq!((send.to.as_str(), send.content), ("carol", text("hello")));
        assert_eq!(soon("the answer", sending).await.unwrap().id, send.id);

        peer.tell(entry(4)).await;
        let entry = next_entry(&mut events).await;
        assert_eq!((entry.seq.0, &entry.content), (4, &text("hi").into()));
        entry.done().await.unwrap();
        assert_eq!(peer.ack().await, 4);
        client.close().await;
        assert!(peer.ended().await, "closed with a close frame");
        assert!(matches!(events.next().await, Some(Event::Ended(Ended::Closed))));
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn what_is_done_before_the_end_is_told_the_gateway() {
    let gateway = Gateway::start().await;
    let (client, mut events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    peer.tell(entry(4)).await;
    next_entry(&mut events).await.done().await.unwrap();
    let (acknowledged, ()) = tokio::join!(peer.ack(), client.close());
    assert_eq!(acknowledged, 4);
}

#[tokio::test]
async fn what_no_gateway_will_ever_take_is_an_error_and_is_not_tried_again() {
    for code in [Code::Unauthorized, Code::Forbidden, Code::Replaced, Code::Elsewhere] {
        let gateway = Gateway::start().await;
        let connecting = tokio::spawn(Client::connect(gateway.options()));
        let mut peer = gateway.accept().await;
        assert_eq!(peer.hello().await.0, "token");
        peer.tell(goodbye(code)).await;
        let error = soon("the error", connecting).await.unwrap().err();
        let Some(ConnectError::Ended(Ended::Goodbye(goodbye))) = error else { panic!("{error:?}") };
        assert_eq!(goodbye.code, code);
        assert!(peer.ended().await, "{code:?}");
    }
}

#[tokio::test]
async fn a_client_that_belongs_elsewhere_is_told_where() {
    let message = "users of the region eu connect at wss://eu.example";
    for last in ["goodbye", "close"] {
        let gateway = Gateway::start().await;
        let connecting = tokio::spawn(Client::connect(gateway.options()));
        let mut peer = gateway.accept().await;
        peer.hello().await;
        match last {
            "goodbye" => {
                let goodbye = Goodbye { code: Code::Elsewhere.into(), message: message.to_owned(), retry_after: None };
                peer.tell(ServerFrame::Goodbye(goodbye)).await;
            }
            // The goodbye was lost.
            _ => peer.raw(Message::Close(Some(CloseFrame { code: 4421.into(), reason: message.into() }))).await,
        }
        let error = soon("the error", connecting).await.unwrap().err().unwrap();
        assert_eq!(error.to_string(), format!("the gateway ended this client: {message} (elsewhere)"), "{last}");
        let ConnectError::Ended(Ended::Goodbye(goodbye)) = error else { panic!("{error:?}") };
        assert_eq!((goodbye.code, goodbye.message.as_str()), (Code::Elsewhere.into(), message));
    }
}

/// Refuses the next upgrade.
async fn refuse(gateway: &Gateway, status: &str, body: &str) {
    let mut tcp = gateway.tcp().await;
    let mut request = vec![0; 4_096];
    assert_ne!(soon("the request", tcp.read(&mut request)).await.unwrap(), 0);
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nRetry-After: 0\r\n\r\n{body}", body.len());
    tcp.write_all(answer.as_bytes()).await.unwrap();
}

const FORBIDDEN_BY_A_PROXY: &str = "<html><body><h1>403 Forbidden</h1></body></html>";

#[tokio::test]
async fn one_proxys_403_or_401_before_a_good_gateway_is_tried_again() {
    let gateway = Gateway::start().await;
    let (client, mut events) = start(gateway.options()).await;
    let sending = client.submit("carol", text("hi")).await.unwrap();
    for (status, body) in [
        ("403 Forbidden", FORBIDDEN_BY_A_PROXY),
        ("401 Unauthorized", "<html></html>"),
        ("401 Unauthorized", r#"{"message":"Unauthorized"}"#),
        ("403 Forbidden", r#"{"code":403,"message":"Forbidden"}"#),
        ("403 Forbidden", r#"{"code":"RBAC","message":"access denied"}"#),
        ("407 Proxy Authentication Required", ""),
        ("503 Service Unavailable", ""),
        ("404 Not Found", ""),
        ("200 OK", "<html>Sign in to this Wi-Fi</html>"),
    ] {
        refuse(&gateway, status, body).await;
        match soon("an event", events.next()).await.unwrap() {
            Event::Disconnected(disconnected) => {
                let got = disconnected.why;
                assert!(
                    matches!(&got, Lost::Http { status: got, refusal: None, .. } if status.starts_with(&got.to_string())),
                    "{got:?}"
                );
            }
            other => panic!("{status}: {other:?}"),
        }
    }
    let (mut peer, _) = gateway.welcome().await;
    peer.accept_send().await;
    soon("the answer", sending).await.unwrap();
}

#[tokio::test]
async fn a_gateways_own_refusal_of_the_upgrade_ends_the_client() {
    let gateway = Gateway::start().await;
    let (client, mut events) = start(gateway.options()).await;
    refuse(&gateway, "401 Unauthorized", r#"{"code":"unauthorized","message":"a key of nobody","retry_after":null}"#)
        .await;
    let Some(Event::Ended(ended)) = soon("the end", events.next()).await else { panic!("it goes on") };
    assert_eq!(ended.to_string(), "the gateway ended this client: a key of nobody (unauthorized)");
    let error = client.send("carol", text("too late")).await.unwrap_err();
    assert_eq!(error, SendError::Ended(ended));
}

#[tokio::test]
async fn the_time_of_the_gateways_answer_goes_into_the_next_token() {
    let gateway = Gateway::start().await;
    let tokens = |request: TokenRequest| {
        let time = request.server_time.map_or(0, |time| time.0 / 1_000);
        std::future::ready(Ok(format!("{time} {:?}", request.refused.map(|refused| refused.code))))
    };
    let options = ClientOptions { token: Arc::new(tokens), ..gateway.options() };
    let (client, _events) = start(options).await;
    let mut peer = gateway.accept_at("Tue, 01 Jan 2030 00:00:00 GMT").await;
    assert_eq!(peer.hello().await.0, "0 None");
    peer.tell(goodbye(Code::TokenExpired)).await;
    let token = gateway.accept().await.hello().await.0;
    let (time, refused) = token.split_once(' ').unwrap();
    let since = time.parse::<u64>().unwrap() - 1_893_456_000;
    assert!(since < 60 && refused == "Some(TokenExpired)", "{token}");
    let skew = client.clock_skew().unwrap();
    assert!(matches!(skew, ClockSkew::Behind(_)) && skew.is_harmful(), "{skew:?}");
}

#[tokio::test]
async fn a_token_that_is_over_is_replaced_by_a_fresh_one_and_without_one_the_client_ends() {
    let gateway = Gateway::start().await;
    let asked = Arc::new(AtomicUsize::new(0));
    let tokens = {
        let asked = asked.clone();
        move |request: TokenRequest| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            async move {
                match number {
                    0 | 2 => Ok(format!("token {number} {:?}", request.refused.map(|refused| refused.code))),
                    1 => Err(TokenError::Failed("the issuer is down".to_owned())),
                    _ => Err(TokenError::NoMore),
                }
            }
        }
    };
    let options = ClientOptions { token: Arc::new(tokens), ..gateway.options() };
    let (_client, mut events) = start(options).await;
    for token in ["token 0 None", "token 2 Some(TokenExpired)"] {
        let mut peer = gateway.accept().await;
        assert_eq!(peer.hello().await.0, token);
        peer.tell(goodbye(Code::TokenExpired)).await;
    }
    let mut last = None;
    while let Some(event) = soon("the end", events.next()).await {
        last = Some(event);
    }
    let Some(Event::Ended(Ended::Goodbye(last))) = last else { panic!("{last:?}") };
    assert_eq!(last.code, Code::TokenExpired);
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn gateways_are_tried_in_turn() {
    let (first, second) = (Gateway::start().await, Gateway::start().await);
    let nobody = Gateway::start().await.url;
    let (client, mut events) = start(first.options().url(nobody).url(second.url.clone())).await;
    let (mut peer, _) = first.welcome().await;
    peer.tell(goodbye(Code::Draining)).await;
    let (_peer, _) = second.welcome().await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        seen.push(match soon("an event", events.next()).await.unwrap() {
            Event::Connected(connected) => connected.url,
            Event::Disconnected(disconnected) => match disconnected.why {
                Lost::Goodbye(goodbye) => format!("{:?}", goodbye.code),
                Lost::Socket(_) => "nobody".to_owned(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
    }
    let connect = |url: &str| format!("{url}/v1/connect");
    assert_eq!(seen, [connect(&first.url), "Draining".to_owned(), "nobody".to_owned(), connect(&second.url)]);
    assert!(
        matches!(&*client.status().borrow(), Status::Connected(connected) if connected.url == connect(&second.url))
    );
}

#[tokio::test]
async fn what_is_unaccepted_is_sent_again_with_its_id_through_every_kind_of_loss() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    let first = client.submit("carol", text("one")).await.unwrap();
    let second = client.submit("carol", text("two")).await.unwrap();
    let mut id = None;
    for loss in 0..5 {
        let (mut peer, _) = gateway.welcome().await;
        let send = peer.send().await;
        assert_eq!(send.content, text("one"));
        assert_eq!(*id.get_or_insert(send.id), send.id, "loss {loss}");
        match loss {
            0 => drop(peer),
            1 => peer.raw(Message::Close(None)).await,
            2 => peer.raw(Message::text("{ no frame")).await,
            3 => peer.tell(goodbye(Code::Unavailable)).await,
            _ => {
                peer.tell(rejected(send.id, Code::UnknownOutcome)).await;
                let again = peer.accept_send().await;
                assert_eq!((again.id, again.content), (send.id, text("one")));
                assert_eq!(peer.accept_send().await.content, text("two"), "their order is kept");
            }
        }
    }
    let (first, second) = (soon("the first", first).await.unwrap(), soon("the second", second).await.unwrap());
    assert_eq!(Some(first.id), id);
    assert!(first.id < second.id);
}

#[tokio::test]
async fn what_can_not_be_sent_is_refused_here() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(gateway.options()).await;
    assert!(matches!(client.send("no name", text("hi")).await, Err(SendError::Address(_))));
    assert!(matches!(client.send("carol", text("")).await, Err(SendError::Content(_))));
    assert!(matches!(client.send("carol", text(&"a".repeat(33 * 1_024))).await, Err(SendError::Content(_))));

    let sending = client.submit("carol", text("hi")).await.unwrap();
    let (mut peer, _) = gateway.welcome().await;
    let send = peer.send().await;
    assert_eq!(send.content, text("hi"), "nothing of the above was sent");
    peer.tell(rejected(send.id, Code::BadAddress)).await;
    assert!(matches!(
        soon("the answer", sending).await,
        Err(SendError::Rejected { code: Open::Known(Code::BadAddress), .. })
    ));
}

#[tokio::test]
async fn whoever_sends_too_much_waits() {
    let gateway = Gateway::start().await;
    let (client, _events) = start(ClientOptions { unaccepted: 2, ..gateway.options() }).await;
    let one = client.submit("carol", text("one")).await.unwrap();
    let _two = client.submit("carol", text("two")).await.unwrap();
    assert!(matches!(client.try_submit("carol", text("three")).await, Err(SendError::Full)));
    let three = tokio::spawn({
        let client = client.clone();
        async move { client.send("carol", text("three")).await }
    });
    let (mut peer, _) = gateway.welcome().await;
    for what in ["one", "two", "three"] {
        assert_eq!(peer.accept_send().await.content, text(what));
    }
    soon("the first", one).await.unwrap();
    soon("the third", three).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_application_that_keeps_its_cursor_sees_each_entry_once_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Gateway::start().await;
    let open = || FileStore::open(folder.path().join("cursors"), "bob/phone").unwrap();
    {
        let (client, mut events) = start(gateway.options().store(open())).await;
        let (mut peer, cursor) = gateway.welcome().await;
        assert_eq!(cursor, None);
        for seq in 1..=3 {
            peer.tell(entry(seq)).await;
        }
        next_entry(&mut events).await;
        next_entry(&mut events).await.done().await.unwrap();
        next_entry(&mut events).await;
        drop(peer);
        // In the same process it resumes after what was given, not only after what is done.
        let (mut peer, resumed) = gateway.welcome().await;
        assert_eq!(resumed, Some(StartAt::Cursor(gateway::cursor(3))));
        peer.tell(entry(3)).await;
        peer.tell(entry(4)).await;
        let entry = next_entry(&mut events).await;
        assert_eq!(entry.seq.0, 4, "3 was given");
        client.close().await;
    }
    let (_client, mut events) = start(gateway.options().store(open())).await;
    let (mut peer, resumed) = gateway.welcome().await;
    assert_eq!(resumed, Some(StartAt::Cursor(gateway::cursor(2))), "3 and 4 were never done");
    peer.tell(caught_up(4)).await;
    loop {
        match soon("caught up", events.next()).await.unwrap() {
            Event::CaughtUp(caught_up) => break caught_up.done().await.unwrap(),
            Event::Connected(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(peer.ack().await, 4);
}

#[tokio::test]
async fn what_is_done_after_the_end_is_kept_all_the_same() {
    let gateway = Gateway::start().await;
    let store = Arc::new(MemoryStore::default());
    let (client, mut events) = start(gateway.options().store(store.clone())).await;
    let (mut peer, _) = gateway.welcome().await;
    peer.tell(entry(7)).await;
    let entry = next_entry(&mut events).await;
    client.close().await;
    drop((client, events));
    entry.done().await.unwrap();
    assert_eq!(store.load().unwrap(), Cursors::from([(LogName::Mailbox.into(), cursor(7))]));
}

#[tokio::test]
async fn after_a_gap_what_was_accepted_is_repeated_with_its_id() {
    let gateway = Gateway::start().await;
    let (client, mut events) = start(gateway.options()).await;
    let (mut peer, _) = gateway.welcome().await;
    let mut ids = Vec::new();
    for what in ["one", "two"] {
        let sending = client.submit("carol", text(what)).await.unwrap();
        ids.push(peer.accept_send().await.id);
        sending.await.unwrap();
    }
    peer.tell(entry(90)).await;
    assert_eq!(next_entry(&mut events).await.seq.0, 90);
    peer.tell(gap(3)).await;
    for id in ids {
        assert_eq!(peer.accept_send().await.id, id);
    }
    // Numbers are used again; the id of entry 90 was given before, under another number.
    peer.tell(entry_of(4, 90, "hi")).await;
    peer.tell(entry(5)).await;
    assert_eq!(next_entry(&mut events).await.seq.0, 5);
}

#[tokio::test]
async fn an_application_that_does_not_read_stops_the_socket_and_loses_nothing() {
    const ENTRIES: u64 = 4_000;
    let gateway = Gateway::start().await;
    let (_client, mut events) = start(ClientOptions { events: 8, ..gateway.options() }).await;
    let (mut peer, _) = gateway.welcome().await;
    let words = "a".repeat(4_096);
    let (written, mut progress) = tokio::sync::watch::channel(0);
    let writer = tokio::spawn(async move {
        for seq in 1..=ENTRIES {
            peer.tell(entry_of(seq, seq, &words)).await;
            written.send_replace(seq);
        }
        (peer, written)
    });
    // 16 MB do not fit into the sockets' buffers: the writer comes to a stop.
    let stop = async { while timeout(Duration::from_millis(500), progress.changed()).await.is_ok() {} };
    soon("a stop", stop).await;
    let before = *progress.borrow();
    assert!(before < ENTRIES, "all were taken off the socket though nobody read them");
    for seq in 1..=ENTRIES {
        assert_eq!(next_entry(&mut events).await.seq.0, seq);
    }
    soon("the writer", writer).await.unwrap();
}

#[tokio::test]
async fn an_application_that_waits_for_an_answer_while_entries_wait_for_it_goes_on() {
    const ENTRIES: u64 = 100;
    let gateway = Gateway::start().await;
    let (client, mut events) = start(ClientOptions { events: 16, ..gateway.options() }).await;
    let script = tokio::spawn(async move {
        // Entries come before every answer. Where the client falls behind it connects again and resumes.
        let mut connections = 0;
        loop {
            let (mut peer, resumed) = gateway.welcome().await;
            connections += 1;
            let after = match resumed {
                Some(StartAt::Cursor(text)) => (1..=ENTRIES).find(|seq| cursor(*seq) == text).unwrap(),
                None => 0,
                other => panic!("{other:?}"),
            };
            for seq in after + 1..=ENTRIES {
                peer.tell(entry(seq)).await;
            }
            while let Some(Ok(message)) = soon("a frame", peer.stream.next()).await {
                let Message::Text(text) = message else { continue };
                if let Ok(ClientFrame::Send(send)) = Encoding::Json.read_client(text.as_bytes()) {
                    peer.tell(accepted(send.id)).await;
                    if send.to == "done" {
                        return connections;
                    }
                }
            }
        }
    });
    for seq in 1..=ENTRIES {
        let entry = next_entry(&mut events).await;
        assert_eq!(entry.seq.0, seq);
        soon("the answer", client.send("alice", text("echo"))).await.unwrap();
    }
    let _ = soon("the last answer", client.send("done", text("echo"))).await;
    let connections = soon("the script", script).await.unwrap();
    assert!(connections as u64 <= ENTRIES / 8 + 2, "{connections} connections");
}

#[tokio::test]
async fn a_client_of_which_nobody_holds_anything_lets_go_of_its_socket() {
    let gateway = Gateway::start().await;
    let (client, events) = start(gateway.options()).await;
    let (peer, _) = gateway.welcome().await;
    let sending = client.submit("carol", text("hi")).await.unwrap();
    drop((client, events));
    assert!(peer.ended().await);
    assert_eq!(soon("the answer", sending).await, Err(SendError::Ended(Ended::Closed)));
}
