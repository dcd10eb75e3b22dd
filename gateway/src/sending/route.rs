//! Where an address leads.

use dunlin_schema::{Address, Log, Peer, UserName};

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
pub(super) enum NoRoute {
    #[error("this release carries no message to another region")]
    Region,
    #[error("this release has no groups")]
    Group,
}

impl Route {
    /// The route of an address that names its region. Errors: see [`NoRoute`].
    pub(super) fn of(to: &Address, author: &Author) -> Result<Route, NoRoute> {
        if to.region.as_ref() != Some(&author.region) {
            return Err(NoRoute::Region);
        }
        match &to.peer {
            Peer::User(user) => Ok(Route::Mailbox { user: user.clone(), log: author.mailbox(user) }),
            Peer::Group(_) => Err(NoRoute::Group),
        }
    }
}
