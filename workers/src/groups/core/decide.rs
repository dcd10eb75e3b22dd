//! Who may do what in a group, and the entry that it becomes.
//!
//! | what | who may |
//! |---|---|
//! | create | anybody, whoever does is the owner, of whoever lets them |
//! | add | whom the settings let, whoever lets them |
//! | remove | admins, nobody of a higher role than their own |
//! | leave | every member; where the last owner does, the member who comes next is made an owner before |
//! | role, delete | owners |
//! | set | admins |
//! | join | whom a link lets, which is not decided here |
//! | make a link | who may add |
//! | revoke links | whoever made them, and admins |
//! | a message | whom the settings let; it mentions members alone, and its id is no message of somebody else's |
//! | an edit | the message's author |
//! | a deletion | the message's author, and admins |
//! | a reaction | every member |
//!
//! A group that is there has an owner at every entry of its log.

use std::collections::{HashMap, HashSet};

use dunlin_schema::{
    Address, Content, MessageId, Peer, Sender, Title, UserName,
    content::{Change, ContentError, GroupChange, Membership, Settings},
    group::{GroupCommand, GroupRefusal, GroupRequest, GroupRole, GroupSettings, GroupSettingsChange, WhoMay},
    limits,
};

use super::Group;

/// What is to be done for a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing: it is so.
    Nothing,
    /// This is stored, under the request's id.
    Store(Content),
    /// This is stored before, under an id of its own; then it is decided again.
    StoreFirst(Content),
    /// It is not for the log: links by which people join are changed, also others' than one's own where `all` are one's to change.
    Links {
        /// Whether they are.
        all: bool,
    },
    /// Whose message this is has to be known, if it is one: it is decided again with its authors.
    Find(MessageId),
    /// Whether these people let whoever wants it add them has to be known: it is decided again with what they say.
    Ask(Vec<UserName>),
}

/// What has to be looked up beside the group, as far as it was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    /// Who has written a message of the id that a [`Decision::Find`] named, in this group.
    pub authors: Option<&'a [Sender]>,
    /// Of whom a [`Decision::Ask`] named, whether they let whoever wants it add them.
    pub willing: Option<&'a HashMap<UserName, bool>>,
}

type Decided = Result<Decision, GroupRefusal>;

impl Group {
    /// What is to be done for a request that was not stored before. Errors: see [`GroupRefusal`].
    pub fn decide(&self, request: &GroupRequest, facts: Facts<'_>) -> Decided {
        let GroupRequest { by, what, .. } = request;
        if let GroupCommand::Create { title, settings, users } = what {
            return self.create(by, title, settings, users, facts);
        }
        if matches!(what, GroupCommand::Join(_)) {
            return self.join(by);
        }
        let role = self.role(by).ok_or(GroupRefusal::NotAMember)?;
        match what {
            GroupCommand::Create { .. } | GroupCommand::Join(_) => Err(GroupRefusal::Exists),
            GroupCommand::Add(users) => self.add(by, role, users, facts),
            GroupCommand::Remove(users) => self.remove(by, role, users),
            GroupCommand::Leave => self.leave(by, role),
            GroupCommand::Role { user, role: to } => {
                needs(role, GroupRole::Owner)?;
                self.appoint(by, user, *to)
            }
            GroupCommand::Set { title, settings } => {
                needs(role, GroupRole::Admin)?;
                let title = title.clone().or_else(|| self.title.clone());
                let settings = settings.of(&self.settings);
                if title == self.title && settings == self.settings {
                    return Ok(Decision::Nothing);
                }
                Ok(self.settings(by, GroupChange::Changed, title, settings, &[]))
            }
            GroupCommand::Delete => {
                needs(role, GroupRole::Owner)?;
                Ok(self.settings(by, GroupChange::Deleted, self.title.clone(), self.settings.clone(), &[]))
            }
            GroupCommand::Say(content) => self.say(request, role, content, facts.authors),
            GroupCommand::Link { .. } => {
                allowed(WhoMay::lets(&self.settings.who_may_add, role))?;
                Ok(Decision::Links { all: false })
            }
            GroupCommand::Unlink(_) => Ok(Decision::Links { all: role >= GroupRole::Admin }),
        }
    }

