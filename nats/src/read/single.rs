//! Single entries of a log, its ends, and the last values of several subjects of STATE at once.

use bytes::Bytes;
use dunlin_schema::{Log, Seq, Shard, StreamTime, index::Place, limits, read::StoredEntry, stream};
use serde::Serialize;

use super::{
    Found, LogSubject, ReadError, Reads,
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

/// How nats-server says that a message it was about to send is gone; of a question that nothing matches it says something else.
const GONE: &str = "Message Not Found";

/// The question for the last messages of many subjects.
#[derive(Serialize)]
pub(super) struct LastOfMany<'a> {
    /// Subjects, or patterns.
    pub(super) multi_last: &'a [String],
    /// Where they begin.
    pub(super) seq: u64,
    pub(super) batch: usize,
    pub(super) max_bytes: usize,
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
        // 0 bytes are as many as it likes.
        let question = LastOfMany { multi_last: subjects, seq: 1, batch: subjects.len(), max_bytes: 0 };
        let found = self.last_of_each(&stream::state_stream(self.region(), shard), &question).await?;
        let whole = found.filter(|(_, more)| !more).map(|(found, _)| found);
        Ok(whole.map(|found| found.into_iter().map(|(subject, entry)| (subject, entry.payload)).collect()))
    }

    /// The last messages of many subjects, in the order of the stream, each with its subject, and whether more follow; `None` where a reply
    /// of it is missing. Errors: see [`ReadError`]; `Unreadable` where there are more than nats-server looks for at once.
    pub(super) async fn last_of_each(
        &self,
        stream: &str,
        question: &LastOfMany<'_>,
    ) -> Result<Option<Found>, ReadError> {
        let question = serde_json::to_vec(question).expect("our own question is plain JSON");
        let call = self.connection.api().subject(format_args!("DIRECT.GET.{stream}"));
        let mut inbox = self.inbox().await.map_err(|_| ReadError::Unanswered)?;
        let asked = self.connection.client().publish_with_reply(call, inbox.next_question(), question.into()).await;
        asked.map_err(|_| ReadError::Unanswered)?;
        let (mut chain, mut subjects) = (Chain::default(), Vec::new());
        while let Some(reply) = inbox.reply(self.reply_timeout()).await {
            subjects.extend(chain::subject(&reply));
            // One of the messages that were to be sent is gone by now.
            let is_cut = reply.description.as_deref() == Some(GONE);
            match chain.take(Reply::of(reply)) {
                Progress::Going => {}
                Progress::Complete { entries, pending } if entries.len() == subjects.len() && !is_cut => {
                    self.keep(inbox);
                    return Ok(Some((subjects.into_iter().zip(entries).collect(), pending > 0)));
                }
                Progress::Complete { .. } | Progress::Broken => return Ok(None),
                Progress::NoResponders => return Err(ReadError::Unanswered),
                Progress::Unreadable(what) => return Err(ReadError::Unreadable(what)),
            }
        }
        Ok(None)
    }
}
