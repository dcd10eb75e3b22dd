//! What a newer release says, to a client of this one.

use std::sync::Arc;

use dunlin_client::{
    Event, MemoryStore,
    schema::{
        LogName, MessageId, Millis, Open,
        frame::{ClientFrame, Encoding, Goodbye, ServerFrame, StartAt},
    },
};

use tokio_tungstenite::tungstenite::Message;

use crate::gateway::{self, *};

/// An entry of a log that only a newer release knows, or with such content.
fn entry_to_come(encoding: Encoding, seq: u64) -> ServerFrame {
    let mut bytes = encoding.write(&entry(seq));
    match encoding {
        Encoding::Json => {
            let words = String::from_utf8(bytes).unwrap();
            assert!(words.contains(r#"{"message":"#), "{words}");
            bytes = words.replace(r#"{"message":"#, r#"{"poll":"#).into_bytes();
        }
        Encoding::Postcard => {
            // The content stands at the end, and begins with the number of its kind.
            let kind = bytes.len() - encoding.write(&text("hi")).len();
            bytes[kind] = 99;
        }
    }
    let read = encoding.read_server(&bytes).unwrap();
    assert!(matches!(&read, ServerFrame::Entry(entry) if entry.content.known().is_none()), "{read:?}");
    read
}

/// The same with a field at its end that only a newer release knows, and from a sender that only that one can name.
fn with_fields_to_come(encoding: Encoding, mut frame: ServerFrame) -> Message {
    let ServerFrame::Entry(entry) = &mut frame else { panic!("{frame:?}") };
    entry.from = Open::of_text("bot!helper");
    let mut bytes = encoding.write(&frame);
    match encoding {
        Encoding::Json => {
            let words = String::from_utf8(bytes).unwrap();
            let frame = words.strip_suffix("}}").unwrap();
            Message::text(format!(r#"{frame},"mentions":["bob"]}}}}"#))
        }
        Encoding::Postcard => {
            bytes.extend([1, 3, b'b', b'o', b'b']);
            Message::binary(bytes)
        }
    }
}

fn of_a_log_to_come(mut frame: ServerFrame) -> ServerFrame {
    let (ServerFrame::Gap { log, .. } | ServerFrame::CaughtUp { log, .. }) = &mut frame else {
        let ServerFrame::Entry(entry) = &mut frame else { panic!("{frame:?}") };
        entry.log = Open::of_text("channel!news");
        return frame;
    };
    *log = Open::of_text("channel!news");
    frame
}

#[tokio::test]
async fn what_a_newer_release_says_is_passed_over_with_its_cursor_settled_or_waited_for() {
    for encoding in [Encoding::Json, Encoding::Postcard] {
        let gateway = Gateway::start().await;
        let store = Arc::new(MemoryStore::default());
        let (client, mut events) = start(gateway.options().encoding(encoding).store(store.clone())).await;
        let (mut peer, _) = gateway.welcome().await;
        // What is said of a log that is not known is not given, but acknowledged.
        for (frame, acknowledged) in [(entry(2), Some(2)), (gap(2), None), (entry(1), Some(1)), (caught_up(5), Some(5))]
        {
            peer.tell(of_a_log_to_come(frame)).await;
            if let Some(seq) = acknowledged {
                let ClientFrame::Ack { log, delivered } = peer.next().await else { panic!("more than an ack") };
                assert_eq!((log, delivered.0), (Open::of_text("channel!news"), seq));
            }
        }
        let code = || Open::of_text("solar_flare");
        peer.tell(ServerFrame::Refused { reference: None, code: code(), message: "?".to_owned(), retry_after: None })
            .await;
        let mut event = soon("an event", events.next()).await.unwrap();
        if let Event::Connected(_) = event {
            event = soon("an event", events.next()).await.unwrap();
        }
        assert!(matches!(&event, Event::Refused { code, .. } if code.known().is_none()), "{event:?}");
        // Content that is not known is given as such, so that an application can say that there is something.
        peer.tell(entry_to_come(encoding, 2)).await;
        let unknown = next_entry(&mut events).await;
        assert_eq!((unknown.seq.0, unknown.content.known()), (2, None));
        unknown.done().await.unwrap();
        assert_eq!(peer.ack().await, 2);
        peer.raw(match encoding {
            Encoding::Json => Message::text(r#"{"weather":{"at":"sea"}}"#),
            Encoding::Postcard => Message::binary([99, 1, 7].as_slice()),
        })
        .await;
        peer.raw(with_fields_to_come(encoding, entry(3))).await;
        let third = next_entry(&mut events).await;
        assert_eq!((third.seq.0, third.from.to_string(), third.from.known()), (3, "bot!helper".to_owned(), None));
        assert_eq!(third.content.known(), Some(&text("hi")));

        let first = client.submit("carol", text("one")).await.unwrap();
        let second = client.submit("carol", text("two")).await.unwrap();
        let rejected = |id: MessageId, retry_after| ServerFrame::Rejected {
            id: id.to_string(),
            code: code(),
            message: "wait".to_owned(),
            retry_after,
        };
        let send = peer.send().await;
        peer.tell(rejected(send.id, Some(Millis(5)))).await;
        assert_eq!(peer.send().await.id, send.id, "once more after the time that it names");
        peer.tell(rejected(send.id, None)).await;
        let error = soon("the answer", first).await.unwrap_err();
        assert_eq!(error.to_string(), "the gateway refused the message: wait (solar_flare)");
        peer.accept_send().await;
        soon("the second", second).await.unwrap();

        peer.tell(entry_to_come(encoding, 9)).await;
        let goodbye = |message: &str, retry_after| {
            ServerFrame::Goodbye(Goodbye { code: code(), message: message.to_owned(), retry_after })
        };
        peer.tell(goodbye("wait", Some(Millis(5)))).await;
        let mut peer = gateway.accept().await;
        let ClientFrame::Hello { cursors, .. } = peer.next().await else { panic!("no hello") };
        let at = |seq| StartAt::Cursor(gateway::cursor(seq));
        let resumed = [(LogName::Mailbox.into(), at(9)), (Open::of_text("channel!news"), at(5))];
        assert_eq!(cursors, resumed.into(), "behind what was passed over");
        peer.tell(welcome()).await;
        peer.tell(goodbye("never", None)).await;
        loop {
            if let Event::Ended(ended) = soon("the end", events.next()).await.unwrap() {
                break assert_eq!(ended.to_string(), "the gateway ended this client: never (solar_flare)");
            }
        }
    }
}
