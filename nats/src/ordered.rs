//! Messages of a stream in order, by an AckNone consumer that is given up at any doubt: an error, a pause without heartbeats, a consumer
//! sequence that is not the next one, a connection that was made anew. No durables, no acknowledgements: they swallow or reorder messages
//! when one reader takes over from another.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use bytes::Bytes;
use dunlin_schema::{RegionName, Seq, Shard, StreamTime, stream};
use futures_util::StreamExt;
use rand::Rng;
use tokio::sync::watch;

use crate::{Connection, ReadError, api::Api};

/// Messages of one batch that the consumer is asked for.
const BATCH: usize = 500;
/// How long one batch may take.
const EXPIRES: Duration = Duration::from_secs(10);
/// How often the server says that it is there. Two missed ones are a doubt.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(2);
/// How long the server keeps a consumer that nobody asks.
pub(crate) const INACTIVE: Duration = Duration::from_secs(10);
/// Words of a message's reply behind `$JS.ACK.`, where it names no domain.
const WORDS: usize = 7;
/// The longest pause before another consumer is made.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// A stream, and the JetStream domain that stores it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StreamName {
    /// The region whose servers store it.
    pub domain: RegionName,
    /// Its name, unique across regions.
    pub name: String,
}

impl StreamName {
    /// The log of a shard.
    pub fn log(region: &RegionName, shard: Shard) -> StreamName {
        StreamName { domain: region.clone(), name: stream::log_stream(region, shard) }
    }

    /// The records of a shard.
    pub fn state(region: &RegionName, shard: Shard) -> StreamName {
        StreamName { domain: region.clone(), name: stream::state_stream(region, shard) }
    }

    /// Its domain's API over this connection.
    pub(crate) fn api(&self, connection: &Connection) -> Api {
        connection.api().of(&self.domain)
    }
}

/// Why a consumer was given up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Doubt {
    #[error("the consumer can't be made: {0}")]
    NotMade(String),
    #[error("the stream's leader does not answer: {0}")]
    Leader(#[from] ReadError),
    #[error("the consumer failed: {0}")]
    Failed(String),
    #[error("a message that can't be placed: {0}")]
    Unplaced(String),
    #[error("message {found} of the consumer came where {expected} was due")]
    Hole { expected: u64, found: u64 },
    #[error("the connection may have lost some of what the consumer sent")]
    Lost,
    #[error("the consumer ended")]
    Ended,
    #[error("the consumer is silent")]
    Silent,
    #[error("what all readers share was left")]
    Left,
    #[error("nobody reads any more")]
    Unread,
}

/// Up to where a reader is: the entry that it was given last, with its timestamp, which tells whether it is still the same one. `None`
/// where that is not known; nobody needs to know it of the place before the first entry.
pub(crate) type Place = (Seq, Option<StreamTime>);

/// A message of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) subject: String,
    pub(crate) seq: Seq,
    pub(crate) time: StreamTime,
    pub(crate) payload: Bytes,
}

/// One consumer, from its making to its doubt.
pub(crate) struct Ordered {
    messages: pull::Stream,
    losses: watch::Receiver<u64>,
    expected: u64,
}

impl Ordered {
    /// Makes a consumer of the messages whose subjects match `filter`; of all, where it is empty.
    pub(crate) async fn open(
        connection: &Connection,
        stream: &StreamName,
        begin: DeliverPolicy,
        filter: &str,
    ) -> Result<Ordered, Doubt> {
        // What was on its way when the connection was lost is missed by nobody until the message behind it comes.
        let mut losses = connection.losses();
        losses.mark_unchanged();
        let not_made = |error: &dyn std::fmt::Display| Doubt::NotMade(error.to_string());
        let config = pull::Config {
            name: Some(consumer_name(stream)),
            ack_policy: AckPolicy::None,
            deliver_policy: begin,
            filter_subject: filter.to_owned(),
            memory_storage: true,
            num_replicas: 1,
            inactive_threshold: INACTIVE,
            ..pull::Config::default()
        };
        let jetstream = stream.api(connection).jetstream();
        let stream = jetstream.get_stream_no_info(&stream.name).await.map_err(|error| not_made(&error))?;
        let consumer = stream.create_consumer(config).await.map_err(|error| not_made(&error))?;
        let batches = consumer.stream().max_messages_per_batch(BATCH).expires(EXPIRES).heartbeat(HEARTBEAT);
        let messages = batches.messages().await.map_err(|error| not_made(&error))?;
        Ok(Ordered { messages, losses, expected: 1 })
    }

    /// The next message. Waits as long as it takes. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Placed, Doubt> {
        let message = tokio::select! {
            biased;
            _ = self.losses.changed() => return Err(Doubt::Lost),
            message = self.messages.next() => message.ok_or(Doubt::Ended)?,
        };
        let message = message.map_err(|error| Doubt::Failed(error.to_string()))?.message;
        let placed = Placed::read(&message.subject, message.reply.as_deref(), message.payload, self.expected)?;
        self.expected += 1;
        Ok(placed)
    }
}

/// Unique across regions, streams, readers and their consumers.
pub(crate) fn consumer_name(stream: &StreamName) -> String {
    let unique: u64 = rand::rng().random();
    format!("reader_{}_{unique:016x}", stream.name)
}

impl Placed {
    pub(crate) fn place(&self) -> Place {
        (self.seq, Some(self.time))
    }

    /// A message, if it is the consumer's `expected` one. Its reply says where it stands: `$JS.ACK.`, with a domain and an account or
    /// without, then stream, consumer, deliveries, sequence in the stream, in the consumer, nanoseconds since 1970, and what is pending.
    pub(crate) fn read(subject: &str, reply: Option<&str>, payload: Bytes, expected: u64) -> Result<Placed, Doubt> {
        let unplaced = || Doubt::Unplaced(reply.unwrap_or_default().to_owned());
        let mut words = reply.and_then(|reply| reply.strip_prefix("$JS.ACK.")).ok_or_else(unplaced)?.split('.');
        let before = if words.clone().count() > WORDS { 5 } else { 3 };
        let mut number = |skipped| words.nth(skipped).and_then(|word| word.parse().ok()).ok_or_else(unplaced);
        let (seq, found, time) = (Seq(number(before)?), number(0)?, StreamTime(number(0)?));
        if found != expected {
            return Err(Doubt::Hole { expected, found });
        }
        Ok(Placed { subject: subject.to_owned(), seq, time, payload })
    }
}

/// A pause before another consumer is made.
pub(crate) fn pause() -> Duration {
    rand::rng().random_range(Duration::from_millis(10)..PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_where_a_message_stands() {
        let read = |reply, expected| Placed::read("log.a", reply, Bytes::new(), expected);
        for reply in [
            "$JS.ACK.LOG.reader.1.7.3.9.0",
            "$JS.ACK.eu.hash.LOG.reader.1.7.3.9.0",
            "$JS.ACK._.h.LOG.reader.1.7.3.9.0.x",
        ] {
            let placed = read(Some(reply), 3).unwrap();
            assert_eq!((placed.seq, placed.time), (Seq(7), StreamTime(9)), "{reply}");
            assert!(matches!(read(Some(reply), 2), Err(Doubt::Hole { expected: 2, found: 3 })), "{reply}");
        }
        for reply in
            [None, Some(""), Some("$JS.ACK.LOG"), Some("$JS.ACK.LOG.reader.1.x.3.9.0"), Some("_INBOX.1.2.3.4.5.6.7.8")]
        {
            assert!(matches!(read(reply, 3), Err(Doubt::Unplaced(_))), "{reply:?}");
        }
    }
}
