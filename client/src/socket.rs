//! The WebSocket: getting one, and moving frames over it in both directions at once.

use std::{collections::VecDeque, future::poll_fn, sync::Arc, task::Poll, time::UNIX_EPOCH};

use dunlin_schema::{
    Millis,
    frame::{ClientFrame, Encoding, FrameError, Goodbye, ServerFrame},
    limits,
};
use futures_util::{Sink, SinkExt, Stream};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config,
    tungstenite::{
        self, Message,
        client::ClientRequestBuilder,
        http::{
            Response, Uri,
            header::{DATE, RETRY_AFTER},
        },
        protocol::WebSocketConfig,
    },
};

use crate::{clock::millis, error::Lost};

/// What a socket brings.
pub(crate) enum Incoming {
    Frame(Box<ServerFrame>),
    /// A ping, a pong, or a frame that this release does not know: a sign of life.
    Other,
}

/// An open WebSocket and what waits to be written to it.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    encoding: Encoding,
    outgoing: VecDeque<Message>,
    dirty: bool,
}

impl Socket {
    /// Dials a gateway: a socket, and the time that the gateway's answer bears. Errors: why there is no socket.
    pub(crate) async fn open(gateway: Uri, encoding: Encoding) -> Result<(Socket, Option<Millis>), Lost> {
        let tls = match gateway.scheme_str() {
            Some("wss") => Some(Connector::Rustls(tls().await?)),
            _ => None,
        };
        let request = ClientRequestBuilder::new(gateway).with_sub_protocol(encoding.subprotocol());
        // Small buffers: a program may hold thousands of clients. What a gateway sends is bounded by its own frame limit.
        let config = WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(16 * 1024)
            .max_message_size(Some(limits::FRAME_BYTES * 4))
            .max_frame_size(Some(limits::FRAME_BYTES * 4));
        let (stream, answer) =
            Box::pin(connect_async_tls_with_config(request, Some(config), true, tls)).await.map_err(lost)?;
        Ok((Socket { stream, encoding, outgoing: VecDeque::new(), dirty: false }, date(&answer)))
    }

    /// Queues a frame; [`Socket::turn`] writes it.
    pub(crate) fn write(&mut self, frame: &ClientFrame) {
        let bytes = self.encoding.write(frame);
        self.outgoing.push_back(match self.encoding {
            Encoding::Json => Message::text(String::from_utf8(bytes).expect("JSON is UTF-8")),
            Encoding::Postcard => Message::binary(bytes),
        });
    }

    /// Frames that wait to be written.
    pub(crate) fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Writes what waits and, if `read`, brings the next thing that comes. Cancelling it loses nothing: all its state is the socket's.
    pub(crate) async fn turn(&mut self, read: bool) -> Result<Incoming, Lost> {
        let encoding = self.encoding;
        poll_fn(|cx| {
            let mut stream = std::pin::Pin::new(&mut self.stream);
            while !self.outgoing.is_empty() {
                match stream.as_mut().poll_ready(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(lost(error))),
                    Poll::Ready(Ok(())) => {
                        if let Some(message) = self.outgoing.pop_front() {
                            stream.as_mut().start_send(message).map_err(lost)?;
                            self.dirty = true;
                        }
                    }
                }
            }
            if self.dirty
                && let Poll::Ready(flushed) = stream.as_mut().poll_flush(cx)
            {
                flushed.map_err(lost)?;
                self.dirty = false;
            }
            if !read {
                return Poll::Pending;
            }
            match stream.as_mut().poll_next(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Err(Lost::Closed { code: None, reason: String::new() })),
                Poll::Ready(Some(message)) => {
                    Poll::Ready(message.map_err(lost).and_then(|message| incoming(encoding, message)))
                }
            }
        })
        .await
    }

    /// Writes what waits, and says goodbye to the gateway.
    pub(crate) async fn close(mut self) {
        while let Some(message) = self.outgoing.pop_front() {
            if self.stream.feed(message).await.is_err() {
                return;
            }
        }
        // The connection is let go of in any case: that it was lost meanwhile is no news.
        let _ = self.stream.close(None).await;
    }
}

fn incoming(encoding: Encoding, message: Message) -> Result<Incoming, Lost> {
    let bytes = match message {
        Message::Text(text) => text.into(),
        Message::Binary(bytes) => bytes,
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(Incoming::Other),
        Message::Close(frame) => {
            let (code, reason) = frame.map(|frame| (u16::from(frame.code), frame.reason.to_string())).unzip();
            return Err(Lost::Closed { code, reason: reason.unwrap_or_default() });
        }
    };
    match encoding.read_server(&bytes) {
        Ok(frame) => Ok(Incoming::Frame(Box::new(frame))),
        Err(FrameError::Unknown(name)) => {
            tracing::debug!(name, "passed over a frame that this release does not know");
            Ok(Incoming::Other)
        }
        Err(FrameError::Malformed(why)) => Err(Lost::BadFrame(why)),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's errors, all but three of which are only told in words"
)]
fn lost(error: tungstenite::Error) -> Lost {
    match error {
        tungstenite::Error::Http(response) => {
            let body = response.body().as_deref().unwrap_or_default();
            Lost::Http {
                status: response.status().as_u16(),
                retry_after: retry_after(&response),
                refusal: refusal(body),
            }
        }
        tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => {
            Lost::Closed { code: None, reason: String::new() }
        }
        error => Lost::Socket(error.to_string()),
    }
}

/// A gateway's own refusal: JSON with a `code` that this release knows. Pages of proxies are none, whatever their status.
fn refusal(body: &[u8]) -> Option<Goodbye> {
    serde_json::from_slice(body).ok().filter(|goodbye: &Goodbye| goodbye.code.known().is_some())
}

/// `Date` (RFC 9110, section 6.6.1), which is in whole seconds.
fn date<T>(response: &Response<T>) -> Option<Millis> {
    let date = httpdate::parse_http_date(response.headers().get(DATE)?.to_str().ok()?).ok()?;
    date.duration_since(UNIX_EPOCH).ok().map(millis)
}

/// `Retry-After` in whole seconds (RFC 9110, section 10.2.3); its other form, a date, is passed over.
fn retry_after<T>(response: &Response<T>) -> Option<Millis> {
    let seconds: u64 = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Millis(seconds.saturating_mul(1_000)))
}

/// TLS with the system's roots. The provider is named here, so that no choice is made for the whole process.
async fn tls() -> Result<Arc<ClientConfig>, Lost> {
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("the system has no root certificates".to_owned());
        }
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|config| Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
            .map_err(|error| error.to_string())
    };
    let loaded = tokio::task::spawn_blocking(load).await.map_err(|error| Lost::Socket(error.to_string()))?;
    loaded.map_err(|why| Lost::Socket(format!("TLS can't be used: {why}")))
}
