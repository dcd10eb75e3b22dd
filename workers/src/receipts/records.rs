//! Records of one kind, changed by compare-and-set; those that were written last are remembered, so that most writes need no load.

use std::{collections::HashMap, fmt};

use dunlin_nats::{Connection, ReadError, RecordError, Records, SaveError, Status};
use dunlin_schema::{
    Millis, Seq, Shard,
    counts::{GroupMarks, GroupSentMarks},
    envelope::EnvelopeError,
    limits,
    record::{DeviceRecord, LastSeen, ReadMark, SentMarks},
};
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Semaphore, watch};

/// Records that are loaded or written at once; further ones wait.
const AT_ONCE: usize = 64;
/// Tries to write a record before that is given up for now. Each that fails is a write of somebody else's: as many as two workers have
/// under way for one device.
const TRIES: usize = 64;
/// Records that are remembered, at least; twice as many at most.
const REMEMBERED: usize = 4_096;

/// Why a record is not as it should be. It takes time to pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChangeError {
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] RecordError),
    /// The mailbox can't be read.
    #[error(transparent)]
    Mailbox(#[from] ReadError),
    /// A newer release wrote it.
    #[error(transparent)]
    Version(EnvelopeError),
    /// It was not written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

impl ChangeError {
    /// Says that something was not stored, which is no trouble of the operator's where others wrote the same record all the time.
    pub(super) fn tell(&self, shard: Shard, of: impl fmt::Display, what: &str) {
        match self {
            ChangeError::Save(SaveError::Conflict) => tracing::debug!(%shard, %of, error = %self, "{what}"),
            ChangeError::Read(_) | ChangeError::Mailbox(_) | ChangeError::Version(_) | ChangeError::Save(_) => {
                tracing::warn!(%shard, %of, error = %self, "{what}");
            }
        }
    }
}

/// A kind of record.
pub(super) trait Stored: Clone + Default {
    /// How long one is kept that nobody writes again.
    const KEPT: Millis;
    /// Whether it only rises: what was seen once needs no second look to be known as stored.
    const RISES: bool;
    fn read(bytes: &[u8]) -> Result<Self, EnvelopeError>;
    fn written(&self) -> Vec<u8>;
}

/// `stored!(Type: how long it is kept, whether it only rises)`.
macro_rules! stored {
    ($type:ty: $kept:expr, $rises:expr) => {
        impl Stored for $type {
            const KEPT: Millis = $kept;
            const RISES: bool = $rises;
            fn read(bytes: &[u8]) -> Result<Self, EnvelopeError> {
                <$type>::decode(bytes)
            }
            fn written(&self) -> Vec<u8> {
                self.encode()
            }
        }
    };
}

// A removal takes the cursor back.
stored!(DeviceRecord: limits::DEVICE_KEPT, false);
stored!(SentMarks: limits::MARK_KEPT, true);
stored!(ReadMark: limits::MARK_KEPT, true);
stored!(LastSeen: limits::SEEN_KEPT, true);
stored!(GroupMarks: limits::DEVICE_KEPT, true);
stored!(GroupSentMarks: limits::MARK_KEPT, true);

/// What has come of a change.
pub(super) struct Written<R> {
    /// The record as it is stored.
    pub(super) record: R,
    /// Its revision; `Seq(0)` where there is none.
    pub(super) revision: Seq,
    /// The revision before, where something was written.
    pub(super) before: Option<Seq>,
}

/// Records of one kind.
pub(super) struct Kept<R> {
    records: Records,
    conflicts: Counter,
    turns: Semaphore,
    remembered: Mutex<Remembered<R>>,
}

impl<R: Stored> Kept<R> {
    pub(super) fn new(connection: &Connection, conflicts: Counter) -> Kept<R> {
        Kept::of_many(connection, conflicts, REMEMBERED)
    }

    /// The same where so many are remembered at least: of records that are large.
    pub(super) fn of_many(connection: &Connection, conflicts: Counter, remembered: usize) -> Kept<R> {
        Kept {
            records: Records::new(connection),
            conflicts,
            turns: Semaphore::new(AT_ONCE),
            remembered: Mutex::new(Remembered::new(connection.status(), remembered)),
        }
    }

    /// All records, of whatever kind.
    pub(super) fn all(&self) -> &Records {
        &self.records
    }

    /// The record as it was not long ago, with its revision. Errors: see [`ChangeError`].
    pub(super) async fn load(&self, shard: Shard, subject: &str) -> Result<(R, Seq), ChangeError> {
        let remembered = self.remembered.lock().get(subject);
        match remembered {
            Some(known) => Ok(known),
            None => self.current(shard, subject).await,
        }
    }

    /// The record as it is now, with its revision. Errors: see [`ChangeError`].
    pub(super) async fn current(&self, shard: Shard, subject: &str) -> Result<(R, Seq), ChangeError> {
        let _turn = self.turn().await?;
        self.fetch(shard, subject).await
    }

    /// Writes what `change` makes of what is stored, if anything. Errors: see [`ChangeError`].
    pub(super) async fn rewrite(
        &self,
        shard: Shard,
        subject: &str,
        change: impl Fn(&R) -> Option<R>,
    ) -> Result<Written<R>, ChangeError> {
        let _turn = self.turn().await?;
        let mut left = TRIES;
        let mut remembered = self.remembered.lock().get(subject);
        loop {
            let (is_sure, (stored, revision)) = match remembered.take() {
                Some(known) => (R::RISES, known),
                None => (true, self.fetch(shard, subject).await?),
            };
            let Some(changed) = change(&stored) else {
                if is_sure {
                    return Ok(Written { record: stored, revision, before: None });
                }
                continue;
            };
            left -= 1;
            match self.records.save_for(R::KEPT, subject, changed.written(), revision).await {
                Ok(written) => {
                    self.remembered.lock().put(subject, changed.clone(), written);
                    return Ok(Written { record: changed, revision: written, before: Some(revision) });
                }
                // Another worker wrote it, or somebody else here at the same time.
                Err(SaveError::Conflict) if left > 0 => {
                    self.conflicts.inc();
                }
                Err(error) => {
                    self.remembered.lock().forget(subject);
                    return Err(error.into());
                }
            }
        }
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ChangeError> {
        self.turns.acquire().await.map_err(|_| ChangeError::Read(RecordError::Unanswered))
    }

    async fn fetch(&self, shard: Shard, subject: &str) -> Result<(R, Seq), ChangeError> {
        let (stored, revision) = match self.records.load(shard, subject).await? {
            None => (R::default(), Seq(0)),
            Some(record) => (readable(&record.bytes).map_err(ChangeError::Version)?, record.revision),
        };
        self.remembered.lock().put(subject, stored.clone(), revision);
        Ok((stored, revision))
    }
}

/// What the bytes of a record say; nothing, where they are damaged: whatever it was is said again. Errors: a newer release wrote them.
pub(super) fn readable<R: Stored>(bytes: &[u8]) -> Result<R, EnvelopeError> {
    match R::read(bytes) {
        Err(EnvelopeError::Short(_) | EnvelopeError::Checksum | EnvelopeError::Content(_)) => Ok(R::default()),
        read @ (Ok(_) | Err(EnvelopeError::Version { .. })) => read,
    }
}

/// The last records that were seen, in two generations: when the younger one is full it becomes the older one, which is forgotten. All are
/// forgotten when the connection is lost: a power loss may have taken STATE back.
struct Remembered<R> {
    status: watch::Receiver<Status>,
    most: usize,
    younger: HashMap<String, (R, Seq)>,
    older: HashMap<String, (R, Seq)>,
}

impl<R: Clone> Remembered<R> {
    fn new(mut status: watch::Receiver<Status>, most: usize) -> Remembered<R> {
        status.mark_unchanged();
        Remembered { status, most, younger: HashMap::new(), older: HashMap::new() }
    }

    fn get(&mut self, subject: &str) -> Option<(R, Seq)> {
        // The sender is gone only when the connection is.
        if self.status.has_changed().unwrap_or(true) {
            self.status.mark_unchanged();
            self.younger.clear();
            self.older.clear();
        }
        if let Some((record, revision)) = self.older.remove(subject) {
            self.put(subject, record, revision);
        }
        self.younger.get(subject).cloned()
    }

    fn put(&mut self, subject: &str, record: R, revision: Seq) {
        self.older.remove(subject);
        self.younger.insert(subject.to_owned(), (record, revision));
        if self.younger.len() > self.most {
            self.older = std::mem::take(&mut self.younger);
        }
    }

    fn forget(&mut self, subject: &str) {
        self.younger.remove(subject);
        self.older.remove(subject);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_last_is_remembered_until_the_connection_is_lost() {
        let (status, seen) = watch::channel(Status::Connected);
        let mut remembered = Remembered::new(seen, 2);
        let known = |remembered: &mut Remembered<u8>| {
            ["a", "b", "c", "d"].map(|subject| remembered.get(subject).map(|(record, _)| record))
        };
        for (subject, record) in [("a", 1), ("b", 2), ("c", 3)] {
            remembered.put(subject, record, Seq(1));
        }
        // Looked at, they are young again.
        assert_eq!(remembered.get("a"), Some((1, Seq(1))));
        remembered.put("a", 9, Seq(2));
        remembered.put("d", 4, Seq(3));
        remembered.put("e", 5, Seq(4));
        assert_eq!(known(&mut remembered), [Some(9), None, None, Some(4)]);
        remembered.forget("a");
        assert_eq!(known(&mut remembered), [None, None, None, Some(4)]);
        status.send_replace(Status::Disconnected);
        assert_eq!(known(&mut remembered), [None; 4]);
        remembered.put("b", 2, Seq(1));
        status.send_replace(Status::Connected);
        assert_eq!(known(&mut remembered), [None; 4]);
    }
}
