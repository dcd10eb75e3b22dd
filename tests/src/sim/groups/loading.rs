//! A group in a worker's memory: what STATE says of it, and what its log has above that, read one after the other.

use std::collections::VecDeque;

use bytes::Bytes;
use dunlin_schema::{
    Entry, Epoch, Position, Seq, StreamTime, UserName,
    read::{ReadFrom, StoredEntry},
    record::{GroupRecord, LEADER, MemberRecord, ReaderRecord},
    subject,
};
use dunlin_workers::groups::core::{Group, Known};

use super::{World, plant::Plant};

/// A group as far as its log was folded.
#[derive(Clone, Debug)]
pub(super) struct Loaded {
    pub(super) group: Group,
    pub(super) known: Known,
    pub(super) epoch: Epoch,
    /// The last entry that was folded.
    head: (Seq, Bytes),
    pub(super) ahead: VecDeque<Seq>,
    /// The connection over which that was seen to stand.
    pub(super) seen_over: u32,
}

/// How far the loading has come: each is read after the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Loading {
    record: Option<Option<GroupRecord>>,
    members: Option<Vec<(UserName, MemberRecord)>>,
    epoch: Option<Epoch>,
    from: Option<ReadFrom>,
    connection: u32,
}

/// Why a group is not known: the log is another one than before, or went back.
#[derive(Debug)]
pub(super) struct NotNow;

impl World {
    /// The next step of a loading; the group once all is read.
    pub(super) fn load(&mut self, mut loading: Loading) -> Result<Result<Loaded, Loading>, NotNow> {
        let Some(record) = loading.record.clone() else {
            (loading.record, loading.connection) = (Some(self.group_record()), self.server.start);
            return Ok(Err(loading));
        };
        let applied = record.as_ref().map_or_else(Position::default, |record| record.applied);
        let Some(members) = &loading.members else {
            loading.members = Some(self.member_records());
            return Ok(Err(loading));
        };
        let Some(epoch) = loading.epoch else {
            loading.epoch = Some(self.leader_epoch().ok_or(NotNow)?);
            return Ok(Err(loading));
        };
        let Some(from) = loading.from else {
            let truth = self.stream.truth(self.now);
            let (last, time) = (truth.last(), truth.at(applied.seq).map(|entry| entry.time));
            let furthest = members.iter().fold(applied, |furthest, (_, record)| furthest.later(record.at));
            if furthest.epoch == epoch && furthest.seq > last {
                return Err(NotNow);
            }
            loading.from = Some(begin(applied, epoch, last, time).ok_or(NotNow)?);
            return Ok(Err(loading));
        };
        let (region, name) = (self.region.clone(), self.group.clone());
        let (mut group, mut from) = (Group::of(region, name, record.as_ref()), from);
        if self.plant == Some(Plant::LogIsTheTruth) {
            from = ReadFrom::Seq(Seq(1));
        } else {
            members.iter().for_each(|(user, record)| group.put(user.clone(), record));
        }
        let known = Known::since(if applied.seq == Seq(0) { StreamTime(0) } else { applied.time.next() });
        let (head, ahead) = ((Seq(0), Bytes::new()), VecDeque::new());
        let mut loaded = Loaded { group, known, epoch, head, ahead, seen_over: loading.connection };
        let entries = self.entries();
        match self.plant {
            Some(Plant::StateIsTheTruth) => loaded.head = entries.last().map_or(loaded.head, head_of),
            Some(_) | None => loaded.read_up(&entries, from)?,
        }
        Ok(Ok(loaded))
    }

    /// All that the leader has of the group's log.
    pub(super) fn entries(&mut self) -> Vec<StoredEntry> {
        self.stream.truth(self.now).of(0).map(|entry| entry.read()).collect()
    }

    /// The group's record.
    pub(super) fn group_record(&self) -> Option<GroupRecord> {
        let value = self.state.get(&subject::group_record(&self.region, self.log.shard, &self.group))?;
        Some(GroupRecord::decode(&value.bytes).expect("workers alone write it"))
    }

    /// Somebody's record.
    pub(super) fn member_record(&self, user: &UserName) -> Option<MemberRecord> {
        let value = self.state.get(&subject::member_record(&self.region, self.log.shard, &self.group, user))?;
        Some(MemberRecord::decode(&value.bytes).expect("workers alone write it"))
    }

