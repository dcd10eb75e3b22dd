//! What members of groups acknowledge and read: brought together by group, so that a round is made of each now and then.
//!
//! A round looks at what is known of the group (`known`), writes what its members have and have read (`parts`), has the read marks of those
//! who read (`reads`), counts, and tells those who sent (`telling`); only then its items are taken off the queue. All of it is made of what
//! STATE and the log say by then, so it may be done again, or by two workers at once. `asked` answers gateways out of the same.

mod asked;
mod known;
mod parts;
mod reads;
mod telling;

use dunlin_nats::{Queued, ReceiptItem};
use dunlin_schema::{GroupName, Millis, Seq, UserName, limits, record::GroupRecord, subject};

pub(super) use self::{asked::answer, known::Groups};
use super::{
    Shared,
    core::{members::Said, pace::Merge, tally::Tally},
    records::ChangeError,
};

/// Groups of which a round is made at once.
pub(super) const AT_ONCE: usize = 16;

/// What was said of a group, and the items that said it.
pub(super) struct GroupSaid {
    pub(super) said: Said,
    pub(super) items: Vec<Queued<ReceiptItem>>,
}

impl Merge for GroupSaid {
    fn merge(&mut self, later: GroupSaid) {
        self.said.acks.extend(later.said.acks);
        self.said.reads.extend(later.said.reads);
        self.items.extend(later.items);
    }
}

/// How often a round of a group is made.
pub(super) fn every(shared: &Shared, group: &GroupName) -> Millis {
    match shared.groups.is_large(group) {
        true => limits::GROUP_LARGE_COUNTED_EVERY,
        false => limits::GROUP_COUNTED_EVERY,
    }
}

/// Makes a round of it, and takes the items off the queue then. Otherwise they come again.
pub(super) async fn store(shared: &Shared, group: GroupName, GroupSaid { said, items }: GroupSaid) {
    match try_store(shared, &group, said).await {
        Ok(true) => {
            for item in items {
                item.ack().await;
            }
        }
        Ok(false) => tracing::debug!(shard = %shared.shard, %group, "the records of some members are waited for"),
        Err(why) => {
            why.tell(shared.shard, &group, "what members of a group said was not stored, it will come again");
            shared.metrics.failed.inc();
        }
    }
}

/// Gives whether all of it is done: not where somebody is not known as a member yet.
async fn try_store(shared: &Shared, group: &GroupName, mut said: Said) -> Result<bool, ChangeError> {
    let known = shared.groups.of(group);
    let mut known = known.lock().await;
    known.look(shared, group).await?;
    let strangers = strangers(&known.tally, &said);
    // Nobody has read what is not there.
    said.reads.iter_mut().for_each(|read| read.upto = read.upto.min(known.tally.end()));
    parts::write(shared, group, &known.tally, &said).await?;
    known.look(shared, group).await?;
    tokio::try_join!(
        reads::store(shared, group, &known.tally, &said.reads),
        telling::tell(shared, group, &known.tally)
    )?;
    shared.metrics.rounds.inc();
    Ok(match strangers {
        Some(seen) => seen <= applied(shared, group).await?,
        None => true,
    })
}

/// The last entry that somebody saw who is not known as a member: they have just become one, and their record is to come, or it is gone.
fn strangers(tally: &Tally, said: &Said) -> Option<Seq> {
    let is_strange = |user: &UserName| !tally.knows(user);
    let acks = said.acks.iter().filter(|ack| is_strange(&ack.user)).map(|ack| ack.cursor.position.seq);
    let reads = said.reads.iter().filter(|read| is_strange(&read.user)).map(|read| read.upto.min(tally.end()));
    acks.chain(reads).max()
}

/// The last entry of the group's log that its members' records take account of.
async fn applied(shared: &Shared, group: &GroupName) -> Result<Seq, ChangeError> {
    let subject = subject::group_record(&shared.context.settings.region, shared.shard, group);
    let Some(record) = shared.records.load(shared.shard, &subject).await? else { return Ok(Seq::MAX) };
    Ok(GroupRecord::decode(&record.bytes).map_or(Seq::MAX, |record| record.applied.seq))
}
