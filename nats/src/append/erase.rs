//! The erasure of an entry whose tombstone is stored: its bytes are overwritten.
//!
//! JetStream deletes whatever stands at a sequence, and a log that went back gives its sequences again. So the entry and its tombstone are
//! looked at over the link over which the deletion is ordered: it never reconnects, and a server that lost its end has closed it.

use std::time::Duration;

use dunlin_schema::{Entry, Log, Seq, limits, stream};

use super::Appender;
use crate::{
    ReadError,
    api::{Left, MessageQuery},
};

impl Appender {
    /// Takes the entry at `seq` out of a log, for which the tombstone at `tombstone` stands. Gives whether it was still there. Errors: see
    /// [`ReadError`]; `Unanswered` also where that tombstone does not stand for that entry (any more). Then it is not known whether
    /// the entry is there, and the erasure begins again with the tombstone.
    pub async fn erase(&self, log: &Log, seq: Seq, tombstone: Seq) -> Result<bool, ReadError> {
        let wait = Duration::from_millis(limits::PUBLISH_TIMEOUT.0);
        let link = self.shared.keeper.within(wait).await.ok_or(ReadError::Unanswered)?;
        let (stream, subject) = (stream::log_stream(&log.region, log.shard), log.subject());
        let entry_at = async |seq: Seq| {
            let found = link.api.message(&stream, MessageQuery::At { seq: seq.0 }).await?;
            let found = found.filter(|found| found.subject == subject);
            Ok::<_, ReadError>(found.and_then(|found| Entry::decode(&found.payload).ok()))
        };
        let Some(entry) = entry_at(seq).await? else { return Ok(false) };
        let stands = entry_at(tombstone).await?.filter(Entry::is_tombstone);
        if !stands.is_some_and(|stands| stands.accounts_for(log, &entry)) || entry.is_tombstone() {
            return Err(ReadError::Unanswered);
        }
        Ok(link.api.delete_message(&stream, seq, Left::Overwritten).await?)
    }
}
