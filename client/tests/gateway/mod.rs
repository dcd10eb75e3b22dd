//! A gateway that follows a script, over real sockets: what a test does not say does not happen.

use std::time::Duration;

use dunlin_client::{
    Backoff, Client, ClientOptions, Event, Events,
    schema::{
        Code, Content, Cursor, CursorText, DeviceName, Log, LogName, MessageId, Millis, Open, Position, RegionName,
        Seq, UserName,
        frame::{ClientFrame, Encoding, EntryFrame, Goodbye, Limits, Send, ServerFrame, StartAt},
    },
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        http::{
            HeaderValue,
            header::{DATE, SEC_WEBSOCKET_PROTOCOL},
        },
    },
};

const DEADLINE: Duration = Duration::from_secs(10);

/// Waits for what has to happen. Panics when it does not.
pub(crate) async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, happens).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

pub(crate) struct Gateway {
    listener: TcpListener,
    pub(crate) url: String,
}

impl Gateway {
    pub(crate) async fn start() -> Gateway {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        Gateway { listener, url }
    }

    /// Options that dial here, with short pauses.
    pub(crate) fn options(&self) -> ClientOptions {
        let backoff = Backoff { first: Duration::from_millis(5), most: Duration::from_millis(50) };
        ClientOptions::new(self.url.clone(), "token").backoff(backoff)
    }

    /// The next TCP connection.
    pub(crate) async fn tcp(&self) -> TcpStream {
        soon("a connection", self.listener.accept()).await.unwrap().0
    }

    /// The next connection's WebSocket.
    pub(crate) async fn accept(&self) -> Peer {
        self.accept_with(None).await
    }

    /// The same, by an answer that bears a time.
    pub(crate) async fn accept_at(&self, date: &'static str) -> Peer {
        self.accept_with(Some(HeaderValue::from_static(date))).await
    }

    #[expect(clippy::result_large_err, reason = "the callback's signature is the library's")]
    async fn accept_with(&self, date: Option<HeaderValue>) -> Peer {
        let mut encoding = None;
        let choose = |request: &Request, mut response: Response| {
            assert_eq!(request.uri().path(), "/v1/connect");
            let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL).unwrap().clone();
            encoding = Encoding::of_subprotocol(offered.to_str().unwrap());
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::clone(&offered));
            date.into_iter().for_each(|date| {
                response.headers_mut().insert(DATE, date);
            });
            Ok(response)
        };
        let stream = soon("the upgrade", accept_hdr_async(self.tcp().await, choose)).await.unwrap();
        Peer { stream, encoding: encoding.unwrap() }
    }

    /// The next connection, greeted and welcomed; with the cursor of its hello.
    pub(crate) async fn welcome(&self) -> (Peer, Option<StartAt>) {
        let mut peer = self.accept().await;
        let (_, cursor) = peer.hello().await;
        peer.tell(welcome()).await;
        (peer, cursor)
    }
}

/// The gateway's end of a connection.
pub(crate) struct Peer {
    pub(crate) stream: WebSocketStream<TcpStream>,
    encoding: Encoding,
}

impl Peer {
    /// The client's next frame.
    pub(crate) async fn next(&mut self) -> ClientFrame {
        loop {
            match soon("a frame", self.stream.next()).await.expect("the client hung up").unwrap() {
                Message::Text(text) => return self.encoding.read_client(text.as_bytes()).unwrap(),
                Message::Binary(bytes) => return self.encoding.read_client(&bytes).unwrap(),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
                Message::Close(close) => panic!("the client closed: {close:?}"),
            }
        }
    }

    pub(crate) async fn hello(&mut self) -> (String, Option<StartAt>) {
        match self.next().await {
            ClientFrame::Hello { token, cursors, .. } => {
                (token.unwrap(), cursors.get(&LogName::Mailbox.into()).cloned())
            }
            other => panic!("{other:?} before hello"),
        }
    }

