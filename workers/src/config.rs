//! What a worker is told when it starts.

use std::{net::SocketAddr, path::PathBuf};

use dunlin_nats::ConnectOptions;
use dunlin_schema::{Millis, RegionName, listen};
use serde::{Deserialize, Serialize};

use crate::{
    boot::Boot,
    erase::Erase,
    group_limits::GroupLimits,
    media_settings::MediaSettings,
    role::Role,
    roles::{self, ROLES},
};

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
    /// The regions at the other ends of the links that it does it for, for roles whose work is a link.
    pub links: Vec<RegionName>,
    /// How the boot of the machine that stores the shards is known.
    pub boot: Boot,
    /// Where `/metrics`, `/livez` and `/readyz` are served; `None` is nowhere.
    #[serde(deserialize_with = "listen::optional")]
    pub listen: Option<SocketAddr>,
    /// Where roles that keep projections keep them: what can be made again from the log. `None` where no role does.
    pub folder: Option<PathBuf>,
    /// What is erased with a person.
    pub erase: Erase,
    /// What may be said in one group.
    pub groups: GroupLimits,
    /// Where files are kept.
    pub media: MediaSettings,
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
            roles: ROLES.to_vec(),
            shards: None,
            links: Vec::new(),
            boot: Boot::Kernel,
            listen: None,
            folder: None,
            erase: Erase::default(),
            groups: GroupLimits::default(),
            media: MediaSettings::default(),
            stop_within: Millis(5_000),
        }
    }
}

/// Why settings can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Nothing to do.
    #[error("`roles` names no role: name at least one of {}", roles::names())]
    NoRoles,
    /// No shard to do it for.
    #[error("`shards` names no shard: leave it out to work on all of them")]
    NoShards,
    /// A boot that can't change.
    #[error("`boot.given` is empty: name the boot of the machine that stores the shards, or use `kernel`")]
    NoBoot,
    /// A role keeps a projection, and there is no place for it.
    #[error("the role {0} keeps a projection: set `folder`")]
    NoFolder(Role),
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

    /// Whether the settings fit together and every role has what it needs, which whoever only makes streams has no use for. Errors: see
    /// [`ConfigError`].
    pub fn check_to_work(&self) -> Result<(), ConfigError> {
        self.check()?;
        match self.roles.iter().find(|role| role.needs().folder && self.folder.is_none()) {
            Some(role) => Err(ConfigError::NoFolder(*role)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index;

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
    fn a_role_that_keeps_a_projection_does_not_work_without_a_folder() {
        let of = |roles: &[Role], folder: Option<&str>| Config {
            roles: roles.to_vec(),
            folder: folder.map(PathBuf::from),
            ..Config::default()
        };
        let others: Vec<Role> = ROLES.iter().copied().filter(|role| *role != index::ROLE).collect();
        for (config, expected) in [
            (of(ROLES, Some("/var/lib/dunlin")), Ok(())),
            (of(ROLES, None), Err(ConfigError::NoFolder(index::ROLE))),
            (of(&[index::ROLE], None), Err(ConfigError::NoFolder(index::ROLE))),
            (of(&others, None), Ok(())),
            (of(&[], None), Err(ConfigError::NoRoles)),
        ] {
            assert_eq!(config.check_to_work(), expected, "{config:?}");
        }
    }
}
