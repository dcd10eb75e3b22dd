//! What is read from the projection: one snapshot, looked at by mailbox, and by group.

mod groups;

use dunlin_schema::{
    Address, MediaId, MessageId, Peer, Position, Seq, UserName,
    index::{Message, Place, Reaction},
};
use redb::ReadTransaction;

use super::{
    ENTRIES, LATEST, MESSAGES, Of, POSITION, ProjectionError, REFERENCES, STANDINGS, damaged, head,
    row::{self, EntryRow, MessageRow},
};
use crate::index::core::{Standing, Unread};

/// A conversation of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::index) struct Listed {
    pub(in crate::index) with: Address,
    pub(in crate::index) last: Message,
}

/// A snapshot.
pub(in crate::index) struct Reading(ReadTransaction);

impl Reading {
    pub(super) fn new(transaction: ReadTransaction) -> Reading {
        Reading(transaction)
    }

    /// How far the projection has come.
    pub(in crate::index) fn position(&self, of: &Of) -> Result<Position, ProjectionError> {
        let table = self.0.open_table(POSITION)?;
        let position = table.get(())?.map(|bytes| head(bytes.value(), of)).transpose()?;
        Ok(position.unwrap_or_default())
    }

    /// Whether the projection has the log's entry of this place: the same one, and not another one of its sequence.
    pub(in crate::index) fn has(&self, owner: &Peer, place: Place) -> Result<bool, ProjectionError> {
        let (table, owner) = (self.0.open_table(ENTRIES)?, owner.to_string());
        let Some(bytes) = table.get((owner.as_str(), place.seq.0))? else { return Ok(false) };
        Ok(row::row::<EntryRow>(bytes.value())?.time == place.time)
    }

    /// The latest message of a log, from `first` on and below `below`, that refers to a file.
    pub(in crate::index) fn refers(
        &self,
        owner: &str,
        media: MediaId,
        (first, below): (Seq, Seq),
    ) -> Result<Option<Seq>, ProjectionError> {
        if first >= below {
            return Ok(None);
        }
        let (table, media) = (self.0.open_table(REFERENCES)?, row::key(media.0));
        let found = table.range((owner, media, first.0)..(owner, media, below.0))?.next_back();
        Ok(found.transpose()?.map(|(key, _)| Seq(key.value().2)))
    }

    /// Conversations with a message at or above `first`, the one with the latest message first: those whose latest lies below `below`.
    pub(in crate::index) fn conversations(
        &self,
        owner: &UserName,
        first: Seq,
        below: Seq,
        limit: usize,
    ) -> Result<(Vec<Listed>, bool), ProjectionError> {
        let mut listed = Vec::new();
        if first >= below {
            return Ok((listed, false));
        }
        let table = self.0.open_table(LATEST)?;
        let owner = owner.as_str();
        for found in table.range((owner, first.0)..(owner, below.0))?.rev() {
            if listed.len() == limit {
                return Ok((listed, true));
            }
            let (key, with) = found?;
            let with: Address = with.value().parse().map_err(damaged)?;
            listed.push(Listed { last: self.message(owner, &with, key.value().1)?, with });
        }
        Ok((listed, false))
    }

    /// Messages of the other side from `first` on that count as unread.
    pub(in crate::index) fn unread(
        &self,
        owner: &UserName,
        with: &Address,
        first: Seq,
        rule: &Unread,
    ) -> Result<u64, ProjectionError> {
        let table = self.0.open_table(MESSAGES)?;
        // In a conversation within the region, orders are sequences of this mailbox.
        let from = if with.region.is_none() { first.max(rule.from()) } else { first };
        let (owner, with) = (owner.as_str(), with.to_string());
        let mut count = 0;
        for found in table.range((owner, with.as_str(), from.0)..=(owner, with.as_str(), u64::MAX))? {
            let (key, bytes) = found?;
            let message: MessageRow = row::row(bytes.value())?;
            let unread = !message.mine && rule.counts(message.order, message.place(key.value().2));
            count += u64::from(unread);
        }
        Ok(count)
    }

    /// Messages of a conversation from `first` on and below `below`, the latest first.
    pub(in crate::index) fn history(
        &self,
        owner: &UserName,
        with: &Address,
        (first, below): (Seq, Seq),
        limit: usize,
    ) -> Result<(Vec<Message>, bool), ProjectionError> {
        let mut messages = Vec::new();
        if first >= below {
            return Ok((messages, false));
        }
        let table = self.0.open_table(MESSAGES)?;
        let (owner, other) = (owner.as_str(), with.to_string());
        for found in table.range((owner, other.as_str(), first.0)..(owner, other.as_str(), below.0))?.rev() {
            if messages.len() == limit {
                return Ok((messages, true));
            }
            let (key, bytes) = found?;
            messages.push(self.standing(owner, &other, key.value().2, row::row(bytes.value())?)?);
        }
        Ok((messages, false))
    }

    fn message(&self, owner: &str, with: &Address, seq: u64) -> Result<Message, ProjectionError> {
        let with = with.to_string();
        let table = self.0.open_table(MESSAGES)?;
        let bytes = table.get((owner, with.as_str(), seq))?.ok_or_else(|| damaged("a latest message is no message"))?;
        self.standing(owner, &with, seq, row::row(bytes.value())?)
    }

    fn standing(&self, owner: &str, with: &str, seq: u64, found: MessageRow) -> Result<Message, ProjectionError> {
        let table = self.0.open_table(STANDINGS)?;
        let bytes = table.get((owner, with, found.mine, row::key(found.id)))?;
        let bytes = bytes.ok_or_else(|| damaged("a message has no standing"))?;
        let Standing::<bool> { time, order, edit, reactions, .. } = row::row(bytes.value())?;
        let (id, mine): (MessageId, bool) = (found.id, found.mine);
        let reactions = reactions.into_iter();
        let reactions = reactions.map(|kept| Reaction { mine: kept.by, emoji: kept.emoji, time: kept.time }).collect();
        Ok(Message { at: found.place(seq), id, mine, time, order, edit, reactions })
    }
}
