//! What somebody may read of a group's log: what STATE says of them as of a place of the log, and what the log says above that.
//!
//! STATE follows the log, and may be behind it for as long as no worker runs. The order in which it is read matters: the group's record is
//! written behind its members', so a member's record takes account of all that the group's does, or more.

use bytes::Bytes;
use dunlin_nats::{ReadError, RecordError};
use dunlin_schema::{
    Entry, GroupName, Log, LogName, Peer, Position, Sender, Seq, StreamTime, Turn, UserName, Windows,
    content::Content,
    entry::Body,
    envelope::EnvelopeError,
    index::Place,
    limits,
    read::{Source, StoredEntry},
    record::{GroupRecord, MemberRecord},
    subject,
};

use crate::{
    region::Region,
    session::{Input, ReadFailed, Sight},
};

/// Entries of a log above what STATE takes account of that are looked through, at most. Of more, STATE is waited for.
const AHEAD: usize = 2 * limits::GROUP_AHEAD as usize;

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKnown {
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
    let mut known = known(region, &log, user, group).await?;
    let sender = Sender { user: user.clone(), region: region.name().clone() };
    let (mut since, mut count) = (known.applied, 0);
    loop {
        let (entries, more) = region.reads.since(&log, since).await?;
        for entry in &entries {
            known.take(entry, &sender)?;
        }
        count += entries.len();
        match entries.last() {
            Some(last) if more && count < AHEAD => since = last.time,
            Some(_) if more => return Err(NotKnown::Behind),
            Some(_) | None => break,
        }
    }
    known.sight(upto)
}

/// What STATE says, and then the log's entries above it.
pub(super) struct Known {
    windows: Windows,
    /// When the last entry was stored that the windows take account of, of those that name the member.
    at: StreamTime,
    history: bool,
    /// When the last entry was stored that all records of the group take account of.
    pub(super) applied: StreamTime,
}

impl Known {
    /// What these records say: the group's, if there is one yet, and the member's.
    pub(super) fn of(group: Option<&[u8]>, member: Option<&[u8]>) -> Result<Known, EnvelopeError> {
        let group = group.map(GroupRecord::decode).transpose()?;
        let member = member.map(MemberRecord::decode).transpose()?.unwrap_or_default();
        let MemberRecord { windows, at: Position { time: at, .. }, .. } = member;
        let (applied, history) =
            group.map_or_else(Default::default, |group| (group.applied.time, group.settings.history));
        Ok(Known { windows, at, history, applied })
    }

    /// The log's next entry.
    pub(super) fn take(&mut self, entry: &StoredEntry, user: &Sender) -> Result<(), EnvelopeError> {
        let StoredEntry { seq, time, payload } = entry;
        let Body::Content(content) = Entry::decode(payload)?.body else { return Ok(()) };
        if let Content::Settings(settings) = &content {
            self.history = settings.settings.history;
        }
        // A member's record may be newer than the group's.
        if *time > self.at
            && let Some(turn) = Turn::of(&content, user)
        {
            self.windows.turn(*seq, turn, self.history);
        }
        Ok(())
    }

    /// What may be read, as of a place. Errors: nothing is known of this member yet.
    pub(super) fn sight(self, upto: Place) -> Result<Sight, NotKnown> {
        let Known { windows, .. } = self;
        if windows.first().is_none() { Err(NotKnown::NotYet) } else { Ok(Sight { windows, upto }) }
    }
}

async fn known(region: &Region, log: &Log, user: &UserName, group: &GroupName) -> Result<Known, NotKnown> {
    let load = async |subject: String| region.reads.state(&subject, log.shard, Source::Leader).await;
    let record = load(subject::group_record(region.name(), log.shard, group)).await?;
    let member = load(subject::member_record(region.name(), log.shard, group, user)).await?;
    let bytes = |loaded: Option<(Bytes, Seq, StreamTime)>| loaded.map(|(bytes, ..)| bytes);
    Ok(Known::of(bytes(record).as_deref(), bytes(member).as_deref())?)
}
