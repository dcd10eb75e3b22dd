//! Reads of one log, and last values of STATE.
//!
//! A read by any replica is one batch of Direct Get with its chain checked. One by the leader is that too where the stream has a single
//! replica; otherwise it is one question to the leader for each entry, so it brings fewer. The leader's evidence is asked after the
//! entries. Reads that come in a crowd are answered out of one pass over their shard: see `together`.

mod chain;
mod evidence;
mod inbox;
mod pattern;
mod single;
mod together;

use std::{sync::Arc, time::Duration};

use async_nats::{Message, SubscribeError};
use bytes::Bytes;
use dunlin_schema::{
    Log, RegionName, Seq, Shard, StreamTime, limits,
    read::{Evidence, ReadAnswer, ReadFrom, ReadRequest, Source, StoredEntry},
    stream::{self, RegionSettings},
};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;

pub use self::single::LogEnds;
use self::{
    chain::{Chain, Progress, Reply},
    inbox::Inbox,
    together::{FromWindow, Route, Together},
};
use crate::{
    ConnectError, ConnectOptions, Connection,
    api::{Api, ApiError, MessageQuery, StoredMessage, format_time},
    connect::Purpose,
};

/// Batches that are read at once on one connection; further reads wait for their turn, so that a storm does not time itself out.
const CONCURRENT: usize = 64;
/// Replies that wait in one inbox: a whole batch and its end.
const REPLY_CAPACITY: usize = limits::READ_ENTRIES + 16;
/// Entries of one answer where each is a question to the leader.
const LEADER_ENTRIES: usize = 64;
/// How long a stream with one replica may take for each reply: there is nobody else to ask.
const SINGLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Messages with their subjects, and whether more follow.
pub type Found = (Vec<(String, StoredEntry)>, bool);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody answered in time: neither a replica nor the leader.
    #[error("the stream does not answer")]
    Unanswered,
    /// What came is no answer of a server that Dunlin knows.
    #[error("the stream answered what can't be read: {0}")]
    Unreadable(String),
}

impl From<ApiError> for ReadError {
    fn from(error: ApiError) -> ReadError {
        match error {
            ApiError::Unanswered => ReadError::Unanswered,
            ApiError::Refused { .. } | ApiError::Unreadable(_) => ReadError::Unreadable(error.to_string()),
        }
    }
}

/// Reads on a connection of their own, so that a large one holds nothing else up. Clones share it.
#[derive(Clone, Debug)]
pub struct Reads {
    connection: Connection,
    replicas: u8,
    turns: Arc<Semaphore>,
    /// Those that no read uses just now.
    inboxes: Arc<Mutex<Vec<Inbox>>>,
    together: Arc<Together>,
}

#[derive(Serialize)]
struct BatchQuestion<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    batch: usize,
    max_bytes: usize,
}

impl Reads {
    /// Opens the connection. Errors: see [`ConnectError`].
    pub async fn open(options: &ConnectOptions, settings: &RegionSettings) -> Result<Reads, ConnectError> {
        let purpose = Purpose { suffix: "-reads", subscription_capacity: REPLY_CAPACITY };
        let connection = Connection::open_for(options, &settings.region, purpose).await?;
        Ok(Reads {
            connection,
            replicas: settings.replicas,
            turns: Arc::new(Semaphore::new(CONCURRENT)),
            inboxes: Arc::default(),
            together: Arc::new(Together::new()),
        })
    }

    /// Reads a log. `Source::Any` is answered by any replica, and by the leader (then with evidence) when none answers. Errors: see
    /// [`ReadError`].
    pub async fn read(&self, log: &Log, request: ReadRequest) -> Result<ReadAnswer, ReadError> {
        let place = LogSubject::of(log);
        let alone = match request.from {
            ReadFrom::Seq(from) if self.replicas == 1 => match self.route(&place, from).await {
                Route::FromWindow(shared) => return self.of_window(&place, request, shared).await,
                Route::Alone(alone) => Some(alone),
            },
            ReadFrom::Seq(_) | ReadFrom::Time(_) => None,
        };
        let (entries, more, leader) = self.asked(&place, request).await?;
        if let Some(alone) = alone {
            alone.brought(&entries, leader);
        }
        let evidence = if leader { Some(self.evidence(&place, request.from, &entries, more).await?) } else { None };
        Ok(ReadAnswer { entries, more, evidence })
    }

