//! What is read of a group, for one of its members: within what they may read, and nowhere else.

use std::collections::HashSet;

use dunlin_schema::{
    GroupName, MediaId, Seq, StreamTime, Turn, UserName,
    index::{
        Place,
        groups::{GroupMessage, GroupReaction},
    },
};

use super::{
    super::{
        EVERYBODY, GROUP_MESSAGES, GROUP_STANDINGS, HISTORIES, ProjectionError, TURNS, damaged,
        row::{self, GroupRow, HistoryRow, TurnRow},
    },
    Reading,
};
use crate::index::core::{
    Standing, Unread,
    group::{Sight, Turned},
};

/// A group in the projection.
pub(in crate::index) struct OfGroup<'r> {
    reading: &'r Reading,
    group: String,
}

impl Reading {
    pub(in crate::index) fn group(&self, group: &GroupName) -> OfGroup<'_> {
        OfGroup { reading: self, group: format!("#{group}") }
    }
}

impl OfGroup<'_> {
    /// What the log has done to a user, in order.
    pub(in crate::index) fn turned(&self, user: &UserName) -> Result<Vec<Turned>, ProjectionError> {
        let (turns, histories) = (self.reading.0.open_table(TURNS)?, self.reading.0.open_table(HISTORIES)?);
        let group = self.group.as_str();
        let mut turned = Vec::new();
        for whose in [EVERYBODY, user.as_str()] {
            for found in turns.range((group, whose, 0)..=(group, whose, u64::MAX))? {
                let (key, bytes) = found?;
                let TurnRow { joins, time } = row::row(bytes.value())?;
                let turn = if joins { Turn::Joins } else { Turn::Goes };
                turned.push(Turned { seq: Seq(key.value().2), time, turn, history: None });
            }
        }
        turned.sort_unstable_by_key(|turned| turned.seq);
        for turned in turned.iter_mut().filter(|turned| turned.turn == Turn::Joins) {
            // The entry that makes a group says it of those whom it names as well.
            let newest = histories.range((group, 0)..=(group, turned.seq.0))?.next_back().transpose()?;
            let newest = newest.map(|(_, bytes)| row::row::<HistoryRow>(bytes.value())).transpose()?;
            turned.history = newest.map(|HistoryRow { shown, time }| (shown, time));
        }
        Ok(turned)
    }

    /// The latest message that refers to a file, of those that somebody may read.
    pub(in crate::index) fn refers(&self, media: MediaId, sight: &Sight) -> Result<Option<Seq>, ProjectionError> {
        let windows: Vec<_> = sight.windows.iter().collect();
        for window in windows.into_iter().rev() {
            let within = (window.from, window.until.map_or(Seq::MAX, Seq::next));
            if let Some(found) = self.reading.refers(&self.group, media, within)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// When the last message was stored that somebody may read, of those that are not older than `oldest`.
    pub(in crate::index) fn latest(
        &self,
        sight: &Sight,
        oldest: StreamTime,
    ) -> Result<Option<StreamTime>, ProjectionError> {
        let mut found = None;
        self.back(sight, (Seq(0), Seq::MAX), |_, message| {
            found = Some(message.time).filter(|time| *time >= oldest);
            Ok(false)
        })?;
        Ok(found)
    }

    /// Messages from `first` on and below `below`, the latest first, and whether there are more.
    pub(in crate::index) fn history(
        &self,
        sight: &Sight,
        within: (Seq, Seq),
        limit: usize,
    ) -> Result<(Vec<GroupMessage>, bool), ProjectionError> {
        let (mut messages, mut more) = (Vec::new(), false);
        self.back(sight, within, |seq, message| {
            more = messages.len() == limit;
            if !more {
                messages.push(self.message(sight, seq, message)?);
            }
            Ok(!more)
        })?;
        Ok((messages, more))
    }

    /// Messages of others from `first` on that are unread, and how many of them mention the user. What those say whom the user has blocked
    /// counts as read.
    pub(in crate::index) fn unread(
        &self,
        (user, blocked): (&UserName, &HashSet<UserName>),
        sight: &Sight,
        first: Seq,
        rule: &Unread,
    ) -> Result<(u64, u64), ProjectionError> {
        let (mut unread, mut mentions) = (0, 0);
        let from = first.max(rule.from()).max(sight.since);
        self.back(sight, (from, Seq::MAX), |seq, message| {
            let at = Place { seq, time: message.time };
            if message.author != *user && !blocked.contains(&message.author) && rule.counts(seq, at) {
                unread += 1;
                mentions += u64::from(message.mentions.contains(user));
            }
            Ok(true)
        })?;
        Ok((unread, mentions))
    }

    /// Goes back through what somebody may read, from `first` on and below `below`, until it was enough.
    fn back(
        &self,
        sight: &Sight,
        (first, below): (Seq, Seq),
        mut take: impl FnMut(Seq, GroupRow) -> Result<bool, ProjectionError>,
    ) -> Result<(), ProjectionError> {
        let table = self.reading.0.open_table(GROUP_MESSAGES)?;
        let group = self.group.as_str();
        let windows: Vec<_> = sight.windows.iter().collect();
        for window in windows.into_iter().rev() {
            let from = window.from.max(first);
            let end = window.until.map_or(below, |until| until.next().min(below));
            if from >= end {
                continue;
            }
            for found in table.range((group, from.0)..(group, end.0))?.rev() {
                let (key, bytes) = found?;
                if !take(Seq(key.value().1), row::row(bytes.value())?)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// A message as somebody may know it: what was said of it where they read nothing is not theirs to read. They see its first words then.
    fn message(
        &self,
        sight: &Sight,
        seq: Seq,
        GroupRow { id, author, time: stored, .. }: GroupRow,
    ) -> Result<GroupMessage, ProjectionError> {
        let table = self.reading.0.open_table(GROUP_STANDINGS)?;
        let bytes = table.get((self.group.as_str(), row::key(id), author.as_str()))?;
        let bytes = bytes.ok_or_else(|| damaged("a message has no standing"))?;
        let Standing::<UserName> { time, edit, reactions, .. } = row::row(bytes.value())?;
        let edit = edit.filter(|edit| sight.windows.contain(edit.seq));
        let reactions = reactions.into_iter().filter(|kept| sight.windows.contain(kept.at));
        let reactions =
            reactions.map(|kept| GroupReaction { by: kept.by, emoji: kept.emoji, time: kept.time }).collect();
        Ok(GroupMessage { at: Place { seq, time: stored }, id, from: author, time, edit, reactions })
    }
}
