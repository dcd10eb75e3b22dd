//! What the leader says of a log, so that a session can prove that it lacks nothing.

use dunlin_schema::{
    Entry, Seq, limits,
    read::{Evidence, ReadFrom, StoredEntry},
};

use super::{LogSubject, ReadError, Reads};
use crate::api::MessageQuery;

impl Reads {
    /// The leader's evidence, for an answer that brought `entries` from the place `from` and left `more`.
    pub(super) async fn evidence(
        &self,
        place: &LogSubject,
        from: ReadFrom,
        entries: &[StoredEntry],
        more: bool,
    ) -> Result<Evidence, ReadError> {
        let api = self.connection.api();
        // How many entries the log has is of use only where more of them follow.
        let counted = more.then_some(place.subject.as_str());
        let first = async {
            // A log that was read from its beginning and brought nothing has no first entry.
            let is_bare = entries.is_empty() && !more && matches!(from, ReadFrom::Seq(Seq(0..=1)));
            if is_bare { Ok(None) } else { self.next(place, Seq(1)).await }
        };
        let (info, first) = tokio::join!(api.stream_info(&place.stream, counted), first);
        let (state, first) = (info?.state, first?);
        let count = state.subjects.as_ref().and_then(|subjects| subjects.get(&place.subject)).copied().unwrap_or(0);
        let weight = if !more {
            // The answer holds all that follows.
            weight_of(entries)
        } else if count * 2 < limits::MAILBOX_ENTRIES {
            count * 2
        } else {
            self.weigh(place, from, entries).await?
        };
        Ok(Evidence { first: first.map(|first| first.seq), stream_last: Seq(state.last_seq), weight })
    }

    /// The weight of everything from `from` up to the leader's last entry of the log.
    async fn weigh(&self, place: &LogSubject, from: ReadFrom, read: &[StoredEntry]) -> Result<u64, ReadError> {
        let query = MessageQuery::Last { last_by_subj: &place.subject };
        let mut total = weight_of(read);
        let Some(last) = self.connection.api().message(&place.stream, query).await? else { return Ok(total) };
        let mut next = read.last().map_or(from, |entry| ReadFrom::Seq(entry.seq.next()));
        let mut ask_leader = false;
        loop {
            let (entries, more) = if ask_leader {
                self.by_leader(place, next).await?
            } else {
                self.by_any_or_leader(place, next).await?
            };
            total += weight_of(&entries);
            let reached = entries.last().map(|entry| entry.seq);
            match reached {
                Some(seq) if seq >= last.seq => return Ok(total),
                Some(seq) => next = ReadFrom::Seq(seq.next()),
                // The leader has nothing more: the last one went meanwhile.
                None if ask_leader => return Ok(total),
                None => {}
            }
            // A replica that says "no more" below the leader's last entry lags.
            ask_leader = !more;
        }
    }

    async fn by_any_or_leader(
        &self,
        place: &LogSubject,
        from: ReadFrom,
    ) -> Result<(Vec<StoredEntry>, bool), ReadError> {
        match self.by_any(place, from).await {
            Err(ReadError::Unanswered) => self.by_leader(place, from).await,
            answered => answered,
        }
    }
}

/// The weight of these entries.
pub(super) fn weight_of(entries: &[StoredEntry]) -> u64 {
    entries.iter().map(weight).sum()
}

/// A tombstone counts twice, and so does what can't be read: the weight is never too low.
fn weight(entry: &StoredEntry) -> u64 {
    match Entry::decode(&entry.payload) {
        Ok(entry) if !entry.is_tombstone() => 1,
        _ => 2,
    }
}