    fn create(
        &self,
        by: &Sender,
        title: &Option<Title>,
        settings: &GroupSettingsChange,
        users: &[UserName],
        facts: Facts<'_>,
    ) -> Decided {
        fit(users)?;
        if by.region != self.region {
            return Err(GroupRefusal::NotAMember);
        }
        if self.was_made {
            return Err(GroupRefusal::Exists);
        }
        let mut others = self.those(users, |member| member.is_none());
        others.retain(|user| *user != by.user);
        let others = match willing(others, facts) {
            Willing::These(others) => others,
            Willing::Ask(unasked) => return Ok(Decision::Ask(unasked)),
        };
        Ok(self.settings(by, GroupChange::Created, title.clone(), settings.of(&self.settings), &others))
    }

    fn add(&self, by: &Sender, role: GroupRole, users: &[UserName], facts: Facts<'_>) -> Decided {
        fit(users)?;
        allowed(WhoMay::lets(&self.settings.who_may_add, role))?;
        let new = self.those(users, |member| member.is_none());
        // All of them count: whether there is room for the others would tell who lets them without anybody's hearing of it.
        if self.members.len() + new.len() > limits::GROUP_MEMBERS as usize && !new.is_empty() {
            return Err(GroupRefusal::TooManyMembers);
        }
        let is_for_nobody = new.is_empty();
        match willing(new, facts) {
            Willing::Ask(unasked) => Ok(Decision::Ask(unasked)),
            Willing::These(new) if new.is_empty() && !is_for_nobody => Err(GroupRefusal::NotLet),
            Willing::These(new) => Ok(self.membership(by, Change::Added, &new)),
        }
    }

    /// Whoever has a link that holds joins as if they were added by themselves.
    fn join(&self, by: &Sender) -> Decided {
        if by.region != self.region || !self.was_made || self.is_deleted {
            return Err(GroupRefusal::NoLink);
        }
        let new = self.those(std::slice::from_ref(&by.user), |member| member.is_none());
        if self.members.len() >= limits::GROUP_MEMBERS as usize && !new.is_empty() {
            return Err(GroupRefusal::TooManyMembers);
        }
        Ok(self.membership(by, Change::Added, &new))
    }

    fn remove(&self, by: &Sender, role: GroupRole, users: &[UserName]) -> Decided {
        fit(users)?;
        needs(role, GroupRole::Admin)?;
        let members = self.those(users, |member| member.is_some());
        let roles = || members.iter().filter_map(|user| self.members.get(user)).map(|member| member.role);
        allowed(roles().all(|removed| removed <= role))?;
        let owners = roles().filter(|role| *role == GroupRole::Owner).count();
        if owners > 0 && owners == self.owners {
            return Err(GroupRefusal::NobodyLeft);
        }
        Ok(self.membership(by, Change::Removed, &members))
    }

    fn leave(&self, by: &Sender, role: GroupRole) -> Decided {
        if role == GroupRole::Owner && self.owners == 1 {
            let heir = self.heir(&by.user).ok_or(GroupRefusal::NobodyLeft)?;
            let Decision::Store(promotion) = self.membership(by, Change::Owner, std::slice::from_ref(heir)) else {
                return Ok(Decision::Nothing);
            };
            return Ok(Decision::StoreFirst(promotion));
        }
        Ok(self.membership(by, Change::Left, std::slice::from_ref(&by.user)))
    }

    fn appoint(&self, by: &Sender, user: &UserName, to: GroupRole) -> Decided {
        let is = self.members.get(user).ok_or(GroupRefusal::NoSuchMember)?.role;
        let change = match to {
            to if to == is => return Ok(Decision::Nothing),
            GroupRole::Member => Change::Member,
            GroupRole::Admin => Change::Admin,
            GroupRole::Owner => Change::Owner,
        };
        if is == GroupRole::Owner && self.owners == 1 {
            return Err(GroupRefusal::NobodyLeft);
        }
        Ok(self.membership(by, change, std::slice::from_ref(user)))
    }

