//! Who is told of a comparison: whoever knew, when it was asked, that the interest was in place, and has not left since. To others the
//! answer says nothing, since what came in between may have passed them by.

use std::sync::{Arc, atomic::Ordering::SeqCst};

use dunlin_schema::LogName;

use super::{
    Follower, Followers,
    fan_out::{Item, Share, said},
};
use crate::connection::Connection;

/// Followers of one log who are to be told of a comparison.
pub(crate) struct Audience {
    followers: Arc<Followers>,
    who: Who,
}

enum Who {
    /// Those up to this number.
    Upto(u32),
    /// One of them.
    One(Arc<Connection>, u32),
}

impl Audience {
    /// All whose log is compared now, if there is anybody.
    pub(super) fn of(followers: &Arc<Followers>) -> Option<Audience> {
        let is_any = followers.list.lock().iter().any(|follower| follower.compared > 0);
        let upto = Who::Upto(followers.compared.load(SeqCst));
        is_any.then(|| Audience { followers: followers.clone(), who: upto })
    }

    /// One who has just begun.
    pub(crate) fn one(followers: &Arc<Followers>, connection: &Arc<Connection>) -> Audience {
        let list = followers.list.lock();
        let number = place(&list, connection).map_or(0, |at| list[at].compared);
        Audience { followers: followers.clone(), who: Who::One(connection.clone(), number) }
    }

    /// Tells them.
    pub(crate) fn tell(&self, share: Share) {
        match &self.who {
            Who::Upto(upto) => self.followers.give(Item::Compared(*upto, share)),
            Who::One(connection, _) => {
                let mut is_there = false;
                self.each(|_| is_there = true);
                if is_there {
                    connection.tell(said(self.followers.log.clone(), share));
                }
            }
        }
    }

    /// Those who are still there.
    pub(crate) fn each(&self, mut to: impl FnMut(&Arc<Connection>)) {
        let list = self.followers.list.lock();
        match &self.who {
            Who::Upto(upto) => {
                let were_there = list.iter().filter(|follower| (1..=*upto).contains(&follower.compared));
                were_there.for_each(|follower| to(&follower.connection));
            }
            Who::One(connection, number) => {
                if place(&list, connection).is_some_and(|at| *number > 0 && list[at].compared == *number) {
                    to(connection);
                }
            }
        }
    }
}

impl Followers {
    /// What is followed.
    pub(crate) fn log(&self) -> &LogName {
        &self.log
    }

    /// Whether a connection's session does not know yet that the interest is in place.
    pub(crate) fn waits(&self, connection: &Arc<Connection>) -> bool {
        let list = self.list.lock();
        place(&list, connection).is_some_and(|at| list[at].compared == 0)
    }

    /// A connection's session knows that the interest is in place: from here on its log is compared for it.
    pub(crate) fn subscribed(&self, connection: &Arc<Connection>) {
        let mut list = self.list.lock();
        if let Some(at) = place(&list, connection).filter(|at| list[*at].compared == 0) {
            list[at].compared = self.compared.fetch_add(1, SeqCst) + 1;
        }
    }
}

/// Where a connection is among the followers. Whoever is looked for has mostly just come.
fn place(list: &[Follower], connection: &Arc<Connection>) -> Option<usize> {
    list.iter().rposition(|follower| Arc::ptr_eq(&follower.connection, connection))
}
