//! Who says something in a conversation.

use dunlin_schema::{Address, GroupAddress, LogName, Open, Peer, UserName};

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Author {
    Me,
    /// The one of this number among the others.
    Other(usize),
}

/// Those of a conversation.
#[derive(Debug)]
pub(super) struct People {
    pub(super) me: Address,
    /// The other one, or the group.
    pub(super) peer: Address,
    /// What the conversation is read from.
    pub(super) log: LogName,
    /// Who has said something beside oneself: the peer, or members of the group.
    others: Vec<Address>,
}

impl People {
    /// Oneself and a peer, who may be a group.
    pub(super) fn new(me: UserName, peer: Address) -> People {
        let Address { peer: name, region } = peer.clone();
        let (log, others) = match name {
            Peer::User(_) => (LogName::Mailbox, vec![peer.clone()]),
            Peer::Group(group) => (LogName::group(GroupAddress { group, region }), Vec::new()),
        };
        People { me: Address::local(me), peer, log, others }
    }

    /// Whether it is a group's conversation.
    pub(super) fn are_many(&self) -> bool {
        self.log != LogName::Mailbox
    }

    /// Who said something; `None` of another conversation.
    pub(super) fn author(&mut self, from: &Open<Address>, to: &Open<Address>) -> Option<Author> {
        let to_us = if *from == self.me || self.are_many() { *to == self.peer } else { *to == self.me };
        if to_us { self.whose(from) } else { None }
    }

    /// Who this is; `None` of nobody in the conversation.
    pub(super) fn whose(&mut self, from: &Open<Address>) -> Option<Author> {
        if *from == self.me {
            return Some(Author::Me);
        }
        let known = self.others.iter().position(|other| *from == *other);
        if known.is_none() && self.are_many() {
            self.others.push(from.known()?.clone());
            return Some(Author::Other(self.others.len() - 1));
        }
        known.map(Author::Other)
    }

    /// What an author is called.
    pub(super) fn address(&self, author: Author) -> &Address {
        match author {
            Author::Me => &self.me,
            // Each author is one whose address was kept.
            Author::Other(number) => self.others.get(number).unwrap_or(&self.peer),
        }
    }
}
