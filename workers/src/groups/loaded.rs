//! A group in memory: what STATE says of it, and what its log has above that.

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use dunlin_nats::{ContactError, ReadError, Record, RecordError, entry_time, stream_ends};
use dunlin_schema::{
    Entry, Epoch, GroupName, Log, Position, Seq, StreamTime, UserName,
    envelope::EnvelopeError,
    read::{ReadFrom, ReadRequest, Source, StoredEntry},
    record::{GroupRecord, LEADER, MemberRecord, ReaderRecord},
    subject,
};

use super::{
    Shared,
    applying::kept,
    core::{self, Group, Known, Pace},
};
use crate::change::ChangeError;

/// Why a group is not known as it is now.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("a record can't be read: {0}")]
    Unreadable(#[from] EnvelopeError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(transparent)]
    Contact(#[from] ContactError),
    /// The log is not the one that was known, or changed too much while it was read.
    #[error("the log is another one than before")]
    OtherLog,
    /// The log went back, and the deliver reader has not said so yet.
    #[error("the log went back, and its next epoch has not begun")]
    NoEpoch,
}

/// The last entry of a log that was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    /// `Seq(0)`: the log had none.
    seq: Seq,
    /// What tells it from others at its place.
    print: u64,
}

impl Head {
    fn of(entry: &StoredEntry) -> Head {
        Head { seq: entry.seq, print: print(&entry.payload) }
    }
}

/// Entries bear ids, so no two are the same bytes.
fn print(payload: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    payload.hash(&mut hasher);
    hasher.finish()
}

/// A group as far as its log was folded.
pub(super) struct Loaded {
    pub(super) group: Group,
    pub(super) known: Known,
    pub(super) pace: Pace,
    log: Log,
    epoch: Epoch,
    head: Head,
    /// Entries above the position that STATE has applied, as far as that is known.
    ahead: VecDeque<Seq>,
    /// The connection over which the head was seen to stand: see [`dunlin_nats::Hold`].
    pub(super) seen_over: u64,
}

impl Loaded {
    /// The group as it is now. Errors: see [`LoadError`].
    pub(super) async fn load(shared: &Shared, name: &GroupName) -> Result<Loaded, LoadError> {
        let Shared { region, shard, records, reads, connection, stream, .. } = shared;
        let log = Log { region: region.clone(), shard: *shard, owner: dunlin_schema::Peer::Group(name.clone()) };
        let record = shared.group_record::<LoadError>(name).await?;
        let applied = record.as_ref().map_or_else(Position::default, |record| record.applied);
        let mut group = Group::of(region.clone(), name.clone(), record.as_ref());
        let mut furthest = applied;
        let (pattern, mut left) = (subject::member_records(region, *shard, name), Vec::new());
        let put = |subject: String, record: Record| {
            if let Some(user) = subject::parse_member_record(&subject) {
                let record = MemberRecord::decode(&record.bytes)?;
                furthest = furthest.later(record.at);
                left.extend(record.windows.last().map(|until| (user.clone(), until, record.at)));
                group.put(user, &record);
            }
            Ok::<_, LoadError>(())
        };
        records.each_above(reads, *shard, &pattern, Seq(0), put).await?;
        // The epoch before the stream: what goes back in between is never taken for the log of the later one.
        let leader = records.load(*shard, &subject::reader_record(region, *shard, LEADER)).await?;
        let leader = leader.ok_or(LoadError::NoEpoch)?;
        let epoch = ReaderRecord::decode(&leader.bytes)?.epoch(leader.stamp);
        let ends = stream_ends(connection, stream).await?;
        let time = match applied.seq {
            Seq(0) => None,
            seq => entry_time(connection, stream, seq).await?,
        };
        if furthest.epoch == epoch && furthest.seq > ends.last {
            return Err(LoadError::NoEpoch);
        }
        // Before anything is stored that those could read.
        for (user, _, at) in left.into_iter().filter(|(_, until, _)| *until > ends.last) {
            shorten(shared, name, &user, at, ends.last).await?;
        }
        let from = begin(applied, epoch, ends.last, time)?;
        let mut loaded = Loaded {
            group,
            known: Known::since(if applied.seq == Seq(0) { StreamTime(0) } else { applied.time.next() }),
            pace: Pace::default(),
            log,
            epoch,
            head: Head { seq: Seq(0), print: 0 },
            ahead: VecDeque::new(),
            seen_over: 0,
        };
        loaded.read_up(shared, from).await?;
        Ok(loaded)
    }

    /// Folds everything that the log has from a place on.
    async fn read_up(&mut self, shared: &Shared, from: ReadFrom) -> Result<(), LoadError> {
        let Some(last) = shared.reads.last_entry(&self.log).await? else { return Ok(()) };
        let mut request = ReadRequest { from, source: Source::Leader };
        loop {
            let answer = shared.reads.read(&self.log, request).await?;
            for entry in &answer.entries {
                self.fold(entry);
            }
            if self.head.seq >= last.seq {
                return Ok(());
            }
            if !answer.more {
                break;
            }
            request.from = ReadFrom::Seq(self.head.seq.next());
        }
        match (self.head.seq, from) {
            // STATE has applied all of it.
            (Seq(0), ReadFrom::Seq(above)) if last.seq < above => self.head = Head::of(&last),
            (Seq(0), ReadFrom::Time(above)) if last.time < above => self.head = Head::of(&last),
            _ => return Err(LoadError::OtherLog),
        }
        Ok(())
    }