    fn say(&self, request: &GroupRequest, role: GroupRole, content: &Content, authors: Option<&[Sender]>) -> Decided {
        let GroupRequest { by, id, .. } = request;
        match content.check() {
            Ok(()) => {}
            Err(ContentError::TooLarge(_)) => return Err(GroupRefusal::TooLarge),
            Err(
                ContentError::TooManyAttachments(_)
                | ContentError::Attachments
                | ContentError::Empty
                | ContentError::Mentions
                | ContentError::Emoji
                | ContentError::Systems,
            ) => return Err(GroupRefusal::NotAllowed),
        }
        let (target, refusal) = match content {
            Content::Message { mentions, .. } => {
                allowed(WhoMay::lets(&self.settings.who_may_write, role))?;
                let mentions = self.mentioning(mentions)?;
                let Some(authors) = authors else { return Ok(Decision::Find(*id)) };
                // What is about a message names it by its id alone.
                if authors.iter().any(|author| author != by) {
                    return Err(GroupRefusal::NotYours);
                }
                return Ok(Decision::Store(with_mentions(content, mentions)));
            }
            Content::Edit { target, .. } | Content::Delete { target } => (*target, GroupRefusal::NotYours),
            Content::React { target, .. } => (*target, GroupRefusal::NotFound),
            Content::Membership(_) | Content::Failed(_) | Content::Settings(_) => return Err(GroupRefusal::NotAllowed),
        };
        let Some(authors) = authors else { return Ok(Decision::Find(target)) };
        let anybodys = match content {
            Content::React { .. } => true,
            Content::Delete { .. } => role >= GroupRole::Admin,
            Content::Edit { .. }
            | Content::Message { .. }
            | Content::Membership(_)
            | Content::Failed(_)
            | Content::Settings(_) => false,
        };
        let may = authors.contains(by) || (anybodys && !authors.is_empty());
        if may { Ok(Decision::Store(content.clone())) } else { Err(refusal) }
    }

    /// Those whom a message mentions, as entries name them. Errors: somebody is no member.
    fn mentioning(&self, mentions: &[Address]) -> Result<Vec<Address>, GroupRefusal> {
        let mut seen = HashSet::new();
        let mut members = Vec::with_capacity(mentions.len());
        for Address { peer, region } in mentions {
            let is_ours = region.as_ref().is_none_or(|region| *region == self.region);
            match peer {
                Peer::User(user) if is_ours && self.members.contains_key(user) => {
                    members.extend(seen.insert(user).then(|| self.person(user)));
                }
                Peer::User(_) | Peer::Group(_) => return Err(GroupRefusal::NoSuchMember),
            }
        }
        Ok(members)
    }

    /// Nothing where it concerns nobody.
    fn membership(&self, by: &Sender, change: Change, users: &[UserName]) -> Decision {
        if users.is_empty() {
            return Decision::Nothing;
        }
        let users = users.iter().map(|user| self.person(user)).collect();
        let (group, by) = (self.address(), self.person(&by.user));
        Decision::Store(Content::Membership(Box::new(Membership { group, users, change: change.into(), by })))
    }

    fn settings(
        &self,
        by: &Sender,
        change: GroupChange,
        title: Option<Title>,
        settings: GroupSettings,
        users: &[UserName],
    ) -> Decision {
        let users = users.iter().map(|user| self.person(user)).collect();
        let (group, change, by) = (self.address(), change.into(), self.person(&by.user));
        Decision::Store(Content::Settings(Box::new(Settings { group, change, title, settings, users, by })))
    }
}

fn with_mentions(content: &Content, members: Vec<Address>) -> Content {
    let mut content = content.clone();
    if let Content::Message { mentions, .. } = &mut content {
        *mentions = members;
    }
    content
}

/// Of people who would be added, those who let it.
enum Willing {
    These(Vec<UserName>),
    /// Of these it is not known.
    Ask(Vec<UserName>),
}

fn willing(users: Vec<UserName>, facts: Facts<'_>) -> Willing {
    let says = |user: &UserName| facts.willing.and_then(|willing| willing.get(user).copied());
    let unasked: Vec<_> = users.iter().filter(|user| says(user).is_none()).cloned().collect();
    if !unasked.is_empty() {
        return Willing::Ask(unasked);
    }
    Willing::These(users.into_iter().filter(|user| says(user) == Some(true)).collect())
}

fn allowed(may: bool) -> Result<(), GroupRefusal> {
    if may { Ok(()) } else { Err(GroupRefusal::NotAllowed) }
}

fn needs(role: GroupRole, least: GroupRole) -> Result<(), GroupRefusal> {
    allowed(role >= least)
}

/// A gateway lets no more through.
fn fit(users: &[UserName]) -> Result<(), GroupRefusal> {
    if users.len() <= limits::GROUP_USERS { Ok(()) } else { Err(GroupRefusal::TooLarge) }
}
