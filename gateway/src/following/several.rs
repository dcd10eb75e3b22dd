//! What somebody may read of several groups of one shard, looked up with two questions, however many groups they are: where a device that
//! follows a hundred of them comes back, one question after another about each would cost more than all else.
//!
//! Up to where the reader of the role that writes them has come, the records of all groups of a shard take account of every entry. So what
//! was stored since is looked through once for all of them. Where that is too much, or more than one replica would have to be asked, each
//! group is looked up by itself.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use dunlin_nats::ReadError;
use dunlin_schema::{
    GroupName, Log, LogName, Peer, Sender, Shard, UserName,
    index::Place,
    read::StoredEntry,
    record::{self, ReaderRecord},
    subject,
};

use super::core::Reading;
use crate::{
    region::Region,
    session::{Input, Sight},
};

/// Groups that one question is about: their records are fewer than nats-server gives in one answer.
const AT_ONCE: usize = 256;

/// A log of which windows are wanted, and the number of the question.
pub(crate) type Wanted = (LogName, u32);

/// What came of it: what is known now, and what has to be looked up by itself.
pub(crate) type Looked = (Vec<Input>, Vec<Wanted>);

/// Looks them up for a session. All of them are of one shard.
pub(crate) async fn look(region: &Region, user: &UserName, shard: Shard, wanted: Vec<Wanted>) -> Looked {
    let (mut known, mut rest) = (Vec::new(), Vec::new());
    for wanted in wanted.chunks(AT_ONCE) {
        // The semaphore is never closed.
        let _turn = region.looks.acquire().await;
        let sights = sights(region, user, shard, wanted).await.unwrap_or_else(|error| {
            tracing::debug!(%error, %user, "what somebody may read of several groups has to be looked up one by one");
            None
        });
        let mut sights = sights.unwrap_or_default();
        for (log, number) in wanted {
            let sight = if let LogName::Group(address) = log { sights.remove(&address.group) } else { None };
            match sight {
                Some(sight) => known.push(Input::Looked(log.clone(), *number, Ok(sight))),
                None => rest.push((log.clone(), *number)),
            }
        }
    }
    region.metrics.group_looks.inc_by(known.len() as u64);
    (known, rest)
}

/// Of those groups of which all is known. `None`: of none.
async fn sights(
    region: &Region,
    user: &UserName,
    shard: Shard,
    wanted: &[Wanted],
) -> Result<Option<HashMap<GroupName, Sight>>, ReadError> {
    let name = region.name();
    let reader = subject::reader_record(name, shard, record::GROUPS);
    let member = |group: &GroupName| subject::member_record(name, shard, group, user);
    let groups = || {
        wanted.iter().filter_map(|(log, _)| match log {
            LogName::Group(address) => Some(&address.group),
            LogName::Mailbox => None,
        })
    };
    let subjects: Vec<String> = std::iter::once(reader.clone()).chain(groups().map(member)).collect();
    let Some(values) = now(region, shard, &subjects).await? else { return Ok(None) };
    let read_to = values.get(&reader).and_then(|bytes| ReaderRecord::decode(bytes).ok());
    let Some(ReaderRecord { position, .. }) = read_to else { return Ok(None) };
    let Some((since, false)) = region.reads.of_groups_since(shard, position.time).await else { return Ok(None) };
    let upto = match since.last() {
        Some((_, StoredEntry { seq, time, .. })) => Place { seq: *seq, time: *time },
        None => Place { seq: position.seq, time: position.time },
    };
    // Of most groups nothing was stored since, and their members' records say all.
    let log_of = |group: &GroupName| Log::of(name, region.settings.shards, Peer::Group(group.clone())).subject();
    let stored: HashSet<&str> = since.iter().map(|(subject, _)| subject.as_str()).collect();
    let (busy, quiet): (Vec<&GroupName>, Vec<&GroupName>) =
        groups().partition(|group| stored.contains(log_of(group).as_str()));
    let record = |group: &GroupName| subject::group_record(name, shard, group);
    let both: Vec<String> = busy.iter().flat_map(|group| [record(group), member(group)]).collect();
    let of_busy = if both.is_empty() { None } else { now(region, shard, &both).await? }.unwrap_or_default();

    let (me, mut sights) = (Sender { user: user.clone(), region: name.clone() }, HashMap::new());
    // A record that was written over meanwhile is missing.
    for group in quiet {
        let Some(reading) = values.get(&member(group)).and_then(|member| Reading::of(None, Some(member)).ok()) else {
            continue;
        };
        sights.extend(reading.windows().map(|windows| (group.clone(), Sight { windows, upto })));
    }
    for group in busy {
        let (Some(of), Some(member)) = (of_busy.get(&record(group)), of_busy.get(&member(group))) else { continue };
        let Ok(mut reading) = Reading::of(Some(of), Some(member)) else { continue };
        let (log, applied) = (log_of(group), reading.since());
        let mut above = since.iter().filter(|(subject, entry)| *subject == log && entry.time > applied);
        if above.try_for_each(|(_, entry)| reading.take(entry, &me)).is_ok() {
            sights.extend(reading.windows().map(|windows| (group.clone(), Sight { windows, upto })));
        }
    }
    Ok(Some(sights))
}

/// These records as one moment has them. `None` where they can't be had so.
async fn now(region: &Region, shard: Shard, subjects: &[String]) -> Result<Option<HashMap<String, Bytes>>, ReadError> {
    let values = region.reads.states_now(shard, subjects).await?;
    Ok(values.map(|values| values.into_iter().collect()))
}
