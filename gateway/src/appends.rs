//! How the appends of each shard went lately. One shard that is full or has no leader is its writers' and the operator's to know; a
//! gateway is of no use only where most shards store nothing.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use dunlin_schema::{Millis, Shard, limits};

use crate::clock::Uptime;

/// For how long a failed append counts, when no other append to its shard has succeeded since.
const COUNTS_FOR: Millis = limits::HEADS_EVERY;

/// How the appends of each shard went lately.
pub(crate) struct Appends {
    /// Until when each shard is in doubt.
    doubt: Box<[AtomicU64]>,
}

impl Appends {
    pub(crate) fn new(shards: u16) -> Appends {
        Appends { doubt: (0..shards).map(|_| AtomicU64::new(0)).collect() }
    }

    /// An append to the shard was stored.
    pub(crate) fn stored(&self, shard: Shard) {
        let doubt = &self.doubt[usize::from(shard.0)];
        if doubt.load(Relaxed) != 0 {
            doubt.store(0, Relaxed);
        }
    }

    /// An append to the shard failed for want of room, a quorum, or an answer.
    pub(crate) fn failed(&self, shard: Shard) {
        self.doubt[usize::from(shard.0)].store(Uptime::now().plus(COUNTS_FOR).0, Relaxed);
    }

    /// Whether they fail in more than half of the shards.
    pub(crate) fn fail(&self) -> bool {
        let now = Uptime::now().0;
        let doubtful = self.doubt.iter().filter(|doubt| now < doubt.load(Relaxed)).count();
        doubtful * 2 > self.doubt.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_full_shard_of_several_is_no_reason_to_send_clients_away() {
        for (shards, failing, fail) in [(1, 1, true), (2, 1, false), (2, 2, true), (8, 4, false), (8, 5, true)] {
            let appends = Appends::new(shards);
            (0..failing).map(Shard).for_each(|shard| appends.failed(shard));
            assert_eq!(appends.fail(), fail, "{failing} of {shards}");
            appends.stored(Shard(0));
            assert_eq!(appends.fail(), shards == 8 && failing > 5, "{failing} of {shards}, and one is stored");
        }
    }
}
