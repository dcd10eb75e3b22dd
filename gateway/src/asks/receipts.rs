//! When something that the asker sent was stored, delivered and read: the entry is in the recipient's mailbox, and how the marks about it
//! rose is in STATE.
//!
//! **Whoever asks for another's order learns nothing**: what is somebody else's, what is gone and what never was are refused in the same
//! words, after the same questions to storage. Nothing is withheld here from whom the recipient has blocked: marks do not rise for them.

use dunlin_nats::Record;
use dunlin_schema::{
    Address, Code, Entry, Epoch, Log, Millis, Sender, Seq, StreamTime,
    entry::Body,
    envelope::EnvelopeError,
    frame::Answer,
    read::StoredEntry,
    record::{LEADER, MarkChange, MarkKind, ReaderRecord, SentMarks},
    subject,
};

use super::Context;
use crate::{refusal::Refusal, sending};

/// Says when what has this order was stored, delivered and read.
pub(super) async fn of(context: &Context<'_>, to: Address, order: Seq) -> Result<Answer, Refusal> {
    let to = to.said_in(context.region);
    let user = sending::mailbox_of(&to, context.region).map_err(|error| Refusal::never(Code::Unsupported, error))?;
    let log = Log::mailbox(context.region, context.shards, user);
    let asker = context.people.sender(context.asker.user());
    let marks = subject::sent_marks(context.region, context.asker.shard(), &asker.user, &log.owner, context.region);
    let reader = subject::reader_record(context.region, log.shard, LEADER);
    let entry = async {
        match order {
            // No entry has it, and no server is asked for it.
            Seq(0) => Ok(None),
            Seq(_) => context.reads.entry(&log, order).await.map_err(Refusal::from),
        }
    };
    let marks = async { Ok(context.records.load(context.asker.shard(), &marks).await?) };
    let reader = async { Ok(context.records.load(log.shard, &reader).await?) };
    let (entry, marks, reader) = tokio::try_join!(entry, marks, reader)?;
    let found = entry.and_then(|stored| Some((accepted(&stored, &asker, &log)?, stored.time)));
    let (stored, time) = found.ok_or_else(nothing_of_yours)?;
    let marks = read(marks, |record| SentMarks::decode(&record.bytes))?.unwrap_or_default();
    let epoch = read(reader, |record| Ok(ReaderRecord::decode(&record.bytes)?.epoch(record.stamp)))?;
    let (delivered, read) = reached(&marks, order, time, epoch.unwrap_or_default());
    // Clocks differ.
    let later = |time: Millis| time.max(stored);
    Ok(Answer::Receipts { stored, delivered: delivered.map(later), read: read.map(later) })
}

/// Whatever it is that is not the asker's.
pub(super) fn nothing_of_yours() -> Refusal {
    Refusal::never(Code::NotFound, "nothing of yours to this address has this order, or it is no longer stored")
}

fn read<T>(
    record: Option<Record>,
    decode: impl FnOnce(&Record) -> Result<T, EnvelopeError>,
) -> Result<Option<T>, Refusal> {
    record.as_ref().map(decode).transpose().map_err(|error| {
        tracing::error!(%error, "a record that an answer needs can't be read");
        Refusal::unavailable("the marks can't be read")
    })
}

/// When the entry was accepted, if it is what this sender sent to the log's owner.
pub(super) fn accepted(stored: &StoredEntry, by: &Sender, log: &Log) -> Option<Millis> {
    let entry = Entry::decode(&stored.payload).inspect_err(|error| {
        tracing::error!(%error, %log, seq = stored.seq.0, "an entry can't be read");
    });
    let Entry { from, to: Address { peer, .. }, order, time, body: Body::Content(_), .. } = entry.ok()? else {
        return None;
    };
    (from == *by && peer == log.owner && order.is_none()).then_some(time)
}

/// When what has this order in the recipient's log, where it was stored at `at`, had been delivered and read: the first of the changes that
/// are kept which reaches it. In another epoch the numbers may have been used again: there a change says nothing of what was stored after
/// it.
fn reached(marks: &SentMarks, order: Seq, at: StreamTime, epoch: Epoch) -> (Option<Millis>, Option<Millis>) {
    if marks.missing.holds(order) {
        return (None, None);
    }
    let holds = |change: &&MarkChange| marks.epoch == epoch || at.millis() <= change.time;
    let mut reached = marks.changes.iter().filter(|change| change.order >= order).filter(holds);
    // What is read was delivered: of the two the older change may be forgotten.
    let first = reached.next();
    let read = first.into_iter().chain(reached).find(|change| change.kind == MarkKind::Read);
    (first.map(|change| change.time), read.map(|change| change.time))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch(7);
    const DELIVERED: MarkKind = MarkKind::Delivered;
    const READ: MarkKind = MarkKind::Read;

    fn marks(changes: &[(u64, MarkKind, u64)]) -> SentMarks {
        let change = |&(time, kind, order)| MarkChange { time: Millis(time), kind, order: Seq(order) };
        SentMarks { epoch: EPOCH, changes: changes.iter().map(change).collect(), ..SentMarks::default() }
    }

    /// For what was stored at 100 under this order.
    fn told(marks: &SentMarks, order: u64, epoch: u64) -> (Option<u64>, Option<u64>) {
        let (delivered, read) = reached(marks, Seq(order), StreamTime::from(Millis(100)), Epoch(epoch));
        (delivered.map(|time| time.0), read.map(|time| time.0))
    }

    #[test]
    fn the_first_change_that_reaches_an_order_tells_its_time() {
        let risen = marks(&[(110, DELIVERED, 5), (120, READ, 3), (130, DELIVERED, 9), (140, READ, 9)]);
        for (order, expected) in [
            (1, (Some(110), Some(120))),
            (3, (Some(110), Some(120))),
            (4, (Some(110), Some(140))),
            (6, (Some(130), Some(140))),
            (9, (Some(130), Some(140))),
            (10, (None, None)),
        ] {
            assert_eq!(told(&risen, order, 7), expected, "{order}");
        }
        assert_eq!(told(&SentMarks::default(), 1, 0), (None, None));
        // Of what changes were forgotten, it had come so far by then: no later than it was read.
        let forgotten = marks(&[(120, READ, 3), (190, DELIVERED, 80), (195, READ, 70)]);
        assert_eq!(told(&forgotten, 2, 7), (Some(120), Some(120)));
        assert_eq!(told(&forgotten, 60, 7), (Some(190), Some(195)));
    }

    #[test]
    fn in_another_epoch_a_mark_says_nothing_of_what_was_stored_after_it() {
        let before = marks(&[(90, DELIVERED, 20), (99, READ, 20)]);
        // In its own epoch a worker's clock may be behind.
        assert_eq!(told(&before, 20, 7), (Some(90), Some(99)));
        for epoch in [6, 8] {
            assert_eq!(told(&before, 20, epoch), (None, None), "{epoch}");
        }
        let since = marks(&[(90, DELIVERED, 20), (100, DELIVERED, 21)]);
        assert_eq!(told(&since, 20, 8), (Some(100), None));
    }
}
