//! Bounds how many appends, or scans of a log, run at once: each waits for a turn, and one that gets none in time is refused, and counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// So many turns.
#[derive(Debug)]
pub(super) struct Turns {
    free: Arc<Semaphore>,
    refused: AtomicU64,
}

impl Turns {
    pub(super) fn new(count: usize) -> Turns {
        Turns { free: Arc::new(Semaphore::new(count)), refused: AtomicU64::new(0) }
    }

    /// A turn, until it is dropped; `None` where none was free in time.
    pub(super) async fn take(&self, within: Duration) -> Option<OwnedSemaphorePermit> {
        let turn = timeout(within, self.free.clone().acquire_owned()).await.ok().and_then(Result::ok);
        if turn.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        turn
    }

    /// How many found none.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_finds_no_turn_in_time_is_refused_and_counted() {
        let (turns, within) = (Turns::new(2), Duration::from_secs(5));
        let first = turns.take(within).await;
        let _second = turns.take(within).await;
        assert!(turns.take(within).await.is_none());
        assert_eq!(turns.refused(), 1);
        let (waited, ()) = tokio::join!(turns.take(within), async { drop(first) });
        assert!(waited.is_some(), "one became free in time");
        assert_eq!(turns.refused(), 1);
    }
}
