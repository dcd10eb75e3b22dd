//! The table of roles: whoever adds one adds its folder, and its line here.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{accounts, deliver, eraser, groups, index, media, receipts, role::Role};

/// Every role that a configuration can name.
pub const ROLES: &[Role] =
    &[deliver::ROLE, eraser::ROLE, groups::ROLE, index::ROLE, receipts::ROLE, accounts::ROLE, media::ROLE];

/// The names of all roles, for people.
pub(crate) fn names() -> String {
    ROLES.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

/// A text that is no role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleError(String);

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no role; the roles are {}", self.0, names())
    }
}

impl std::error::Error for RoleError {}

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Role, RoleError> {
        ROLES.iter().find(|role| role.as_str() == text).copied().ok_or_else(|| RoleError(text.to_owned()))
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Role, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_named_as_they_are_shown() {
        for role in ROLES {
            assert_eq!(role.to_string().parse(), Ok(*role));
        }
        let error = "Deliver".parse::<Role>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"Deliver\" is no role; the roles are deliver, eraser, groups, index, receipts, accounts, media"
        );
    }
}
