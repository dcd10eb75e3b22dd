//! Who may do what in a group.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Open, text::named};

/// What a member is in a group. A greater one may do all that a lesser one may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum GroupRole {
    /// Reads, and writes where the group's settings let members write.
    Member,
    /// Adds and removes members, deletes messages, changes the title and the settings.
    Admin,
    /// Also says who is an admin or an owner, and deletes the group. A group has at least one owner.
    Owner,
}

impl GroupRole {
    /// Every role, the least first.
    pub const ALL: &[GroupRole] = &[GroupRole::Member, GroupRole::Admin, GroupRole::Owner];

    /// The role as clients see it.
    pub fn name(self) -> &'static str {
        match self {
            GroupRole::Member => "member",
            GroupRole::Admin => "admin",
            GroupRole::Owner => "owner",
        }
    }
}

impl fmt::Display for GroupRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of member, admin and owner")]
pub struct GroupRoleError;

named!(GroupRole, GroupRoleError);

/// Which members may do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, schemars::JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum WhoMay {
    /// Every member.
    Members,
    /// Admins and owners.
    Admins,
}

impl WhoMay {
    /// Every choice.
    pub const ALL: &[WhoMay] = &[WhoMay::Members, WhoMay::Admins];

    /// What it is called on the wire.
    pub fn name(self) -> &'static str {
        match self {
            WhoMay::Members => "members",
            WhoMay::Admins => "admins",
        }
    }

    /// Whether a member of this role may. Of a choice that only a newer release knows, admins may.
    pub fn lets(this: &Open<WhoMay>, role: GroupRole) -> bool {
        match this {
            Open::Known(WhoMay::Members) => true,
            Open::Known(WhoMay::Admins) | Open::Unknown(_) => role >= GroupRole::Admin,
        }
    }
}

impl fmt::Display for WhoMay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that is no such choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is one of members and admins")]
pub struct WhoMayError;

named!(WhoMay, WhoMayError);

/// What a group has decided about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupSettings {
    /// Who may add members.
    pub who_may_add: Open<WhoMay>,
    /// Who may write messages.
    pub who_may_write: Open<WhoMay>,
    /// Whether those who join see what was written before.
    pub history: bool,
}

impl Default for GroupSettings {
    fn default() -> GroupSettings {
        GroupSettings { who_may_add: WhoMay::Admins.into(), who_may_write: WhoMay::Members.into(), history: false }
    }
}

/// How settings are to be: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct GroupSettingsChange {
    /// Who may add members.
    #[serde(default)]
    pub who_may_add: Option<WhoMay>,
    /// Who may write messages.
    #[serde(default)]
    pub who_may_write: Option<WhoMay>,
    /// Whether those who join see what was written before.
    #[serde(default)]
    pub history: Option<bool>,
}

impl GroupSettingsChange {
    /// The settings as they are then.
    pub fn of(&self, settings: &GroupSettings) -> GroupSettings {
        let Self { who_may_add, who_may_write, history } = self;
        GroupSettings {
            who_may_add: who_may_add.map_or_else(|| settings.who_may_add.clone(), Open::Known),
            who_may_write: who_may_write.map_or_else(|| settings.who_may_write.clone(), Open::Known),
            history: history.unwrap_or(settings.history),
        }
    }
}
