//! Who may signal in a group: a member, while the group is no larger than [`limits::GROUP_SIGNALLED`]. What the leader said of it holds for
//! some seconds, so that somebody who types costs few questions; a group that grows meanwhile, or whom it loses, are heard a little longer.

use std::collections::HashMap;

use dunlin_nats::{ReadError, Reads};
use dunlin_schema::{
    Log, Millis, Peer, UserName,
    envelope::EnvelopeError,
    limits,
    read::Source,
    record::{GroupRecord, MemberRecord},
    subject,
};
use parking_lot::Mutex;

use crate::clock::Uptime;

/// For how long it holds.
const HOLDS: Millis = limits::SIGNAL_HOLDS;
/// People in groups of whom it is remembered. When there are more, all are forgotten.
const REMEMBERED: usize = 4_096;

/// What was said of it.
#[derive(Default)]
pub(super) struct Members {
    looked: Mutex<HashMap<(Peer, UserName), (bool, Uptime)>>,
}

/// Why it is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotKnown {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Unreadable(#[from] EnvelopeError),
}

impl Members {
    /// Whether somebody may, if that is known.
    pub(super) fn known(&self, group: &Peer, user: &UserName) -> Option<bool> {
        let looked = self.looked.lock();
        let (may, at) = looked.get(&(group.clone(), user.clone()))?;
        (Uptime::now().since(*at) < HOLDS).then_some(*may)
    }

    /// The same, as the leader says.
    pub(super) async fn look(&self, reads: &Reads, log: &Log, user: &UserName) -> Result<bool, NotKnown> {
        let may = may(reads, log, user).await?;
        let mut looked = self.looked.lock();
        if looked.len() >= REMEMBERED {
            looked.clear();
        }
        looked.insert((log.owner.clone(), user.clone()), (may, Uptime::now()));
        Ok(may)
    }
}

async fn may(reads: &Reads, log: &Log, user: &UserName) -> Result<bool, NotKnown> {
    let Log { region, shard, owner: Peer::Group(group) } = log else { return Ok(false) };
    let load = async |subject: String| reads.state(&subject, *shard, Source::Leader).await;
    let record = load(subject::group_record(region, *shard, group)).await?;
    let record = record.map(|(bytes, ..)| GroupRecord::decode(&bytes)).transpose()?;
    if record.is_none_or(|record| record.deleted || record.members > limits::GROUP_SIGNALLED) {
        return Ok(false);
    }
    let member = load(subject::member_record(region, *shard, group, user)).await?;
    let member = member.map(|(bytes, ..)| MemberRecord::decode(&bytes)).transpose()?;
    Ok(member.is_some_and(|member| member.role.is_some()))
}
