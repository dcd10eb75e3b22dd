//! What somebody may read of a group's log: what STATE says of them as of a place of the log, and what the log says above that.
//!
//! STATE follows the log, and may be behind it for as long as no worker runs: `core` puts the two together.

use bytes::Bytes;
use dunlin_nats::{ReadError, RecordError};
use dunlin_schema::{
    GroupName, Log, LogName, Peer, Sender, Seq, StreamTime, UserName, envelope::EnvelopeError, limits, read::Source,
    subject,
};

use super::core::Reading;
use crate::{
    region::Region,
    session::{Input, ReadFailed, Sight},
};

/// Entries of a log above what STATE takes account of that are looked through, at most. Of more, STATE is waited for.
const AHEAD: usize = 2 * limits::GROUP_AHEAD as usize;

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
enum NotKnown {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] RecordError),
    /// What is stored is damaged, or a newer release wrote it.
    #[error("a record or an entry can't be read: {0}")]
    Unreadable(#[from] EnvelopeError),
    #[error("the log is far ahead of its records")]
    Behind,
    /// It says that they follow the log, and not yet what they may read.
    #[error("there is no record of this member yet")]
    NotYet,
}

/// Looks it up for a session.
pub(crate) async fn look(region: &Region, user: &UserName, log: LogName, number: u32) -> Input {
    let sight = match &log {
        LogName::Group(address) => {
            // The semaphore is never closed.
            let _turn = region.looks.acquire().await;
            region.metrics.group_looks.inc();
            sight(region, user, &address.group).await
        }
        LogName::Mailbox => Err(NotKnown::NotYet),
    };
    Input::Looked(
        log,
        number,
        sight.map_err(|error| {
            region.metrics.failed_group_looks.inc();
            tracing::debug!(%error, %user, "it is not known what somebody may read of a group");
            ReadFailed
        }),
    )
}

async fn sight(region: &Region, user: &UserName, group: &GroupName) -> Result<Sight, NotKnown> {
    let log = Log::of(region.name(), region.settings.shards, Peer::Group(group.clone()));
    let upto = region.reads.shard_end(log.shard).await?;
    let mut reading = recorded(region, &log, user, group).await?;
    let sender = Sender { user: user.clone(), region: region.name().clone() };
    let mut count = 0;
    loop {
        let (entries, more) = region.reads.since(&log, reading.since()).await?;
        for entry in &entries {
            reading.take(entry, &sender)?;
        }
        count += entries.len();
        if !more || entries.is_empty() {
            break;
        }
        if count >= AHEAD {
            return Err(NotKnown::Behind);
        }
    }
    let mut windows = reading.windows().ok_or(NotKnown::NotYet)?;
    if windows.last().is_some_and(|last| last > upto.seq) {
        // They have left meanwhile, or a power loss took that from the log.
        windows.end_by(region.reads.shard_end(log.shard).await?.seq);
    }
    Ok(Sight { windows, upto })
}

/// What STATE says.
async fn recorded(region: &Region, log: &Log, user: &UserName, group: &GroupName) -> Result<Reading, NotKnown> {
    let load = async |subject: String| region.reads.state(&subject, log.shard, Source::Leader).await;
    let record = load(subject::group_record(region.name(), log.shard, group)).await?;
    let member = load(subject::member_record(region.name(), log.shard, group, user)).await?;
    let bytes = |loaded: Option<(Bytes, Seq, StreamTime)>| loaded.map(|(bytes, ..)| bytes);
    Ok(Reading::of(bytes(record).as_deref(), bytes(member).as_deref())?)
}
