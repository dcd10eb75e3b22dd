//! A WebSocket client that can say whatever bytes it likes, and hears every frame: for those who mean harm.

use std::{io, net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use crate::wait::PATIENCE;

/// The first byte of a whole text message, and of its kin: RFC 6455, section 5.2.
pub const TEXT: u8 = 0x81;
/// Of a whole binary message.
pub const BINARY: u8 = 0x82;
/// Of a close.
pub const CLOSE: u8 = 0x88;
/// Of a ping.
pub const PING: u8 = 0x89;
/// Of a pong.
pub const PONG: u8 = 0x8a;
/// Of the last fragment of a message.
pub const LAST: u8 = 0x80;
/// Of a fragment that neither begins nor ends a message.
pub const MIDDLE: u8 = 0x00;
/// Of the first fragment of a text message.
pub const FIRST: u8 = 0x01;

/// A frame as a client sends it, masked.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(first, payload.len() as u64);
    let mask = bytes[bytes.len() - 4..].to_vec();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The head of a frame whose payload is said to be so long.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0x37, 0xfa, 0x21, 0x3d]);
    bytes
}

/// A close with a code.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat())
}

/// What a gateway says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A text message, as JSON.
    Json(Value),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping,
    /// A pong.
    Pong(Vec<u8>),
    /// A close.
    Close(Option<u16>),
    /// The end of the connection.
    End,
}

/// A connection of raw bytes.
pub struct Raw {
    input: OwnedReadHalf,
    output: OwnedWriteHalf,
    read: Vec<u8>,
}

impl Raw {
    /// Sends a request as it is, and gives the connection and the answer's status and head.
    pub async fn request(gateway: SocketAddr, request: impl AsRef<[u8]>) -> (Raw, u16, String) {
        let (input, output) = TcpStream::connect(gateway).await.expect("connecting").into_split();
        let mut raw = Raw { input, output, read: vec![] };
        raw.write(request.as_ref()).await;
        let end = loop {
            if let Some(end) = raw.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(fill(&mut raw.input, &mut raw.read).await, "an answer's head");
        };
        let answer = String::from_utf8(raw.read.drain(..end).collect()).expect("an answer in text");
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (raw, status, answer)
    }

    /// The text of a good upgrade, with more header lines.
    pub fn upgrade(protocol: &str, lines: &str) -> String {
        format!(
            "GET /v1/connect HTTP/1.1\r\nHost: gateway\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: {protocol}\r\n{lines}\r\n"
        )
    }

    /// An upgraded connection.
    pub async fn open(gateway: SocketAddr, protocol: &str) -> Raw {
        let (raw, status, answer) = Raw::request(gateway, &Raw::upgrade(protocol, "")).await;
        assert_eq!(status, 101, "{answer}");
        assert!(answer.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
        raw
    }

    /// A device that has said hello and is caught up.
    pub async fn caught_up(gateway: SocketAddr, token: &str, device: &str) -> Raw {
        let mut raw = Raw::open(gateway, "dunlin.v1.json").await;
        let hello = json!({ "hello": { "token": token, "device": device } });
        raw.write(&frame(TEXT, hello.to_string().as_bytes())).await;
        raw.json("caught_up").await;
        raw
    }

    /// Writes bytes, as long as the gateway takes them.
    pub async fn write(&mut self, bytes: &[u8]) {
        assert!(self.try_write(bytes).await, "the gateway takes bytes");
    }

    /// Writes bytes, and gives whether the gateway took them.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.output.write_all(bytes)).await.is_ok_and(|written| written.is_ok())
    }

    /// Writes bytes and reads nothing, until the gateway takes no more for half a second. Gives how many it took.
    pub async fn write_until_full(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() {
            let room = timeout(Duration::from_millis(500), self.output.writable());
            let Ok(writable) = room.await else { break };
            writable.expect("an open connection");
            at += self.output.try_write(&bytes[at..]).unwrap_or_default();
        }
        at
    }

    /// Writes many bytes, and hears what the gateway says meanwhile, as long as `wants` more.
    pub async fn exchange(&mut self, bytes: &[u8], mut wants: impl FnMut(Heard) -> bool) {
        let Raw { input, output, read } = self;
        let hearing = async { while wants(hear(input, read).await) {} };
        let (written, ()) = tokio::join!(timeout(PATIENCE, output.write_all(bytes)), hearing);
        written.expect("the gateway to take it all in time").expect("the gateway to take it all");
    }

    /// Says that nothing more comes, and goes on reading.
    pub async fn half_close(&mut self) {
        self.output.shutdown().await.expect("closing one half");
    }

    /// The next frame of the gateway's, its pings left out.
    pub async fn hear(&mut self) -> Heard {
        hear(&mut self.input, &mut self.read).await
    }

    /// The next frame of the gateway's, a ping, too, which has no answer.
    pub async fn hear_any(&mut self, patience: Duration) -> Heard {
        loop {
            if let Some(heard) = parse(&mut self.read) {
                return heard;
            }
            let filling = timeout(patience, self.input.read_buf(&mut self.read));
            match filling.await.expect("the gateway to say something") {
                Ok(count) if count > 0 => {}
                Ok(_) | Err(_) => return Heard::End,
            }
        }
    }

    /// The next message of this kind; what comes before it is passed over.
    pub async fn json(&mut self, kind: &str) -> Value {
        loop {
            match self.hear().await {
                Heard::Json(value) if value.get(kind).is_some() => return value[kind].clone(),
                Heard::Close(_) | Heard::End => panic!("waiting for {kind}, the connection ended"),
                Heard::Json(_) | Heard::Binary(_) | Heard::Ping | Heard::Pong(_) => {}
            }
        }
    }
}

async fn hear(input: &mut OwnedReadHalf, read: &mut Vec<u8>) -> Heard {
    loop {
        match parse(read) {
            Some(Heard::Ping) => {}
            Some(heard) => return heard,
            None if fill(input, read).await => {}
            None => return Heard::End,
        }
    }
}

async fn fill(input: &mut OwnedReadHalf, read: &mut Vec<u8>) -> bool {
    match timeout(PATIENCE, input.read_buf(read)).await.expect("the gateway to say something") {
        Ok(count) => count > 0,
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => false,
        Err(error) => panic!("reading: {error}"),
    }
}

fn parse(read: &mut Vec<u8>) -> Option<Heard> {
    let (first, second) = (*read.first()?, *read.get(1)?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let (start, length) = match second {
        126 => (4, usize::from(u16::from_be_bytes(read.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(read.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    let payload = read.get(start..start + length)?.to_vec();
    read.drain(..start + length);
    Some(match first {
        TEXT => Heard::Json(serde_json::from_slice(&payload).expect("a text message is JSON")),
        BINARY => Heard::Binary(payload),
        PING => Heard::Ping,
        PONG => Heard::Pong(payload),
        CLOSE => Heard::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code))),
        other => panic!("a frame that begins with {other:#x}"),
    })
}
