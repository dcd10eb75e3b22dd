//! File system calls, which block: a few at a time, on threads of their own, so that a slow disk takes no more than these.

use std::{io, sync::Arc};

use tokio::sync::Semaphore;

use crate::Error;

/// How many calls a store has under way; what comes beyond waits for its turn.
const CALLS: usize = 16;

/// The calls of one store.
#[derive(Debug, Clone)]
pub(super) struct Blocking(Arc<Semaphore>);

impl Blocking {
    pub(super) fn new() -> Blocking {
        Blocking(Arc::new(Semaphore::new(CALLS)))
    }

    /// Does `what` on a thread that may block. It is done to its end, also where the caller no longer waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let turn = self.0.clone().acquire_owned().await.expect("nobody closes the semaphore");
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            what()
        });
        done.await.map_err(Error::unavailable)?.map_err(Error::from)
    }
}
