//! How to reach NATS, and whom to accept there.

mod credentials;
pub(crate) mod failure;
mod files;
mod servers;
mod tls;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dunlin_schema::limits;
use rand::{Rng, seq::SliceRandom};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

pub(crate) use self::files::Files;
pub use self::{credentials::Credentials, tls::Tls};

/// How often a server is asked whether it is there. Of `async-nats` two unanswered pings make a connection dead, of a line one.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);
/// How long one server may take to let us in.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The longest pause between two tries to connect again.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How to reach NATS. Its `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConnectOptions {
    /// Servers to try: `nats://host:4222`, `tls://host:4222`. Any of a cluster will do.
    #[serde(deserialize_with = "servers::read")]
    pub servers: Vec<String>,
    /// Who this process is; `None` where the servers ask for nobody.
    pub credentials: Option<Credentials>,
    /// TLS.
    pub tls: Tls,
    /// The name that the servers' monitoring shows.
    pub name: String,
    /// What answers are addressed to: `_INBOX` and a name of the role, so that permissions can keep roles from reading each other's
    /// answers.
    pub inbox_prefix: String,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConnectOptions { servers, credentials, tls, name, inbox_prefix } = self;
        let servers: Vec<_> = servers.iter().map(|server| servers::without_secrets(server)).collect();
        f.debug_struct("ConnectOptions")
            .field("servers", &servers)
            .field("credentials", credentials)
            .field("tls", tls)
            .field("name", name)
            .field("inbox_prefix", inbox_prefix)
            .finish()
    }
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
    #[error("no NATS server of {servers:?} let us in: {reason}. {advice}")]
    Refused {
        /// The servers tried.
        servers: Vec<String>,
        /// What it said.
        reason: String,
        /// What to do about it.
        advice: String,
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
    /// Messages that wait in one subscription; more are dropped and counted as a loss. Room is only taken when it is used.
    pub(crate) subscription_capacity: usize,
}

impl ConnectOptions {
    /// Looks at the settings and at the files they name, and asks nobody. Errors: [`ConnectError::Options`].
    pub async fn check(&self) -> Result<(), ConnectError> {
        self.who().await.map(drop)
    }

    /// The same, with the words for as whom we come, where we come as somebody.
    pub(crate) async fn who(&self) -> Result<Option<String>, ConnectError> {
        self.with_files().await.map(|(_, who)| who)
    }

    /// Whether a server without TLS is refused. A cluster names its other servers without a scheme: whoever wants TLS of the first wants
    /// it of them.
    pub(crate) fn tls_required(&self) -> bool {
        self.tls.required || tls::by_scheme(&self.servers)
    }

