//! JetStream's own requests, where `async-nats` has no call of that shape: one question, one answer.

use std::time::Duration;

use async_nats::{
    Client, RequestErrorKind,
    jetstream::{self, consumer},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dunlin_schema::{RegionName, Seq, StreamTime, read::StoredEntry};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::line::Outbound;

/// How long a question to a stream's leader may take: longer than a busy moment, shorter than an election.
const LEADER_TIMEOUT: Duration = Duration::from_secs(1);

/// JetStream's code for "there is no such message".
const NO_MESSAGE: u64 = 10037;
/// The same where one is to be taken away: it is not there, or no longer.
const NOT_THERE: [u64; 2] = [10043, 10057];

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// Nobody answered in time, or nobody listens (an election, a cut).
    #[error("JetStream does not answer")]
    Unanswered,
    /// JetStream said no.
    #[error("JetStream refuses: {description} ({code})")]
    Refused { code: u64, description: String },
    /// What came can't be read.
    #[error("JetStream's answer can't be read: {0}")]
    Unreadable(String),
}

/// The JetStream API of one region, over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Api<O = Client> {
    over: O,
    region: RegionName,
}

/// What carries a question to JetStream, and its answer back.
pub(crate) trait Over {
    /// Errors: nobody answered in time, or nobody can.
    async fn ask(&self, subject: String, question: Vec<u8>) -> Result<Bytes, ApiError>;
}

impl Over for Client {
    async fn ask(&self, subject: String, question: Vec<u8>) -> Result<Bytes, ApiError> {
        let request = async_nats::Request::new().payload(question.into()).timeout(Some(LEADER_TIMEOUT));
        let answer = self.send_request(subject, request).await.map_err(|error| match error.kind() {
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                ApiError::Unreadable(error.to_string())
            }
            RequestErrorKind::TimedOut | RequestErrorKind::NoResponders | RequestErrorKind::Other => {
                ApiError::Unanswered
            }
        })?;
        Ok(answer.payload)
    }
}

impl Over for Outbound {
    async fn ask(&self, subject: String, question: Vec<u8>) -> Result<Bytes, ApiError> {
        let answer = tokio::time::timeout(LEADER_TIMEOUT, Outbound::ask(self, &subject, &[], &question)).await;
        answer.ok().and_then(Result::ok).ok_or(ApiError::Unanswered)
    }
}

/// A stored message, as the leader gives it.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) subject: String,
    pub(crate) seq: Seq,
    pub(crate) time: StreamTime,
    pub(crate) payload: Bytes,
}

impl From<StoredMessage> for StoredEntry {
    fn from(message: StoredMessage) -> StoredEntry {
        StoredEntry { seq: message.seq, time: message.time, payload: message.payload }
    }
}

/// Which message the leader is asked for. Exactly one of these shapes makes sense to JetStream.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum MessageQuery<'a> {
    /// The last one of a subject.
    Last { last_by_subj: &'a str },
    /// The one at a sequence.
    At { seq: u64 },
    /// The first one of a subject at or above a sequence.
    NextFrom { seq: u64, next_by_subj: &'a str },
    /// The first one of a subject stored at or after a time.
    NextSince { start_time: &'a str, next_by_subj: &'a str },
}

/// What becomes of the bytes of a message that is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// They stay in the stream's files until these are written anew.
    AsTheyAre,
    /// They are overwritten.
    Overwritten,
}

#[derive(Deserialize)]
struct Envelope<T> {
    error: Option<Refusal>,
    #[serde(flatten)]
    answer: Option<T>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct MessageAnswer {
    message: MessageBody,
}

#[derive(Deserialize)]
struct MessageBody {
    #[serde(default)]
    subject: String,
    seq: u64,
    time: String,
    #[serde(default)]
    data: String,
}

/// What JetStream says of a stream, as far as anybody here asks.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) state: StreamState,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamConfig {
    /// How many bytes it holds at most; below 0: no bound.
    #[serde(default)]
    pub(crate) max_bytes: i64,
    #[serde(default)]
    pub(crate) metadata: std::collections::HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    #[serde(default)]
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    /// When its last message was stored, as JetStream writes times.
    #[serde(default)]
    pub(crate) last_ts: String,
    /// Messages by subject, as far as the filter of the question matched.
    #[serde(default)]
    pub(crate) subjects: Option<std::collections::HashMap<String, u64>>,
}

impl Api {
    /// The API of another region, over the same connection.
    pub(crate) fn of(&self, region: &RegionName) -> Api {
        Api { over: self.over.clone(), region: region.clone() }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.over
    }

    /// `async-nats`' view of the same API.
    pub(crate) fn jetstream(&self) -> jetstream::Context {
        let mut context = jetstream::with_domain(self.over.clone(), self.region.as_str());
        context.set_timeout(Duration::from_secs(5));
        context
    }
}

impl<O: Over> Api<O> {
    pub(crate) fn new(over: O, region: &RegionName) -> Api<O> {
        Api { over, region: region.clone() }
    }

    /// The subject of a call.
    pub(crate) fn subject(&self, call: std::fmt::Arguments<'_>) -> String {
        format!("$JS.{}.API.{call}", self.region)
    }

