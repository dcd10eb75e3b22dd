//! Looks after those who are erased: what came back of them is erased again.
//!
//! What a limit drops, nats-server drops in memory alone: the revision of a record below its last one, and what made room in a full
//! mailbox. One that is killed, and makes its state from the blocks of its files again, brings back what stood there before what was
//! erased. So whenever the records of erasures are watched from their beginning, which is when a worker or a server was started, and
//! whenever one is done, a few questions tell whether something of the person is there again. Mostly nothing is, and nothing is
//! written. What is goes the way of a first erasure, whatever interrupts it; what of it is the next holder's the record tells, by time
//! and by sequence.

use dunlin_nats::SaveError;
use dunlin_schema::{
    Seq, UserName,
    erasure::{Before, Erasure, Stage},
};

use super::person::{People, PersonError};

impl People<'_> {
    /// Has somebody erased again of whom something came back.
    pub(super) async fn look_after(&self, user: &UserName, before: &Before, revision: Seq) -> Result<(), PersonError> {
        if !self.is_there_again(user, before).await? {
            return Ok(());
        }
        tracing::warn!(shard = %self.shard, %user, "what is of somebody erased came back, and is erased again");
        let again = Erasure { user: user.clone(), stage: Stage::CameBack(before.clone()) };
        match self.records.save(&self.subject(user), again.encode(), revision).await {
            // Another worker has seen it, or it was asked for again.
            Ok(_) | Err(SaveError::Conflict) => Ok(()),
            Err(error @ (SaveError::Unknown | SaveError::Refused(_))) => Err(error.into()),
        }
    }

    async fn is_there_again(&self, user: &UserName, before: &Before) -> Result<bool, PersonError> {
        let mailbox = self.mailbox(user);
        let first = self.erasing.reads.log_ends(&mailbox).await?.map(|ends| ends.first);
        if first.is_some_and(|first| before.has_entry(mailbox.shard, first.seq, first.time)) {
            return Ok(true);
        }
        for (shard, pattern) in self.records_of(user) {
            if !self.of_before(user, before, shard, &pattern).await?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