    /// The same with the servers of the cluster behind those that are named: whoever was told of one may need another when it is gone.
    /// `addresses` are as a server tells them, without a scheme.
    pub(crate) fn with_cluster(&self, addresses: &[String]) -> ConnectOptions {
        let scheme = if tls::by_scheme(&self.servers) { "tls" } else { "nats" };
        let mut servers = self.servers.clone();
        for address in addresses {
            let server = format!("{scheme}://{address}");
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        ConnectOptions { servers, ..self.clone() }
    }

    /// Begins with what stands in the files that the settings name, and says in words as whom we come.
    async fn with_files(&self) -> Result<(async_nats::ConnectOptions, Option<String>), ConnectError> {
        servers::check(&self.servers)?;
        let (options, who) = match &self.credentials {
            Some(credentials) => {
                // Read here too, so that what is wrong with them is said at once.
                let who = credentials.read().await?.who;
                (credentials.clone().at_each_dial(), Some(who))
            }
            None => (async_nats::ConnectOptions::new(), None),
        };
        Ok((self.tls.add_to(options)?.require_tls(self.tls_required()), who))
    }

    /// Opens a connection, with `events` told what happens to it. Checks the server's version.
    pub(crate) async fn dial<E>(&self, purpose: Purpose, events: E) -> Result<async_nats::Client, ConnectError>
    where
        E: Fn(async_nats::Event) + Send + Sync + 'static,
    {
        let opened = Arc::new(AtomicBool::new(false));
        let waits = opened.clone();
        let mut servers = self.servers.clone();
        servers.shuffle(&mut rand::rng());
        let (options, who) = self.with_files().await?;
        let options = options
            .name(format!("{}{}", self.name, purpose.suffix))
            .custom_inbox_prefix(&self.inbox_prefix)
            .ping_interval(PING_EVERY)
            .connection_timeout(CONNECT_TIMEOUT)
            .subscription_capacity(purpose.subscription_capacity)
            .request_timeout(Some(Duration::from_millis(limits::PUBLISH_TIMEOUT.0)))
            // Subjects come from `schema`, whose names can't break one.
            .skip_subject_validation(true)
            .reconnect_delay_callback(move |attempt| {
                // Somebody waits for the first connection.
                if waits.load(Ordering::Relaxed) { pause(attempt) } else { Duration::ZERO }
            })
            .event_callback(move |event| {
                events(event);
                std::future::ready(())
            });
        let connected = options.connect(&servers[..]).await;
        let client = connected.map_err(|error| failure::told(&self.servers, who.as_deref(), &error))?;
        opened.store(true, Ordering::Relaxed);
        check_version(&client.server_info())?;
        Ok(client)
    }
}

/// Full jitter below a bound that doubles: many that lost the same server do not come back at once.
pub(crate) fn pause(attempt: usize) -> Duration {
    let bound = Duration::from_millis(50).saturating_mul(1 << attempt.min(10)).min(RECONNECT_PAUSE_MAX);
    rand::rng().random_range(Duration::ZERO..bound)
}

pub(crate) fn check_version(server: &async_nats::ServerInfo) -> Result<(), ConnectError> {
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
    fn the_servers_of_a_cluster_come_behind_the_named_ones_and_are_no_less_secret() {
        let addresses = ["a:1".to_owned(), "b:2".to_owned()];
        for (named, all) in [
            (&["nats://a:1"][..], &["nats://a:1", "nats://b:2"][..]),
            (&["tls://b:2"], &["tls://b:2", "tls://a:1"]),
            (&["nats://c:3", "tls://a:1"], &["nats://c:3", "tls://a:1", "nats://a:1", "nats://b:2"]),
        ] {
            let servers = named.iter().map(|&server| server.to_owned()).collect();
            let options = ConnectOptions { servers, ..ConnectOptions::default() };
            assert_eq!(options.with_cluster(&addresses).servers, all);
        }
    }

    #[tokio::test]
    async fn servers_that_can_t_be_used_are_refused_by_their_place_and_without_their_secrets() {
        for (server, says) in [
            ("nats://dunlin:s3cr3t@host", "credentials.user_password"),
            ("nats://s3cr3t@host:4222", "credentials.token"),
            ("tls://dunlin:s3cr3t@host:not-a-port", "`credentials"),
            ("dunlin:s3cr3t@host", "`credentials"),
            ("dunlin:s3cr3t@a@host", "`credentials"),
            ("ws://host:8080", "wss://"),
            ("wss://host", "wss://"),
            ("http://host", "nats://host:4222"),
            ("nats://host:not-a-port", "nats://host:4222"),
            ("nats://", "nats://host:4222"),
        ] {
            let servers = vec!["nats://fine:4222".to_owned(), server.to_owned()];
            let options = ConnectOptions { servers, ..ConnectOptions::default() };
            let error = options.check().await.expect_err(server);
            for told in [error.to_string(), format!("{error:?}"), format!("{options:?}")] {
                assert!(!told.contains("s3cr3t"), "{told}");
            }
            let told = error.to_string();
            assert!(told.contains("`servers`: address 2") && told.contains(says), "{told}");
        }
        for server in ["nats://host:4222", "tls://host", "host", "host:4222", "nats://[::1]:4222", "127.0.0.1"] {
            let options = ConnectOptions { servers: vec![server.to_owned()], ..ConnectOptions::default() };
            options.check().await.expect(server);
        }
    }

    #[test]
    fn no_secret_is_among_what_a_developer_is_shown() {
        let secret = "s3cr3t".to_owned();
        for credentials in [
            Credentials::UserPassword { user: "dunlin".to_owned(), password: secret.clone() },
            Credentials::Token(secret.clone()),
        ] {
            let options = ConnectOptions { credentials: Some(credentials), ..ConnectOptions::default() };
            assert!(!format!("{options:?}").contains(&secret), "{options:?}");
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
