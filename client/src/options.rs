//! What a client is told before it connects. Defaults stand beside the fields; [`ClientOptions::check`] runs before anything is dialled.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{DeviceName, frame::Encoding, frame::StartAt};
use tokio_tungstenite::tungstenite::http::Uri;

use crate::{
    error::OptionsError,
    store::{CursorStore, MemoryStore},
    token::TokenProvider,
};

/// Where to connect, as whom, and how.
#[derive(Clone)]
pub struct ClientOptions {
    /// Gateways, tried in turn: `ws://`, `wss://`, `http://` or `https://`. Without a path, `/v1/connect` is meant.
    pub urls: Vec<String>,
    /// Where tokens come from: asked before each connection.
    pub token: Arc<dyn TokenProvider>,
    /// Which of the user's devices this is. Default: the one that the token names in `dev`; without that claim the gateway refuses a client
    /// that names none.
    pub device: Option<DeviceName>,
    /// How frames are written. Default: JSON.
    pub encoding: Encoding,
    /// Where the cursor is kept. Default: in memory, that is, not beyond this process.
    pub store: Arc<dyn CursorStore>,
    /// Where to begin when the store holds no cursor. Default `None`: where this device's last acknowledgement says, a new device at
    /// the beginning.
    pub start: Option<StartAt>,
    /// The pauses between connections.
    pub backoff: Backoff,
    /// How long dialling, the token and the welcome may take together. Default: 10 s.
    pub connect_within: Duration,
    /// Sends that may wait for their answer; whoever sends more waits. Default: 1,024.
    pub unaccepted: usize,
    /// Sends to one address that are on their way at once. Default: 1, which keeps their order also where one is refused for now and
    /// repeated. More is faster over long lines, and lets such a one fall behind its successors.
    pub in_flight_per_address: usize,
    /// How long a question may wait for its answer, the wait for a connection included. Default: 10 s.
    pub ask_within: Duration,
    /// Events that may wait for the application. When they are full the library stops reading the socket. Default: 256.
    pub events: usize,
}

/// Pauses between connections: before try number `n` a random time up to `first * 2^n`, at most `most` ("full jitter": M. Brooker,
/// "Exponential Backoff And Jitter", AWS Architecture Blog, 2015). A gateway's `retry_after` comes on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first pause. Default: 200 ms.
    pub first: Duration,
    /// The longest pause. Default: 30 s.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) }
    }
}

impl ClientOptions {
    /// Options for one gateway, everything else by default.
    pub fn new(url: impl Into<String>, token: impl TokenProvider) -> Self {
        ClientOptions {
            urls: vec![url.into()],
            token: Arc::new(token),
            device: None,
            encoding: Encoding::Json,
            store: Arc::new(MemoryStore::default()),
            start: None,
            backoff: Backoff::default(),
            connect_within: Duration::from_secs(10),
            unaccepted: 1_024,
            in_flight_per_address: 1,
            ask_within: Duration::from_secs(10),
            events: 256,
        }
    }

    /// Another gateway, tried when those before it fail.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// The device's name: needed where the token has no `dev`, as those of `dunlin token` have none unless it is told.
    pub fn device(mut self, device: DeviceName) -> Self {
        self.device = Some(device);
        self
    }

    /// How frames are written.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Where the cursor is kept.
    pub fn store(mut self, store: impl CursorStore) -> Self {
        self.store = Arc::new(store);
        self
    }

    /// Where to begin when the store holds no cursor.
    pub fn start(mut self, start: StartAt) -> Self {
        self.start = Some(start);
        self
    }

    /// The pauses between connections.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// The gateways' URIs. Errors: what is wrong with which option.
    pub fn check(&self) -> Result<Vec<Uri>, OptionsError> {
        if self.urls.is_empty() {
            return Err(OptionsError::NoUrl);
        }
        for (name, value) in [
            ("unaccepted", self.unaccepted),
            ("in_flight_per_address", self.in_flight_per_address),
            ("events", self.events),
        ] {
            if value == 0 {
                return Err(OptionsError::Zero(name));
            }
        }
        self.urls.iter().map(|url| gateway(url)).collect()
    }
}

/// The WebSocket URI that a gateway's URL means.
fn gateway(url: &str) -> Result<Uri, OptionsError> {
    let wrong = |why: &str| OptionsError::Url { url: url.to_owned(), why: why.to_owned() };
    let given: Uri = url.parse().map_err(|_| wrong("it is no URL"))?;
    let scheme = match given.scheme_str() {
        Some("ws" | "http") => "ws",
        Some("wss" | "https") => "wss",
        _ => return Err(wrong("it has to begin with ws://, wss://, http:// or https://")),
    };
    let authority = given.authority().ok_or_else(|| wrong("it names no host"))?;
    let path = match given.path_and_query().map_or("/", |path| path.as_str()) {
        "/" | "" => "/v1/connect",
        path => path,
    };
    Uri::builder()
        .scheme(scheme)
        .authority(authority.as_str())
        .path_and_query(path)
        .build()
        .map_err(|_| wrong("it is no URL"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (given, meant) in [
            ("ws://localhost:8080", Ok("ws://localhost:8080/v1/connect")),
            ("http://localhost:8080/", Ok("ws://localhost:8080/v1/connect")),
            ("https://im.example.org", Ok("wss://im.example.org/v1/connect")),
            ("wss://im.example.org/eu/v1/connect", Ok("wss://im.example.org/eu/v1/connect")),
            ("ftp://im.example.org", Err("it has to begin with ws://, wss://, http:// or https://")),
            ("im.example.org", Err("it has to begin with ws://, wss://, http:// or https://")),
            ("ws://a b", Err("it is no URL")),
            ("", Err("it is no URL")),
        ] {
            let got = gateway(given).map(|uri| uri.to_string());
            let meant = meant
                .map(str::to_owned)
                .map_err(|why: &str| OptionsError::Url { url: given.to_owned(), why: why.to_owned() });
            assert_eq!(got, meant, "{given}");
        }
    }

    #[test]
    fn nothing_is_dialled_with_options_that_make_no_sense() {
        let good = || ClientOptions::new("ws://localhost", "token");
        assert_eq!(ClientOptions { urls: vec![], ..good() }.check(), Err(OptionsError::NoUrl));
        assert_eq!(ClientOptions { unaccepted: 0, ..good() }.check(), Err(OptionsError::Zero("unaccepted")));
        assert_eq!(ClientOptions { events: 0, ..good() }.check(), Err(OptionsError::Zero("events")));
        assert!(good().check().is_ok());
    }
}
