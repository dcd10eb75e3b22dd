//! How to reach NATS, and whom to accept there.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use dunlin_schema::limits;
use rand::Rng;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

pub use crate::connection::{Connection, PublishError, ServerInfo, Status};

/// Every ping unanswered for this long counts; two make a connection dead.
const PING_EVERY: Duration = Duration::from_secs(10);
/// How long one server may take to let us in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause between two tries to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

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
    /// No server could be reached: this may pass.
    #[error("no NATS server of {servers:?} can be reached: {reason}. Is one running there?")]
    Unreachable {
        /// The servers tried.
        servers: Vec<String>,
        /// What the network said.
        reason: String,
    },
    /// A server does not let us in.
    #[error(
        "no NATS server of {servers:?} let us in: {reason}. Do the addresses, the credentials and the TLS settings fit it?"
    )]
    Refused {
        /// The servers tried.
        servers: Vec<String>,
        /// What it said.
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

/// What is built differently from one connection to the next.
pub(crate) struct Purpose {
    /// Added to the name that the servers show.
    pub(crate) suffix: &'static str,
    /// Whether to connect again after a loss.
    pub(crate) reconnect: bool,
    /// Messages that wait in one subscription; more are dropped and counted as a loss. Room is only taken when it is used.
    pub(crate) subscription_capacity: usize,
}

impl ConnectOptions {
    /// Opens a connection, with `events` told what happens to it. Checks the server's version.
    pub(crate) async fn dial<E>(&self, purpose: Purpose, events: E) -> Result<async_nats::Client, ConnectError>
    where
        E: Fn(async_nats::Event) + Send + Sync + 'static,
    {
        if self.servers.is_empty() {
            return Err(ConnectError::Options("no server is named".to_owned()));
        }
        let opened = AtomicBool::new(false);
        let mut options = async_nats::ConnectOptions::new()
            .name(format!("{}{}", self.name, purpose.suffix))
            .custom_inbox_prefix(&self.inbox_prefix)
            .ping_interval(PING_EVERY)
            .connection_timeout(CONNECT_TIMEOUT)
            .subscription_capacity(purpose.subscription_capacity)
            .request_timeout(Some(Duration::from_millis(limits::PUBLISH_TIMEOUT.0)))
            // Subjects come from `schema`, whose names can't break one.
            .skip_subject_validation(true)
            .max_reconnects(if purpose.reconnect { None } else { Some(self.servers.len()) })
            .reconnect_delay_callback(move |attempt| {
                // The first call belongs to the first connection, for which somebody waits.
                if opened.swap(true, Ordering::Relaxed) { pause(attempt) } else { Duration::ZERO }
            })
            .event_callback(move |event| {
                events(event);
                std::future::ready(())
            });
        options = self.tls.add_to(options)?;
        if let Some(credentials) = &self.credentials {
            options = credentials.add_to(options).await?;
        }
        let client = options.connect(&self.servers[..]).await.map_err(|error| self.failed(&error))?;
        check_version(&client.server_info())?;
        Ok(client)
    }

    fn failed(&self, error: &async_nats::ConnectError) -> ConnectError {
        use async_nats::ConnectErrorKind as Kind;
        let (servers, reason) = (self.servers.clone(), error.to_string());
        match error.kind() {
            Kind::Io | Kind::Dns | Kind::TimedOut | Kind::MaxReconnects => {
                ConnectError::Unreachable { servers, reason }
            }
            Kind::ServerParse | Kind::Authentication | Kind::AuthorizationViolation | Kind::Tls => {
                ConnectError::Refused { servers, reason }
            }
        }
    }
}

/// Full jitter below a bound that doubles: many that lost the same server do not come back at once.
fn pause(attempt: usize) -> Duration {
    let bound = Duration::from_millis(50).saturating_mul(1 << attempt.min(10)).min(RECONNECT_PAUSE_MAX);
    rand::rng().random_range(Duration::ZERO..bound)
}

fn check_version(server: &async_nats::ServerInfo) -> Result<(), ConnectError> {
    let supported = |version: &Version| {
        [">=2.12.12, <2.13.0", ">=2.14.3"]
            .iter()
            .any(|range| VersionReq::parse(range).expect("the ranges are well-formed").matches(version))
    };
    match Version::parse(server.version.trim_start_matches('v')) {
        Ok(version) if supported(&version) => Ok(()),
        _ => Err(ConnectError::Version { server: server.server_name.clone(), found: server.version.clone() }),
    }
}

impl Tls {
    fn add_to(&self, mut options: async_nats::ConnectOptions) -> Result<async_nats::ConnectOptions, ConnectError> {
        if let Some(ca) = &self.ca {
            options = options.add_root_certificates(ca.clone());
        }
        options = match (&self.cert, &self.key) {
            (Some(cert), Some(key)) => options.add_client_certificate(cert.clone(), key.clone()),
            (None, None) => options,
            _ => return Err(ConnectError::Options("tls.cert and tls.key go together: one of them is missing".into())),
        };
        Ok(options.require_tls(self.required))
    }
}

impl Credentials {
    async fn add_to(&self, options: async_nats::ConnectOptions) -> Result<async_nats::ConnectOptions, ConnectError> {
        let unreadable = |path: &Path, error: &std::io::Error| {
            ConnectError::Options(format!("the credentials in {} can't be read: {error}", path.display()))
        };
        match self {
            Credentials::CredsFile(path) => {
                options.credentials_file(path).await.map_err(|error| unreadable(path, &error))
            }
            Credentials::NkeySeedFile(path) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(path, &error))?;
                let seed = text.lines().map(str::trim).find(|line| line.starts_with('S'));
                let seed = seed.ok_or_else(|| {
                    ConnectError::Options(format!("{} holds no nkey seed: a line that begins with S", path.display()))
                })?;
                Ok(options.nkey(seed.to_owned()))
            }
            Credentials::UserPassword { user, password } => {
                Ok(options.user_and_password(user.clone(), password.clone()))
            }
            Credentials::Token(token) => Ok(options.token(token.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_with_known_defects_are_refused() {
        for (version, accepted) in [
            ("2.9.10", false),
            ("2.12.11", false),
            ("2.12.12-RC.1", false),
            ("2.12.12", true),
            ("2.12.40", true),
            ("2.13.9", false),
            ("2.14.2", false),
            ("2.14.3", true),
            ("2.15.2", true),
            ("3.0.0", true),
            ("", false),
            ("newest", false),
        ] {
            let info = async_nats::ServerInfo { version: version.to_owned(), ..Default::default() };
            assert_eq!(check_version(&info).is_ok(), accepted, "{version}");
        }
    }

    #[test]
    fn a_refused_version_says_what_was_found_and_what_is_needed() {
        let info = async_nats::ServerInfo {
            version: "2.9.10".to_owned(),
            server_name: "old-one".to_owned(),
            ..Default::default()
        };
        let message = check_version(&info).unwrap_err().to_string();
        for part in ["old-one", "2.9.10", "2.12.12", "2.14.3"] {
            assert!(message.contains(part), "{part} is missing in: {message}");
        }
    }
}
