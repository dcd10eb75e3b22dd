//! Pages of the records of STATE: one round trip to any replica, checked against the leader where there is more than one.

use async_nats::Message;
use dunlin_schema::{Seq, Shard, limits, read::ReadFrom, stream};

use super::{
    LogSubject, Reads,
    chain::{self, Progress},
};
use crate::{
    api::{ApiError, MessageQuery},
    records::{Page, Record, RecordError, Records},
};

impl Reads {
    /// Up to [`limits::READ_ENTRIES`] records of the shard's STATE whose subjects match a pattern and whose revisions are above `after`, in
    /// the order of these. It misses nothing that was stored before it was called. Errors: see [`RecordError`].
    pub(crate) async fn records(&self, shard: Shard, pattern: &str, after: Seq) -> Result<Page, RecordError> {
        let place = LogSubject { stream: stream::state_stream(self.region(), shard), subject: pattern.to_owned() };
        let (found, last) = tokio::join!(self.records_by_any(&place, after), self.last_of_many(&place));
        if let Some(Page { records, next }) = found {
            let reached = records.last().map(|(_, last)| last.revision);
            // A replica that says "no more" below the leader's last record lags.
            let lags = next.is_none() && reached.unwrap_or(after) < last?;
            match reached {
                Some(reached) if lags => return Ok(Page { records, next: Some(reached.next()) }),
                None if lags => {}
                Some(_) | None => return Ok(Page { records, next }),
            }
        }
        Records::new(&self.connection).page(shard, pattern, after.next()).await
    }

    /// The revision of the last record; `Seq(0)` where the only replica is the one that is asked for the records anyway.
    async fn last_of_many(&self, place: &LogSubject) -> Result<Seq, ApiError> {
        if self.replicas == 1 {
            return Ok(Seq(0));
        }
        let query = MessageQuery::Last { last_by_subj: &place.subject };
        Ok(self.connection.api().message(&place.stream, query).await?.map_or(Seq(0), |last| last.seq))
    }

    /// `None` where no replica answers.
    async fn records_by_any(&self, place: &LogSubject, after: Seq) -> Option<Page> {
        let _turn = self.turns.acquire().await.ok()?;
        for _ in 0..=limits::READ_RETRIES {
            let mut subjects = Vec::new();
            let seen = |reply: &Message| subjects.extend(chain::subject(reply));
            match self.batch_seen(place, ReadFrom::Seq(after.next()), seen).await {
                Progress::Complete { entries, pending } if subjects.len() == entries.len() => {
                    let next = entries.last().filter(|_| pending > 0).map(|last| last.seq.next());
                    let records = subjects.into_iter().zip(entries).map(|(subject, entry)| {
                        (subject, Record { bytes: entry.payload, revision: entry.seq, stamp: entry.time })
                    });
                    return Some(Page { records: records.collect(), next });
                }
                Progress::Complete { .. } | Progress::NoResponders | Progress::Unreadable(_) => break,
                Progress::Going | Progress::Broken => {}
            }
        }
        None
    }
}
