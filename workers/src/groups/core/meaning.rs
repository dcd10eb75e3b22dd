//! What an entry does with its group. All who read a group's log go by this: those who decide, those who write its records, those who
//! follow it.

use dunlin_schema::{
    Address, Content, Entry, Open, Peer, Title, UserName,
    content::{Change, GroupChange},
    entry::Body,
    group::{GroupRole, GroupSettings},
};

/// What an entry does with its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Nothing: it is said in the group, or only a newer release knows it.
    Nothing,
    /// It is there from here on.
    Created {
        /// Who made it.
        owner: UserName,
        /// Its other members.
        members: Vec<UserName>,
        /// What it is called.
        title: Option<Title>,
        /// What it has decided about itself.
        settings: GroupSettings,
    },
    /// Its title and its settings are these from here on.
    Changed {
        /// What it is called.
        title: Option<Title>,
        /// What it has decided about itself.
        settings: GroupSettings,
    },
    /// It is no more.
    Deleted,
    /// Something became of members.
    Members {
        /// Of whom.
        users: Vec<UserName>,
        /// What.
        change: Change,
    },
}

impl Meaning {
    /// What this entry of a group's log does.
    pub fn of(entry: &Entry) -> Meaning {
        let Body::Content(content) = &entry.body else { return Meaning::Nothing };
        match content {
            Content::Membership(membership) => match membership.change {
                Open::Known(change) => Meaning::Members { users: users(&membership.users), change },
                Open::Unknown(_) => Meaning::Nothing,
            },
            Content::Settings(said) => {
                let (title, settings) = (said.title.clone(), said.settings.clone());
                match (&said.change, &said.by.peer) {
                    (Open::Known(GroupChange::Created), Peer::User(owner)) => {
                        Meaning::Created { owner: owner.clone(), members: users(&said.users), title, settings }
                    }
                    (Open::Known(GroupChange::Changed), _) => Meaning::Changed { title, settings },
                    (Open::Known(GroupChange::Deleted), _) => Meaning::Deleted,
                    (Open::Known(GroupChange::Created) | Open::Unknown(_), _) => Meaning::Nothing,
                }
            }
            Content::Message { .. }
            | Content::Edit { .. }
            | Content::Delete { .. }
            | Content::React { .. }
            | Content::Failed(_) => Meaning::Nothing,
        }
    }

    /// Whom it names, and what becomes of them.
    pub fn named(&self) -> Vec<(UserName, Becomes)> {
        let by = |users: &[UserName], change| users.iter().map(|user| (user.clone(), Becomes::By(change))).collect();
        match self {
            Meaning::Nothing | Meaning::Changed { .. } | Meaning::Deleted => Vec::new(),
            Meaning::Members { users, change } => by(users, *change),
            Meaning::Created { owner, members, .. } => {
                let mut named: Vec<_> = by(members, Change::Added);
                named.push((owner.clone(), Becomes::Founder));
                named
            }
        }
    }

    /// Who is a member from here on who was none.
    pub fn joining(&self) -> Vec<UserName> {
        let joining = self.named().into_iter().filter(|(_, becomes)| becomes.after(None).is_some());
        joining.map(|(user, _)| user).collect()
    }
}

/// What becomes of somebody by an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Becomes {
    /// The owner of the group that they made.
    Founder,
    /// What this change says.
    By(Change),
}

impl Becomes {
    /// What somebody is then, who was `role` before. Who is no member becomes one by being added alone.
    pub fn after(self, role: Option<GroupRole>) -> Option<GroupRole> {
        let to = match self {
            Becomes::Founder => return Some(GroupRole::Owner),
            Becomes::By(Change::Added) => return role.or(Some(GroupRole::Member)),
            Becomes::By(Change::Removed | Change::Left) => return None,
            Becomes::By(Change::Member) => GroupRole::Member,
            Becomes::By(Change::Admin) => GroupRole::Admin,
            Becomes::By(Change::Owner) => GroupRole::Owner,
        };
        role.map(|_| to)
    }
}

fn users(addresses: &[Address]) -> Vec<UserName> {
    let users = addresses.iter().filter_map(|address| match &address.peer {
        Peer::User(user) => Some(user.clone()),
        Peer::Group(_) => None,
    });
    users.collect()
}
