//! What an entry of a group's log means for the conversations of its members, and what somebody may read of it.

use dunlin_schema::{
    Address, Content, Entry, MediaId, MessageId, Millis, Open, Peer, RegionName, Seq, StreamTime, Turn, UserName,
    Windows,
    content::{Change as Became, GroupChange},
    entry::Body,
    record::{GroupRecord, MemberRecord},
};

use super::{Change, referred};

/// What an entry of a group's log says, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message.
    Message {
        /// Its id.
        id: MessageId,
        /// Who sent it.
        author: UserName,
        /// When it was accepted.
        time: Millis,
        /// Whom it mentions.
        mentions: Vec<UserName>,
        /// Files that it refers to.
        media: Vec<MediaId>,
    },
    /// Something about a message.
    Change {
        /// The message's id.
        target: MessageId,
        /// Who said it.
        by: UserName,
        /// When it was accepted.
        time: Millis,
        /// What.
        change: Change,
    },
    /// What becomes of people, or of the group.
    Turns {
        /// Of whom: `None` means of everybody.
        turns: Vec<(Option<UserName>, Turn)>,
        /// Whether those who join from here on see what was said before, where it says that.
        history: Option<bool>,
    },
}

/// What an entry of a group's log means; `None` where it is of a newer release, or changes nothing here.
pub fn meaning(region: &RegionName, payload: &[u8]) -> Option<Said> {
    let entry = Entry::decode(payload).ok()?;
    let (author, id) = entry.item();
    let (by, time) = (author.user.clone(), entry.time);
    let change = |target, change| Some(Said::Change { target, by: by.clone(), time, change });
    let people = |users: &[Address]| users.iter().filter_map(|user| of_region(user, region)).collect::<Vec<_>>();
    match entry.body {
        Body::Content(Content::Message { mentions, attachments, .. }) => {
            let (mentions, media) = (people(&mentions), referred(&attachments));
            Some(Said::Message { id, author: by, time, mentions, media })
        }
        Body::Content(Content::Edit { target, .. }) => change(target, Change::Edit),
        Body::Content(Content::Delete { target }) => change(target, Change::Delete),
        Body::Content(Content::React { target, emoji, on }) => change(target, Change::React { emoji, on }),
        Body::Content(Content::Membership(membership)) => {
            let turn = match membership.change {
                Open::Known(Became::Added) => Turn::Joins,
                Open::Known(Became::Removed | Became::Left) => Turn::Goes,
                Open::Known(Became::Member | Became::Admin | Became::Owner) | Open::Unknown(_) => return None,
            };
            let turns = people(&membership.users).into_iter().map(|user| (Some(user), turn)).collect();
            Some(Said::Turns { turns, history: None })
        }
        Body::Content(Content::Settings(said)) => {
            let turns = match said.change {
                Open::Known(GroupChange::Created) => {
                    let joining = people(&said.users).into_iter().chain(of_region(&said.by, region));
                    joining.map(|user| (Some(user), Turn::Joins)).collect()
                }
                Open::Known(GroupChange::Deleted) => vec![(None, Turn::Goes)],
                Open::Known(GroupChange::Changed) | Open::Unknown(_) => Vec::new(),
            };
            Some(Said::Turns { turns, history: Some(said.settings.history) })
        }
        Body::Content(Content::Failed(_)) => None,
        Body::Tombstone { .. } => change(id, Change::Delete),
    }
}

fn of_region(address: &Address, region: &RegionName) -> Option<UserName> {
    match &address.peer {
        Peer::User(user) if address.region.as_ref().is_none_or(|of| of == region) => Some(user.clone()),
        Peer::User(_) | Peer::Group(_) => None,
    }
}

/// What an entry of the log did to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turned {
    /// Its sequence.
    pub seq: Seq,
    /// When it was stored.
    pub time: StreamTime,
    /// What it did.
    pub turn: Turn,
    /// Of a joining: whether those who join there see what was said before, and when the entry was stored that says so.
    pub history: Option<(bool, StreamTime)>,
}

/// What somebody may read of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// What they may read.
    pub windows: Windows,
    /// Nothing below counts as unread: where a group shows its history, what was said before they joined is no news.
    pub since: Seq,
    /// When they last joined, where they are in it.
    pub joined: Option<StreamTime>,
}

impl Sight {
    /// Of what STATE says, and of all that the log has of them, in order: what STATE takes account of already, and what is above.
    pub fn of(member: &MemberRecord, group: Option<&GroupRecord>, turned: &[Turned]) -> Sight {
        let mut windows = member.windows.clone();
        let mut joined = (Seq(0), StreamTime::from(member.joined));
        for Turned { seq, time, turn, history } in turned {
            if *turn == Turn::Joins {
                joined = (*seq, *time);
            }
            if *time > member.at.time {
                // What the record says of the group is newer than what the log has below it.
                let said = group.map(|group| (group.settings.history, group.applied.time));
                let newest = (*history).into_iter().chain(said).max_by_key(|(_, stored)| *stored);
                windows.turn(*seq, *turn, newest.is_some_and(|(history, _)| history));
            }
        }
        let since = if windows.first() == Some(Seq(0)) { joined.0 } else { Seq(0) };
        let joined = windows.are_open().then_some(joined.1);
        Sight { windows, since, joined }
    }
}

#[cfg(test)]
mod tests;
