//! What a worker is told when it starts.

use std::{fmt, net::SocketAddr, str::FromStr};

use dunlin_nats::ConnectOptions;
use dunlin_schema::{Millis, RegionName};
use serde::{Deserialize, Serialize};

use crate::boot::Boot;

/// A worker's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How to reach the region's NATS.
    pub nats: ConnectOptions,
    /// The region whose shards are worked on.
    pub region: RegionName,
    /// What this process does.
    pub roles: Vec<Role>,
    /// The shards it does it for; `None` is all of them. Any number of workers may name the same shard: one works, the others stand by.
    pub shards: Option<Vec<u16>>,
    /// How the boot of the machine that stores the shards is known.
    pub boot: Boot,
    /// Where `/metrics`, `/livez` and `/readyz` are served; `None` is nowhere.
    pub listen: Option<SocketAddr>,
    /// How long an end may take: positions are saved and shards handed over within it.
    pub stop_within: Millis,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            nats: ConnectOptions {
                name: "dunlin-worker".to_owned(),
                inbox_prefix: "_INBOX.wk".to_owned(),
                ..ConnectOptions::default()
            },
            region: RegionName::new("local").expect("a name of five letters"),
            roles: vec![Role::Deliver, Role::Receipts],
            shards: None,
            boot: Boot::Kernel,
            listen: None,
            stop_within: Millis(5_000),
        }
    }
}

/// Why settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing to do.
    #[error("`roles` names no role: name at least one of deliver, receipts")]
    NoRoles,
    /// No shard to do it for.
    #[error("`shards` names no shard: leave it out to work on all of them")]
    NoShards,
    /// A boot that can't change.
    #[error("`boot.given` is empty: name the boot of the machine that stores the shards, or use `kernel`")]
    NoBoot,
}

impl Config {
    /// Whether the settings fit together. Errors: see [`ConfigError`].
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.roles.is_empty() {
            return Err(ConfigError::NoRoles);
        }
        if self.shards.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoShards);
        }
        if matches!(&self.boot, Boot::Given(boot) if boot.is_empty()) {
            return Err(ConfigError::NoBoot);
        }
        Ok(())
    }
}

/// What a worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Publishes mailbox entries to whoever is connected.
    Deliver,
    /// Stores what devices acknowledge.
    Receipts,
}

impl Role {
    /// The role's name in subjects, settings and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Deliver => "deliver",
            Role::Receipts => "receipts",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no role; the roles are deliver and receipts")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Role, RoleError> {
        match text {
            "deliver" => Ok(Role::Deliver),
            "receipts" => Ok(Role::Receipts),
            _ => Err(RoleError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_would_do_nothing_are_refused() {
        let cases = [
            (Config::default(), Ok(())),
            (Config { roles: vec![], ..Config::default() }, Err(ConfigError::NoRoles)),
            (Config { shards: Some(vec![]), ..Config::default() }, Err(ConfigError::NoShards)),
            (Config { boot: Boot::Given(String::new()), ..Config::default() }, Err(ConfigError::NoBoot)),
        ];
        for (config, expected) in cases {
            assert_eq!(config.check(), expected, "{config:?}");
        }
    }

    #[test]
    fn roles_are_named_as_they_are_shown() {
        for role in [Role::Deliver, Role::Receipts] {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert_eq!("Deliver".parse::<Role>(), Err(RoleError("Deliver".to_owned())));
    }
}