    /// Everybody's.
    pub(super) fn member_records(&self) -> Vec<(UserName, MemberRecord)> {
        let records = self.people.iter().map(|person| (person.user.clone(), self.member_record(&person.user)));
        records.filter_map(|(user, record)| Some((user, record?))).collect()
    }

    /// The epoch that the deliver reader has begun.
    pub(super) fn leader_epoch(&self) -> Option<Epoch> {
        let value = self.state.get(&subject::reader_record(&self.region, self.log.shard, LEADER))?;
        Some(ReaderRecord::decode(&value.bytes).expect("readers alone write it").epoch(value.stamp))
    }
}

/// From where on the log is read of which STATE has applied so much: what the worker's loading does.
fn begin(applied: Position, epoch: Epoch, last: Seq, time: Option<StreamTime>) -> Option<ReadFrom> {
    let is_there = applied.seq == Seq(0) || time == Some(applied.time);
    let went_back = last < applied.seq || time.is_some_and(|time| time != applied.time);
    if is_there || (epoch == applied.epoch && !went_back) {
        return Some(ReadFrom::Seq(applied.seq.next()));
    }
    (epoch > applied.epoch).then(|| ReadFrom::Time(applied.time.next()))
}

fn head_of(entry: &StoredEntry) -> (Seq, Bytes) {
    (entry.seq, entry.payload.clone())
}

impl Loaded {
    fn read_up(&mut self, entries: &[StoredEntry], from: ReadFrom) -> Result<(), NotNow> {
        let Some(last) = entries.last() else { return Ok(()) };
        let is_new = |entry: &&StoredEntry| match from {
            ReadFrom::Seq(from) => entry.seq >= from,
            ReadFrom::Time(from) => entry.time >= from,
        };
        entries.iter().filter(is_new).for_each(|entry| self.fold(entry));
        match (self.head.0, from) {
            (head, _) if head >= last.seq => {}
            // STATE has applied all of it.
            (Seq(0), ReadFrom::Seq(above)) if last.seq < above => self.head = head_of(last),
            (Seq(0), ReadFrom::Time(above)) if last.time < above => self.head = head_of(last),
            _ => return Err(NotNow),
        }
        Ok(())
    }

    /// Folds what the log has above the head. Whether it is still the same log.
    pub(super) fn read_on(&mut self, entries: &[StoredEntry]) -> bool {
        let (seq, payload) = &self.head;
        let seq = *seq;
        match entries.last() {
            None => return seq == Seq(0),
            Some(last) if last.seq == seq && last.payload == *payload => return true,
            Some(last) if last.seq > seq => {}
            Some(_) => return false,
        }
        let stands = entries.iter().find(|entry| entry.seq == seq).is_some_and(|entry| entry.payload == *payload);
        if seq > Seq(0) && !stands {
            return false;
        }
        entries.iter().filter(|entry| entry.seq > seq).for_each(|entry| self.fold(entry));
        true
    }

    fn fold(&mut self, stored: &StoredEntry) {
        self.head = head_of(stored);
        self.ahead.push_back(stored.seq);
        let entry = Entry::decode(&stored.payload).expect("the world stores entries alone");
        self.take(stored.seq, stored.time, &entry);
    }

    /// What was stored behind the head.
    pub(super) fn append(&mut self, seq: Seq, now: StreamTime, entry: &Entry) {
        self.head = (seq, entry.encode());
        self.ahead.push_back(seq);
        self.take(seq, now, entry);
    }

    fn take(&mut self, seq: Seq, stored: StreamTime, entry: &Entry) {
        self.group.fold(entry);
        self.known.add(seq, stored, entry);
    }

    /// Makes known which ids the log holds since a time. `most`: as many as it keeps.
    pub(super) fn look_back(&mut self, since: StreamTime, entries: &[StoredEntry], most: u64) {
        let mut known = Known::since(since);
        for stored in entries.iter().filter(|entry| entry.time >= since && entry.seq <= self.head.0) {
            let entry = Entry::decode(&stored.payload).expect("the world stores entries alone");
            known.add(stored.seq, stored.time, &entry);
        }
        if known.entries() as u64 >= most
            && let Some(first) = entries.first()
        {
            known.lost_below(first.time);
        }
        self.known = known;
    }

    /// Behind which sequence the next entry goes.
    pub(super) fn end(&self) -> Seq {
        self.head.0
    }

    /// By how many entries the log is ahead of what STATE has applied.
    pub(super) fn ahead(&self) -> usize {
        self.ahead.len()
    }
}
