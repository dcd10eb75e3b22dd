//! Entries whose bytes are overwritten where they stand.
//!
//! JetStream deletes whatever stands at a sequence, and a log that went back gives its sequences again. So what is deleted is looked at
//! over the link over which the deletion is ordered: it never reconnects, and a server that lost its end has closed it.

use std::{sync::Arc, time::Duration};

use dunlin_schema::{Entry, Log, Seq, StreamTime, limits, stream};

use super::{Appender, link::Link};
use crate::{
    ReadError,
    api::{Left, MessageQuery, StoredMessage},
};

/// One log, over one link.
struct Over {
    link: Arc<Link>,
    stream: String,
    subject: String,
}

impl Over {
    async fn at(&self, seq: Seq) -> Result<Option<StoredMessage>, ReadError> {
        let found = self.link.api.message(&self.stream, MessageQuery::At { seq: seq.0 }).await?;
        Ok(found.filter(|found| found.subject == self.subject))
    }

    async fn overwrite(&self, seq: Seq) -> Result<bool, ReadError> {
        Ok(self.link.api.delete_message(&self.stream, seq, Left::Overwritten).await?)
    }
}

impl Appender {
    /// Takes the entry at `seq` out of a log, for which the tombstone at `tombstone` stands. Gives whether it was still there. Errors: see
    /// [`ReadError`]; `Unanswered` also where that tombstone does not stand for that entry (any more). Then it is not known whether
    /// the entry is there, and the erasure begins again with the tombstone.
    pub async fn erase(&self, log: &Log, seq: Seq, tombstone: Seq) -> Result<bool, ReadError> {
        let over = self.over(log).await?;
        let read = |found: Option<StoredMessage>| found.and_then(|found| Entry::decode(&found.payload).ok());
        let Some(entry) = read(over.at(seq).await?) else { return Ok(false) };
        let stands = read(over.at(tombstone).await?).filter(Entry::is_tombstone);
        if !stands.is_some_and(|stands| stands.accounts_for(log, &entry)) || entry.is_tombstone() {
            return Err(ReadError::Unanswered);
        }
        over.overwrite(seq).await
    }

    /// Takes the entry at `seq`, stored at `time`, out of a log of which nothing is to be left. Gives whether it was still there. Errors:
    /// see [`ReadError`].
    pub async fn clear(&self, log: &Log, seq: Seq, time: StreamTime) -> Result<bool, ReadError> {
        let over = self.over(log).await?;
        match over.at(seq).await? {
            Some(found) if found.time == time => over.overwrite(seq).await,
            Some(_) | None => Ok(false),
        }
    }

    async fn over(&self, log: &Log) -> Result<Over, ReadError> {
        let wait = Duration::from_millis(limits::PUBLISH_TIMEOUT.0);
        let link = self.shared.keeper.within(wait).await.ok_or(ReadError::Unanswered)?;
        Ok(Over { link, stream: stream::log_stream(&log.region, log.shard), subject: log.subject() })
    }
}
