//! Batches of whatever a stream holds under many subjects: one round trip to any replica.

use async_nats::Message;
use dunlin_schema::{Seq, Shard, StreamTime, limits, read::ReadFrom, stream, subject};

use super::{
    Found, LogSubject, ReadError, Reads,
    chain::{self, Progress},
    single::LastOfMany,
};
use crate::api::MessageQuery;

impl Reads {
    /// Up to [`limits::READ_ENTRIES`] messages of a stream whose subjects match a pattern, in order above a sequence; `None` where no
    /// replica answers. One that lags says too little.
    pub(crate) async fn by_pattern(&self, stream: &str, pattern: &str, after: Seq) -> Option<Found> {
        self.matching(stream, pattern, ReadFrom::Seq(after.next())).await
    }

    /// The same of a stream that keeps one message of each subject, where few match: nats-server goes through those, and not through what
    /// lies between them as well. `None` also where it would be too many, which is more than 1,024.
    pub(crate) async fn by_pattern_of_few(&self, stream: &str, pattern: &str, after: Seq) -> Option<Found> {
        let (batch, max_bytes) = (limits::READ_ENTRIES, limits::READ_BYTES);
        let question = LastOfMany { multi_last: &[pattern.to_owned()], seq: after.next().0, batch, max_bytes };
        let _turn = self.turns.acquire().await.ok()?;
        for _ in 0..=limits::READ_RETRIES {
            if let Some(found) = self.last_of_each(stream, &question).await.ok()? {
                return Some(found);
            }
        }
        None
    }

    /// Up to [`limits::READ_ENTRIES`] entries of the logs of a shard's groups that were stored after a time, in order. It misses none that
    /// was stored before it was called; `None` where it might, since there are several replicas, and where nobody answers.
    pub async fn of_groups_since(&self, shard: Shard, time: StreamTime) -> Option<Found> {
        let (stream, pattern) = (stream::log_stream(self.region(), shard), subject::group_logs(self.region(), shard));
        let from = ReadFrom::Time(time.next());
        if self.replicas == 1 { self.matching(&stream, &pattern, from).await } else { None }
    }

    async fn matching(&self, stream: &str, pattern: &str, from: ReadFrom) -> Option<Found> {
        let place = LogSubject { stream: stream.to_owned(), subject: pattern.to_owned() };
        let _turn = self.turns.acquire().await.ok()?;
        for _ in 0..=limits::READ_RETRIES {
            let mut subjects = Vec::new();
            let seen = |reply: &Message| subjects.extend(chain::subject(reply));
            match self.batch_seen(&place, from, seen).await {
                Progress::Complete { entries, pending } if subjects.len() == entries.len() => {
                    return Some((subjects.into_iter().zip(entries).collect(), pending > 0));
                }
                Progress::Complete { .. } | Progress::NoResponders | Progress::Unreadable(_) => break,
                Progress::Going | Progress::Broken => {}
            }
        }
        None
    }

    /// The sequence of the last of these messages, as the leader says; `Seq(0)` where the only replica is the one that is asked for
    /// them anyway.
    pub(crate) async fn last_of_many(&self, stream: &str, pattern: &str) -> Result<Seq, ReadError> {
        if self.replicas == 1 {
            return Ok(Seq(0));
        }
        let query = MessageQuery::Last { last_by_subj: pattern };
        Ok(self.connection.api().message(stream, query).await?.map_or(Seq(0), |last| last.seq))
    }
}
