//! What is known of groups, brought up to date out of STATE and their logs; those that were looked at last are kept in mind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dunlin_nats::{Connection, Record, Status};
use dunlin_schema::{
    Content, Entry, GroupName, Log, Millis, Peer, Seq, StreamTime, UserName,
    counts::GroupMarks,
    entry::Body,
    envelope::EnvelopeError,
    limits,
    read::StoredEntry,
    record::{LEADER, MemberRecord, ReaderRecord},
    subject,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    clock,
    receipts::{Shared, core::tally::Tally, records::ChangeError},
};

/// People that are kept in mind, of all groups together: of the group that is looked at, all.
const PEOPLE: usize = 400_000;
/// How far back a log is read for its last messages: further where there are too few.
const BACK: [Millis; 3] = [Millis(10 * 60_000), Millis(12 * 3_600_000), limits::RETENTION];

/// The groups that were looked at last.
pub(in crate::receipts) struct Groups(Mutex<Last>);

struct Last {
    status: watch::Receiver<Status>,
    /// The one looked at last at the end.
    groups: Vec<(GroupName, Arc<Group>)>,
}

/// One of them. Whoever looks at it waits for others who do.
pub(super) struct Group {
    people: AtomicUsize,
    known: tokio::sync::Mutex<Known>,
}

/// What is known of it, and up to which revisions of STATE.
#[derive(Default)]
pub(super) struct Known {
    pub(super) tally: Tally,
    members: Seq,
    marks: Seq,
}

impl Groups {
    /// None yet.
    pub(in crate::receipts) fn new(connection: &Connection) -> Groups {
        let mut status = connection.status();
        status.mark_unchanged();
        Groups(Mutex::new(Last { status, groups: Vec::new() }))
    }

    /// What is known of a group.
    pub(super) fn of(&self, group: &GroupName) -> Arc<Group> {
        let Last { status, groups } = &mut *self.0.lock();
        // A power loss may have taken STATE back. The sender is gone only when the connection is.
        if status.has_changed().unwrap_or(true) {
            status.mark_unchanged();
            groups.clear();
        }
        let known = match groups.iter().position(|(name, _)| name == group) {
            Some(at) => groups.remove(at).1,
            None => Arc::new(Group { people: AtomicUsize::new(0), known: tokio::sync::Mutex::default() }),
        };
        let people = |of: &Arc<Group>| of.people.load(Ordering::Relaxed).max(1);
        let mut others: usize = groups.iter().map(|(_, of)| people(of)).sum();
        while others + people(&known) > PEOPLE && !groups.is_empty() {
            others -= people(&groups.remove(0).1);
        }
        groups.push((group.clone(), known.clone()));
        known
    }

    /// Whether it has so many people that it is counted less often.
    pub(in crate::receipts) fn is_large(&self, group: &GroupName) -> bool {
        let last = self.0.lock();
        let known = last.groups.iter().rev().find(|(name, _)| name == group);
        known.is_some_and(|(_, of)| of.people.load(Ordering::Relaxed) > limits::GROUP_LARGE as usize)
    }
}

impl Group {
    pub(super) async fn lock(&self) -> Looking<'_> {
        Looking { people: &self.people, known: self.known.lock().await }
    }
}

/// Somebody looks at a group.
pub(super) struct Looking<'a> {
    people: &'a AtomicUsize,
    known: tokio::sync::MutexGuard<'a, Known>,
}

impl std::ops::Deref for Looking<'_> {
    type Target = Known;
    fn deref(&self) -> &Known {
        &self.known
    }
}

