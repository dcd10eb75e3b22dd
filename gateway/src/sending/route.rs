//! Where an address leads.

use dunlin_schema::{Address, GroupName, Log, Peer, RegionName, Shard, UserName};

use super::Author;

/// Where what is sent to an address goes. What waits for another region will be a route beside these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Straight into the log of a user of the author's region.
    Mailbox(Mailbox),
    /// To the groups worker of a group of the author's region: it alone writes into the group's log, and looks up what has to be.
    Group {
        /// The group.
        group: GroupName,
        /// Its shard.
        shard: Shard,
    },
}

/// The log of a user of the author's region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// The user.
    pub(super) user: UserName,
    /// The log.
    pub(super) log: Log,
}

/// An address to which this release has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoute {
    #[error("this release carries no message to another region")]
    Region,
    #[error("this release does this with a person alone, and a group is none")]
    Group,
}

/// The user of `region` whose mailbox an address that names its region leads to. Errors: see [`NoRoute`].
pub(crate) fn mailbox_of<'a>(to: &'a Address, region: &RegionName) -> Result<&'a UserName, NoRoute> {
    if to.region.as_ref() != Some(region) {
        return Err(NoRoute::Region);
    }
    match &to.peer {
        Peer::User(user) => Ok(user),
        Peer::Group(_) => Err(NoRoute::Group),
    }
}

impl Route {
    /// Whether what goes there is said to many at once.
    pub(super) fn is_to_a_group(&self) -> bool {
        matches!(self, Route::Group { .. })
    }

    /// The route of an address that names its region. Errors: see [`NoRoute`].
    pub(super) fn of(to: &Address, author: &Author) -> Result<Route, NoRoute> {
        if to.region.as_ref() != Some(&author.region) {
            return Err(NoRoute::Region);
        }
        Ok(match &to.peer {
            Peer::User(user) => Route::Mailbox(Mailbox { user: user.clone(), log: author.mailbox(user) }),
            Peer::Group(group) => {
                Route::Group { group: group.clone(), shard: Shard::of(group.as_str(), author.shards) }
            }
        })
    }
}
