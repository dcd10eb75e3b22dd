//! Erases people: everything that a shard's user has sent, got and set.
//!
//! What is to be done is a record of STATE, which is written last: whoever is interrupted begins again from the beginning, and finds
//! less to do. So the order counts. What they sent to others is found through their own mailbox, which goes behind it. Only what is
//! stored within [`LEAVE`] of the record is of the person; whoever comes under the name later is left alone, however late this is done.
//!
//! The record stays when it is done, and says so: see [`super::after`].
//!
//! What is taken away is no news to those who watch: where gateways keep what a record said, an empty one is stored in its place and taken
//! away as well.

use std::{collections::BTreeSet, time::Duration};

use dunlin_nats::{
    ErasureService, ReadError, Record, RecordError, Records, SaveError, StreamName, WatchEvent, stream_ends,
};
use dunlin_schema::{
    Entry, Log, Millis, Peer, Sender, Seq, Shard, StreamTime, UserName,
    envelope::EnvelopeError,
    erasure::{Before, Ends, EraseUser, Erasure, ErasureAsked, Stage},
    limits,
    read::{ReadFrom, ReadRequest, Source, StoredEntry},
    record::{LastSeen, Settings},
    subject,
};
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::sleep;

use super::{
    core,
    erasing::{EraseError, Erasing, rested},
    metrics::EraserMetrics,
};
use crate::{clock, context::Context, erase::Sent, offer};

/// How long what a person's connections were just saying may take until it is stored.
const LEAVE: Millis = Millis(5_000);
/// What is asked for again so soon is what was asked for: it is covered by [`LEAVE`].
const SAID_AGAIN: Millis = Millis(1_000);
/// The pause before what failed begins again.
const AGAIN: Duration = Duration::from_secs(1);
/// Tries to store what is asked for: each that fails is another worker's write.
const TRIES: usize = 4;
/// People of a shard who are erased at once.
const AT_ONCE: usize = 64;
/// People of a shard who are looked after at once: each costs some questions to the leaders of all shards.
const LOOKED_AFTER_AT_ONCE: usize = 4;