    pub(crate) async fn send(&mut self) -> Send {
        match self.next().await {
            ClientFrame::Send(send) => send,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn ack(&mut self) -> u64 {
        match self.next().await {
            ClientFrame::Ack { delivered, .. } => delivered.0,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn tell(&mut self, frame: ServerFrame) {
        self.raw(match self.encoding {
            Encoding::Json => Message::text(String::from_utf8(self.encoding.write(&frame)).unwrap()),
            Encoding::Postcard => Message::binary(self.encoding.write(&frame)),
        })
        .await;
    }

    pub(crate) async fn raw(&mut self, message: Message) {
        soon("a write", self.stream.send(message)).await.unwrap();
    }

    /// Accepts the next send; what it was.
    pub(crate) async fn accept_send(&mut self) -> Send {
        let send = self.send().await;
        self.tell(accepted(send.id)).await;
        send
    }

    /// Waits until the client has let go of the connection; whether it said goodbye.
    pub(crate) async fn ended(mut self) -> bool {
        loop {
            match soon("the end of the connection", self.stream.next()).await {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                None | Some(Err(_)) => return false,
            }
        }
    }
}

pub(crate) fn welcome() -> ServerFrame {
    ServerFrame::Welcome {
        user: UserName::new("bob").unwrap(),
        device: DeviceName::new("phone").unwrap(),
        region: RegionName::new("local").unwrap(),
        server_time: Millis(1_763_683_200_000),
        limits: Limits { frame: 65_536, body: 32_768 },
    }
}

pub(crate) fn cursor(seq: u64) -> CursorText {
    let log = Log::mailbox(&RegionName::new("local").unwrap(), 8, &UserName::new("bob").unwrap());
    Cursor { position: Position { seq: Seq(seq), ..Position::default() }, ..Cursor::default() }.seal(&log)
}

pub(crate) fn entry(seq: u64) -> ServerFrame {
    entry_of(seq, seq, "hi")
}

pub(crate) fn entry_of(seq: u64, id: u64, words: &str) -> ServerFrame {
    ServerFrame::Entry(Box::new(EntryFrame {
        log: LogName::Mailbox.into(),
        seq: Seq(seq),
        cursor: cursor(seq),
        time: Millis(7),
        id: MessageId::from_parts(Millis(7), u128::from(id)),
        from: Open::of_text("alice"),
        to: Open::of_text("bob"),
        order: Some(Seq(seq)),
        content: text(words).into(),
    }))
}

pub(crate) fn caught_up(seq: u64) -> ServerFrame {
    ServerFrame::CaughtUp { log: LogName::Mailbox.into(), seq: Seq(seq), cursor: cursor(seq) }
}

pub(crate) fn gap(seq: u64) -> ServerFrame {
    ServerFrame::Gap { log: LogName::Mailbox.into(), from: Millis(1), to: Millis(2), cursor: cursor(seq) }
}

pub(crate) fn accepted(id: MessageId) -> ServerFrame {
    ServerFrame::Accepted { id, order: Some(Seq(1)), time: Millis(9) }
}

pub(crate) fn rejected(id: MessageId, code: Code) -> ServerFrame {
    ServerFrame::Rejected {
        id: id.to_string(),
        code: code.into(),
        message: "no".to_owned(),
        retry_after: Some(Millis(1)),
    }
}

pub(crate) fn goodbye(code: Code) -> ServerFrame {
    ServerFrame::Goodbye(Goodbye { code: code.into(), message: "because".to_owned(), retry_after: None })
}

pub(crate) fn text(text: &str) -> Content {
    Content::Message {
        text: Some(text.to_owned()),
        data: None,
        attachments: Vec::new(),
        reply_to: None,
        mentions: vec![],
    }
}

/// Starts a client and waits for nothing.
pub(crate) async fn start(options: ClientOptions) -> (Client, Events) {
    Client::start(options).await.unwrap()
}

/// The next entry, passing over how the connection stands.
pub(crate) async fn next_entry(events: &mut Events) -> dunlin_client::Entry {
    loop {
        match soon("an event", events.next()).await.expect("the client is over") {
            Event::Entry(entry) => return entry,
            Event::Connected(_)
            | Event::Disconnected(_)
            | Event::CaughtUp(_)
            | Event::Gap(_)
            | Event::Signal { .. }
            | Event::Presence { .. }
            | Event::Receipt(_)
            | Event::Marked { .. } => {}
            Event::Refused { code, message } => panic!("refused: {message} ({code:?})"),
            Event::Ended(ended) => panic!("{ended}"),
        }
    }
}
