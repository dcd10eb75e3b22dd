//! What an operator chooses for a gateway: one struct a concern, defaults beside it, checked before anything binds.

mod tokens;

use std::{net::SocketAddr, path::PathBuf};

use dunlin_nats::ConnectOptions;
use dunlin_schema::{Millis, RegionName, limits, listen};
use serde::Deserialize;

pub use crate::session::SentCopies;
pub use tokens::{Issuer, Tokens, UserMap};

/// A gateway's configuration. Every field has a default but `tokens.keys`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where HTTP and WebSockets are served. Port 0 takes a free one: see [`crate::Server::local_addr`].
    #[serde(default = "default_listen", deserialize_with = "listen::deserialize")]
    pub listen: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are served, and nothing else; `None`: where clients are.
    #[serde(default, deserialize_with = "listen::optional")]
    pub internal_listen: Option<SocketAddr>,
    /// The region whose users connect here.
    #[serde(default = "default_region")]
    pub region: RegionName,
    /// How the region's NATS is reached.
    #[serde(default)]
    pub nats: ConnectOptions,
    /// Which tokens are trusted.
    pub tokens: Tokens,
    /// The bounds of users and connections.
    #[serde(default)]
    pub limits: Limits,
    /// Whether a sender's own mailbox gets a copy of what it sends.
    #[serde(default)]
    pub sent_copies: SentCopies,
    /// The span, in milliseconds, over which the sockets of a gateway that shuts down are told to go elsewhere.
    #[serde(default = "default_drain")]
    pub drain: Millis,
    /// The origins whose pages may connect, such as `https://chat.example`. Empty: every origin, since a token never comes by itself
    /// as a cookie does. A request without an `Origin` header is no browser's and is always let in.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Where a browser is sent that asks for `/`; `None`: nowhere, it is told what this is.
    #[serde(default)]
    pub page: Option<String>,
    /// Where files are.
    #[serde(default)]
    pub media: MediaSettings,
}

/// Where a key set is. It is shown without what may be secret in a URL.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum KeySource {
    /// A file of this machine.
    File(PathBuf),
    /// A web server's answer.
    Url(reqwest::Url),
}

/// The bounds of users and connections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Sends a second of one user.
    pub sends_per_second: u32,
    /// Sends of one user at once.
    pub sends_burst: u32,
    /// New connections a second of one user.
    pub connects_per_second: u32,
    /// New connections of one user at once.
    pub connects_burst: u32,
    /// Sockets that are open at once; further ones are answered 503.
    pub connections: usize,
}

/// Where files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaSettings {
    /// The folder that the media workers have as well; `None` where they have a bucket, or there are none.
    pub directory: Option<PathBuf>,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            sends_per_second: limits::SENDS_PER_SECOND,
            sends_burst: limits::SENDS_BURST,
            connects_per_second: 5,
            connects_burst: 2 * limits::DEVICES as u32,
            connections: 250_000,
        }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_region() -> RegionName {
    RegionName::new("local").expect("`local` is a name")
}

fn default_drain() -> Millis {
    Millis(10_000)
}

impl Config {
    /// A configuration of nothing but defaults, with tokens that the key set `keys` signs.
    pub fn new(keys: KeySource) -> Config {
        Config {
            listen: default_listen(),
            internal_listen: None,
            region: default_region(),
            nats: ConnectOptions::default(),
            tokens: Tokens::new(keys),
            limits: Limits::default(),
            sent_copies: SentCopies::default(),
            drain: default_drain(),
            origins: Vec::new(),
            page: None,
            media: MediaSettings::default(),
        }
    }

    /// Whether a gateway can be made of this. [`crate::Server::bind`] asks it before it does anything. Errors: what is wrong, and
    /// what would be right.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |field, why: String| Err(ConfigError { field, why });
        let limits = &self.limits;
        for (field, value) in [
            ("limits.sends_per_second", limits.sends_per_second),
            ("limits.connects_per_second", limits.connects_per_second),
        ] {
            if value == 0 {
                return wrong(field, "it must be at least 1".to_owned());
            }
        }
        for (field, burst, rate, value) in [
            ("limits.sends_burst", "limits.sends_per_second", limits.sends_per_second, limits.sends_burst),
            ("limits.connects_burst", "limits.connects_per_second", limits.connects_per_second, limits.connects_burst),
        ] {
            if value < rate {
                return wrong(field, format!("{value} is below `{burst}`, which is {rate}"));
            }
        }
        if limits.connections == 0 {
            return wrong("limits.connections", "it must be at least 1".to_owned());
        }
        self.tokens.check()?;
        if self.drain > MAX_DRAIN {
            return wrong("drain", format!("it must be at most {} ms", MAX_DRAIN.0));
        }
        if let Some(page) = self.page.as_deref().filter(|page| !is_page(page)) {
            return wrong("page", format!("{page:?} is no `https://` or `http://` URL in ASCII"));
        }
        match self.origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => wrong(
                "origins",
                format!(
                    "{origin:?} is no origin: write scheme and host, and a port where it is not the scheme's own, as in `https://chat.example` or \
                     `capacitor://localhost`"
                ),
            ),
            None => Ok(()),
        }
    }
}

const MAX_DRAIN: Millis = Millis(10 * 60 * 1_000);

