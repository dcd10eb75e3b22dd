//! Groups that are no more, and the records of their members, which are yet to say so: up to 100,000, beside all else that becomes of the
//! shard's groups.
//!
//! Which groups these are stands in STATE, so whoever is interrupted goes on where members are left. Meanwhile the group's record says that
//! it is no more and how many are left, and takes account of nothing further; that of an owner is among the last, by which the owner sees
//! how far it is. It is done when the group's record takes account of the entry that ended it.

use std::{collections::HashSet, sync::Arc};

use dunlin_schema::{
    GroupName, Millis, Position, Seq, UserName,
    content::Change,
    group::GroupRole,
    record::{self, EndingRecord, MemberRecord, ReaderRecord},
    subject,
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::FuturesUnordered};
use tokio::{sync::Notify, time::sleep};

use super::{
    Shared,
    applying::{AGAIN, AT_ONCE, person},
    core::{self, Becomes, EndingIs, Joining, Meaning},
};
use crate::change::ChangeError;

/// Groups of a shard that are ended at once.
const GROUPS_AT_ONCE: usize = 4;

/// Ends what is to be ended: what is there already, and more whenever it is told that there is.
pub(super) async fn run(shared: Arc<Shared>, told: Arc<Notify>) {
    let (mut under_way, mut names) = (FuturesUnordered::new(), HashSet::new());
    loop {
        match unfinished(&shared).await {
            Ok(unfinished) => {
                for (group, at) in unfinished {
                    if names.len() < GROUPS_AT_ONCE && names.insert(group.clone()) {
                        under_way.push(end(&shared, group, at));
                    }
                }
            }
            Err(error) => {
                tracing::warn!(shard = %shared.shard, %error, "it is not known which groups are to be ended");
                sleep(AGAIN).await;
                told.notify_one();
            }
        }
        tokio::select! {
            () = told.notified() => {}
            Some(group) = under_way.next() => {
                names.remove(&group);
            }
        }
    }
}

/// Some of the groups that are yet to be ended, those first that have waited for longest.
async fn unfinished(shared: &Shared) -> Result<Vec<(GroupName, Position)>, ChangeError> {
    let Shared { region, shard, .. } = shared;
    let read = shared.records.load(*shard, &subject::reader_record(region, *shard, record::GROUPS)).await?;
    let read = read.map(|read| ReaderRecord::decode(&read.bytes)).transpose()?.map(|read| read.position);
    let pattern = subject::endings(region, *shard);
    let page = shared.records.page(*shard, &pattern, Seq(0)).await?;
    let mut unfinished = Vec::new();
    for (subject, record) in page.records {
        let Some(group) = subject::parse_ending(&subject) else { continue };
        let EndingRecord { at } = EndingRecord::decode(&record.bytes)?;
        let stored = shared.group_record::<ChangeError>(&group).await?;
        match core::ending_is(stored.as_ref(), at, read.unwrap_or_default()) {
            EndingIs::Due => unfinished.push((group, at)),
            EndingIs::ToCome => {}
            EndingIs::Over => _ = shared.records.erase(*shard, record.revision).await?,
        }
    }
    Ok(unfinished)
}

/// Ends a group, however long it takes.
async fn end(shared: &Shared, group: GroupName, at: Position) -> GroupName {
    let ending = Ending { shared, group: &group, at };
    while let Err(error) = ending.try_once().await {
        shared.metrics.failed.inc();
        tracing::warn!(shard = %shared.shard, %group, %error, "a group is not ended yet");
        sleep(AGAIN).await;
    }
    group
}

struct Ending<'a> {
    shared: &'a Shared,
    group: &'a GroupName,
    at: Position,
}

impl Ending<'_> {
    async fn try_once(&self) -> Result<(), ChangeError> {
        let Shared { region, shard, records, reads, .. } = self.shared;
        let pattern = subject::member_records(region, *shard, self.group);
        let (mut owners, mut seen, mut after) = (Vec::new(), HashSet::new(), Some(Seq(0)));
        while let Some(begin) = after {
            let page = records.above(reads, *shard, &pattern, begin).await?;
            let mut others = Vec::new();
            for (subject, record) in page.records {
                let Some(user) = subject::parse_member_record(&subject) else { continue };
                let record = MemberRecord::decode(&record.bytes)?;
                // What is written here comes by once more.
                if !seen.insert(user.clone()) || !core::ends_for(&record, self.at) {
                    continue;
                }
                let these = if record.role == Some(GroupRole::Owner) { &mut owners } else { &mut others };
                these.push(user);
            }
            let ended = self.take_out(others).await?;
            self.shared.change_group(self.group, |stored| core::ending(stored?, self.at, ended)).await?;
            after = page.next.map(Seq::previous);
        }
        self.take_out(owners).await?;
        let ended = |stored: Option<&_>| core::group(stored, self.at, &Meaning::Deleted, (0, 0));
        self.shared.change_group(self.group, ended).await?;
        if let Some(record) = records.load(*shard, &subject::ending(region, *shard, self.group)).await? {
            records.erase(*shard, record.revision).await?;
        }
        Ok(())
    }

    /// Writes that these are members no longer, and gives of how many that was not written.
    async fn take_out(&self, users: Vec<UserName>) -> Result<u32, ChangeError> {
        let joining = Joining { at: self.at, time: Millis(0), history: false };
        let becomes = Becomes::By(Change::Removed);
        let writing = users.into_iter().map(|user| person(self.shared, self.group, user, joining, becomes));
        let ended: Vec<_> = stream::iter(writing).buffer_unordered(AT_ONCE).try_collect().await?;
        let ended = ended.into_iter().filter(|stands| stands.before.is_some()).count();
        self.shared.metrics.ended.inc_by(ended as u64);
        Ok(ended as u32)
    }
}
