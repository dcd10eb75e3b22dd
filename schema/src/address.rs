//! What a message is sent to, and who sent it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{GroupName, RegionName, UserName, name::NameError};

/// A user or a group, without its region: who owns a log. Inside a region this is how heads, records and receipts name one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peer {
    /// A user: `alice`.
    User(UserName),
    /// A group: `#team`.
    Group(GroupName),
}

impl Peer {
    /// The bare name, without `#`.
    pub fn as_str(&self) -> &str {
        match self {
            Peer::User(user) => user.as_str(),
            Peer::Group(group) => group.as_str(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::User(user) => write!(f, "{user}"),
            Peer::Group(group) => write!(f, "#{group}"),
        }
    }
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The name before `@` is none.
    #[error("in the address: {0}")]
    Name(NameError),
    /// The region after `@` is none.
    #[error("in the address's region: {0}")]
    Region(NameError),
    /// A user's address, where only a group's fits.
    #[error("a group's address begins with #")]
    NoGroup,
}

/// What a message is sent to: `alice`, `alice@eu`, `#team` or `#team@eu`. No region means the sender's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The user or group.
    pub peer: Peer,
    /// Its region; `None` is the region of whoever says the address.
    pub region: Option<RegionName>,
}

impl Address {
    /// A user of one's own region.
    pub fn local(user: UserName) -> Address {
        Address { peer: Peer::User(user), region: None }
    }

    /// The address as a reader in `region` says it: its own region is left out.
    pub fn seen_from(mut self, region: &RegionName) -> Address {
        if self.region.as_ref() == Some(region) {
            self.region = None;
        }
        self
    }

    /// The address with its region spelled out, `region` being that of whoever said it.
    pub fn said_in(mut self, region: &RegionName) -> Address {
        self.region.get_or_insert_with(|| region.clone());
        self
    }
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (peer, region) = match text.split_once('@') {
            Some((peer, region)) => (peer, Some(RegionName::new(region).map_err(AddressError::Region)?)),
            None => (text, None),
        };
        let peer = match peer.strip_prefix('#') {
            Some(group) => GroupName::new(group).map(Peer::Group),
            None => UserName::new(peer).map(Peer::User),
        };
        Ok(Address { peer: peer.map_err(AddressError::Name)?, region })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(f, "{}@{region}", self.peer),
            None => self.peer.fmt(f),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for Address {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Address".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^#?[A-Za-z0-9_-]{1,64}(@[A-Za-z0-9_-]{1,64})?$",
            "examples": ["alice", "alice@eu", "#team", "#team@eu"]
        })
    }
}

/// A group as a client names it: `#team`, or `#team@eu`. No region means the client's own.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupAddress {
    /// The group.
    pub group: GroupName,
    /// Its region; `None` is the region of whoever says the address.
    pub region: Option<RegionName>,
}

impl From<GroupAddress> for Address {
    fn from(GroupAddress { group, region }: GroupAddress) -> Address {
        Address { peer: Peer::Group(group), region }
    }
}

impl FromStr for GroupAddress {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Address { peer, region } = text.parse()?;
        match peer {
            Peer::Group(group) => Ok(GroupAddress { group, region }),
            Peer::User(_) => Err(AddressError::NoGroup),
        }
    }
}

impl fmt::Display for GroupAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(f, "#{}@{region}", self.group),
            None => write!(f, "#{}", self.group),
        }
    }
}

impl fmt::Debug for GroupAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupAddress({self})")
    }
}

impl Serialize for GroupAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GroupAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::parsed(deserializer)
    }
}

impl schemars::JsonSchema for GroupAddress {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GroupAddress".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^#[A-Za-z0-9_-]{1,64}(@[A-Za-z0-9_-]{1,64})?$",
            "examples": ["#team", "#team@eu"]
        })
    }
}

/// Who sent something, in full: a user and the region it belongs to. Printed `alice@eu`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sender {
    /// The user.
    pub user: UserName,
    /// The user's region.
    pub region: RegionName,
}

impl Sender {
    /// The sender as a reader in `region` says it.
    pub fn seen_from(&self, region: &RegionName) -> Address {
        Address { peer: Peer::User(self.user.clone()), region: Some(self.region.clone()) }.seen_from(region)
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.region)
    }
}
