//! Writes the records that an entry of a group's log changes: those of the people concerned first, the group's own last. So whoever reads
//! the group's record before the others finds nothing missing that it takes account of. What is done twice, or late, does no harm.

use std::{collections::HashMap, sync::Arc, time::Duration};

use dunlin_nats::Record;
use dunlin_schema::{
    Entry, GroupName, Millis, Position, Seq, Shard, UserName,
    group::GroupRole,
    limits,
    record::{EndingRecord, Follows, GroupRecord, MemberRecord},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{
    Shared,
    core::{self, Becomes, Joining, Meaning},
};
use crate::change::ChangeError;

/// People whose records are written at once.
pub(super) const AT_ONCE: usize = 32;
/// How long after records could not be written, that is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(500);

/// Writes what an entry changes, however long it takes.
pub(super) async fn apply(shared: Arc<Shared>, group: GroupName, at: Position, entry: Entry) {
    let applying = Applying { shared: &shared, group: &group, at, meaning: Meaning::of(&entry), entry: &entry };
    while let Err(error) = applying.try_once().await {
        shared.metrics.failed.inc();
        tracing::warn!(shard = %shared.shard, %group, seq = at.seq.0, %error, "a group's records are not written yet");
        sleep(AGAIN).await;
    }
    shared.metrics.applied.inc();
}

struct Applying<'a> {
    shared: &'a Shared,
    group: &'a GroupName,
    at: Position,
    meaning: Meaning,
    entry: &'a Entry,
}

/// What somebody's record says once it takes account of an entry.
#[derive(Clone, Copy)]
pub(super) struct Stands {
    role: Option<GroupRole>,
    at: Position,
    /// What they were before; `None` where the record took account of the entry already.
    pub(super) before: Option<Option<GroupRole>>,
}

impl Applying<'_> {
    async fn try_once(&self) -> Result<(), ChangeError> {
        let stored = self.shared.group_record::<ChangeError>(self.group).await?;
        if stored.as_ref().is_some_and(|stored| core::is_accounted(self.at, stored.applied)) {
            return Ok(());
        }
        if self.meaning == Meaning::Deleted {
            return self.ends().await;
        }
        let people = self.people(stored.as_ref()).await?;
        let counted = self.counted(stored.as_ref(), &people).await?;
        self.shared.change_group(self.group, |stored| core::group(stored, self.at, &self.meaning, counted)).await
    }

    /// Writes the records of the people concerned.
    async fn people(&self, stored: Option<&GroupRecord>) -> Result<Vec<Stands>, ChangeError> {
        let settings = match &self.meaning {
            Meaning::Created { settings, .. } => Some(settings),
            Meaning::Nothing | Meaning::Changed { .. } | Meaning::Deleted | Meaning::Members { .. } => {
                stored.map(|stored| &stored.settings)
            }
        };
        let history = settings.is_some_and(|settings| settings.history);
        let joining = Joining { at: self.at, time: self.entry.time, history };
        let named = self.meaning.named().into_iter();
        let writing = named.map(|(user, becomes)| person(self.shared, self.group, user, joining, becomes));
        stream::iter(writing).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Writes down that the members' records are to say that the group is no more, then that it is: see [`super::ending`].
    async fn ends(&self) -> Result<(), ChangeError> {
        let Shared { region, shard, .. } = self.shared;
        let record = EndingRecord { at: self.at }.encode();
        let changing = |stored: Option<&Record>| {
            let is_there = stored.is_some_and(|stored| stored.bytes == record);
            Ok::<_, ChangeError>((!is_there).then(|| (record.clone(), None)))
        };
        self.shared.change(*shard, &subject::ending(region, *shard, self.group), changing).await?;
        self.shared.change_group(self.group, |stored| core::ending(stored?, self.at, 0)).await
    }

    /// How many members and owners there are then.
    async fn counted(&self, stored: Option<&GroupRecord>, people: &[Stands]) -> Result<(u32, u32), ChangeError> {
        let owners = |role: &GroupRole| *role == GroupRole::Owner;
        if people.iter().any(|stands| stands.before.is_none()) {
            // What they were is written over: some of it was done before.
            let members = self.members().await?;
            let count = members.iter().filter(|(_, role)| owners(role)).count();
            return Ok((members.len() as u32, count as u32));
        }
        let mut counted = stored.map_or((0, 0), |stored| (stored.members, stored.owners));
        for Stands { role, before, .. } in people {
            let (before, after) = (before.flatten(), *role);
            counted.0 = (counted.0 + u32::from(after.is_some())).saturating_sub(u32::from(before.is_some()));
            let (more, fewer) = (after.as_ref().is_some_and(owners), before.as_ref().is_some_and(owners));
            counted.1 = (counted.1 + u32::from(more)).saturating_sub(u32::from(fewer));
        }
        Ok(counted)
    }

    /// Who is in the group, as its records say.
    async fn members(&self) -> Result<HashMap<UserName, GroupRole>, ChangeError> {
        let Shared { region, shard, records, reads, .. } = self.shared;
        let pattern = subject::member_records(region, *shard, self.group);
        let mut found = HashMap::new();
        let keep = |subject: String, record: Record| {
            let Some(user) = subject::parse_member_record(&subject) else { return Ok(()) };
            match MemberRecord::decode(&record.bytes)?.role {
                Some(role) => found.insert(user, role),
                // Somebody who has left meanwhile comes by once more.
                None => found.remove(&user),
            };
            Ok::<_, ChangeError>(())
        };
        records.each_above(reads, *shard, &pattern, Seq(0), keep).await?;
        Ok(found)
    }
}

/// Writes somebody's record in a group, then that they follow it or do no longer.
pub(super) async fn person(
    shared: &Shared,
    group: &GroupName,
    user: UserName,
    joining: Joining,
    becomes: Becomes,
) -> Result<Stands, ChangeError> {
    let Shared { region, shard, shards, .. } = shared;
    let stands = Mutex::new(Stands { role: None, at: joining.at, before: None });
    let changing = |stored: Option<&Record>| {
        let stored = stored.map(|stored| MemberRecord::decode(&stored.bytes)).transpose()?.unwrap_or_default();
        let record = core::member(&stored, &joining, becomes);
        let before = record.is_some().then_some(stored.role);
        let MemberRecord { role, at, .. } = *record.as_ref().unwrap_or(&stored);
        *stands.lock() = Stands { role, at, before };
        Ok::<_, ChangeError>(record.map(|record| (record.encode(), kept(record.role.is_some()))))
    };
    shared.change(*shard, &subject::member_record(region, *shard, group, &user), changing).await?;
    let stands = stands.into_inner();
    let is_member = stands.role.is_some();
    let changing = |stored: Option<&Record>| {
        let stored = stored.map(|stored| Follows::decode(&stored.bytes)).transpose()?.unwrap_or_default();
        let record = core::follows(&stored, stands.at, is_member);
        Ok::<_, ChangeError>(record.map(|record| (record.encode(), kept(is_member))))
    };
    let theirs = Shard::of(user.as_str(), *shards);
    shared.change(theirs, &subject::follows(region, theirs, &user, group), changing).await?;
    Ok(stands)
}

/// What is said of those who are in no group any more goes when nothing that they may read is there.
pub(super) fn kept(is_member: bool) -> Option<Millis> {
    (!is_member).then_some(limits::MEMBER_KEPT)
}