    /// The leader's message that `query` names; `None` when there is none.
    pub(crate) async fn message(
        &self,
        stream: &str,
        query: MessageQuery<'_>,
    ) -> Result<Option<StoredMessage>, ApiError> {
        let subject = self.subject(format_args!("STREAM.MSG.GET.{stream}"));
        let MessageAnswer { message } = match self.ask(subject, &query).await {
            Err(ApiError::Refused { code: NO_MESSAGE, .. }) => return Ok(None),
            other => other?,
        };
        let payload = STANDARD.decode(&message.data).map_err(|error| ApiError::Unreadable(error.to_string()))?;
        let time = parse_time(&message.time).ok_or_else(|| ApiError::Unreadable(message.time.clone()))?;
        Ok(Some(StoredMessage { subject: message.subject, seq: Seq(message.seq), time, payload: payload.into() }))
    }

    /// Takes the message at a sequence away. Gives whether it was still there.
    pub(crate) async fn delete_message(&self, stream: &str, seq: Seq, left: Left) -> Result<bool, ApiError> {
        #[derive(Serialize)]
        struct Question {
            seq: u64,
            no_erase: bool,
        }
        #[derive(Deserialize)]
        struct Deleted {
            success: bool,
        }
        let subject = self.subject(format_args!("STREAM.MSG.DELETE.{stream}"));
        match self.ask(subject, &Question { seq: seq.0, no_erase: left == Left::AsTheyAre }).await {
            Ok(Deleted { success }) => Ok(success),
            Err(ApiError::Refused { code, .. }) if NOT_THERE.contains(&code) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the leader says of a stream, with the messages of the subjects that `filter` matches.
    pub(crate) async fn stream_info(&self, stream: &str, filter: Option<&str>) -> Result<StreamInfo, ApiError> {
        #[derive(Serialize)]
        struct Question<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            subjects_filter: Option<&'a str>,
        }
        let subject = self.subject(format_args!("STREAM.INFO.{stream}"));
        self.ask(subject, &Question { subjects_filter: filter }).await
    }

    /// Makes a consumer of the name that `config` gives it. Gives the sequence behind which it begins.
    pub(crate) async fn create_consumer(&self, stream: &str, config: &consumer::Config) -> Result<Seq, ApiError> {
        #[derive(Serialize)]
        struct Question<'a> {
            stream_name: &'a str,
            config: &'a consumer::Config,
        }
        #[derive(Deserialize)]
        struct Made {
            delivered: Delivered,
        }
        #[derive(Deserialize)]
        struct Delivered {
            stream_seq: u64,
        }
        let name = config.name.as_deref().unwrap_or_default();
        let subject = self.subject(format_args!("CONSUMER.CREATE.{stream}.{name}"));
        let Made { delivered } = self.ask(subject, &Question { stream_name: stream, config }).await?;
        Ok(Seq(delivered.stream_seq))
    }

    async fn ask<T: DeserializeOwned>(&self, subject: String, question: &impl Serialize) -> Result<T, ApiError> {
        let question = serde_json::to_vec(question).expect("our own questions are plain JSON");
        let answer = self.over.ask(subject, question).await?;
        let unreadable = |error: serde_json::Error| ApiError::Unreadable(error.to_string());
        let answer: Envelope<T> = serde_json::from_slice(&answer).map_err(unreadable)?;
        match (answer.error, answer.answer) {
            (Some(Refusal { err_code, description }), _) => Err(ApiError::Refused { code: err_code, description }),
            (None, Some(answer)) => Ok(answer),
            (None, None) => Err(ApiError::Unreadable("neither an answer nor an error".to_owned())),
        }
    }
}

/// What a stream says to a publish. Codes: nats-server's `errors.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublishAnswer {
    Stored {
        seq: Seq,
        duplicate: bool,
    },
    /// The subject's last sequence is another one. Not stored.
    Conflict,
    /// The stream's own bound, the account's or the server's storage. Not stored.
    Full(String),
    /// Not stored.
    TooLarge(String),
    /// An election (10158, 10164), or anything else: it may be stored.
    Unknown,
}

impl PublishAnswer {
    pub(crate) fn read(payload: &[u8]) -> PublishAnswer {
        #[derive(Deserialize)]
        struct Answer {
            error: Option<Refusal>,
            seq: Option<u64>,
            #[serde(default)]
            duplicate: bool,
        }
        match serde_json::from_slice(payload) {
            Ok(Answer { error: None, seq: Some(seq), duplicate }) => PublishAnswer::Stored { seq: Seq(seq), duplicate },
            Ok(Answer { error: Some(Refusal { err_code, description }), .. }) => match err_code {
                10071 => PublishAnswer::Conflict,
                10077 | 10047 | 10023 => PublishAnswer::Full(description),
                10054 => PublishAnswer::TooLarge(description),
                _ => PublishAnswer::Unknown,
            },
            Ok(_) | Err(_) => PublishAnswer::Unknown,
        }
    }
}

/// A time as JetStream writes it: RFC 3339 with nanoseconds.
pub(crate) fn parse_time(text: &str) -> Option<StreamTime> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos()).ok().map(StreamTime)
}

/// A time as JetStream's own calls take it.
pub(crate) fn calendar(time: StreamTime) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(time.0)).expect("64 bits of nanoseconds end in the year 2554")
}

/// [`calendar`] in RFC 3339.
pub(crate) fn format_time(time: StreamTime) -> String {
    calendar(time).format(&Rfc3339).expect("a time between the years 1970 and 2554 has this form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_nanoseconds() {
        for nanos in [0, 1, 1_700_000_000_123_456_789, u64::MAX] {
            let text = format_time(StreamTime(nanos));
            assert_eq!(parse_time(&text), Some(StreamTime(nanos)), "{text}");
        }
        assert_eq!(parse_time("2026-02-30T00:00:00Z"), None);
        assert_eq!(parse_time("1969-12-31T23:59:59Z"), None, "before what StreamTime can say");
    }
}