/// Whether a browser can be sent there.
fn is_page(text: &str) -> bool {
    text.is_ascii() && reqwest::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

/// Whether a browser could say `text` in its `Origin` header (RFC 6454, section 6.1).
fn is_origin(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| match url.origin().is_tuple() {
        true => url.origin().ascii_serialization() == text,
        // The pages of an app have a scheme of their own, and nothing that could stand behind the host.
        false => url.scheme() != "file" && url.host().is_some() && url.as_str() == text && is_host_alone(&url),
    })
}

fn is_host_alone(url: &reqwest::Url) -> bool {
    let user = !url.username().is_empty() || url.password().is_some();
    !user && url.path().is_empty() && url.query().is_none() && url.fragment().is_none()
}

/// A configuration that can't work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the gateway's `{field}`: {why}")]
pub struct ConfigError {
    /// The field, as in the configuration file.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

/// A text that is neither a path nor a URL that a key set can be fetched from. It is not shown: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key set is a path, or an `https://` or `http://` URL, and this is neither")]
pub struct KeySourceError;

impl TryFrom<String> for KeySource {
    type Error = KeySourceError;
    fn try_from(text: String) -> Result<KeySource, KeySourceError> {
        match text.split_once("://") {
            Some(("http" | "https", _)) => match reqwest::Url::parse(&text) {
                Ok(url) => Ok(KeySource::Url(url)),
                Err(_) => Err(KeySourceError),
            },
            Some(("file", path)) if path.starts_with('/') => Ok(KeySource::File(path.into())),
            Some(_) => Err(KeySourceError),
            None if text.is_empty() => Err(KeySourceError),
            None => Ok(KeySource::File(text.into())),
        }
    }
}

impl std::str::FromStr for KeySource {
    type Err = KeySourceError;
    fn from_str(text: &str) -> Result<KeySource, KeySourceError> {
        KeySource::try_from(text.to_owned())
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeySource({self})")
    }
}

impl std::fmt::Display for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            KeySource::File(path) => path.display().fmt(f),
            KeySource::Url(url) => shown(url).fmt(f),
        }
    }
}

/// A URL without what may be secret in it: user, password and query.
fn shown(url: &reqwest::Url) -> reqwest::Url {
    let mut shown = url.clone();
    // Both only fail where there is no host, and then there is no user either.
    let _ = (shown.set_username(""), shown.set_password(None));
    shown.set_query(None);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config::new(KeySource::File("keys.json".into()))
    }

    #[test]
    fn refuses_what_cannot_work_and_names_the_field() {
        type Spoil = fn(&mut Config);
        let cases: [(&str, Spoil); 8] = [
            ("limits.sends_per_second", |c| c.limits.sends_per_second = 0),
            ("limits.sends_burst", |c| c.limits.sends_burst = c.limits.sends_per_second - 1),
            ("limits.connects_per_second", |c| c.limits.connects_per_second = 0),
            ("limits.connections", |c| c.limits.connections = 0),
            ("drain", |c| c.drain = Millis(3_600_000)),
            ("origins", |c| c.origins.push("chat.example".to_owned())),
            ("page", |c| c.page = Some("chat.example".to_owned())),
            ("page", |c| c.page = Some("javascript:alert(1)".to_owned())),
        ];
        assert_eq!(config().check(), Ok(()));
        for (field, spoil) in cases {
            let mut config = config();
            spoil(&mut config);
            assert_eq!(config.check().map_err(|error| error.field), Err(field));
        }
    }

    #[test]
    fn tells_paths_from_urls() {
        let url = |text: &str| KeySource::Url(text.parse().unwrap());
        for (text, source) in [
            ("keys.json", Some(KeySource::File("keys.json".into()))),
            ("/etc/dunlin/keys.json", Some(KeySource::File("/etc/dunlin/keys.json".into()))),
            ("file:///etc/keys.json", Some(KeySource::File("/etc/keys.json".into()))),
            ("https://id.example/jwks", Some(url("https://id.example/jwks"))),
            ("ftp://id.example/jwks", None),
            ("https://", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), source, "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_in_the_url_of_a_key_set_is_not_shown() {
        let source: KeySource = "https://dunlin:s3cr3t@id.example/jwks?key=s3cr3t".parse().unwrap();
        assert_eq!(source.to_string(), "https://id.example/jwks");
        assert_eq!(format!("{source:?}"), "KeySource(https://id.example/jwks)");
        assert!(!"ftp://dunlin:s3cr3t@id.example".parse::<KeySource>().unwrap_err().to_string().contains("s3cr3t"));
    }

    #[test]
    fn takes_only_what_a_browser_says_as_an_origin() {
        for (origin, ok) in [
            ("https://chat.example", true),
            ("http://localhost:3000", true),
            ("https://chat.example/", false),
            ("https://chat.example:443", false),
            ("chat.example", false),
            ("null", false),
            ("capacitor://localhost", true),
            ("tauri://localhost", true),
            ("app://dunlin:8080", true),
            ("capacitor://localhost/", false),
            ("capacitor://localhost?a", false),
            ("capacitor://user@localhost", false),
            ("capacitor:localhost", false),
            ("file:///index.html", false),
        ] {
            assert_eq!(is_origin(origin), ok, "{origin}");
        }
    }
}
