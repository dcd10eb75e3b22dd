//! A device as a stranger would write it from the protocol's text: frames are JSON text, and nothing here is Dunlin's own code.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async, tungstenite,
    tungstenite::{Message, client::IntoClientRequest, protocol::frame::coding::CloseCode},
};

use crate::wait::{PATIENCE, until};

/// A connected device.
pub struct Device {
    socket: WebSocketStream<TcpStream>,
    /// The `welcome` it was given.
    pub welcome: Value,
}

/// How a connection ended: the `goodbye` before it, if any, and the close code.
#[derive(Debug)]
pub struct Ended {
    /// The frames that came before the end.
    pub frames: Vec<Value>,
    /// The close code, if there was one.
    pub close: Option<u16>,
}

impl Ended {
    /// The code of the goodbye.
    pub fn code(&self) -> Option<&str> {
        self.frames.iter().find_map(|frame| frame["goodbye"]["code"].as_str())
    }
}

/// A new id: a ULID of the present moment.
pub fn new_id() -> String {
    id_at(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970").as_millis())
}

/// An id whose time is `millis`.
pub fn id_at(millis: u128) -> String {
    let value = (millis << 80) | (rand::random::<u128>() >> 48);
    (0..26)
        .rev()
        .map(|place| char::from(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[((value >> (place * 5)) & 31) as usize]))
        .collect()
}

impl Device {
    /// Opens a socket, and says nothing yet.
    pub async fn open(gateway: SocketAddr) -> Device {
        Device::open_as(gateway, "dunlin.v1.json").await
    }

    /// The same with another subprotocol.
    pub async fn open_as(gateway: SocketAddr, protocol: &str) -> Device {
        Device::try_open(gateway, protocol).await.expect("an upgrade")
    }

    async fn try_open(gateway: SocketAddr, protocol: &str) -> Result<Device, tungstenite::Error> {
        let mut request = format!("ws://{gateway}/v1/connect").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().expect("a header"));
        let stream = TcpStream::connect(gateway).await?;
        let (socket, _) = timeout(PATIENCE, client_async(request, stream)).await.expect("an upgrade in time")?;
        Ok(Device { socket, welcome: Value::Null })
    }

    /// Opens a socket and says hello; `cursor` is where the mailbox goes on.
    pub async fn try_hello(
        gateway: SocketAddr,
        token: &str,
        device: &str,
        cursor: Option<&str>,
    ) -> Result<Device, Ended> {
        let cursors = cursor.map_or(json!({}), |cursor| json!({ "mailbox": cursor }));
        Device::try_hello_with(gateway, token, device, cursors).await
    }

    /// The same, where `cursors` say where logs go on.
    pub async fn try_hello_with(
        gateway: SocketAddr,
        token: &str,
        device: &str,
        cursors: Value,
    ) -> Result<Device, Ended> {
        let Ok(mut connected) = Device::try_open(gateway, "dunlin.v1.json").await else {
            return Err(Ended { frames: vec![], close: None });
        };
        connected.try_say(json!({ "hello": { "token": token, "device": device, "cursors": cursors } })).await;
        match connected.next().await {
            Ok(frame) if frame["welcome"].is_object() => {
                connected.welcome = frame["welcome"].clone();
                Ok(connected)
            }
            Ok(frame) => {
                let mut ended = connected.end().await;
                ended.frames.insert(0, frame);
                Err(ended)
            }
            Err(ended) => Err(ended),
        }
    }

    /// The same, where nothing may go wrong; a stream that does not answer in time is asked again, as the gateway says.
    pub async fn hello(gateway: SocketAddr, token: &str, device: &str, cursor: Option<&str>) -> Device {
        until("a welcome", async || match Device::try_hello(gateway, token, device, cursor).await {
            Err(ended) if ended.code() == Some("unavailable") => None,
            said => Some(said.expect("a welcome")),
        })
        .await
    }

    /// Sends a frame.
    pub async fn say(&mut self, frame: Value) {
        self.say_text(frame.to_string()).await;
    }

    /// Sends a text message as it is.
    pub async fn say_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.expect("sending on an open socket");
    }

    /// Sends a frame, if the socket still takes it.
    pub async fn try_say(&mut self, frame: Value) -> bool {
        self.socket.send(Message::text(frame.to_string())).await.is_ok()
    }

    /// The answer to a question, or as an error its refusal; what comes before it is passed over.
    pub async fn ask(&mut self, reference: u64, what: Value) -> Result<Value, Value> {
        self.say(json!({ "ask": { "ref": reference, "what": what } })).await;
        self.answered(reference).await
    }

    /// The same of a question that was asked before.
    pub async fn answered(&mut self, reference: u64) -> Result<Value, Value> {
        loop {
            let frame = self.next().await.expect("an open socket");
            if frame["answer"]["ref"] == reference {
                return Ok(frame["answer"]["what"].clone());
            }
            if frame["refused"]["ref"] == reference {
                return Err(frame["refused"].clone());
            }
        }
    }

    /// Sends a message and gives its id.
    pub async fn send(&mut self, to: &str, text: &str) -> String {
        let id = new_id();
        self.send_as(&id, to, text).await;
        id
    }

    /// Sends a message under this id.
    pub async fn send_as(&mut self, id: &str, to: &str, text: &str) {
        self.say(message(id, to, text)).await;
    }

    /// The next frame. Errors: the socket ended.
    pub async fn next(&mut self) -> Result<Value, Ended> {
        self.next_within(PATIENCE).await.expect("a frame in time")
    }

    /// The next frame, or `None` when none came in time.
    pub async fn next_within(&mut self, patience: Duration) -> Option<Result<Value, Ended>> {
        timeout(patience, self.read()).await.ok()
    }

    async fn read(&mut self) -> Result<Value, Ended> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(text.as_str()).expect("frames are JSON"));
                }
                Some(Ok(Message::Close(close))) => {
                    return Err(Ended { frames: vec![], close: close.map(|frame| code(frame.code)) });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Ended { frames: vec![], close: None }),
            }
        }
    }

    /// The next frame of this kind; everything else that comes before it is passed over.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|ended| panic!("waiting for {kind}, the socket ended: {ended:?}"));
            if let Some(found) = frame.get(kind) {
                return found.clone();
            }
        }
    }

    /// Sends a message and waits for its `accepted`.
    pub async fn send_accepted(&mut self, to: &str, text: &str) -> Value {
        let id = self.send(to, text).await;
        self.answer(&id).await.expect("accepted")
    }

    /// Sends a message, and repeats it with the same id for as long as it is told to. Gives the id.
    pub async fn send_until_accepted(&mut self, to: &str, text: &str) -> String {
        let id = new_id();
        loop {
            self.send_as(&id, to, text).await;
            match self.answer(&id).await {
                Ok(_) => return id,
                Err(rejected) => assert!(rejected["retry_after"].is_u64(), "refused for good: {rejected}"),
            }
        }
    }

    /// The answer to the send with this id: `accepted` or, as an error, `rejected`.
    pub async fn answer(&mut self, id: &str) -> Result<Value, Value> {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|ended| panic!("waiting for an answer, the socket ended: {ended:?}"));
            if frame["accepted"]["id"] == id {
                return Ok(frame["accepted"].clone());
            }
            if frame["rejected"]["id"] == id {
                return Err(frame["rejected"].clone());
            }
        }
    }

    /// Everything up to `caught_up`: the entries, and the frame itself.
    pub async fn catch_up(&mut self) -> (Vec<Value>, Value) {
        let mut entries = vec![];
        loop {
            let frame = self.next().await.unwrap_or_else(|ended| panic!("catching up, the socket ended: {ended:?}"));
            if frame["entry"].is_object() {
                entries.push(frame["entry"].clone());
            } else if frame["caught_up"].is_object() {
                return (entries, frame["caught_up"].clone());
            } else if frame["gap"].is_object() {
                panic!("a gap where nothing was lost: {frame}");
            }
        }
    }

    /// Everything until the socket ends.
    pub async fn end(&mut self) -> Ended {
        let mut frames = vec![];
        loop {
            match self.next().await {
                Ok(frame) => frames.push(frame),
                Err(Ended { close, .. }) => return Ended { frames, close },
            }
        }
    }

    /// The raw socket underneath, for those who mean harm.
    pub fn raw(&mut self) -> &mut TcpStream {
        self.socket.get_mut()
    }

    /// The WebSocket underneath.
    pub fn socket(&mut self) -> &mut WebSocketStream<TcpStream> {
        &mut self.socket
    }
}

/// A `send` frame with a text message.
pub fn message(id: &str, to: &str, text: &str) -> Value {
    let content = json!({ "message": { "text": text, "data": null, "attachments": [], "reply_to": null } });
    json!({ "send": { "id": id, "to": to, "content": content } })
}

/// The text of an entry that is a message.
pub fn text(entry: &Value) -> &str {
    entry["content"]["message"]["text"].as_str().unwrap_or_else(|| panic!("no text in {entry}"))
}

fn code(code: CloseCode) -> u16 {
    code.into()
}
