//! Whether people have written to somebody, told from what is there anyway: the marks of what was delivered to that one, and, as long as
//! these may not be written yet, that one's own mailbox. It is asked only where a setting says `contacts`.

use std::collections::HashSet;

use dunlin_schema::{
    Entry, Log, Millis, Peer, RegionName, Sender, Shard, StreamTime, UserName, limits,
    read::{ReadFrom, ReadRequest, Source},
    subject,
};
use tokio::sync::OnceCell;

use crate::{ReadError, Reads, RecordError, Records};

/// Pages of a mailbox that are read at most.
const PAGES: usize = 4;

/// Why nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// Storage did not say.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The mailbox could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Who of a region has written to one somebody, whose mailbox is read once at most.
pub struct Contacts<'a> {
    records: &'a Records,
    reads: &'a Reads,
    region: &'a RegionName,
    shards: u16,
    of: &'a Sender,
    now: Millis,
    recent: OnceCell<HashSet<Sender>>,
}

impl<'a> Contacts<'a> {
    /// Those who have written to `of`, from a region of `shards` shards, by `now`.
    pub fn of(
        of: &'a Sender,
        (region, shards): (&'a RegionName, u16),
        records: &'a Records,
        reads: &'a Reads,
        now: Millis,
    ) -> Contacts<'a> {
        Contacts { records, reads, region, shards, of, now, recent: OnceCell::new() }
    }

    /// Whether a person of the region has. Errors: see [`ContactError`].
    pub async fn have(&self, person: &UserName) -> Result<bool, ContactError> {
        let (shard, peer) = (Shard::of(person.as_str(), self.shards), Peer::User(self.of.user.clone()));
        let marks = subject::sent_marks(self.region, shard, person, &peer, &self.of.region);
        if self.records.load(shard, &marks).await?.is_some() {
            return Ok(true);
        }
        // What waits in another region's mailbox can't be read here.
        if self.of.region != *self.region {
            return Ok(false);
        }
        let recent = self.recent.get_or_try_init(|| self.recent()).await?;
        Ok(recent.contains(&Sender { user: person.clone(), region: self.region.clone() }))
    }

    /// From whom something has come to the mailbox lately.
    async fn recent(&self) -> Result<HashSet<Sender>, ReadError> {
        let log = Log::mailbox(self.region, self.shards, &self.of.user);
        let mut begin = ReadFrom::Time(StreamTime::from(self.now.minus(limits::CONTACT_RECENT)));
        let mut recent = HashSet::new();
        for _ in 0..PAGES {
            let page = self.reads.read(&log, ReadRequest { from: begin, source: Source::Leader }).await?;
            recent.extend(page.entries.iter().filter_map(|stored| Some(Entry::decode(&stored.payload).ok()?.from)));
            match page.entries.last() {
                Some(last) if page.more => begin = ReadFrom::Seq(last.seq.next()),
                Some(_) | None => break,
            }
        }
        Ok(recent)
    }
}
