//! What the logs of one session have under way together: a bounded number of reads, and one question to each shard's reader.

use dunlin_schema::{LogName, Shard, limits};

/// The reads of a session that are under way.
#[derive(Debug, Default)]
pub(super) struct Reads {
    under_way: usize,
    /// The logs that were left while they were read: the next answer is to a follower that is gone.
    left: Vec<LogName>,
}

impl Reads {
    /// Begins a read of a log, where one more may be under way. One that was left and is followed again waits for the former answer, which
    /// would be taken for its own.
    pub(super) fn begin(&mut self, log: &LogName) -> bool {
        // The mailbox waits for no group.
        let is_turn = *log == LogName::Mailbox || self.under_way < limits::READS_AT_ONCE;
        let begins = is_turn && !self.left.contains(log);
        self.under_way += usize::from(begins);
        begins
    }

    /// One was answered. Returns whether the follower that it was for is still there.
    pub(super) fn end(&mut self, log: &LogName) -> bool {
        self.under_way = self.under_way.saturating_sub(1);
        let left = self.left.iter().position(|left| left == log);
        left.map(|at| self.left.swap_remove(at)).is_none()
    }

    /// A log is left while it is read.
    pub(super) fn leave(&mut self, log: LogName) {
        self.left.push(log);
    }

    pub(super) fn are_full(&self) -> bool {
        self.under_way >= limits::READS_AT_ONCE
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
