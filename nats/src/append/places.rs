//! Places for a bounded number of things at once: who finds none in time is refused, and counted.

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

/// So many places.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    refused: AtomicU64,
}

impl Places {
    pub(super) fn new(count: usize) -> Places {
        Places { free: Arc::new(Semaphore::new(count)), refused: AtomicU64::new(0) }
    }

    /// A place, until it is dropped; `None` where none was free in time.
    pub(super) async fn take(&self, within: Duration) -> Option<OwnedSemaphorePermit> {
        let place = timeout(within, self.free.clone().acquire_owned()).await.ok().and_then(Result::ok);
        if place.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        place
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
    async fn who_finds_no_place_in_time_is_refused_and_counted() {
        let (places, within) = (Places::new(2), Duration::from_secs(5));
        let first = places.take(within).await;
        let _second = places.take(within).await;
        assert!(places.take(within).await.is_none());
        assert_eq!(places.refused(), 1);
        let (waited, ()) = tokio::join!(places.take(within), async { drop(first) });
        assert!(waited.is_some(), "one became free in time");
        assert_eq!(places.refused(), 1);
    }
}
