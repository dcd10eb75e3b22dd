//! Addresses to listen on, as people write them in options, variables and files.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
};

use serde::{Deserializer, de};

/// A text that is no address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenError;

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this is no address to listen on: write an IP address and a port, as in `127.0.0.1:8080` for this machine alone or \
             `0.0.0.0:8080` for all who reach it; `localhost:8080` and `8080` mean the first",
        )
    }
}

impl std::error::Error for ListenError {}

/// Reads `127.0.0.1:8080`, `[::]:8080`, `localhost:8080`, or a port of the loopback interface alone. Errors: see [`ListenError`].
pub fn parse(text: &str) -> Result<SocketAddr, ListenError> {
    let text = text.trim();
    let port = |port: &str| port.parse().map(loopback);
    text.parse().or_else(|_| port(text.strip_prefix("localhost:").unwrap_or(text))).map_err(|_| ListenError)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The same in a configuration, where a port may be a number. For `#[serde(deserialize_with)]`. Errors: see [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    deserializer.deserialize_any(Listen)
}

/// [`deserialize`] for a field that need not be there; give it `#[serde(default)]` too. Errors: see [`parse`].
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    deserialize(deserializer).map(Some)
}

struct Listen;

impl de::Visitor<'_> for Listen {
    type Value = SocketAddr;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address to listen on, as in \"127.0.0.1:8080\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SocketAddr, E> {
        parse(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, port: i64) -> Result<SocketAddr, E> {
        port.try_into().map(loopback).map_err(|_| E::custom(ListenError))
    }

    fn visit_u64<E: de::Error>(self, port: u64) -> Result<SocketAddr, E> {
        port.try_into().map(loopback).map_err(|_| E::custom(ListenError))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_is_written_as_people_do() {
        for (text, address) in [
            ("127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("0.0.0.0:8080", Some("0.0.0.0:8080")),
            ("[::1]:8080", Some("[::1]:8080")),
            ("localhost:8080", Some("127.0.0.1:8080")),
            ("8080", Some("127.0.0.1:8080")),
            ("0", Some("127.0.0.1:0")),
            ("localhost", None),
            (":8080", None),
            ("80800", None),
            ("gateway.example:8080", None),
        ] {
            assert_eq!(parse(text).ok().map(|address| address.to_string()).as_deref(), address, "{text}");
        }
        assert!(ListenError.to_string().contains("`127.0.0.1:8080`"));
    }
}
