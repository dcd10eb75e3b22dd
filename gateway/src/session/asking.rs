//! What the logs of one session have under way together: a bounded number of reads, and one question to each shard's reader.

use dunlin_schema::{Shard, limits};

/// The reads of a session that are under way.
#[derive(Debug, Default)]
pub(super) struct Reads {
    under_way: usize,
}

impl Reads {
    /// Begins a read, where one more may be under way.
    pub(super) fn begin(&mut self) -> bool {
        let begins = self.under_way < limits::READS_AT_ONCE;
        self.under_way += usize::from(begins);
        begins
    }

    /// One was answered.
    pub(super) fn end(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    pub(super) fn are_full(&self) -> bool {
        self.under_way == limits::READS_AT_ONCE
    }
}

/// The shards whose readers are comparing themselves with their streams for this session: one question a shard, however many logs doubt.
#[derive(Debug, Default)]
pub(super) struct Verifying {
    shards: Vec<Shard>,
    /// Those asked for in the input that is being handled: every doubt of that input was there before the question is sent.
    new: Vec<Shard>,
}

impl Verifying {
    /// Returns whether the question is to be sent: none is under way for this shard.
    pub(super) fn begins(&mut self, shard: Shard) -> bool {
        let begins = !self.shards.contains(&shard);
        if begins {
            self.shards.push(shard);
            self.new.push(shard);
        }
        begins
    }

    pub(super) fn is_new(&self, shard: Shard) -> bool {
        self.new.contains(&shard)
    }

    /// Another input is handled.
    pub(super) fn forget_new(&mut self) {
        self.new.clear();
    }

    /// A shard's question was answered.
    pub(super) fn end(&mut self, shard: Shard) {
        self.shards.retain(|asked| *asked != shard);
    }
}
