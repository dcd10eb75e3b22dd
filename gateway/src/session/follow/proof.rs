//! The proof: whether what was read shows that nothing is missing between a cursor and what follows it.
//!
//! A cursor stands **at** an entry (its sequence, its time), or just **before** one: the sequence and the nanosecond before it, which is
//! where a gap ends; another entry of the log may stand at that sequence, stored earlier. Entries stored by a log that went back are later
//! than every cursor of before. The cursor with sequence 0 and without a time up to which it lacks nothing is the one of a device that
//! never had anything: it can't miss anything either.

use dunlin_schema::{
    Cursor, Epoch, Millis, Position, Seq, StreamTime,
    limits::Bounds,
    read::{ReadAnswer, StoredEntry},
};

/// What an answer says of the cursor from which was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Nothing is missing between the cursor and the entries behind it.
    Complete,
    /// A replica can't tell: the leader must be asked.
    AskLeader,
    /// An entry below the cursor's own is there, and its own is not: it was erased, and nothing is missing; or the log went back, and
    /// what stands there now is of another life. Only the reader can tell.
    Erased,
    /// Something may have been dropped: evicted, or expired.
    Unproven,
    /// The log does not hold what the cursor says: it went back, or the cursor was never one of this log.
    Contradiction,
}

/// Judges an answer that was read from `cursor`'s own sequence on.
pub(super) fn prove(cursor: &Cursor, answer: &ReadAnswer, now: Millis, bounds: &Bounds) -> Proof {
    let seq = cursor.position.seq;
    if never_had_anything(cursor) {
        return Proof::Complete;
    }
    let stands = standing(cursor, answer);
    let Some(evidence) = answer.evidence else {
        return if stands.is_some() { Proof::Complete } else { Proof::AskLeader };
    };
    let first_is_at_most = |seq: Seq| evidence.first.is_some_and(|first| first <= seq);
    match stands {
        // The leader may have been asked for one entry after the other: the first one must still be there behind the last.
        Some(stands) if first_is_at_most(stands) => return Proof::Complete,
        Some(_) => {}
        None => {
            let another_is_there = answer.entries.iter().any(|entry| entry.seq == seq);
            if another_is_there || evidence.stream_last < seq {
                return Proof::Contradiction;
            }
            if first_is_at_most(seq) {
                return Proof::Erased;
            }
        }
    }
    let young = now.since(cursor.at) < bounds.retention.minus(bounds.retention_slack);
    if young && evidence.weight < bounds.mailbox_entries { Proof::Complete } else { Proof::Unproven }
}

/// Whether an answer that was read from `cursor`'s own sequence on holds the entry at which it stands, the one before which it stands, or
/// an older one at its sequence.
pub(super) fn is_there(cursor: &Cursor, answer: &ReadAnswer) -> bool {
    standing(cursor, answer).is_some()
}

/// The sequence of that entry.
fn standing(cursor: &Cursor, answer: &ReadAnswer) -> Option<Seq> {
    let Position { seq, time, .. } = cursor.position;
    let mut nearest = answer.entries.iter().skip_while(|entry| entry.seq < seq).take(2);
    let entry = nearest.find(|entry| {
        let own = entry.seq == seq && entry.time <= time;
        own || entry.seq == seq.next() && entry.time == time.next()
    })?;
    Some(entry.seq)
}

/// Whether this is the cursor of a device that never had anything.
pub(super) fn never_had_anything(cursor: &Cursor) -> bool {
    let Position { seq, time, .. } = cursor.position;
    seq == Seq(0) && time == StreamTime(0) && cursor.at == Millis(0)
}

/// Whether this is the cursor of a device that was told that its log had nothing yet: only the leader can prove an answer to it.
pub(super) fn stands_at_nothing(cursor: &Cursor) -> bool {
    let Position { seq, time, .. } = cursor.position;
    seq == Seq(0) && time == StreamTime(0) && !never_had_anything(cursor)
}

/// The cursor just before `entry`.
pub(super) fn just_before(entry: &StoredEntry, epoch: Epoch) -> Cursor {
    let time = StreamTime(entry.time.0.saturating_sub(1));
    let position = Position { epoch, seq: entry.seq.previous(), time };
    Cursor { position, at: entry.time.millis(), began: position.seq }
}
