//! Single entries of a log, its ends, and the last values of several subjects of STATE at once.

use bytes::Bytes;
use dunlin_schema::{Log, Seq, Shard, StreamTime, index::Place, limits, read::StoredEntry, stream};
use serde::Serialize;

use super::{
    LogSubject, ReadError, Reads,
    chain::{self, Chain, Progress, Reply},
};
use crate::api::{MessageQuery, parse_time};

/// The ends of a log that has entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnds {
    /// Its first entry.
    pub first: Place,
    /// Its last entry.
    pub last: Place,
}

impl Reads {
    /// The log's ends, as the leader says; `None` where it has no entry. Errors: see [`ReadError`].
    pub async fn log_ends(&self, log: &Log) -> Result<Option<LogEnds>, ReadError> {
        let (last, first) = tokio::try_join!(self.last(log), self.first(log))?;
        let (Some(last), Some(first)) = (last, first) else { return Ok(None) };
        let place = |seq: Seq, time: StreamTime| Place { seq, time };
        Ok(Some(LogEnds { first: place(first.seq, first.time), last: place(last.seq, last.time) }))
    }

    /// Where the log's first entry lies that was stored at or after a time, as the leader says; `None` where there is none. Errors: see
    /// [`ReadError`].
    pub async fn place_since(&self, log: &Log, time: StreamTime) -> Result<Option<Place>, ReadError> {
        let found = self.first_since(&LogSubject::of(log), time).await?;
        Ok(found.map(|found| Place { seq: found.seq, time: found.time }))
    }

    /// The end of the shard's stream of logs, as its leader says: whatever is stored later stands behind it. Errors: see [`ReadError`].
    pub async fn shard_end(&self, shard: Shard) -> Result<Place, ReadError> {
        let stream = stream::log_stream(self.region(), shard);
        let state = self.connection.api().stream_info(&stream, None).await?.state;
        // A stream that never had an entry has a time before all others.
        let time = parse_time(&state.last_ts).unwrap_or_default();
        Ok(Place { seq: Seq(state.last_seq), time })
    }

    /// The log's last entry, as the leader says; `None` where it has none. Errors: see [`ReadError`].
    pub async fn last_entry(&self, log: &Log) -> Result<Option<StoredEntry>, ReadError> {
        Ok(self.last(log).await?.map(StoredEntry::from))
    }

    /// The bytes of the log's entry at a place; `None` where it is there no longer. Any replica is asked, and the leader where that one has
    /// no such entry. Errors: see [`ReadError`].
    pub async fn entry_at(&self, log: &Log, place: Place) -> Result<Option<Bytes>, ReadError> {
        let found = match self.entry_by_any(log, place.seq).await {
            Some((subject, stored)) if subject == log.subject() && stored.time == place.time => {
                return Ok(Some(stored.payload));
            }
            Some(_) | None => self.at(log, place.seq).await?,
        };
        Ok(found.filter(|found| found.time == place.time).map(|found| found.payload))
    }

    async fn entry_by_any(&self, log: &Log, seq: Seq) -> Option<(String, StoredEntry)> {
        let stream = stream::log_stream(&log.region, log.shard);
        let question = serde_json::to_vec(&MessageQuery::At { seq: seq.0 }).expect("our own question is plain JSON");
        let call = self.connection.api().subject(format_args!("DIRECT.GET.{stream}"));
        let request = async_nats::Request::new().payload(question.into()).timeout(Some(self.reply_timeout()));
        let reply = self.connection.client().send_request(call, request).await.ok()?;
        let subject = chain::subject(&reply)?;
        reply.status.is_none().then_some(())?;
        Some((subject, chain::stored(&reply.headers?, reply.payload)?))
    }

    /// The last values of these subjects of a shard's STATE, each with its subject, as any replica has them; those that are not there are
    /// left out. Errors: see [`ReadError`].
    pub async fn states(&self, shard: Shard, subjects: &[String]) -> Result<Vec<(String, Bytes)>, ReadError> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.turns.acquire().await.map_err(|_| ReadError::Unanswered)?;
        for _ in 0..=limits::READ_RETRIES {
            if let Some(values) = self.try_states(shard, subjects).await? {
                return Ok(values);
            }
        }
        Err(ReadError::Unanswered)
    }

    /// The same, all as of one moment that is not before the call; `None` where several replicas would have to be asked for that.
    pub async fn states_now(
        &self,
        shard: Shard,
        subjects: &[String],
    ) -> Result<Option<Vec<(String, Bytes)>>, ReadError> {
        if self.replicas == 1 { self.states(shard, subjects).await.map(Some) } else { Ok(None) }
    }

    /// One batch; `None` where a reply of it is missing.
    async fn try_states(&self, shard: Shard, subjects: &[String]) -> Result<Option<Vec<(String, Bytes)>>, ReadError> {
        #[derive(Serialize)]
        struct Question<'a> {
            multi_last: &'a [String],
            batch: usize,
        }
        let question = serde_json::to_vec(&Question { multi_last: subjects, batch: subjects.len() });
        let question = question.expect("our own question is plain JSON");
        let stream = stream::state_stream(self.region(), shard);
        let call = self.connection.api().subject(format_args!("DIRECT.GET.{stream}"));
        let mut inbox = self.inbox().await.map_err(|_| ReadError::Unanswered)?;
        let asked = self.connection.client().publish_with_reply(call, inbox.next_question(), question.into()).await;
        asked.map_err(|_| ReadError::Unanswered)?;
        let (mut chain, mut found) = (Chain::default(), Vec::new());
        while let Some(reply) = inbox.reply(self.reply_timeout()).await {
            found.extend(chain::subject(&reply));
            match chain.take(Reply::of(reply)) {
                Progress::Going => {}
                Progress::Complete { entries, pending: 0 } if entries.len() == found.len() => {
                    self.keep(inbox);
                    let values = entries.into_iter().map(|entry| entry.payload);
                    return Ok(Some(found.into_iter().zip(values).collect()));
                }
                Progress::Complete { .. } | Progress::Broken => return Ok(None),
                Progress::NoResponders => return Err(ReadError::Unanswered),
                Progress::Unreadable(what) => return Err(ReadError::Unreadable(what)),
            }
        }
        Ok(None)
    }
}
