//! What somebody may read of several groups of one shard, looked up with two questions, however many groups they are: where a device that
//! follows a hundred of them comes back, one question after another about each would cost more than all else.
//!
//! Up to where the reader of the role that writes them has come, the records of all groups of a shard take account of every entry. So what
//! was stored since is looked through once for all of them, and the member's record is all that is read of each group. Where that is too
//! much, more than one replica would have to be asked, an entry speaks of the member, or they have left, a group is looked up by itself.

use std::collections::HashMap;

use dunlin_nats::ReadError;
use dunlin_schema::{
    GroupName, Log, LogName, Peer, Sender, Shard, StreamTime, UserName, Windows,
    index::Place,
    read::StoredEntry,
    record::{self, ReaderRecord},
    subject,
};

use super::core::{Reading, says_nothing_of};
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
    let groups = wanted.iter().filter_map(|(log, _)| match log {
        LogName::Group(address) => Some(&address.group),
        LogName::Mailbox => None,
    });
    let reader = subject::reader_record(name, shard, record::GROUPS);
    let leader = subject::reader_record(name, shard, record::LEADER);
    let mut subjects = vec![reader.clone(), leader.clone()];
    let mut members = Vec::new();
    for group in groups {
        let member = subject::member_record(name, shard, group, user);
        subjects.push(member.clone());
        members.push((group, member));
    }
    let Some(values) = region.reads.states_now(shard, &subjects).await? else { return Ok(None) };
    let values: HashMap<String, _> = values.into_iter().collect();
    let read_by = |reader| values.get(reader).and_then(|bytes| ReaderRecord::decode(bytes).ok());
    let (Some(ReaderRecord { position, .. }), Some(leader)) = (read_by(&reader), read_by(&leader)) else {
        return Ok(None);
    };
    // Of a log that went back it says nothing yet.
    if position.epoch < leader.epoch(StreamTime::default()) {
        return Ok(None);
    }
    let Some((since, false)) = region.reads.of_groups_since(shard, position.time).await else { return Ok(None) };
    let upto = match since.last() {
        Some((_, StoredEntry { seq, time, .. })) => Place { seq: *seq, time: *time },
        None => Place { seq: position.seq, time: position.time },
    };
    let (me, mut sights) = (Sender { user: user.clone(), region: name.clone() }, HashMap::new());
    for (group, member) in members {
        // A record that was written over meanwhile is missing.
        let Some(member) = values.get(&member) else { continue };
        let log = Log::of(name, region.settings.shards, Peer::Group(group.clone())).subject();
        let mut above = since.iter().filter(|(subject, _)| *subject == log).map(|(_, entry)| entry);
        if above.all(|entry| says_nothing_of(entry, &me))
            && let Ok(reading) = Reading::of(None, Some(member))
            && let Some(windows) = reading.windows().filter(Windows::are_open)
        {
            sights.insert(group.clone(), Sight { windows, upto });
        }
    }
    Ok(Some(sights))
}
