//! Carries out what a deletion asks for: reads the log, stores tombstones, and has what they stand for overwritten.

use std::time::{Duration, Instant};

use dunlin_nats::{AppendError, Appender, Heads, Item, Origin, ReadError, Reads};
use dunlin_schema::{
    Entry, Log, MessageId, Millis, Position, Seq, StreamTime,
    entry::Body,
    read::{ReadFrom, ReadRequest, Source},
};
use tokio::time::sleep;

use super::{
    core::{Cause, Erasure, Reading, is_past, stored_since},
    released::Released,
};
use crate::clock;

/// How often the deliver reader is asked how far it is.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// For how long other deletions of a log are done with the one that is due: the lease is not renewed meanwhile.
const AHEAD_FOR: Duration = Duration::from_secs(1);
/// The longest rest after bytes were overwritten.
const REST_MAX: Duration = Duration::from_millis(50);

/// To overwrite a message nats-server writes a block of the stream's file anew, up to 8 MB, and takes nothing for the stream meanwhile. So
/// those who append have the stream for themselves for as long after each one.
pub(super) async fn rested<T>(overwriting: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let done = overwriting.await;
    sleep(began.elapsed().min(REST_MAX)).await;
    done
}

/// Why an erasure is not known to be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum EraseError {
    #[error("its log could not be read or changed: {0}")]
    Log(#[from] ReadError),
    #[error("its tombstone was not stored: {0}")]
    Tombstone(#[from] AppendError),
}

/// What is needed to erase entries of a shard.
pub(super) struct Erasing {
    pub(super) appender: Appender,
    pub(super) reads: Reads,
    pub(super) heads: Heads,
    pub(super) released: Released,
}

impl Erasing {
    /// Erases all that was deleted in a log since an entry was stored that is `target`, as the log is up to the deletion at `at` at least.
    /// Gives how many entries that was, and up to where the log was looked through; `None` where other deletions in it have to wait for
    /// their turn.
    pub(super) async fn deleted(
        &self,
        log: &Log,
        target: MessageId,
        at: Position,
    ) -> Result<(u64, Option<Seq>), EraseError> {
        let began = Instant::now();
        let reading = self.read(log, stored_since(target), at.seq).await?;
        let upto = reading.upto();
        let (own, others): (Vec<_>, Vec<_>) =
            reading.erasures().into_iter().partition(|erasure| erasure.message == target);
        let mut erased = self.erase_all(log, own, upto).await?;
        for other in others {
            if began.elapsed() > AHEAD_FOR {
                return Ok((erased, None));
            }
            erased += self.erase_all(log, vec![other], upto).await?;
        }
        Ok((erased, Some(upto)))
    }

    /// Erases an edit if its message was erased before it came.
    pub(super) async fn edit(
        &self,
        log: &Log,
        target: MessageId,
        edit: &Entry,
        at: Position,
    ) -> Result<u64, EraseError> {
        let body = Body::Tombstone { sender: edit.from.clone(), id: target };
        let found = match self.appender.find(log.clone(), Entry { id: target, body, ..edit.clone() }).await {
            Ok(found) => found,
            // What is so old is no longer stored.
            Err(AppendError::TooOld | AppendError::FromTheFuture) => None,
            Err(error @ (AppendError::Full | AppendError::TooLarge | AppendError::Unknown)) => return Err(error.into()),
        };
        if !found.is_some_and(|found| found.entry.is_tombstone()) {
            return Ok(0);
        }
        let (header, files) = (edit.header(), Vec::new());
        let erasure = Erasure { seq: at.seq, header, message: target, tombstone: None, files };
        self.erase_all(log, vec![erasure], at.seq).await
    }

    /// A log's entries from a time on, up to `upto` at least, if it has not lost that.
    async fn read(&self, log: &Log, since: StreamTime, upto: Seq) -> Result<Reading, EraseError> {
        let mut reading = Reading::default();
        let mut request = ReadRequest { from: ReadFrom::Time(since), source: Source::Any };
        loop {
            let answer = self.reads.read(log, request).await?;
            for stored in &answer.entries {
                reading.add(stored.seq, &stored.payload);
            }
            if reading.upto() >= upto {
                return Ok(reading);
            }
            if !answer.more && (answer.evidence.is_some() || request.source == Source::Leader) {
                return Ok(reading);
            }
            // A replica that lags may not have all of it.
            request.source = if answer.more { request.source } else { Source::Leader };
            if reading.upto() > Seq(0) {
                request.from = ReadFrom::Seq(reading.upto().next());
            }
        }
    }

    /// Erases entries of a log that was read up to `upto`, the tombstones first. Gives how many were still there.
    pub(super) async fn erase_all(&self, log: &Log, erasures: Vec<Erasure>, upto: Seq) -> Result<u64, EraseError> {
        if !erasures.is_empty() {
            self.let_deliver_pass(log, upto).await;
        }
        let mut erased = 0;
        for Erasure { seq, header, message: _, tombstone, files } in erasures {
            // Before its bytes go: afterwards nobody knows any more what it referred to.
            self.released.tell(&header, files).await;
            let tombstone = match tombstone {
                Some(tombstone) => tombstone,
                None => self.appender.append(burial(log, seq, header)).await?.seq,
            };
            erased += u64::from(rested(self.appender.erase(log, seq, tombstone)).await?);
        }
        Ok(erased)
    }

    async fn let_deliver_pass(&self, log: &Log, upto: Seq) {
        let began = Instant::now();
        loop {
            let position = self.heads.ask(log.shard, Vec::new()).await.ok().map(|answer| answer.position);
            if is_past(position, upto, Millis(began.elapsed().as_millis() as u64)) {
                return;
            }
            sleep(ASK_AGAIN).await;
        }
    }
}

/// The tombstone of an entry, under an id that nobody has tried.
fn burial(log: &Log, seq: Seq, header: dunlin_schema::entry::Header) -> Item {
    let now = clock::now();
    let entry = header.tombstone(seq, MessageId::from_parts(now, rand::random()));
    let origin = Origin::Reader { saved: now.into() };
    Item { log: log.clone(), entry, origin, first_try: true, copy_of_new: false }
}

impl Erasing {
    /// Does what an entry asks for. Gives how many entries were erased, and up to where the log was looked through for deletions.
    pub(super) async fn carry_out(
        &self,
        log: &Log,
        cause: &Cause,
        entry: &Entry,
        at: Position,
    ) -> Result<(u64, Option<Seq>), EraseError> {
        match cause {
            Cause::Deletion { target } => self.deleted(log, *target, at).await,
            Cause::Edit { target } => self.edit(log, *target, entry, at).await.map(|count| (count, None)),
        }
    }
}
