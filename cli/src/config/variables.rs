//! Variables whose names begin with `DUNLIN_`: which are keys of a configuration, and which an orchestrator has set.
//!
//! Kubernetes and Docker name variables after services and containers. A service called `dunlin-gateway` gives every pod beside it a
//! `DUNLIN_GATEWAY_PORT=tcp://10.0.0.1:8080`. Name and value together show whose a variable is: a `DUNLIN_PORT=8080` was written by a
//! person.

use std::net::IpAddr;

use super::tree::{Node, Place, Table, put};

const PREFIX: &str = "DUNLIN_";

/// Variables that begin like keys of a configuration and are something else: options of the command itself, and what its tests use.
const OPTIONS: &[&str] = &["LOG", "LOG_FORMAT", "DATA", "URL", "TOKEN", "NATS_SERVER"];

/// The keys that variables set. Errors: a value is no text.
pub(super) fn table(all: impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)>) -> Result<Table, String> {
    let mut ours = Vec::new();
    for (name, value) in all {
        let Ok(name) = name.into_string() else { continue };
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        if OPTIONS.contains(&key) {
            continue;
        }
        let value = value.into_string().map_err(|_| format!("the variable {name} is no UTF-8 text"))?;
        // A secret that was written with `echo` ends with a line break, which nobody means.
        ours.push((name, value.trim_end_matches(['\r', '\n']).to_owned()));
    }
    ours.sort();
    // Beside a link's name, Docker sets what its container was given: `DUNLIN_ENV_PATH`.
    let links = ours.iter().filter(|(name, value)| names_a_link(name, value));
    let links: Vec<_> = links.filter_map(|(name, _)| Some(format!("{}_ENV_", name.strip_suffix("_NAME")?))).collect();
    ours.retain(|(name, value)| {
        let is_of_a_link = links.iter().any(|link| name.starts_with(link));
        !is_of_a_link && !is_of_an_orchestrator(name, value)
    });
    let mut table = Table::new();
    for (name, value) in ours {
        let key = name[PREFIX.len()..].to_ascii_lowercase();
        let path: Vec<&str> = key.split("__").collect();
        put(&mut table, &path, Node::Untyped(value, Place::Variable(name.as_str().into())));
    }
    Ok(table)
}

/// Whether Kubernetes (for a service) or Docker (for a link) sets such a variable.
fn is_of_an_orchestrator(name: &str, value: &str) -> bool {
    let is_port = || value.parse::<u16>().is_ok();
    let is_address = || value.parse::<IpAddr>().is_ok();
    let is_endpoint = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_protocol = || ["tcp", "udp", "sctp"].contains(&value);
    // A service's or container's name does not end with a dash, so what comes before the suffix does not end with an underscore.
    let ends = |suffix: &str| name.strip_suffix(suffix).is_some_and(|service| !service.ends_with('_'));
    if ends("_SERVICE_HOST") {
        return is_address();
    }
    if ends("_SERVICE_PORT") || name.contains("_SERVICE_PORT_") {
        return is_port();
    }
    if let Some((_, port)) = name.split_once("_PORT_") {
        // `8080_TCP`, or one of its parts: `8080_TCP_ADDR`.
        return match port.split('_').collect::<Vec<_>>()[..] {
            [number, "TCP" | "UDP" | "SCTP", ref part @ ..] if number.parse::<u16>().is_ok() => match part {
                [] => is_endpoint(),
                ["ADDR"] => is_address(),
                ["PORT" | "START" | "END"] => is_port() || is_endpoint(),
                ["PORT", "START" | "END"] => is_port(),
                ["PROTO"] => is_protocol(),
                _ => false,
            },
            _ => false,
        };
    }
    if ends("_PORT") {
        return is_endpoint();
    }
    names_a_link(name, value)
}

/// Docker names a link's container by the path of its names: `DUNLIN_NATS_NAME=/web/dunlin-nats`.
fn names_a_link(name: &str, value: &str) -> bool {
    let is_name = name.strip_suffix("_NAME").is_some_and(|link| !link.ends_with('_'));
    let path = value.strip_prefix('/').and_then(|path| path.split_once('/'));
    is_name && path.is_some_and(|(container, link)| !container.is_empty() && !link.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(variables: &[(&str, &str)]) -> Vec<String> {
        let all = variables.iter().map(|(name, value)| (name.into(), value.into()));
        table(all).unwrap().into_keys().collect()
    }

    #[test]
    fn what_an_orchestrator_sets_is_not_ours() {
        for (name, value) in [
            ("DUNLIN_PORT", "tcp://10.0.0.1:8080"),
            ("DUNLIN_SERVICE_HOST", "10.0.0.1"),
            ("DUNLIN_GATEWAY_SERVICE_HOST", "fd00::1"),
            ("DUNLIN_GATEWAY_SERVICE_PORT", "8080"),
            ("DUNLIN_GATEWAY_SERVICE_PORT_HTTP_METRICS", "9090"),
            ("DUNLIN_GATEWAY_PORT", "udp://10.0.0.1:8080"),
            ("DUNLIN_GATEWAY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("DUNLIN_GATEWAY_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("DUNLIN_GATEWAY_PORT_8080_TCP_PORT", "8080"),
            ("DUNLIN_GATEWAY_PORT_8080_TCP_PROTO", "tcp"),
            ("DUNLIN__GATEWAY_SERVICE_HOST", "10.0.0.1"),
            ("DUNLIN_NATS_1_PORT_4222_TCP_PORT_START", "4222"),
            ("DUNLIN_NATS_NAME", "/web/dunlin-nats"),
        ] {
            assert_eq!(keys(&[(name, value)]), [""; 0], "{name}={value}");
        }
    }

    #[test]
    fn what_a_linked_container_was_given_is_not_ours() {
        let given = ("DUNLIN_NATS_ENV_PATH", "/bin");
        assert_eq!(keys(&[given, ("DUNLIN_NATS_NAME", "/web/dunlin-nats")]), [""; 0]);
        assert_eq!(keys(&[given]), ["nats_env_path"], "nobody says that there is a link");
    }

    #[test]
    fn what_a_person_wrote_is_ours_also_where_it_is_misspelt() {
        for (name, value, key) in [
            ("DUNLIN_PORT", "8080", "port"),
            ("DUNLIN_SERVICE_HOST", "gateway.example", "service_host"),
            ("DUNLIN_LISTEN_PORT", "8080", "listen_port"),
            ("DUNLIN_LISSEN", "127.0.0.1:1", "lissen"),
            ("DUNLIN_PORT_HTTP", "8080", "port_http"),
            ("DUNLIN_NATS__NAME", "/web/nats", "nats"),
            ("DUNLIN_NATS_NAME", "web", "nats_name"),
            ("DUNLIN_REGION", "eu", "region"),
        ] {
            assert_eq!(keys(&[(name, value)]), [key], "{name}={value}");
        }
        assert_eq!(keys(&[("DUNLIN_LOG", "info"), ("DUNLIN_TOKEN", "eyJ"), ("HOME", "/"), ("DUNLINE", "1")]), [""; 0]);
    }
}
