//! What a reader asks of NATS, each as a future that gives the answer as an input.

use std::{sync::Arc, time::Duration};

use dunlin_nats::{Connection, Publisher, ReadError, Records, StreamName, entry_time, stream_ends};
use dunlin_schema::{
    Epoch, RegionName, Seq, Shard,
    envelope::EnvelopeError,
    limits,
    record::{LEADER, ReaderRecord},
    subject,
};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::timeout;

use super::{
    core::{Compared, Epochs, Input, Stored},
    ownership::Looked,
};
use crate::{boot::BootSource, context::Context};

/// How long a save may wait for the stream's end, which only the metrics want to know.
const LAG_WITHIN: Duration = Duration::from_millis(250);

/// The questions of one reader.
#[derive(Clone)]
pub(super) struct Asks {
    connection: Connection,
    publisher: Publisher,
    records: Records,
    boot: BootSource,
    shard: Shard,
    stream: StreamName,
    /// The subject of its own record.
    record: Arc<str>,
    /// The subject of the deliver reader's record, for one that follows it.
    leader: Option<Arc<str>>,
}

impl Asks {
    pub(super) fn new(
        Context { connection, publisher, boot, .. }: &Context,
        (region, shard): (&RegionName, Shard),
        role: &str,
        epochs: Epochs,
    ) -> Asks {
        let leader = match epochs {
            Epochs::Begins { .. } => None,
            Epochs::Follows(_) => Some(subject::reader_record(region, shard, LEADER).into()),
        };
        Asks {
            connection: connection.clone(),
            publisher: publisher.clone(),
            records: Records::new(connection),
            boot: boot.clone(),
            shard,
            stream: StreamName::log(region, shard),
            record: subject::reader_record(region, shard, role).into(),
            leader,
        }
    }

    pub(super) async fn look(self) -> Input {
        let shard = self.shard;
        Input::Looked(match self.records.load(shard, &self.record).await {
            Ok(None) => Looked::Absent,
            Ok(Some(stored)) => match ReaderRecord::decode(&stored.bytes) {
                Ok(record) => Looked::Record { record, revision: stored.revision, stamp: stored.stamp },
                Err(error @ EnvelopeError::Version { .. }) => {
                    tracing::warn!(%shard, %error, "the reader's record is of another release: leaving it alone");
                    Looked::Failed
                }
                Err(error @ (EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_))) => {
                    tracing::error!(%shard, %error, "the reader's record is damaged");
                    Looked::Damaged { revision: stored.revision }
                }
            },
            Err(error) => {
                tracing::debug!(%shard, %error, "the reader's record could not be read");
                Looked::Failed
            }
        })
    }

    /// The epoch is read before the stream: so a log that goes back in between is never taken for the one of a later epoch.
    pub(super) async fn compare(self, seq: Seq) -> Input {
        let shard = self.shard;
        let epoch = self.leaders_epoch().await;
        let asked = async {
            let ends = stream_ends(&self.connection, &self.stream).await?;
            // Before the first entry there is nothing to find.
            let time = if seq > Seq(0) { entry_time(&self.connection, &self.stream, seq).await? } else { None };
            Ok::<_, ReadError>((ends, time))
        };
        match asked.await {
            Ok((ends, time)) => Input::Compared(Some(Compared { last: ends.last, time, boot: self.boot.now(), epoch })),
            Err(error) => {
                tracing::debug!(%shard, %error, "the stream could not be compared with the reader's position");
                Input::Compared(None)
            }
        }
    }

    pub(super) async fn epoch(self) -> Input {
        Input::EpochSeen(self.leaders_epoch().await)
    }

    /// `None` for a reader that follows nobody, too.
    async fn leaders_epoch(&self) -> Option<Epoch> {
        let stored = self.records.load(self.shard, self.leader.as_ref()?).await.ok()??;
        let record = ReaderRecord::decode(&stored.bytes).ok()?;
        Some(record.epoch(stored.stamp))
    }

    /// The round trip before the write, where there is something to `flush`, makes sure that a saved position covers only what the server
    /// has got from us. A save that fails ends the reader's ownership, so one that begins later need not repeat its round trip. Tells
    /// `lag`, where it is given, how far the stream is ahead.
    pub(super) async fn save(self, record: ReaderRecord, expected: Seq, flush: bool, lag: Option<Gauge>) -> Input {
        let within = Duration::from_millis(limits::LEASE.0);
        Input::Stored(timeout(within, self.try_save(record, expected, flush, lag)).await.ok().flatten())
    }

    async fn try_save(&self, record: ReaderRecord, expected: Seq, flush: bool, lag: Option<Gauge>) -> Option<Stored> {
        let shard = self.shard;
        if flush && let Err(error) = self.publisher.flush().await {
            tracing::warn!(%shard, %error, "the reader's position was not saved");
            return None;
        }
        let revision = match self.records.save(&self.record, record.encode(), expected).await {
            Ok(revision) => revision,
            Err(error) => {
                tracing::warn!(%shard, %error, "the reader's position was not saved");
                return None;
            }
        };
        let stamp = if record.begins_after.is_some() {
            let stored = self.records.load(shard, &self.record).await.ok().flatten()?;
            (stored.revision == revision).then_some(stored.stamp)?
        } else {
            record.position.time
        };
        if let Some(lag) = lag
            && let Ok(Ok(ends)) = timeout(LAG_WITHIN, stream_ends(&self.connection, &self.stream)).await
        {
            lag.set(ends.last.0.saturating_sub(record.position.seq.0) as i64);
        }
        Some(Stored { revision, stamp })
    }
}
