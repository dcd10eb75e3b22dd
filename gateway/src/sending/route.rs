//! Where an address leads.

use dunlin_schema::{Address, Log, Peer, RegionName, UserName};

use super::Author;

/// Where what is sent to an address goes. A group's log, which only the groups worker writes, and what waits for another region will be
/// routes beside the mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Straight into the log of a user of the author's region.
    Mailbox {
        /// The user.
        user: UserName,
        /// The log.
        log: Log,
    },
}

/// An address to which this release has no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoRoute {
    #[error("this release carries no message to another region")]
    Region,
    #[error("this release has no groups")]
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
    /// The route of an address that names its region. Errors: see [`NoRoute`].
    pub(super) fn of(to: &Address, author: &Author) -> Result<Route, NoRoute> {
        let user = mailbox_of(to, &author.region)?;
        Ok(Route::Mailbox { user: user.clone(), log: author.mailbox(user) })
    }
}
