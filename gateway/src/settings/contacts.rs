//! Whether a person has written to somebody, told from what is there anyway: the marks of what was delivered to that one, and, as long as
//! these may not be written yet, that one's own mailbox. It is asked only where a setting says `contacts`, and a yes is kept.

use dunlin_nats::Reads;
use dunlin_schema::{
    Entry, Log, Peer, Sender, Seq, StreamTime, UserName, limits,
    read::{ReadFrom, ReadRequest, Source},
    subject,
};

use super::{People, Unsettled};
use crate::clock;

/// Pages of a mailbox that are read at most.
const PAGES: usize = 4;

impl People {
    /// Whether a person has written to somebody. Errors: see [`Unsettled`].
    pub(super) async fn wrote(&self, reads: &Reads, person: &UserName, to: &Sender) -> Result<bool, Unsettled> {
        let (shard, peer) = (self.shard(person), Peer::User(to.user.clone()));
        let marks = subject::sent_marks(&self.region, shard, person, &peer, &to.region);
        if self.records.load(shard, &marks).await?.is_some() {
            return Ok(true);
        }
        // What waits in another region's mailbox can't be read here.
        if to.region != self.region {
            return Ok(false);
        }
        let (log, from) = (Log::mailbox(&self.region, self.shards.len() as u16, &to.user), self.sender(person));
        let mut begin = ReadFrom::Time(StreamTime::from(clock::now().minus(limits::CONTACT_RECENT)));
        for _ in 0..PAGES {
            let page = reads.read(&log, ReadRequest { from: begin, source: Source::Leader }).await?;
            let of_person = |payload: &[u8]| Entry::decode(payload).is_ok_and(|entry| entry.from == from);
            if page.entries.iter().any(|stored| of_person(&stored.payload)) {
                return Ok(true);
            }
            match page.entries.last() {
                Some(last) if page.more => begin = ReadFrom::Seq(Seq(last.seq.0 + 1)),
                Some(_) | None => break,
            }
        }
        Ok(false)
    }
}
