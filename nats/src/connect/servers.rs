//! The addresses of servers, as an operator writes them. What is secret about one is never shown.

use serde::{Deserialize, Deserializer, de::Error};

use super::ConnectError;

/// The servers of a configuration, refused where they are written. Errors: which of them is no address.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let servers = Vec::deserialize(deserializer)?;
    check(&servers).map_err(D::Error::custom)?;
    Ok(servers)
}

/// Refuses addresses that can't be used. Errors: the first of them, by its place.
pub(super) fn check(servers: &[String]) -> Result<(), ConnectError> {
    if servers.is_empty() {
        return Err(ConnectError::Options("no server is named".to_owned()));
    }
    for (index, server) in servers.iter().enumerate() {
        check_one(server).map_err(|why| {
            ConnectError::Options(format!("`servers`: address {} ({}) {why}", index + 1, without_secrets(server)))
        })?;
    }
    Ok(())
}

fn check_one(server: &str) -> Result<(), String> {
    if server.contains('@') {
        let place = "`credentials.user_password` or `credentials.token`";
        return Err(format!("says who we are: that belongs in {place}, where it is never shown"));
    }
    // The error itself may quote the address.
    let address: async_nats::ServerAddr =
        server.parse().map_err(|_| "is none: write it like nats://host:4222".to_owned())?;
    if address.is_websocket() {
        return Err(
            "begins with ws:// or wss://: NATS over WebSocket is not supported, use nats:// or tls://".to_owned()
        );
    }
    if address.host().is_empty() {
        return Err("names no host: write it like nats://host:4222".to_owned());
    }
    Ok(())
}

/// An address without what stands before its host.
pub(super) fn without_secrets(server: &str) -> String {
    match (server.split_once("://"), server.rsplit_once('@')) {
        (_, None) => server.to_owned(),
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        (None, Some((_, host))) => format!("…@{host}"),
    }
}
