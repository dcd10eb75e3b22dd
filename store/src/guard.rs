//! What stands around every question to a store: a deadline, a few more tries with jitter, and the circuit breaker.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use backon::{ExponentialBuilder, Retryable as _};
use parking_lot::Mutex;

use crate::{
    Error,
    breaker::{Breaker, Counts},
};

/// How long a try may take, of what is not larger where a file is. What streams has the deadlines of its steps.
pub(crate) const TRY: Duration = Duration::from_secs(20);

/// The guard of one store.
#[derive(Debug)]
pub(crate) struct Guard {
    breaker: Mutex<Breaker>,
    begun: Instant,
}

impl Guard {
    pub(crate) fn new() -> Guard {
        Guard { breaker: Mutex::default(), begun: Instant::now() }
    }

    /// Does `what`, up to three times where the store fails.
    pub(crate) async fn retried<T, F: Future<Output = Result<T, Error>>>(
        &self,
        what: impl Fn() -> F,
    ) -> Result<T, Error> {
        self.retried_within(TRY, what).await
    }

    /// The same where each try may take so long.
    pub(crate) async fn retried_within<T, F: Future<Output = Result<T, Error>>>(
        &self,
        deadline: Duration,
        what: impl Fn() -> F,
    ) -> Result<T, Error> {
        let pace = ExponentialBuilder::default()
            .with_jitter()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(1))
            .with_max_times(2);
        // Boxed: a question to an S3 store is large, and its callers need not be.
        (|| self.within(deadline, Box::pin(what()))).retry(pace).when(Error::is_outage).await
    }

    /// Does `what` once, within `deadline`.
    async fn within<T>(&self, deadline: Duration, what: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let late = || Error::unavailable(format_args!("nothing within {} s", deadline.as_secs()));
        self.once(async { tokio::time::timeout(deadline, what).await.unwrap_or_else(|_| Err(late())) }).await
    }

    /// Does `what` once, however long it takes.
    pub(crate) async fn once<T>(&self, what: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let pass = self.breaker.lock().ask(self.begun.elapsed());
        let pass =
            pass.map_err(|after| Error::Unavailable { why: "it failed before".to_owned(), after: Some(after) })?;
        let result = what.await;
        let worked = !matches!(&result, Err(error) if error.is_outage());
        let mut breaker = self.breaker.lock();
        let before = breaker.is_open();
        breaker.tell(self.begun.elapsed(), pass, worked);
        match (before, breaker.is_open(), &result) {
            (false, true, Err(error)) => tracing::warn!(%error, "the store of media fails: its circuit opens"),
            (true, false, _) => tracing::info!("the store of media works again: its circuit closes"),
            _ => {}
        }
        result
    }

    /// Whether the circuit is open, and what has happened.
    pub(crate) fn health(&self) -> (bool, Counts) {
        let breaker = self.breaker.lock();
        (breaker.is_open(), breaker.counts())
    }
}

#[tokio::test]
async fn what_takes_longer_than_it_may_is_tried_again_and_given_up() {
    let (guard, tries) = (Guard::new(), std::sync::atomic::AtomicU32::new(0));
    let slow = || async {
        tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    };
    assert!(matches!(guard.retried_within(Duration::from_millis(5), slow).await, Err(Error::Unavailable { .. })));
    assert!(guard.retried_within(Duration::from_secs(60), slow).await.is_ok());
    assert_eq!(tries.into_inner(), 4);
}