impl Looking<'_> {
    /// Takes in what was written since it was looked at last. Errors: see [`ChangeError`].
    pub(super) async fn look(&mut self, shared: &Shared, group: &GroupName) -> Result<(), ChangeError> {
        let Known { tally, members, marks } = &mut *self.known;
        let (settings, shard) = (&shared.context.settings, shared.shard);
        let region = &settings.region;
        let reader = shared.records.load(shard, &subject::reader_record(region, shard, LEADER)).await?;
        if let Some(record) = reader
            && let Some(reader) = readable(&record, ReaderRecord::decode)?
        {
            tally.epoch(reader.epoch(record.stamp));
        }
        through(shared, &subject::member_records(region, shard, group), members, |subject, record| {
            if let (Some(user), Some(record)) =
                (subject::parse_member_record(subject), readable(record, MemberRecord::decode)?)
            {
                tally.member(user, record.windows);
            }
            Ok(())
        })
        .await?;
        through(shared, &subject::all_group_marks(region, shard, group), marks, |_, record| {
            if let Some(record) = readable(record, GroupMarks::decode)? {
                tally.marks(record);
            }
            Ok(())
        })
        .await?;
        self.people.store(tally.len(), Ordering::Relaxed);
        messages(shared, &Log::of(region, settings.shards, Peer::Group(group.clone())), tally).await
    }
}

/// Shows every record that was written behind this revision, and moves that on.
async fn through(
    shared: &Shared,
    pattern: &str,
    after: &mut Seq,
    mut show: impl FnMut(&str, &Record) -> Result<(), ChangeError>,
) -> Result<(), ChangeError> {
    let begin = *after;
    let each = |subject: String, record: Record| {
        show(&subject, &record)?;
        *after = record.revision;
        Ok(())
    };
    shared.records.each_above(&shared.reads, shared.shard, pattern, begin, each).await
}

/// What a record says; nothing, where it is damaged. Errors: a newer release wrote it.
fn readable<T>(record: &Record, decode: fn(&[u8]) -> Result<T, EnvelopeError>) -> Result<Option<T>, ChangeError> {
    match decode(&record.bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error @ EnvelopeError::Version { .. }) => Err(ChangeError::Version(error)),
        Err(error @ (EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_))) => {
            tracing::error!(revision = record.revision.0, %error, "a record of a group can't be read");
            Ok(None)
        }
    }
}

/// Takes in the log's last messages, or what came since.
async fn messages(shared: &Shared, log: &Log, tally: &mut Tally) -> Result<(), ChangeError> {
    if tally.end() == Seq(0) {
        return first_messages(shared, log, tally).await;
    }
    loop {
        let (entries, more) = shared.reads.between(log, tally.end(), Seq::MAX).await?;
        entries.iter().for_each(|entry| tally.entry(entry.seq, sender(shared, entry)));
        if !more || entries.is_empty() {
            return Ok(());
        }
    }
}

async fn first_messages(shared: &Shared, log: &Log, tally: &mut Tally) -> Result<(), ChangeError> {
    let mut found = Vec::new();
    for back in BACK {
        found.clear();
        let mut since = StreamTime::from(clock::now().minus(back));
        loop {
            let (entries, more) = shared.reads.since(log, since).await?;
            found.extend(entries.iter().map(|entry| (entry.seq, sender(shared, entry))));
            let Some(last) = entries.last().filter(|_| more) else { break };
            since = last.time;
        }
        if found.iter().filter(|(_, sender)| sender.is_some()).count() >= limits::GROUP_COUNTED {
            break;
        }
    }
    found.into_iter().for_each(|(order, sender)| tally.entry(order, sender));
    Ok(())
}

/// Who sent an entry that is counted: what the log says of its members is none.
fn sender(shared: &Shared, entry: &StoredEntry) -> Option<UserName> {
    let Entry { from, body: Body::Content(content), .. } = Entry::decode(&entry.payload).ok()? else { return None };
    let is_counted = match content {
        Content::Message { .. } | Content::Edit { .. } | Content::Delete { .. } | Content::React { .. } => true,
        Content::Membership(_) | Content::Settings(_) | Content::Failed(_) => false,
    };
    (is_counted && from.region == shared.context.settings.region).then_some(from.user)
}