    /// The answer that a window gives. The only replica is the leader.
    async fn of_window(
        &self,
        place: &LogSubject,
        request: ReadRequest,
        shared: FromWindow,
    ) -> Result<ReadAnswer, ReadError> {
        let FromWindow { entries, more, first, stream_last } = shared;
        let evidence = match request.source {
            Source::Any => None,
            Source::Leader if more => Some(self.evidence(place, request.from, &entries, more).await?),
            Source::Leader => Some(Evidence { first, stream_last, weight: evidence::weight_of(&entries) }),
        };
        Ok(ReadAnswer { entries, more, evidence })
    }

    /// How many reads were answered together with others, out of one pass over their shard.
    pub fn answered_together(&self) -> u64 {
        self.together.answered()
    }

    /// How often answers were dropped because too many waited to be taken.
    pub fn dropped(&self) -> u64 {
        self.connection.dropped()
    }

    /// Reads a log for one who needs no evidence. Errors: see [`ReadError`].
    pub(crate) async fn entries(&self, log: &Log, request: ReadRequest) -> Result<ReadAnswer, ReadError> {
        let (entries, more, _) = self.asked(&LogSubject::of(log), request).await?;
        Ok(ReadAnswer { entries, more, evidence: None })
    }

    /// Entries, whether more follows, and whether it is the leader who says so.
    async fn asked(
        &self,
        place: &LogSubject,
        request: ReadRequest,
    ) -> Result<(Vec<StoredEntry>, bool, bool), ReadError> {
        match request.source {
            Source::Any => match self.by_any(place, request.from).await {
                Ok((entries, more)) => return Ok((entries, more, false)),
                Err(ReadError::Unanswered) => self.by_leader(place, request.from).await,
                Err(error) => Err(error),
            },
            Source::Leader => self.by_authority(place, request.from).await,
        }
        .map(|(entries, more)| (entries, more, true))
    }

    /// The log's entry at a sequence, as the leader says; `None` where there is none. Errors: see [`ReadError`].
    pub async fn entry(&self, log: &Log, seq: Seq) -> Result<Option<StoredEntry>, ReadError> {
        Ok(self.at(log, seq).await?.map(StoredEntry::from))
    }

