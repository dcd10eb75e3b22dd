//! Erases people: everything that a shard's user has sent, got and set.
//!
//! What is to be done is a record of STATE, which goes last: whoever is interrupted begins again from the beginning, and finds less to do.
//! So the order counts. What they sent to others is found through their own mailbox, which goes behind it. Only what is stored within
//! [`LEAVE`] of the record is of the person; whoever comes under the name later is left alone, however late this is done.
//!
//! What is taken away is no news to those who watch: where gateways keep what a record said, an empty one is stored in its place and taken
//! away as well.

use std::{collections::BTreeSet, time::Duration};

use dunlin_nats::{ErasureService, ReadError, Record, RecordError, Records, Reply, SaveError, WatchEvent};
use dunlin_schema::{
    Entry, Log, Millis, Peer, Sender, Seq, Shard, StreamTime, UserName,
    erasure::{EraseUser, Erasure, ErasureAsked},
    read::{ReadFrom, ReadRequest, Source},
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
/// People of a shard who are erased at once.
const AT_ONCE: usize = 64;

/// Why a person is not known to be erased.
#[derive(Debug, thiserror::Error)]
enum PersonError {
    #[error(transparent)]
    Entry(#[from] EraseError),
    #[error("a log could not be read or changed: {0}")]
    Log(#[from] ReadError),
    #[error("a record could not be read or taken away: {0}")]
    Record(#[from] RecordError),
    #[error("nobody could be told that the person's settings are gone: {0}")]
    Told(#[from] SaveError),
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
    /// Takes in who is to be erased, and erases them, until it is dropped.
    pub(super) async fn run(&self) {
        tokio::select! {
            () = self.take_in() => {}
            () = self.work() => {}
        }
    }

    async fn take_in(&self) {
        let start = || ErasureService::start(self.context.connection(), self.shard);
        let answer = |mut service: ErasureService| async move {
            while let Some((question, reply)) = service.next().await {
                self.store(question, reply).await;
            }
        };
        offer::always(self.shard, start, answer).await;
    }

    async fn store(&self, EraseUser { user }: EraseUser, reply: Reply<ErasureAsked>) {
        let subject = subject::erasure(&self.context.settings().region, self.shard, &user);
        let stored = async {
            let found = self.records.load(self.shard, &subject).await.ok()?;
            if found.as_ref().is_some_and(|found| clock::now().since(found.stamp.millis()) < SAID_AGAIN) {
                return Some(());
            }
            let revision = found.map_or(Seq(0), |found| found.revision);
            match self.records.save(&subject, Erasure { user }.encode(), revision).await {
                Ok(_) => Some(()),
                // Another worker of the shard was told as well.
                Err(SaveError::Conflict) => self.records.load(self.shard, &subject).await.ok()?.map(|_| ()),
                Err(SaveError::Unknown | SaveError::Refused(_)) => None,
            }
        };
        let answer = if stored.await.is_some() { ErasureAsked::Stored } else { ErasureAsked::NotStored };
        reply.answer(&answer).await;
    }

    async fn work(&self) {
        let pattern = subject::erasures(&self.context.settings().region, self.shard);
        let mut watch = self.records.watch(self.shard, pattern);
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                event = watch.next(), if under_way.len() < AT_ONCE => match event {
                    WatchEvent::Record(subject, record) => match Erasure::decode(&record.bytes) {
                        Ok(Erasure { user }) => under_way.push(self.erase_in_the_end(user, record)),
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

    async fn erase_in_the_end(&self, user: UserName, asked: Record) {
        sleep(Duration::from_millis(LEAVE.0)).await;
        while let Err(error) = self.erase(&user, &asked).await {
            self.metrics.failed.inc();
            tracing::warn!(shard = %self.shard, %user, %error, "somebody is not erased yet");
            sleep(AGAIN).await;
        }
    }

    async fn erase(&self, user: &UserName, asked: &Record) -> Result<(), PersonError> {
        if self.records.load(self.shard, &self.subject(user)).await?.is_none_or(|now| now.revision != asked.revision) {
            // Another worker has done it, or it was asked for again.
            return Ok(());
        }
        let until = StreamTime(asked.stamp.0.saturating_add(StreamTime::from(LEAVE).0));
        let mailbox = self.mailbox(user);
        if self.context.erase().sent == Sent::Remove {
            for peer in self.peers(user, &mailbox).await? {
                self.remove_from(&self.mailbox(&peer), user, until).await?;
            }
        }
        self.clear(&mailbox, until).await?;
        self.forget(user, until).await?;
        self.records.erase(self.shard, asked.revision).await?;
        self.metrics.people.inc();
        tracing::info!(shard = %self.shard, %user, "somebody is erased");
        Ok(())
    }

    /// Overwrites a whole log, as far as it is of before.
    async fn clear(&self, log: &Log, until: StreamTime) -> Result<(), PersonError> {
        let mut from = Some(Seq(1));
        while let Some(begin) = from {
            let request = ReadRequest { from: ReadFrom::Seq(begin), source: Source::Leader };
            let answer = self.erasing.reads.read(log, request).await?;
            for stored in answer.entries.iter().filter(|stored| stored.time <= until) {
                let cleared = rested(self.erasing.appender.clear(log, stored.seq, stored.time)).await?;
                self.metrics.erased.inc_by(u64::from(cleared));
            }
            from = answer.entries.last().filter(|_| answer.more).map(|last| last.seq.next());
        }
        Ok(())
    }

    /// Those in whose mailboxes something of the user's may be: whoever they wrote to or heard from, as far as their mailbox and marks
    /// tell.
    async fn peers(&self, user: &UserName, mailbox: &Log) -> Result<BTreeSet<UserName>, PersonError> {
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
            from = page.next;
        }
        for (subject, _) in self.all(self.shard, &subject::marks_of(region, self.shard, user)).await? {
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
    async fn remove_from(&self, log: &Log, user: &UserName, until: StreamTime) -> Result<(), PersonError> {
        let sender = Sender { user: user.clone(), region: self.context.settings().region.clone() };
        let mut reading = core::Reading::of_everything_from(sender);
        let mut from = Some(Seq(1));
        while let Some(begin) = from {
            let page = self.page(log, begin).await?;
            for Found { seq, time, entry } in page.entries {
                if time <= until || entry.is_tombstone() {
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
    async fn forget(&self, user: &UserName, until: StreamTime) -> Result<(), PersonError> {
        let settings = self.context.settings();
        let seen = subject::last_seen(&settings.region, self.shard, user);
        // What a gateway said of before may have waited in a queue.
        let of_before = |subject: &str, record: &Record| {
            let seen = LastSeen::decode(&record.bytes).ok().filter(|_| subject == seen);
            record.stamp.min(seen.map_or(record.stamp, |seen| seen.at.into())) <= until
        };
        let own = subject::records_of(&settings.region, self.shard, user);
        let own = own.into_iter().map(|pattern| (self.shard, pattern));
        let about = |shard| (shard, subject::marks_about(&settings.region, shard, user, &settings.region));
        for (shard, pattern) in own.chain(settings.shards().map(about)) {
            for (subject, record) in self.all(shard, &pattern).await? {
                if of_before(&subject, &record) {
                    self.records.erase(shard, record.revision).await?;
                }
            }
        }
        self.tell(&subject::settings(&settings.region, self.shard, user)).await
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

    async fn all(&self, shard: Shard, pattern: &str) -> Result<Vec<(String, Record)>, RecordError> {
        let (mut all, mut from) = (Vec::new(), Some(Seq(0)));
        while let Some(begin) = from {
            let page = self.records.page(shard, pattern, begin).await?;
            all.extend(page.records);
            from = page.next;
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

    fn subject(&self, user: &UserName) -> String {
        subject::erasure(&self.context.settings().region, self.shard, user)
    }

    fn mailbox(&self, user: &UserName) -> Log {
        let settings = self.context.settings();
        Log::mailbox(&settings.region, settings.shards, user)
    }
}
