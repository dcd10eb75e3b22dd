//! How a client and a gateway name a log: the one type for it in frames. Inside a region a log is a [`crate::Log`].

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::GroupAddress;

/// A log as a client names it: `mailbox`, or a group's address. In Postcard the mailbox is the empty text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LogName {
    /// The user's own mailbox.
    Mailbox,
    /// A group's log. Shared, since each entry that is given names its log.
    Group(Arc<GroupAddress>),
}

const MAILBOX: &str = "mailbox";

impl LogName {
    /// The log of a group.
    pub fn group(address: GroupAddress) -> LogName {
        LogName::Group(Arc::new(address))
    }
}

/// A text that names no log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no log {0:?}: a log is {MAILBOX:?}, or a group's address such as \"#team\" or \"#team@eu\"")]
pub struct LogNameError(pub String);

impl FromStr for LogName {
    type Err = LogNameError;
    fn from_str(text: &str) -> Result<LogName, LogNameError> {
        match text {
            MAILBOX => Ok(LogName::Mailbox),
            text => text.parse().map(LogName::group).map_err(|_| LogNameError(crate::text::shortened(text))),
        }
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogName::Mailbox => f.write_str(MAILBOX),
            LogName::Group(group) => group.fmt(f),
        }
    }
}

impl Serialize for LogName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            LogName::Mailbox if !serializer.is_human_readable() => serializer.serialize_str(""),
            LogName::Mailbox => serializer.serialize_str(MAILBOX),
            LogName::Group(group) => group.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for LogName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The form in Postcard.
        struct Compact(LogName);
        impl FromStr for Compact {
            type Err = LogNameError;
            fn from_str(text: &str) -> Result<Compact, LogNameError> {
                if text.is_empty() { Ok(Compact(LogName::Mailbox)) } else { text.parse().map(Compact) }
            }
        }
        if deserializer.is_human_readable() {
            crate::text::parsed(deserializer)
        } else {
            crate::text::parsed(deserializer).map(|Compact(log)| log)
        }
    }
}

impl schemars::JsonSchema for LogName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Log".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^(mailbox|#[A-Za-z0-9_-]{1,64}(@[A-Za-z0-9_-]{1,64})?)$",
            "examples": [MAILBOX, "#team", "#team@eu"]
        })
    }
}