    /// Some of a log's entries above a sequence, up to another, in order, and whether more of these follow. It misses none that was stored
    /// before it was called. Errors: see [`ReadError`].
    pub async fn between(&self, log: &Log, above: Seq, upto: Seq) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        let (place, from) = (LogSubject::of(log), ReadFrom::Seq(above.next()));
        let (mut entries, mut more, leader) = self.asked(&place, ReadRequest { from, source: Source::Any }).await?;
        let ends_below = |entries: &[StoredEntry]| entries.last().is_none_or(|last| last.seq < upto);
        if !more && !leader && self.replicas > 1 && ends_below(&entries) {
            // The replica may lag: the leader is asked for the rest.
            if entries.is_empty() {
                (entries, more) = self.by_leader(&place, from).await?;
            } else {
                more = true;
            }
        }
        more &= ends_below(&entries);
        entries.retain(|entry| entry.seq <= upto);
        Ok((entries, more))
    }

    /// Some of a log's entries that were stored after a time, in order, and whether more of these follow. It misses none that was stored
    /// before it was called. Errors: see [`ReadError`].
    pub async fn since(&self, log: &Log, time: StreamTime) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        let (place, from) = (LogSubject::of(log), ReadFrom::Time(time.next()));
        let (mut entries, mut more, leader) = self.asked(&place, ReadRequest { from, source: Source::Any }).await?;
        if !more && !leader && self.replicas > 1 {
            // The replica may lag: the leader is asked for the rest.
            let from = entries.last().map_or(from, |last| ReadFrom::Seq(last.seq.next()));
            let (rest, rest_more) = self.by_leader(&place, from).await?;
            entries.extend(rest);
            more = rest_more;
        }
        Ok((entries, more))
    }

    /// The last value of a STATE subject, with its sequence and timestamp. Errors: see [`ReadError`].
    pub async fn state(
        &self,
        subject: &str,
        shard: Shard,
        source: Source,
    ) -> Result<Option<(Bytes, Seq, StreamTime)>, ReadError> {
        let stream = stream::state_stream(self.region(), shard);
        // The only replica is the leader.
        if source == Source::Any || self.replicas == 1 {
            let call = self.connection.api().subject(format_args!("DIRECT.GET.{stream}.{subject}"));
            for _ in 0..=limits::READ_RETRIES {
                let request = async_nats::Request::new().timeout(Some(self.reply_timeout()));
                let Ok(reply) = self.connection.client().send_request(call.clone(), request).await else { continue };
                return last_value(reply);
            }
        }
        let last = self.connection.api().message(&stream, MessageQuery::Last { last_by_subj: subject }).await?;
        Ok(last.map(|message| (message.payload, message.seq, message.time)))
    }

    /// The log's last entry, as the leader says.
    pub(crate) async fn last(&self, log: &Log) -> Result<Option<StoredMessage>, ReadError> {
        let place = LogSubject::of(log);
        let query = MessageQuery::Last { last_by_subj: &place.subject };
        Ok(self.connection.api().message(&place.stream, query).await?)
    }

    /// The log's first entry, as the leader says.
    pub(crate) async fn first(&self, log: &Log) -> Result<Option<StoredMessage>, ReadError> {
        self.next(&LogSubject::of(log), Seq(1)).await
    }

    /// The log's entry at a sequence, as the leader says; `None` where another log's stands there.
    pub(crate) async fn at(&self, log: &Log, seq: Seq) -> Result<Option<StoredMessage>, ReadError> {
        let place = LogSubject::of(log);
        let found = self.connection.api().message(&place.stream, MessageQuery::At { seq: seq.0 }).await?;
        Ok(found.filter(|found| found.subject == place.subject))
    }

    pub(crate) fn api(&self) -> &Api {
        self.connection.api()
    }

    fn region(&self) -> &RegionName {
        self.connection.region()
    }

    fn reply_timeout(&self) -> Duration {
        if self.replicas == 1 { SINGLE_TIMEOUT } else { Duration::from_millis(limits::READ_TIMEOUT.0) }
    }

    /// The log's first entry at or above `seq`, as the leader says.
    async fn next(&self, place: &LogSubject, seq: Seq) -> Result<Option<StoredMessage>, ReadError> {
        let query = MessageQuery::NextFrom { seq: seq.0.max(1), next_by_subj: &place.subject };
        Ok(self.connection.api().message(&place.stream, query).await?)
    }

    /// Entries by any replica, with retries. A broken chain counts as no answer.
    async fn by_any(&self, place: &LogSubject, from: ReadFrom) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        let _turn = self.turns.acquire().await.map_err(|_| ReadError::Unanswered)?;
        for _ in 0..=limits::READ_RETRIES {
            match self.batch(place, from).await {
                Progress::Complete { entries, pending } => return Ok((entries, pending > 0)),
                Progress::Going | Progress::Broken => {}
                Progress::NoResponders => break,
                Progress::Unreadable(what) => return Err(ReadError::Unreadable(what)),
            }
        }
        Err(ReadError::Unanswered)
    }

    /// Entries by the leader: by the only replica where there is one.
    async fn by_authority(&self, place: &LogSubject, from: ReadFrom) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        if self.replicas == 1 {
            match self.by_any(place, from).await {
                Err(ReadError::Unanswered) => {}
                answered => return answered,
            }
        }
        self.by_leader(place, from).await
    }

    /// Entries by questions to the leader.
    async fn by_leader(&self, place: &LogSubject, from: ReadFrom) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        let mut entries = Vec::new();
        let mut bytes = 0;
        let mut next = match from {
            ReadFrom::Seq(seq) => self.next(place, seq).await?,
            ReadFrom::Time(time) => self.first_since(place, time).await?,
        };
        while let Some(StoredMessage { seq, time, payload, .. }) = next {
            if entries.len() == LEADER_ENTRIES || bytes + payload.len() > limits::READ_BYTES {
                return Ok((entries, true));
            }
            bytes += payload.len();
            entries.push(StoredEntry { seq, time, payload });
            next = self.next(place, seq.next()).await?;
        }
        Ok((entries, false))
    }

    /// The leader's first entry of the log stored at or after `time`.
    async fn first_since(&self, place: &LogSubject, time: StreamTime) -> Result<Option<StoredMessage>, ReadError> {
        let start_time = format_time(time);
        let query = MessageQuery::NextSince { start_time: &start_time, next_by_subj: &place.subject };
        Ok(self.connection.api().message(&place.stream, query).await?)
    }

    /// One batch, by whoever answers. `Going` is one that stopped.
    async fn batch(&self, place: &LogSubject, from: ReadFrom) -> Progress {
        self.batch_seen(place, from, |_| ()).await
    }

    /// The same, where each reply is shown as it came.
    async fn batch_seen(&self, place: &LogSubject, from: ReadFrom, mut seen: impl FnMut(&Message)) -> Progress {
        let (seq, start_time) = match from {
            ReadFrom::Seq(seq) => (Some(seq), None),
            ReadFrom::Time(time) => (None, Some(format_time(time))),
        };
        let Ok(mut inbox) = self.inbox().await else { return Progress::NoResponders };
        let question = inbox.next_question();
        if self.ask_batch(place, seq, start_time, Some(&place.subject), question).await.is_err() {
            return Progress::NoResponders;
        }
        let mut chain = Chain::default();
        while let Some(reply) = inbox.reply(self.reply_timeout()).await {
            seen(&reply);
            match chain.take(Reply::of(reply)) {
                Progress::Going => {}
                complete @ Progress::Complete { .. } => {
                    self.keep(inbox);
                    return complete;
                }
                failed @ (Progress::Broken | Progress::NoResponders | Progress::Unreadable(_)) => return failed,
            }
        }
        Progress::Going
    }

    /// An inbox for a question, which [`Reads::keep`] takes back once that is answered whole: so nothing of it fills the room of the next.
    async fn inbox(&self) -> Result<Inbox, SubscribeError> {
        let kept = self.inboxes.lock().pop();
        match kept {
            Some(inbox) => Ok(inbox),
            None => Inbox::open(self.connection.client()).await,
        }
    }

    fn keep(&self, inbox: Inbox) {
        let mut inboxes = self.inboxes.lock();
        if inboxes.len() < CONCURRENT {
            inboxes.push(inbox);
        }
    }

    /// Asks any replica for a batch: of one subject, or of all.
    async fn ask_batch(
        &self,
        place: &LogSubject,
        seq: Option<Seq>,
        start_time: Option<String>,
        next_by_subj: Option<&str>,
        reply: String,
    ) -> Result<(), async_nats::PublishError> {
        let seq = seq.map(|seq| seq.0.max(1));
        let question =
            BatchQuestion { seq, start_time, next_by_subj, batch: limits::READ_ENTRIES, max_bytes: limits::READ_BYTES };
        let question = serde_json::to_vec(&question).expect("our own question is plain JSON");
        let call = self.connection.api().subject(format_args!("DIRECT.GET.{}", place.stream));
        self.connection.client().publish_with_reply(call, reply, question.into()).await
    }

    /// The sequence of the log's first entry, as any replica says.
    async fn first_by_any(&self, place: &LogSubject) -> Result<Option<Seq>, ReadError> {
        let question = MessageQuery::NextFrom { seq: 1, next_by_subj: &place.subject };
        let question = serde_json::to_vec(&question).expect("our own question is plain JSON");
        let call = self.connection.api().subject(format_args!("DIRECT.GET.{}", place.stream));
        let request = async_nats::Request::new().payload(question.into()).timeout(Some(self.reply_timeout()));
        let reply = self.connection.client().send_request(call, request).await.map_err(|_| ReadError::Unanswered)?;
        Ok(last_value(reply)?.map(|(_, seq, _)| seq))
    }
}

/// A log as JetStream names it.
struct LogSubject {
    stream: String,
    subject: String,
}

impl LogSubject {
    fn of(log: &Log) -> LogSubject {
        LogSubject { stream: stream::log_stream(&log.region, log.shard), subject: log.subject() }
    }
}

fn last_value(reply: Message) -> Result<Option<(Bytes, Seq, StreamTime)>, ReadError> {
    match reply.status.map(|status| status.as_u16()) {
        None => {
            let found = chain::stored(&reply.headers.unwrap_or_default(), reply.payload);
            let found =
                found.ok_or_else(|| ReadError::Unreadable("a value without its sequence or time".to_owned()))?;
            Ok(Some((found.payload, found.seq, found.time)))
        }
        Some(404) => Ok(None),
        Some(status) => Err(ReadError::Unreadable(format!("status {status}"))),
    }
}
