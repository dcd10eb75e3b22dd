//! One connection to NATS.

use std::path::PathBuf;

use bytes::Bytes;
use dunlin_schema::RegionName;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// How to reach NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectOptions {
    /// Servers to try: `nats://host:4222`, `tls://host:4222`. Any of a cluster will do.
    pub servers: Vec<String>,
    /// Who this process is; `None` where the servers ask for nobody.
    pub credentials: Option<Credentials>,
    /// TLS.
    pub tls: Tls,
    /// The name that the servers' monitoring shows.
    pub name: String,
    /// What answers are addressed to: `_INBOX` and a name of the role, so that permissions can keep roles from reading each other's answers.
    pub inbox_prefix: String,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            servers: vec!["nats://127.0.0.1:4222".to_owned()],
            credentials: None,
            tls: Tls::default(),
            name: "dunlin".to_owned(),
            inbox_prefix: "_INBOX".to_owned(),
        }
    }
}

/// Who a process is to NATS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credentials {
    /// A `.creds` file: a user's JWT and seed.
    CredsFile(PathBuf),
    /// A file that holds an nkey seed (`SU…`).
    NkeySeedFile(PathBuf),
    /// A user and a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Token(String),
}

/// TLS towards NATS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Certificate authorities to trust beside the system's (PEM).
    pub ca: Option<PathBuf>,
    /// This process's certificate (PEM); goes with `key`.
    pub cert: Option<PathBuf>,
    /// The certificate's key (PEM).
    pub key: Option<PathBuf>,
    /// Whether to refuse a server without TLS.
    pub required: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The options can't be used.
    #[error("the NATS settings can't be used: {0}")]
    Options(String),
    /// No server answered, or none let us in.
    #[error(
        "no NATS server of {servers:?} let us in: {reason}. Is one running there, and do the credentials and TLS settings fit it?"
    )]
    Refused {
        /// The servers tried.
        servers: Vec<String>,
        /// What the last one, or the network, said.
        reason: String,
    },
    /// The server is too old, or of a release with known defects.
    #[error(
        "the nats-server at {server} is version {found}; Dunlin needs 2.12.12 or a later 2.12, or 2.14.3 or later: update it (`scripts/setup` gets one)"
    )]
    Version {
        /// The server's name or id.
        server: String,
        /// Its version.
        found: String,
    },
}

/// Why a publish was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The connection is closed, or the server did not answer in time.
    #[error("the connection to NATS is gone or does not answer")]
    Unanswered,
    /// More bytes than the server takes in one message.
    #[error("the message is larger than the NATS server allows")]
    TooLarge,
}

/// Whether a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It stands.
    Connected,
    /// It does not; it is being made anew.
    Disconnected,
}

/// The server at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its id: another one after each of its starts.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The cluster it belongs to.
    pub cluster: Option<String>,
}

/// One NATS connection that reconnects with jitter. Clones share it; it closes with the last one.
#[derive(Clone, Debug)]
pub struct Connection {
    region: RegionName,
}

impl Connection {
    /// Opens a connection and checks the server's version. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, region: &RegionName) -> Result<Connection, ConnectError> {
        todo!()
    }

    /// The region whose streams are spoken to.
    pub fn region(&self) -> &RegionName {
        &self.region
    }

    /// The server at the other end now.
    pub fn server(&self) -> ServerInfo {
        todo!()
    }

    /// Whether the connection stands.
    pub fn status(&self) -> watch::Receiver<Status> {
        todo!()
    }

    /// A number that rises with every event that can have lost core messages: a reconnect, a slow consumer.
    pub fn losses(&self) -> watch::Receiver<u64> {
        todo!()
    }

    /// Publishes a core message and does not wait for anybody. Errors: see [`PublishError`].
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), PublishError> {
        todo!()
    }

    /// Resolves when the server has processed everything that was sent on this connection before. Errors: see [`PublishError`].
    pub async fn flush(&self) -> Result<(), PublishError> {
        todo!()
    }
}