/// Why a person is not known to be erased.
#[derive(Debug, thiserror::Error)]
pub(super) enum PersonError {
    #[error(transparent)]
    Entry(#[from] EraseError),
    #[error("a log could not be read or changed: {0}")]
    Log(#[from] ReadError),
    #[error("a record could not be read or taken away: {0}")]
    Record(#[from] RecordError),
    #[error("a record could not be written: {0}")]
    Save(#[from] SaveError),
    #[error("a record can't be read: {0}")]
    Unreadable(#[from] EnvelopeError),
    #[error("a group of theirs could not be left: {0}")]
    Group(&'static str),
}

/// An entry of a log.
struct Found {
    seq: Seq,
    time: StreamTime,
    entry: Entry,
}

/// Some entries of a log, and where the next ones begin.
struct LogPage {
    entries: Vec<Found>,
    next: Option<Seq>,
}

/// What is needed to erase the people of a shard.
pub(super) struct People<'a> {
    pub(super) context: &'a Context,
    pub(super) shard: Shard,
    pub(super) erasing: &'a Erasing,
    pub(super) records: Records,
    pub(super) metrics: &'a EraserMetrics,
}

impl People<'_> {
    /// Takes in who is to be erased, erases them, and looks after them, until it is dropped.
    pub(super) async fn run(&self) {
        tokio::select! {
            () = self.take_in() => {}
            () = self.follow(AT_ONCE, |stage| !matches!(stage, Stage::Done(_))) => {}
            () = self.follow(LOOKED_AFTER_AT_ONCE, |stage| matches!(stage, Stage::Done(_))) => {}
        }
    }

    async fn take_in(&self) {
        let start = || ErasureService::start(self.context.connection(), self.shard);
        let answer = |mut service: ErasureService| async move {
            while let Some((EraseUser { user }, reply)) = service.next().await {
                let stored = self.store(user).await;
                reply.answer(&if stored { ErasureAsked::Stored } else { ErasureAsked::NotStored }).await;
            }
        };
        offer::always(self.shard, start, answer).await;
    }

    /// Stores that somebody is to be erased, whatever the record says of another time. Whether it is stored.
    async fn store(&self, user: UserName) -> bool {
        let subject = self.subject(&user);
        let asked = Erasure { user, stage: Stage::Asked }.encode();
        let is_said_again = |found: &Record| {
            let is_asked = Erasure::decode(&found.bytes).is_ok_and(|found| found.stage == Stage::Asked);
            is_asked && clock::now().since(found.stamp.millis()) < SAID_AGAIN
        };
        for _ in 0..TRIES {
            let Ok(found) = self.records.load(self.shard, &subject).await else { return false };
            if found.as_ref().is_some_and(is_said_again) {
                return true;
            }
            let revision = found.map_or(Seq(0), |found| found.revision);
            match self.records.save(&subject, asked.clone(), revision).await {
                Ok(_) => return true,
                Err(SaveError::Conflict) => {}
                Err(SaveError::Unknown | SaveError::Refused(_)) => return false,
            }
        }
        false
    }

    /// Does what there is to do about erasures of some stages, of so many people at once.
    async fn follow(&self, at_once: usize, is_followed: fn(&Stage) -> bool) {
        let pattern = subject::erasures(&self.context.settings().region, self.shard);
        let mut watch = self.records.watch(self.shard, pattern);
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                event = watch.next(), if under_way.len() < at_once => match event {
                    WatchEvent::Record(subject, record) => match Erasure::decode(&record.bytes) {
                        Ok(Erasure { user, stage }) if is_followed(&stage) => {
                            under_way.push(self.in_the_end(user, stage, record));
                        }
                        Ok(_) => {}
                        Err(_) => {
                            tracing::error!(shard = %self.shard, subject, "a record of somebody to erase can't be read");
                        }
                    },
                    WatchEvent::Began | WatchEvent::Complete => {}
                },
                Some(()) = under_way.next() => {}
            }
        }
    }

    async fn in_the_end(&self, user: UserName, stage: Stage, record: Record) {
        if stage == Stage::Asked {
            sleep(Duration::from_millis(LEAVE.0)).await;
        }
        while let Err(error) = self.attend(&user, &stage, &record).await {
            self.metrics.failed.inc();
            tracing::warn!(shard = %self.shard, %user, %error, "somebody is not erased yet");
            sleep(AGAIN).await;
        }
    }

    async fn attend(&self, user: &UserName, stage: &Stage, record: &Record) -> Result<(), PersonError> {
        match stage {
            Stage::Asked => {
                let until = StreamTime(record.stamp.0.saturating_add(StreamTime::from(LEAVE).0));
                self.erase(user, &Before { until, ends: Vec::new() }, record.revision).await
            }
            Stage::CameBack(before) => self.erase(user, before, record.revision).await,
            Stage::Done(before) => self.look_after(user, before, record.revision).await,
        }
    }

    async fn erase(&self, user: &UserName, before: &Before, revision: Seq) -> Result<(), PersonError> {
        let subject = self.subject(user);
        if self.records.load(self.shard, &subject).await?.is_none_or(|now| now.revision != revision) {
            // Another worker has done it, or it was asked for again.
            return Ok(());
        }
        let mailbox = self.mailbox(user);
        let groups = self.leave_groups(user, before).await?;
        // Before files are released, which would write it down anew, as of somebody who came under the name since.
        let uploaded = subject::all_uploaded(&self.context.settings().region, self.shard, user);
        self.forget_those(user, before, self.shard, &uploaded).await?;
        if self.context.erase().sent == Sent::Remove {
            for peer in self.peers(user, &mailbox, before).await? {
                self.remove_from(&self.mailbox(&peer), user, before).await?;
            }
            for group in &groups {
                self.remove_from(&self.log_of(group), user, before).await?;
            }
        }
        self.clear(&mailbox, before).await?;
        self.forget_links(user, before).await?;
        self.forget_groups(user, &groups).await?;
        self.forget(user, before).await?;
        self.forget_group_marks(user, before).await?;
        let is_first = before.ends.is_empty();
        let ends = if is_first { self.ends().await? } else { before.ends.clone() };
        let done = Erasure { user: user.clone(), stage: Stage::Done(Before { until: before.until, ends }) };
        match self.records.save_for(limits::ERASURE_KEPT, &subject, done.encode(), revision).await {
            Ok(_) => {
                self.metrics.people.inc_by(u64::from(is_first));
                tracing::info!(shard = %self.shard, %user, "somebody is erased");
                Ok(())
            }
            Err(SaveError::Conflict) => Ok(()),
            Err(error @ (SaveError::Unknown | SaveError::Refused(_))) => Err(error.into()),
        }
    }

    /// Where all streams of the region end.
    async fn ends(&self) -> Result<Vec<Ends>, ReadError> {
        let (connection, region) = (self.context.connection(), &self.context.settings().region);
        let mut ends = Vec::new();
        for shard in self.context.settings().shards() {
            let log = stream_ends(connection, &StreamName::log(region, shard)).await?.last;
            let state = stream_ends(connection, &StreamName::state(region, shard)).await?.last;
            ends.push(Ends { log, state });
        }
        Ok(ends)
    }

    /// Overwrites a whole log, as far as it is of before.
    async fn clear(&self, log: &Log, before: &Before) -> Result<(), PersonError> {
        let mut from = Some(Seq(1));
        while let Some(begin) = from {
            let request = ReadRequest { from: ReadFrom::Seq(begin), source: Source::Leader };
            let answer = self.erasing.reads.read(log, request).await?;
            let of_before = |stored: &&StoredEntry| before.has_entry(log.shard, stored.seq, stored.time);
            for stored in answer.entries.iter().filter(of_before) {
                let cleared = rested(self.erasing.appender.clear(log, stored.seq, stored.time)).await?;
                self.metrics.erased.inc_by(u64::from(cleared));
            }
            let last = answer.entries.last().filter(|last| answer.more && last.seq < before.log_end(log.shard));
            from = last.map(|last| last.seq.next());
        }
        Ok(())
    }

    /// Those in whose mailboxes something of the user's may be: whoever they wrote to or heard from, as far as their mailbox and marks
    /// tell.
    async fn peers(&self, user: &UserName, mailbox: &Log, before: &Before) -> Result<BTreeSet<UserName>, PersonError> {
        let region = &self.context.settings().region;
        let mut peers = BTreeSet::new();
        let mut from = Some(Seq(1));
        while let Some(begin) = from {
            let page = self.page(mailbox, begin).await?;
            for Found { entry, .. } in page.entries {
                match entry.to.peer {
                    Peer::User(to) if entry.to.region.is_none_or(|of| of == *region) => _ = peers.insert(to),
                    Peer::User(_) | Peer::Group(_) => {}
                }
                if entry.from.region == *region {
                    peers.insert(entry.from.user);
                }
            }
            from = page.next.filter(|next| *next <= before.log_end(mailbox.shard));
        }
        let marks = subject::marks_of(region, self.shard, user);
        for (subject, _) in self.all(self.shard, &marks, before.state_end(self.shard)).await? {
            match subject::parse_mark(&subject) {
                Some(mark) if mark.region == *region => peers.extend(match mark.peer {
                    Peer::User(peer) => Some(peer),
                    Peer::Group(_) => None,
                }),
                Some(_) | None => {}
            }
        }
        peers.remove(user);
        Ok(peers)
    }

    /// Erases what the user has sent to a mailbox.
    async fn remove_from(&self, log: &Log, user: &UserName, before: &Before) -> Result<(), PersonError> {
        let sender = Sender { user: user.clone(), region: self.context.settings().region.clone() };
        let mut reading = core::Reading::of_everything_from(sender);
        let mut from = Some(Seq(1));
        while let Some(begin) = from {
            let page = self.page(log, begin).await?;
            for Found { seq, time, entry } in page.entries {
                if before.has_entry(log.shard, seq, time) || entry.is_tombstone() {
                    reading.add_entry(seq, &entry);
                }
            }
            from = page.next;
        }
        let upto = reading.upto();
        self.metrics.erased.inc_by(self.erasing.erase_all(log, reading.erasures(), upto).await?);
        Ok(())
    }

    /// Takes away the records of the user, and those of others about them.
    async fn forget(&self, user: &UserName, before: &Before) -> Result<(), PersonError> {
        for (shard, pattern) in self.records_of(user) {
            self.forget_those(user, before, shard, &pattern).await?;
        }
        self.tell(&subject::settings(&self.context.settings().region, self.shard, user)).await
    }

    async fn forget_those(
        &self,
        user: &UserName,
        before: &Before,
        shard: Shard,
        pattern: &str,
    ) -> Result<(), PersonError> {
        for revision in self.of_before(user, before, shard, pattern).await? {
            self.records.erase(shard, revision).await?;
        }
        Ok(())
    }

    /// Where records of the user may be, and those of others about them.
    pub(super) fn records_of(&self, user: &UserName) -> Vec<(Shard, String)> {
        let settings = self.context.settings();
        let own = subject::records_of(&settings.region, self.shard, user);
        let about = |shard| {
            let marks = subject::marks_about(&settings.region, shard, user, &settings.region);
            [(shard, marks), (shard, subject::member_everywhere(&settings.region, shard, user))]
        };
        own.into_iter().map(|pattern| (self.shard, pattern)).chain(settings.shards().flat_map(about)).collect()
    }

    /// The revisions of what is of before among records.
    pub(super) async fn of_before(
        &self,
        user: &UserName,
        before: &Before,
        shard: Shard,
        pattern: &str,
    ) -> Result<Vec<Seq>, RecordError> {
        let seen = subject::last_seen(&self.context.settings().region, self.shard, user);
        let mut revisions = Vec::new();
        for (subject, record) in self.all(shard, pattern, before.state_end(shard)).await? {
            // What a gateway said of before may have waited in a queue.
            let said = LastSeen::decode(&record.bytes).ok().filter(|_| subject == seen).map(|seen| seen.at.into());
            let time = said.map_or(record.stamp, |said| record.stamp.min(said));
            if before.has_record(shard, record.revision, time) {
                revisions.push(record.revision);
            }
        }
        Ok(revisions)
    }

    /// Tells those who watch that there are no settings, unless somebody has set some since.
    async fn tell(&self, settings: &str) -> Result<(), PersonError> {
        match self.records.save(settings, Settings::default().encode(), Seq(0)).await {
            Ok(revision) => _ = self.records.erase(self.shard, revision).await?,
            Err(SaveError::Conflict) => {}
            Err(error @ (SaveError::Unknown | SaveError::Refused(_))) => return Err(error.into()),
        }
        Ok(())
    }

    /// All records whose subjects match a pattern, up to a revision at least.
    pub(super) async fn all(
        &self,
        shard: Shard,
        pattern: &str,
        upto: Seq,
    ) -> Result<Vec<(String, Record)>, RecordError> {
        let (mut all, mut from) = (Vec::new(), Some(Seq(0)));
        while let Some(begin) = from {
            let page = self.records.page(shard, pattern, begin).await?;
            all.extend(page.records);
            from = page.next.filter(|next| *next <= upto);
        }
        Ok(all)
    }

    /// Some entries of a log, as the leader has it.
    async fn page(&self, log: &Log, from: Seq) -> Result<LogPage, ReadError> {
        let request = ReadRequest { from: ReadFrom::Seq(from), source: Source::Leader };
        let answer = self.erasing.reads.read(log, request).await?;
        let next = answer.entries.last().filter(|_| answer.more).map(|last| last.seq.next());
        let found = answer.entries.into_iter().filter_map(|stored| {
            let entry = Entry::decode(&stored.payload).ok()?;
            Some(Found { seq: stored.seq, time: stored.time, entry })
        });
        Ok(LogPage { entries: found.collect(), next })
    }

    pub(super) fn subject(&self, user: &UserName) -> String {
        subject::erasure(&self.context.settings().region, self.shard, user)
    }

    pub(super) fn mailbox(&self, user: &UserName) -> Log {
        let settings = self.context.settings();
        Log::mailbox(&settings.region, settings.shards, user)
    }
}
