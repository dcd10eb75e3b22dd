//! The sent copies that come back: of what this session sent, its device needs no copy from its own mailbox.

use std::collections::VecDeque;

use dunlin_schema::{Address, MessageId, Peer};

use super::tail::SharedFrame;
use crate::sending::{Author, Key, Step};

/// Copies that are waited for, at most. One that is forgotten is given as an entry, which does no harm.
const AWAITED: usize = 256;

/// The copies that are to come back live.
#[derive(Debug, Default)]
pub(super) struct Copies {
    awaited: VecDeque<(MessageId, Address)>,
}

impl Copies {
    /// Something is appended: a copy is on its way to the mailbox.
    pub(super) fn append(&mut self, key: &Key) {
        if key.step != Step::Copy {
            return;
        }
        let copy = (key.id, key.to.clone());
        if self.awaited.contains(&copy) {
            return;
        }
        if self.awaited.len() == AWAITED {
            self.awaited.pop_front();
        }
        self.awaited.push_back(copy);
    }

    /// Whether `entry` is the copy of something that this session sent. Each is told once.
    pub(super) fn is_own(&mut self, me: &Author, entry: &SharedFrame) -> bool {
        let mine = entry.from.user == me.user && entry.from.region == me.region;
        if self.awaited.is_empty() || !mine || entry.to.peer == Peer::User(me.user.clone()) {
            return false;
        }
        let Some(at) = self.awaited.iter().position(|(id, to)| *id == entry.id && *to == entry.to) else {
            return false;
        };
        self.awaited.remove(at);
        if self.awaited.is_empty() {
            self.awaited = VecDeque::new();
        }
        true
    }
}