    /// Folds what the log has above what was folded. Gives whether there was anything. Errors: see [`LoadError`]; after
    /// [`LoadError::OtherLog`] it is to be loaded anew.
    pub(super) async fn read_on(&mut self, shared: &Shared) -> Result<bool, LoadError> {
        let before = self.head;
        let last = match shared.reads.last_entry(&self.log).await? {
            None if before.seq == Seq(0) => return Ok(false),
            Some(last) if Head::of(&last) == before => return Ok(false),
            Some(last) if last.seq > before.seq => last.seq,
            Some(_) | None => return Err(LoadError::OtherLog),
        };
        // From the head itself, which must come again: behind another one stands another log.
        let mut above = before.seq.previous();
        let mut must_come = before.seq > Seq(0);
        while self.head.seq < last {
            let (entries, more) = shared.reads.between(&self.log, above, last).await?;
            let mut new = entries.as_slice();
            if must_come {
                match new.split_first() {
                    Some((first, rest)) if Head::of(first) == before => new = rest,
                    Some(_) | None => return Err(LoadError::OtherLog),
                }
                must_come = false;
            }
            for entry in new {
                self.fold(entry);
            }
            above = self.head.seq;
            if !more && self.head.seq < last {
                return Err(LoadError::OtherLog);
            }
        }
        Ok(true)
    }

    fn fold(&mut self, stored: &StoredEntry) {
        self.head = Head::of(stored);
        self.ahead.push_back(stored.seq);
        match Entry::decode(&stored.payload) {
            Ok(entry) => self.take(stored.seq, stored.time, &entry),
            Err(error) => tracing::error!(log = %self.log, seq = stored.seq.0, %error, "an entry can't be read"),
        }
    }

    /// Folds an entry that was stored behind the head, by now at the latest.
    pub(super) fn append(&mut self, seq: Seq, now: StreamTime, entry: &Entry) {
        self.head = Head { seq, print: print(&entry.encode()) };
        self.ahead.push_back(seq);
        self.take(seq, now, entry);
    }

    fn take(&mut self, seq: Seq, stored: StreamTime, entry: &Entry) {
        self.group.fold(entry);
        self.known.add(seq, stored, entry);
    }

    /// Makes known which ids the log holds since a time, as far as it still holds them. Errors: see [`LoadError`].
    pub(super) async fn look_back(&mut self, shared: &Shared, since: StreamTime) -> Result<(), LoadError> {
        let mut known = Known::since(since);
        let mut request = ReadRequest { from: ReadFrom::Time(since), source: Source::Any };
        loop {
            let answer = shared.reads.read(&self.log, request).await?;
            for stored in answer.entries.iter().filter(|stored| stored.seq <= self.head.seq) {
                if let Ok(entry) = Entry::decode(&stored.payload) {
                    known.add(stored.seq, stored.time, &entry);
                }
            }
            if let Some(last) = answer.entries.last() {
                if last.seq >= self.head.seq {
                    break;
                }
                request.from = ReadFrom::Seq(last.seq.next());
            }
            // A replica that lags may not have all of it.
            match (answer.more, answer.evidence.is_some() || request.source == Source::Leader) {
                (true, _) => {}
                (false, true) => break,
                (false, false) => request.source = Source::Leader,
            }
        }
        if known.is_full()
            && let Some(ends) = shared.reads.log_ends(&self.log).await?
        {
            known.lost_below(ends.first.time);
        }
        self.known = known;
        Ok(())
    }

    /// The log.
    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Behind which sequence the next entry goes.
    pub(super) fn end(&self) -> Seq {
        self.head.seq
    }

    /// By how many entries the log is ahead of what STATE has applied, as far as is known.
    pub(super) fn ahead(&self) -> usize {
        self.ahead.len()
    }

    /// Learns how far STATE has applied the log. Errors: see [`LoadError`].
    pub(super) async fn learn_applied(&mut self, shared: &Shared, name: &GroupName) -> Result<(), LoadError> {
        if let Some(GroupRecord { applied, .. }) = shared.group_record::<LoadError>(name).await?
            && applied.epoch >= self.epoch
        {
            self.epoch = applied.epoch;
            while self.ahead.pop_front_if(|seq| *seq <= applied.seq).is_some() {}
        }
        Ok(())
    }

    /// How much it takes in memory, in members and entries.
    pub(super) fn weight(&self) -> usize {
        self.group.weight() + self.known.entries() + self.ahead.len()
    }
}

/// Writes that somebody, whose record takes account of that entry, has left where the log ends now: a power loss took more of it.
async fn shorten(
    shared: &Shared,
    group: &GroupName,
    user: &UserName,
    at: Position,
    end: Seq,
) -> Result<(), ChangeError> {
    let subject = subject::member_record(&shared.region, shared.shard, group, user);
    let changing = |stored: Option<&Record>| {
        let stored = stored.map(|stored| MemberRecord::decode(&stored.bytes)).transpose()?;
        let shortened = stored.filter(|stored| stored.at == at).and_then(|stored| core::shortened(&stored, end));
        Ok::<_, ChangeError>(shortened.map(|record| (record.encode(), kept(record.role.is_some()))))
    };
    shared.change(shared.shard, &subject, changing).await
}

/// From where on the log of this epoch is read, of which STATE has applied what is at or below `applied`; its stream ends at `last`, and
/// `time` is that of the entry at the place of the last one applied, if any stands there. Errors: it went back, and nobody says how far.
fn begin(applied: Position, epoch: Epoch, last: Seq, time: Option<StreamTime>) -> Result<ReadFrom, LoadError> {
    let is_there = applied.seq == Seq(0) || time == Some(applied.time);
    let went_back = last < applied.seq || time.is_some_and(|time| time != applied.time);
    if is_there || (epoch == applied.epoch && !went_back) {
        return Ok(ReadFrom::Seq(applied.seq.next()));
    }
    match epoch > applied.epoch {
        true => Ok(ReadFrom::Time(applied.time.next())),
        false => Err(LoadError::NoEpoch),
    }
}
